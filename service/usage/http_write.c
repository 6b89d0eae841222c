#include "usage/http_write.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/failpoint.h"
#include "usage/http_source.h"
#include "usage/store_cull.h"

bool http_write_refuse(struct err *err, int status, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(err, ERR_DATA, "%s", text);
    err->code = status;
    return false;
}

const char http_write_refused[] =
    "No change is taken, since none could be published: the marks of the source " HTTP_SOURCE
    " contradict each other. usaged offsets --mend " HTTP_SOURCE
    ":0 resolves it; the line \"partition refused\" in the service's log has the whole call";

bool http_write_begin(struct db *db, struct err *err)
{
    bool may, was_open = db_is_open(db);
    if (!db_open(db, err))
        return false;
    if (!http_source_begin(db, &may, err)) {
        db_close(db);
        if (!was_open || !db_open(db, err) || !http_source_begin(db, &may, err))
            return false;
    }
    return may || http_write_refuse(err, 503, "%s", http_write_refused);
}

/* RFC 9110 section 13.1.1: "*", or one of a list; a weak one never matches. */
static bool names(struct text if_match, int64_t revision)
{
    char wanted[32];
    size_t n = (size_t)snprintf(wanted, sizeof wanted, "\"%" PRId64 "\"", revision);
    for (const char *p = if_match.p, *end = p + if_match.n; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        const char *from = p, *to = stop;
        while (from < to && (*from == ' ' || *from == '\t'))
            from++;
        while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
            to--;
        size_t size = (size_t)(to - from);
        if ((size == n && memcmp(from, wanted, n) == 0) || (size == 1 && *from == '*'))
            return true;
        p = stop + 1;
    }
    return false;
}

bool http_write_matches(struct text if_match, int64_t revision, struct err *err)
{
    if (!if_match.p || names(if_match, revision))
        return true;
    return http_write_refuse(err, 412, "If-Match: the revision is \"%" PRId64 "\"", revision);
}

bool http_write_commit(struct db *db, const struct buf *messages, struct err *err)
{
    failpoint("write-before-number");
    if (!http_source_append(db, messages, err))
        return err->code == HTTP_SOURCE_NEW
                   ? http_write_refuse(err, 503,
                                       "The service starts for the first time and takes changes in "
                                       "a moment: try again")
                   : false;
    failpoint("write-before-commit");
    if (!db_run(db, "COMMIT", err))
        return false;
    failpoint("write-after-commit");
    return true;
}

bool http_write_give_up(struct db *db, struct err *err)
{
    char state[sizeof err->state];
    db_rollback(db);
    if (err->kind != ERR_RETRY || !store_is_data(err))
        return false;
    memcpy(state, err->state, sizeof state);
    return http_write_refuse(err, 400, "The database refuses these data (SQLSTATE %s)", state);
}
