#include "base/failpoint.h"

#ifdef USAGED_FAILPOINTS

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REST_US = 500000 };

static atomic_int reached;

void failpoint(const char *name)
{
    char wanted[64], action[16];
    int times;
    const char *setting = getenv("USAGED_FAILPOINT"), *mark = getenv("USAGED_FAILPOINT_MARK");
    if (!setting || !mark || sscanf(setting, "%63[^:]:%15[^:]:%d", wanted, action, &times) != 3)
        return;
    if (strcmp(wanted, name) != 0 || atomic_fetch_add(&reached, 1) + 1 != times)
        return;
    int fd = open(mark, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    dprintf(fd, "%d\n", (int)getpid());
    close(fd);
    if (strcmp(action, "rest") == 0)
        usleep(REST_US);
    /* To this thread, which then goes no step further; sent to the process, another one may take it
     * first. */
    raise(strcmp(action, "kill") == 0 ? SIGKILL : SIGSTOP);
}

#endif
