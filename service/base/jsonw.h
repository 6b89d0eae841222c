/* jsonw - JSON text, written into a buf piece by piece. Commas are its business, nesting the
 * caller's.
 *
 * jsonw_object(&w); jsonw_key(&w, "id"); jsonw_text(&w, t); jsonw_end(&w);
 */
#pragma once

#include "base/buf.h"
#include "base/decimal.h"
#include "base/text.h"

struct jsonw {
    struct buf *b;
    bool comma; /* the next item needs one */
    int depth;
    uint64_t arrays; /* bit per depth: is it an array */
};

struct jsonw jsonw_start(struct buf *b);
void jsonw_object(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_end(struct jsonw *w);
static inline void jsonw_key(struct jsonw *w,
                             const char *name);       /* a literal: nothing in it needs an escape */
void jsonw_member(struct jsonw *w, struct text name); /* a key that may need escapes */
void jsonw_text(struct jsonw *w, struct text t);      /* quoted and escaped; must be UTF-8 */
void jsonw_integer(struct jsonw *w, int64_t v);
void jsonw_real(struct jsonw *w, double v);
void jsonw_truth(struct jsonw *w, bool v);
void jsonw_null(struct jsonw *w);
void jsonw_decimal(struct jsonw *w, struct decimal d);
void jsonw_instant(struct jsonw *w, int64_t ms);
void jsonw_raw(struct jsonw *w, struct text json); /* as it is: must be one JSON value */

/* Key and text, nothing when the text is absent or empty. */
static inline void jsonw_optional(struct jsonw *w, const char *name, struct text t);

/* Half of what is written is keys, so they are put in place with the length of the literal known.
 */
static inline void jsonw_key(struct jsonw *w, const char *name)
{
    size_t n = strlen(name);
    char *p = buf_room(w->b, n + 4);
    *p = ',';
    p += w->comma;
    *p = '"';
    memcpy(p + 1, name, n);
    memcpy(p + 1 + n, "\":", 2);
    w->b->len += n + 3 + w->comma;
    w->comma = false;
}

static inline void jsonw_optional(struct jsonw *w, const char *name, struct text t)
{
    if (t.n > 0) {
        jsonw_key(w, name);
        jsonw_text(w, t);
    }
}
