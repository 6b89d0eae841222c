#include "usage/import_line.h"

#include "io/writer.h"
#include "usage/body.h"
#include "usage/id.h"
#include "usage/model.h"

static bool no_date(struct err *err)
{
    err_set(err, ERR_DATA,
            "usageDate is absent: the time of the import would make another usage of the line each "
            "time");
    err->code = REASON_MISSING;
    return false;
}

/* The model words it better, and names the attribute with its path. */
static bool no_usage(struct text line, struct arena *a, struct err *err)
{
    struct err words = {0};
    if (!model_check(MODEL_USAGE_IMPORT, line, a, &words)) {
        words.code = err->code;
        *err = words;
    }
    return false;
}

bool import_line(struct text line, const struct mapping_settings *s, int64_t now_ms,
                 struct arena *a, struct import_line *out, struct err *err)
{
    struct body_key key;
    struct change change;
    if (!body_line_key(line, a, &key, err))
        return no_usage(line, a, err);
    if (key.usage_date == INSTANT_NONE)
        return no_date(err);
    if (key.source.n == 0) {
        id_digest(line, out->digest);
        key.source = TEXT("import");
        key.record_id = text_of(out->digest);
    }
    out->document = (struct usage_document){key.source, key.record_id, key.usage_date, line};
    if (!mapping_document(s, &out->document, now_ms, now_ms, a, &change, err))
        return false;
    out->id = change.id;
    return true;
}

void import_line_write(struct buf *b, int32_t schema_id, const struct import_line *l)
{
    writer_frame(b, schema_id);
    writer_text(b, l->document.source);
    writer_text(b, l->document.record_id);
    writer_long(b, l->document.usage_date);
    writer_text(b, l->document.document);
}
