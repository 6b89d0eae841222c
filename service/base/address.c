#include "base/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool take_port(const char *p, char port[ADDRESS_PORT])
{
    size_t n = strlen(p);
    if (n == 0 || n >= ADDRESS_PORT || strspn(p, "0123456789") != n)
        return false;
    long number = strtol(p, NULL, 10);
    snprintf(port, ADDRESS_PORT, "%ld", number);
    return number >= 1 && number <= 65535;
}

bool address_split(const char *text, char host[ADDRESS_HOST], char port[ADDRESS_PORT])
{
    const char *colon = strrchr(text, ':');
    if (!colon || !take_port(colon + 1, port))
        return false;
    const char *start = text, *end = colon;
    if (*start == '[') {
        start++;
        end--;
        if (end <= start || *end != ']')
            return false;
    } else if (memchr(start, ':', (size_t)(end - start))) {
        return false; /* an IPv6 address needs brackets: "::1:8635" could be read in two ways */
    }
    size_t n = (size_t)(end - start);
    if (n >= ADDRESS_HOST || memchr(start, ' ', n) || memchr(start, '/', n))
        return false;
    if (n == 1 && *start == '*')
        n = 0;
    memcpy(host, start, n);
    host[n] = 0;
    return true;
}
