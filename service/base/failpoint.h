/* failpoint - named places where a test build lets the process die or stand still.
 *
 * In a release build each is nothing at all. In a test build (-DUSAGED_FAILPOINTS) the environment
 * says what happens: USAGED_FAILPOINT="after-commit:kill:7"    the 7th time this place is reached,
 * SIGKILL USAGED_FAILPOINT="in-copy:stop:3"         the 3rd time, SIGSTOP
 *     USAGED_FAILPOINT_MARK=/tmp/x              this file is made just before, so that the test
 * knows that it fired Once it has fired (the file exists) it does not fire again.
 */
#pragma once

#ifdef USAGED_FAILPOINTS
void failpoint(const char *name);
#else
static inline void failpoint(const char *name)
{
    (void)name;
}
#endif
