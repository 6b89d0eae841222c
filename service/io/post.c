#include "io/post.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/instant.h"
#include "base/stop.h"

enum { SPARE_HANDLES = 64, CONNECTIONS_KEPT = 512 };

struct post {
    LIST_ENTRY(post) link;
    CURL *easy;
    struct poster *poster;
    void *arg;
    struct curl_slist *headers; /* its own, if it has more than all have; else NULL */
    size_t answered;            /* bytes of the body so far */
    bool cut;                   /* .. were enough */
    bool tried;                 /* an address that it may go to */
    char no_socket[128];        /* why: an address that it may not go to, say */
    char error[CURL_ERROR_SIZE];
};

struct poster {
    struct poster_options options;
    CURLM *multi;
    struct curl_slist *headers;
    LIST_HEAD(posts, post) posts;
    CURL *spare[SPARE_HANDLES];
    int spare_count;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

static struct curl_slist *with(struct curl_slist *list, const char *header)
{
    list = curl_slist_append(list, header);
    if (!list)
        abort();
    return list;
}

static struct curl_slist *common_headers(void)
{
    return with(with(with(NULL, "Content-Type: application/json;charset=utf-8"),
                     "Accept: application/json"),
                "Expect:");
}

struct poster *poster_new(const struct poster_options *options)
{
    pthread_once(&once, init);
    struct poster *p = calloc(1, sizeof *p);
    if (!p || !(p->multi = curl_multi_init()))
        abort();
    p->options = *options;
    LIST_INIT(&p->posts);
    p->headers = common_headers();
    curl_multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl_multi_setopt(p->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return p;
}

/* --- one POST ------------------------------------------------------------------------------- */

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    struct post *post = arg;
    post->answered += size * count;
    post->cut = post->answered > POST_ANSWER_MAX;
    return post->cut ? 0 : size * count;
}

/* The address that this very socket will go to. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)purpose;
    struct post *post = arg;
    char text[NETWORK_CHARS];
    const struct poster_options *o = &post->poster->options;
    if (!network_may(&to->addr, o->allowed, o->allowed_count)) {
        snprintf(post->no_socket, sizeof post->no_socket,
                 "%s is not public, nor in hub.allow-networks", network_print(&to->addr, text));
        return CURL_SOCKET_BAD;
    }
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0) /* libcurl would say that the listener is not there */
        snprintf(post->no_socket, sizeof post->no_socket, "no socket can be made: %s",
                 strerror(errno));
    post->tried |= fd >= 0;
    return fd;
}

/* What all requests of this file have in common. */
static void set_common(CURL *e, const char *url)
{
    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* nor one of the environment */
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, 0L); /* each connection asks what it means now */
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is left alone */
}

static struct curl_slist *headers_of(struct post *post, const struct post_request *request)
{
    for (int i = 0; i < POST_MORE_MAX && request->more[i]; i++)
        post->headers = with(post->headers ? post->headers : common_headers(), request->more[i]);
    return post->headers ? post->headers : post->poster->headers;
}

static void set_up(struct post *post, const struct post_request *request)
{
    CURL *e = post->easy;
    const struct poster_options *o = &post->poster->options;
    set_common(e, request->url);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers_of(post, request));
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)o->timeout_ms); /* may be all of it */
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "usaged");
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, post->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, post);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, post);
    curl_easy_setopt(e, CURLOPT_PRIVATE, post);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->n);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, request->body);
    if (o->ca_file) {
        curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
        curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    }
}

struct post *poster_send(struct poster *p, const struct post_request *request, void *arg)
{
    struct post *post = calloc(1, sizeof *post);
    if (!post)
        abort();
    post->poster = p;
    post->arg = arg;
    post->easy = p->spare_count > 0 ? p->spare[--p->spare_count] : curl_easy_init();
    if (!post->easy)
        abort();
    set_up(post, request);
    LIST_INSERT_HEAD(&p->posts, post, link);
    if (curl_multi_add_handle(p->multi, post->easy) != CURLM_OK)
        abort();
    return post;
}

static void release(struct poster *p, struct post *post)
{
    curl_multi_remove_handle(p->multi, post->easy);
    if (p->spare_count < SPARE_HANDLES)
        p->spare[p->spare_count++] = post->easy;
    else
        curl_easy_cleanup(post->easy);
    curl_slist_free_all(post->headers);
    free(post);
}

void poster_drop(struct poster *p, struct post *post)
{
    LIST_REMOVE(post, link);
    release(p, post);
}

void poster_free(struct poster *p)
{
    struct post *next;
    if (!p)
        return;
    for (struct post *post = LIST_FIRST(&p->posts); post; post = next) {
        next = LIST_NEXT(post, link);
        release(p, post);
    }
    while (p->spare_count > 0)
        curl_easy_cleanup(p->spare[--p->spare_count]);
    curl_multi_cleanup(p->multi);
    curl_slist_free_all(p->headers);
    free(p);
}

/* --- all of them ---------------------------------------------------------------------------- */

void poster_run(struct poster *p, int wait_ms, const int *fds, size_t n)
{
    int running = 0;
    struct curl_waitfd also[2];
    for (size_t i = 0; i < n && i < 2; i++)
        also[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
    if (wait_ms > 0)
        curl_multi_poll(p->multi, also, (unsigned)n, wait_ms, NULL);
    curl_multi_perform(p->multi, &running);
}

bool poster_is_idle(const struct poster *p)
{
    return LIST_EMPTY(&p->posts);
}

/* It had a connection, and was about to use it. */
static bool was_sent(const struct post *post)
{
    curl_off_t us = 0;
    curl_easy_getinfo(post->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

static void judge(struct post *post, CURLcode code, struct post_result *out)
{
    long status = 0, number = 0;
    *out = (struct post_result){.arg = post->arg};
    curl_easy_getinfo(post->easy, CURLINFO_OS_ERRNO, &number);
    curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && post->cut)) {
        out->status = (int)status;
        snprintf(out->text, sizeof out->text, "HTTP status %ld", status);
    } else if (post->no_socket[0] && !post->tried) { /* a name may have more than one address */
        snprintf(out->text, sizeof out->text, "%s", post->no_socket);
    } else if (code == CURLE_OPERATION_TIMEDOUT && was_sent(post)) {
        snprintf(out->text, sizeof out->text, "no whole answer within %d ms",
                 post->poster->options.timeout_ms);
    } else if (code == CURLE_COULDNT_CONNECT && number != 0) {
        snprintf(out->text, sizeof out->text, "cannot connect: %s", strerror((int)number));
    } else {
        snprintf(out->text, sizeof out->text, "%.200s",
                 post->error[0] ? post->error : curl_easy_strerror(code));
    }
}

bool poster_done(struct poster *p, struct post_result *out)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(p->multi, &left)) != NULL;) {
        struct post *post = NULL;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &post);
        judge(post, m->data.result, out);
        poster_drop(p, post);
        return true;
    }
    return false;
}

/* --- URLs ----------------------------------------------------------------------------------- */

static bool has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool there = curl_url_get(u, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return there;
}

static const char has_more[] = "has a query or a fragment, and may have none: /listener/... is "
                               "put behind it";

static bool refuse(struct err *err, const char *what)
{
    return err_set(err, ERR_DATA, "%s", what);
}

static bool check_parts(CURLU *u, struct buf *origin, struct err *err)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    curl_url_get(u, CURLUPART_HOST, &host, 0);
    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    bool ok = true;
    if (!scheme || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        ok = refuse(err, "is neither http nor https");
    else if (!host || !host[0] || !port || strcmp(port, "0") == 0)
        ok = refuse(err, "has no host, or the port 0");
    else if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        ok = refuse(err, "has a user or a password, and may have none");
    else if (has_part(u, CURLUPART_QUERY) || has_part(u, CURLUPART_FRAGMENT))
        ok = refuse(err, has_more);
    else if (has_part(u, CURLUPART_ZONEID))
        ok = refuse(err, "has a zone, and may have none");
    if (ok)
        buf_printf(origin, "%s://%s:%s", scheme, host, port);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    return ok;
}

bool post_check_url(const char *url, struct buf *origin, struct err *err)
{
    size_t n = strlen(url);
    buf_reset(origin);
    if (n > POST_URL_MAX)
        return err_set(err, ERR_DATA, "is longer than %d bytes", POST_URL_MAX);
    if (strchr(url, '#')) /* libcurl does not tell an empty fragment from none */
        return refuse(err, has_more);
    for (size_t i = 0; i < n; i++)
        if (url[i] <= ' ' || url[i] > '~' || url[i] == '\\')
            return refuse(err, "has a character that no URL may have");
    CURLU *u = curl_url();
    if (!u)
        abort();
    const char *host = strstr(url, "://"); /* libcurl takes any number of slashes there */
    bool ok = host && host[3] != '/' && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK
                  ? check_parts(u, origin, err)
                  : refuse(err, "is no absolute URL like https://host/path");
    curl_url_cleanup(u);
    return ok;
}

bool post_check_ca(const char *file, struct err *err)
{
    FILE *f = fopen(file, "re");
    if (!f)
        return err_set(err, ERR_FATAL, "%s: %s", file, strerror(errno));
    X509 *first = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (!first)
        return err_set(err, ERR_FATAL, "%s has no certificate in PEM", file);
    X509_free(first);
    return true;
}

/* --- where to ------------------------------------------------------------------------------- */

struct look {
    const struct network *allowed;
    size_t count;
    bool seen, forbidden;
    char *text;
};

/* No socket is opened: libcurl goes on to the next address. */
static curl_socket_t look_at(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    (void)purpose;
    struct look *look = arg;
    char text[NETWORK_CHARS];
    look->seen = true;
    if (!look->forbidden && !network_may(&to->addr, look->allowed, look->count)) {
        look->forbidden = true;
        snprintf(look->text, 256, "%s", network_print(&to->addr, text));
    }
    return CURL_SOCKET_BAD;
}

enum post_look post_look(const char *url, const struct network *allowed, size_t n, int wait_ms,
                         char text[256])
{
    struct look look = {.allowed = allowed, .count = n, .text = text};
    pthread_once(&once, init);
    CURL *e = curl_easy_init();
    CURLM *multi = curl_multi_init();
    if (!e || !multi)
        abort();
    set_common(e, url);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, look_at);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, &look);
    curl_multi_add_handle(multi, e);
    int running = 1;
    for (int64_t end = instant_ticks() + wait_ms; running && !stop_asked();) {
        int64_t left = end - instant_ticks();
        struct curl_waitfd stop = {.fd = stop_fd(), .events = CURL_WAIT_POLLIN};
        if (curl_multi_perform(multi, &running) != CURLM_OK || left <= 0)
            break;
        if (running)
            curl_multi_poll(multi, &stop, 1, (int)left, NULL);
    }
    curl_multi_remove_handle(multi, e);
    curl_easy_cleanup(e);
    curl_multi_cleanup(multi);
    if (look.forbidden)
        return POST_LOOK_FORBIDDEN;
    return running ? POST_LOOK_LATE : look.seen ? POST_LOOK_GOOD : POST_LOOK_UNKNOWN;
}
