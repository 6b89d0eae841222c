#include "app/import_rejects.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonw.h"

static bool failed(const struct import_rejects *r, struct err *err)
{
    return err_set(err, ERR_FATAL, "%s cannot be written: %s", r->file,
                   strerror(errno)); /* NOLINT(concurrency-mt-unsafe): one thread */
}

bool import_rejects_open(struct import_rejects *r, const char *file, struct err *err)
{
    *r = (struct import_rejects){.file = file};
    r->out = fopen(file, "we");
    if (!r->out)
        return failed(r, err);
    fclose(r->out);
    r->out = NULL;
    unlink(file);
    return true;
}

bool import_rejects_add(struct import_rejects *r, uint64_t line, const char *reason,
                        struct text message, struct err *err)
{
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);
    if (!r->out && !(r->out = fopen(r->file, "we")))
        return failed(r, err);
    jsonw_object(&w);
    jsonw_key(&w, "line");
    jsonw_integer(&w, (int64_t)line);
    jsonw_optional(&w, "reason", text_of(reason));
    jsonw_optional(&w, "message", message);
    jsonw_end(&w);
    buf_byte(&b, '\n');
    bool good = fwrite(b.data, 1, b.len, r->out) == b.len;
    buf_fini(&b);
    r->count++;
    return good || failed(r, err);
}

bool import_rejects_close(struct import_rejects *r, struct err *err)
{
    FILE *out = r->out;
    r->out = NULL;
    return !out || fclose(out) == 0 || failed(r, err);
}
