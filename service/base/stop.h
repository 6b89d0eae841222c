/* stop - the one flag that ends the service, and the way to sleep so that the end is prompt.
 *
 * stop_init() once in main before any thread; the rest from any thread.
 */
#pragma once

#include <stdbool.h>

/* Blocks SIGTERM, SIGINT and SIGHUP in all threads to come and starts a thread that waits for them;
 * SIGPIPE and SIGXFSZ (ulimit -f) are ignored: the call that meets them fails. A second signal,
 * more than a second later, ends the process at once. */
void stop_init(void);

/* What SIGHUP does, on a thread of its own; NULL: it ends the process as SIGTERM does. */
void stop_on_hangup(void (*call)(void));

/* Asks the service to end. `exit_code` of the first call is kept: 0 asked, 1 cannot go on. True:
 * this was the first. */
bool stop_now(int exit_code);

bool stop_asked(void);
int stop_exit_code(void);

/* Sleeps for wait_ms or until the stop; true if the stop was asked. */
bool stop_wait(int wait_ms);

/* A descriptor that becomes readable at the stop: for poll(). Never read it. */
int stop_fd(void);
