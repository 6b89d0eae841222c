/* store_copy - new usages by one binary COPY, rendered while they are sent. */
#pragma once

#include "io/db.h"
#include "usage/changes.h"

/* The usages of all groups with `inserted` set, ascending by id. A collision is an error with
 * SQLSTATE 23505. */
bool store_copy(struct db *db, const struct changes *c, struct buf *scratch,
                struct err *err) MUST_CHECK;
