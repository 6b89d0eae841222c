#include "app/import_rejects.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/jsonw.h"

static bool failed(struct import_rejects *r, struct err *err)
{
    r->error = r->error ? r->error : errno;
    return err_set(err, ERR_FATAL,
                   "%s cannot be written: %s: make room there, or name another file by --rejected",
                   r->file, strerror(r->error)); /* NOLINT(concurrency-mt-unsafe): one thread */
}

/* A device or a pipe of that name is not ours to remove. */
static bool is_file(const char *name)
{
    struct stat st;
    return lstat(name, &st) == 0 && S_ISREG(st.st_mode);
}

bool import_rejects_open(struct import_rejects *r, const char *file, struct err *err)
{
    *r = (struct import_rejects){.file = file};
    r->out = fopen(file, "we");
    if (!r->out)
        return failed(r, err);
    fclose(r->out);
    r->out = NULL;
    if (is_file(file))
        unlink(file);
    return true;
}

bool import_rejects_add(struct import_rejects *r, uint64_t line, const char *reason,
                        struct text message, struct err *err)
{
    struct buf b = {0};
    struct jsonw w = jsonw_start(&b);
    if (r->error)
        return failed(r, err);
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
    bool said = r->error != 0;
    return !out || fclose(out) == 0 || said || failed(r, err);
}
