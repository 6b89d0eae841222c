#include "io/fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/stop.h"

struct fetch {
    CURL *easy;
    CURLM *multi;
    char *user, *password;
    char error[CURL_ERROR_SIZE];
    atomic_bool cancelled;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

static char *copy(const char *text)
{
    char *p = text ? strdup(text) : NULL;
    if (text && !p)
        abort();
    return p;
}

struct fetch *fetch_new(const char *user, const char *password)
{
    pthread_once(&once, init);
    struct fetch *f = calloc(1, sizeof *f);
    if (!f || !(f->easy = curl_easy_init()) || !(f->multi = curl_multi_init()))
        abort();
    f->user = copy(user);
    f->password = copy(password);
    return f;
}

void fetch_free(struct fetch *f)
{
    if (!f)
        return;
    curl_easy_cleanup(f->easy);
    curl_multi_cleanup(f->multi);
    free(f->user);
    free(f->password);
    free(f);
}

void fetch_answer_fini(struct fetch_answer *answer)
{
    buf_fini(&answer->body);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct fetch_answer *answer = arg;
    size_t n = size * count;
    if (n > FETCH_BODY_MAX - answer->body.len) {
        answer->too_long = true;
        return 0;
    }
    buf_add(&answer->body, bytes, n);
    return n;
}

static void set_up(struct fetch *f, const char *url, struct curl_slist *headers, const char *body,
                   struct fetch_answer *answer)
{
    CURL *e = f->easy;
    bool secure = strncmp(url, "https:", 6) == 0;
    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, 3L);
    curl_easy_setopt(e, CURLOPT_POSTREDIR, CURL_REDIR_POST_ALL);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)FETCH_CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)FETCH_TOTAL_MS);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "usaged");
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, f->error);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, answer);
    if (f->user) {
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(e, CURLOPT_USERNAME, f->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, f->password ? f->password : "");
    }
    if (body)
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
    f->error[0] = 0;
}

/* curl_easy_perform() could not be interrupted; this sees the stop at once. */
static CURLcode perform(struct fetch *f, bool *stopped)
{
    CURLcode code = CURLE_OK;
    int running = 1;
    curl_multi_add_handle(f->multi, f->easy);
    while (running && !*stopped) {
        struct curl_waitfd stop = {.fd = stop_fd(), .events = CURL_WAIT_POLLIN};
        if (curl_multi_perform(f->multi, &running) != CURLM_OK)
            break;
        if (running)
            curl_multi_poll(f->multi, &stop, 1, 1000, NULL);
        *stopped = stop_asked() || atomic_load(&f->cancelled);
    }
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(f->multi, &left)) != NULL;)
        if (m->msg == CURLMSG_DONE)
            code = m->data.result;
    curl_multi_remove_handle(f->multi, f->easy);
    return running ? CURLE_ABORTED_BY_CALLBACK : code;
}

static void take_head(CURL *easy, struct fetch_answer *answer)
{
    const char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    size_t n = type ? strcspn(type, "; \t") : 0;
    if (n >= sizeof answer->type)
        n = sizeof answer->type - 1;
    for (size_t i = 0; i < n; i++)
        answer->type[i] = (char)tolower((unsigned char)type[i]);
    answer->type[n] = 0;
}

static struct curl_slist *header(struct curl_slist *list, const char *name, const char *value)
{
    struct buf b = {0};
    buf_printf(&b, "%s: %s", name, value);
    list = curl_slist_append(list, buf_text(&b));
    if (!list)
        abort();
    buf_fini(&b);
    return list;
}

bool fetch_run(struct fetch *f, const char *url, const char *accept, const char *body,
               const char *body_type, struct fetch_answer *answer, struct err *err)
{
    *answer = (struct fetch_answer){0};
    struct curl_slist *headers = header(NULL, "Accept", accept);
    if (body)
        headers = header(header(headers, "Content-Type", body_type), "Expect", "");
    set_up(f, url, headers, body, answer);
    bool stopped = false;
    CURLcode code = perform(f, &stopped);
    take_head(f->easy, answer);
    curl_slist_free_all(headers);
    if (code == CURLE_OK || answer->too_long)
        return true;
    if (stopped)
        return err_set(err, ERR_RETRY, "stopped");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, ERR_RETRY, "timed out, no whole answer within %d s",
                       FETCH_TOTAL_MS / 1000);
    return err_set(err, ERR_RETRY, "%s", f->error[0] ? f->error : curl_easy_strerror(code));
}

void fetch_cancel(struct fetch *f)
{
    atomic_store(&f->cancelled, true);
    curl_multi_wakeup(f->multi);
}

void fetch_escape(struct buf *b, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~", c)) {
            buf_byte(b, c);
        } else {
            buf_byte(b, '%');
            buf_byte(b, (unsigned char)hex[c >> 4]);
            buf_byte(b, (unsigned char)hex[c & 15]);
        }
    }
}
