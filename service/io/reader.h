/* reader - one bounds-checked walk over a record in Avro binary, by a plan.
 *
 * The walk that proves that the bytes are sound is the one that takes the fields out.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "io/plan.h"

/* err->code of a refused record */
enum { READER_MALFORMED = 1, READER_TEXT = 2 };

/* Fills `record` (plan_shape(plan)->bytes long). Its texts point into `bytes`, symbols of an enum
 * into the plan, defaults into the shape, so all live as long as the record; lists and sub-records
 * come from the arena. ERR_DATA: READER_MALFORMED (cut short, left over, a bad varint, union
 * branch, enum index, length, boolean, block; more than PLAN_ITEMS_MAX items; the depth is the
 * schema's, see plan_new()), or READER_TEXT (a string that is not UTF-8 or holds NUL, also in a
 * skipped field) when nothing is malformed. The text names the field. */
bool reader_read(const struct plan *plan, const void *bytes, size_t n, struct arena *a,
                 void *record, struct err *err) MUST_CHECK;
