#include "io/http_guard.h"

#include <string.h>
#include <strings.h>

static bool is_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool all_of(struct text t, const char *others)
{
    for (size_t i = 0; i < t.n; i++)
        if (!is_alnum((unsigned char)t.p[i]) && (t.p[i] == 0 || !strchr(others, t.p[i])))
            return false;
    return true;
}

/* RFC 9110: what methods and names of headers are made of. */
static bool is_token(struct text t)
{
    return t.n > 0 && all_of(t, "!#$%&'*+-.^_`|~");
}

/* RFC 3986, without '#': a fragment is never sent. */
static bool is_target(struct text t)
{
    return all_of(t, "-._~:/?[]@!$&'()*+,;=%");
}

/* "http://host:port" in front of a path, if the target has it. */
static size_t authority_size(struct text target)
{
    size_t scheme = target.n >= 7 && strncasecmp(target.p, "http://", 7) == 0    ? 7
                    : target.n >= 8 && strncasecmp(target.p, "https://", 8) == 0 ? 8
                                                                                 : 0;
    if (scheme == 0)
        return 0;
    size_t n = scheme;
    while (n < target.n && target.p[n] != '/' && target.p[n] != '?')
        n++;
    return n;
}

void http_guard_target(struct http_request *request, const char *target, size_t n)
{
    size_t skip = authority_size((struct text){target, n});
    target += skip;
    n -= skip;
    const char *mark = memchr(target, '?', n);
    size_t path = mark ? (size_t)(mark - target) : n;
    request->path = path > 0 || skip == 0 ? (struct text){target, path} : TEXT("/");
    request->query = mark ? (struct text){mark + 1, n - path - 1} : (struct text){0};
}

static int count(const struct http_request *request, const char *name)
{
    int n = 0;
    for (int i = 0; i < request->field_count; i++) {
        struct text t = request->fields[i].name;
        n += t.n == strlen(name) && strncasecmp(t.p, name, t.n) == 0;
    }
    return n;
}

static const char *body_fault(const struct http_request *request, bool http_1_0)
{
    int lengths = count(request, "Content-Length"), codings = count(request, "Transfer-Encoding");
    if (lengths > 1)
        return "Content-Length stands there more than once";
    if (codings > 1)
        return "Transfer-Encoding stands there more than once";
    if (lengths + codings > 1)
        return "Content-Length and Transfer-Encoding exclude each other";
    if (codings == 0)
        return NULL;
    struct text coding = http_header(request, "Transfer-Encoding");
    bool chunked = coding.n == 7 && strncasecmp(coding.p, "chunked", 7) == 0;
    return chunked && !http_1_0 ? NULL : "Transfer-Encoding must be chunked, in HTTP/1.1";
}

/* Headers of which only one is ever looked at: a second line would be passed over in silence. */
static const struct {
    const char *name, *fault;
} once[] = {
    {"Authorization", "Authorization stands there more than once"},
    {"Content-Type", "Content-Type stands there more than once"},
    {"Idempotency-Key", "Idempotency-Key stands there more than once"},
    {"If-Match", "If-Match stands there more than once; write all its tags into one line"},
    {"If-None-Match",
     "If-None-Match stands there more than once; write all its tags into one line"},
};

static const char *once_fault(const struct http_request *request)
{
    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (count(request, once[i].name) > 1)
            return once[i].fault;
    return NULL;
}

const char *http_guard_fault(const struct http_request *request, const char *version)
{
    bool http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if (!is_token(request->method))
        return "The method has characters that no method may hold";
    if (!is_target(request->path) || !is_target(request->query))
        return "The target has characters that no URI may hold; write them as %XX";
    for (int i = 0; i < request->field_count; i++)
        if (!is_token(request->fields[i].name))
            return "The name of a header has characters that none may hold";
    int hosts = count(request, "Host");
    if (hosts > 1 || (hosts == 0 && !http_1_0))
        return "There must be exactly one Host";
    const char *fault = once_fault(request);
    return fault ? fault : body_fault(request, http_1_0);
}

size_t http_guard_head_size(const struct http_request *request)
{
    size_t n = 0;
    for (int i = 0; i < request->field_count; i++)
        n += request->fields[i].name.n + request->fields[i].value.n;
    return n;
}

bool http_guard_has_body(const struct http_request *request)
{
    struct text length = http_header(request, "Content-Length");
    for (size_t i = 0; i < length.n; i++)
        if (length.p[i] != '0')
            return true;
    return http_header(request, "Transfer-Encoding").p != NULL;
}
