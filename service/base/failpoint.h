/* failpoint - named places where a test build lets the process die or stand still.
 *
 * In a release build each is nothing at all. In a test build (-DUSAGED_FAILPOINTS) the environment
 * says what happens:
 *
 *     USAGED_FAILPOINT="after-commit:kill:7"  the 7th time this place is reached, SIGKILL
 *     USAGED_FAILPOINT="in-copy:stop:3"       the 3rd time, SIGSTOP
 *     USAGED_FAILPOINT="in-copy:rest:3"       the same half a second later, when the threads of its
 *                                             clients have sent what they had
 *     USAGED_FAILPOINT_MARK=/tmp/x            made just before, with the pid in it
 *
 * Once it has fired (the file exists) it does not fire again.
 *
 * The places, as a batch passes them: before-claim, in-copy, before-commit, after-commit,
 * before-send-offsets, before-kafka-commit (the offsets are sent), after-kafka-commit. While it is
 * looked for what PostgreSQL refuses: in-trial, after-trials (nothing of it is stored yet). In a
 * rebalance: in-rebalance (REVOKE), in-assign, then in the takeover before-first-offset (of a
 * partition that nobody has read), before-first-row and before-left (each row that a dead
 * predecessor did not publish). Of the source @http:
 * sweep-locked, sweep-taken, sweep-before-number, sweep-committed, then http-before-publish,
 * http-before-send-offsets, http-before-kafka-commit, http-after-kafka-commit, http-before-clean;
 * in its takeover http-before-first-row. In `usaged offsets --mend`: before-mend (the trace is
 * written), before-mend-commit (Kafka has the offset). Of a change over HTTP: write-inserted,
 * write-locked, write-before-number, write-before-commit, write-after-commit. Of a query:
 * regex-checked (PostgreSQL takes one of its regular expressions). Of the hub:
 * hub-in-assign, hub-delivered (a listener has taken an event, and nothing says so yet),
 * hub-before-keep. In an import over HTTP: import-queued (the brokers have the lines).
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
