#include <arpa/inet.h>

#include "usage/model_parts.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool among(char c, const char *set)
{
    return c != 0 && strchr(set, c);
}

/* unreserved, sub-delims and those of `more`; with escapes if '%' is among them. */
static bool holds_only(struct text t, const char *more)
{
    for (size_t i = 0; i < t.n; i++) {
        char c = t.p[i];
        if (is_letter(c) || is_digit(c) || among(c, "-._~!$&'()*+,;="))
            continue;
        if (!among(c, more))
            return false;
        if (c == '%') {
            if (t.n - i < 3 || !is_hex(t.p[i + 1]) || !is_hex(t.p[i + 2]))
                return false;
            i += 2;
        }
    }
    return true;
}

/* What stands before the first of `set`; `rest` begins with it, or is empty. */
static struct text before(struct text *rest, const char *set)
{
    size_t n = 0;
    while (n < rest->n && !among(rest->p[n], set))
        n++;
    struct text piece = {rest->p, n};
    *rest = (struct text){rest->p + n, rest->n - n};
    return piece;
}

static struct text without_first(struct text t)
{
    return (struct text){t.p + 1, t.n - 1};
}

/* Between the brackets: IPv6, or "v1.something". */
static bool is_literal(struct text t)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    if (t.n > 0 && among(*t.p, "vV")) {
        struct text rest = without_first(t), version = before(&rest, ".");
        for (size_t i = 0; i < version.n; i++)
            if (!is_hex(version.p[i]))
                return false;
        return version.n > 0 && rest.n > 1 && holds_only(without_first(rest), ":");
    }
    if (t.n >= sizeof address)
        return false;
    memcpy(address, t.p, t.n);
    address[t.n] = 0;
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

static bool is_authority(struct text t)
{
    struct text rest = t, host = before(&rest, "@");
    if (rest.n > 0) {
        if (!holds_only(host, "%:"))
            return false;
        t = without_first(rest);
    }
    if (t.n > 0 && *t.p == '[') {
        rest = without_first(t);
        host = before(&rest, "]");
        if (rest.n == 0 || !is_literal(host))
            return false;
        rest = without_first(rest);
        if (rest.n > 0 && *rest.p != ':')
            return false;
    } else {
        rest = t;
        host = before(&rest, ":");
        if (!holds_only(host, "%"))
            return false;
    }
    for (size_t i = 1; i < rest.n; i++)
        if (!is_digit(rest.p[i]))
            return false;
    return true;
}

bool model_is_uri(struct text t)
{
    struct text rest = t, scheme = before(&rest, ":");
    if (scheme.n == 0 || rest.n == 0 || !is_letter(*scheme.p))
        return false;
    for (size_t i = 0; i < scheme.n; i++)
        if (!is_letter(scheme.p[i]) && !is_digit(scheme.p[i]) && !among(scheme.p[i], "+-."))
            return false;
    rest = without_first(rest);
    struct text path = before(&rest, "?#");
    if (path.n >= 2 && path.p[0] == '/' && path.p[1] == '/') {
        path = (struct text){path.p + 2, path.n - 2};
        if (!is_authority(before(&path, "/")))
            return false;
    }
    struct text query = before(&rest, "#"); /* with its '?' */
    struct text fragment = rest.n > 0 ? without_first(rest) : rest;
    return holds_only(path, "%:@/") && holds_only(query, "%:@/?") && holds_only(fragment, "%:@/?");
}
