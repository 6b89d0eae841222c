#include "io/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"

static int find(const char *listen, int family, struct addrinfo **found)
{
    char host[ADDRESS_HOST], port[ADDRESS_PORT];
    if (!address_split(listen, host, port))
        return EAI_NONAME;
    struct addrinfo hints = {
        .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    return getaddrinfo(host[0] ? host : NULL, port, &hints, found);
}

static int listen_at(const struct addrinfo *a, int backlog)
{
    int s = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return -1;
    int on = 1, off = 0;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->ai_family == AF_INET6) /* "every address" is IPv4's too */
        setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(s, a->ai_addr, a->ai_addrlen) == 0 && listen(s, backlog) == 0)
        return s;
    int saved = errno;
    close(s);
    errno = saved;
    return -1;
}

static bool refused(const char *setting, const char *address, int error, struct err *err)
{
    const char *remedy =
        error == EADDRINUSE
            ? "another process listens there: end it, or choose another port with this setting"
        : error == EADDRNOTAVAIL ? "this machine has no such address: choose one of its own"
        : error == EACCES        ? "ports below 1024 need a privilege: choose a higher one"
                                 : "choose another address with this setting";
    return err_set(err, ERR_FATAL, "%s: cannot listen on %s: %s; %s", setting, address,
                   strerror(error), remedy);
}

/* The first address of that family that can be had. False: *error says why not. */
static bool listen_family(const char *address, int family, int backlog, int *out, int *error)
{
    struct addrinfo *found = NULL;
    if (find(address, family, &found) != 0)
        return false;
    *out = -1;
    for (const struct addrinfo *a = found; a && *out < 0; a = a->ai_next) {
        *out = listen_at(a, backlog);
        if (*out < 0)
            *error = errno;
    }
    freeaddrinfo(found);
    return *out >= 0;
}

bool http_listen(const char *setting, const char *address, int backlog, int *out, struct err *err)
{
    struct addrinfo *found = NULL;
    int rc = find(address, AF_UNSPEC, &found), error = EADDRNOTAVAIL;
    if (rc != 0)
        return err_set(
            err, ERR_FATAL,
            "%s: \"%s\" is no address to listen on (%s); write host:port, [::1]:port for IPv6",
            setting, address, gai_strerror(rc));
    freeaddrinfo(found);
    /* An IPv6 socket for every address serves IPv4 too; a name like localhost means IPv4 to most
     * clients. */
    bool every = address[0] == '*' || address[0] == ':';
    return listen_family(address, every ? AF_INET6 : AF_INET, backlog, out, &error) ||
           listen_family(address, every ? AF_INET : AF_INET6, backlog, out, &error) ||
           refused(setting, address, error, err);
}

bool http_listen_is_loopback(const char *listen)
{
    struct addrinfo *found = NULL;
    if (find(listen, AF_UNSPEC, &found) != 0)
        return false;
    bool loopback = true;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (a->ai_family == AF_INET6)
            loopback =
                loopback && IN6_IS_ADDR_LOOPBACK(&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr);
        else
            loopback =
                loopback && ntohl(((struct sockaddr_in *)a->ai_addr)->sin_addr.s_addr) >> 24 == 127;
    }
    freeaddrinfo(found);
    return loopback;
}
