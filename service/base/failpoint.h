/* failpoint - named places where a test build lets the process die or stand still.
 *
 * In a release build each is nothing at all. In a test build (-DUSAGED_FAILPOINTS) the environment
 * says what happens:
 *
 *     USAGED_FAILPOINT="after-commit:kill:7"  the 7th time this place is reached, SIGKILL
 *     USAGED_FAILPOINT="in-copy:stop:3"       the 3rd time, SIGSTOP
 *     USAGED_FAILPOINT_MARK=/tmp/x            made just before, so that the test knows of it
 *
 * Once it has fired (the file exists) it does not fire again.
 *
 * The places, as a batch passes them: before-claim, in-copy, before-commit, after-commit,
 * before-send-offsets, before-kafka-commit (the offsets are sent), after-kafka-commit. In a
 * rebalance: in-rebalance (REVOKE), in-assign, then in the takeover before-first-row and
 * before-left (each row that a dead predecessor did not publish).
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
