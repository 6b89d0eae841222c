/* jsonr - reads JSON text strictly (RFC 8259), token by token, without a tree.
 *
 * jansson turns numbers into doubles; money must keep its digits, so documents are read here.
 * Duplicate keys are the caller's business. Failure sticks: after the first one every call returns
 * false, jsonr.fault says what and where.
 */
#pragma once

#include "base/arena.h"
#include "base/text.h"

enum { JSONR_DEPTH_MAX = 64 };

enum jsonr_kind {
    JSONR_NONE,
    JSONR_OBJECT,
    JSONR_ARRAY,
    JSONR_TEXT,
    JSONR_NUMBER,
    JSONR_TRUE,
    JSONR_FALSE,
    JSONR_NULL
};

struct jsonr {
    const char *start, *p, *end;
    int depth;
    int around;    /* levels beyond JSONR_DEPTH_MAX that may be there; 0 unless the caller says */
    bool bad_text; /* the fault is one of text: bad UTF-8, NUL, a lone surrogate */
    const char *fault; /* NULL: none so far */
};

struct jsonr jsonr_start(struct text json);

/* What stands next, without moving. JSONR_NONE: nothing, or a fault. */
enum jsonr_kind jsonr_peek(struct jsonr *r);

/* Walks an object or array: enter, then while (next) { read or skip one value }.
 * jsonr_next_key() gives the key, unescaped (into the arena only if it has escapes). */
bool jsonr_enter(struct jsonr *r, enum jsonr_kind kind);
bool jsonr_next_key(struct jsonr *r, struct arena *a, struct text *key);
bool jsonr_next_item(struct jsonr *r);

/* One value. text: unescaped, borrowed where it has no escape. number, skip: the raw text. */
bool jsonr_text(struct jsonr *r, struct arena *a, struct text *out);
bool jsonr_number(struct jsonr *r, struct text *raw);
bool jsonr_truth(struct jsonr *r, bool *out);
bool jsonr_null(struct jsonr *r);
bool jsonr_skip(struct jsonr *r, struct text *raw); /* any value, checked whole; raw may be NULL */

/* True if all was read, nothing but white space is left and there was no fault. */
bool jsonr_done(struct jsonr *r);
