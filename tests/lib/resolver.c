/* resolver - a name whose addresses a test changes while a program runs: LD_PRELOAD in front of
 * libc's resolver. The file that PARTNER_ADDRESSES names says what "partner.test" is at this
 * moment, an address or nothing, and in a second line for how many ms that takes to be found out;
 * all other names are resolved as ever. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    char address[64] = "", wait_ms[16] = "";
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (!node || strcmp(node, "partner.test") != 0)
        return next(node, service, hints, out);
    FILE *f = fopen(getenv("PARTNER_ADDRESSES"), "r");
    if (!f || !fgets(address, sizeof address, f) || strlen(address) < 2) {
        if (f)
            fclose(f);
        return EAI_NONAME;
    }
    if (fgets(wait_ms, sizeof wait_ms, f))
        usleep((useconds_t)atoi(wait_ms) * 1000);
    fclose(f);
    address[strcspn(address, "\n")] = 0;
    return next(address, service, hints, out);
}
