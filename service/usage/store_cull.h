/* store_cull - finds the records of a batch whose data PostgreSQL refuses, by halving.
 *
 * Parts of the batch are tried in transactions of the same claim that always roll back; nothing is
 * stored or published by them. For k such records that is O(k log n) transactions. Groups of one
 * usage are tried whole, then the records within: a rating without its usage would be another thing
 * than with it.
 */
#pragma once

#include "usage/store.h"

/* An SQLSTATE that tells of one record's data: 22..., 23502, 23514 of a named constraint, 54000. */
bool store_is_data(const struct err *err);

/* After the batch was refused with such an `err`, and rolled back. True: those that PostgreSQL
 * refuses are dead letters now (REASON_DATABASE), and the rest can be taken again. False, and none
 * is: with another error (a lost connection, a claim that is not ours), or with PostgreSQL's own
 * when the fault is not with the records:
 *
 * - each is taken when it is tried;
 * - more than a hundred in a row are refused, over batches too;
 * - of all records of the batch none is taken, and an ordinary row neither.
 */
bool store_cull(struct store *s, struct changes *c, const struct store_part *parts,
                struct err *err) MUST_CHECK;

/* Begins the transaction of a trial, up to where all is known that the outcomes depend on; it is
 * called again and again for the same groups. */
typedef bool store_enter_call(struct store *s, struct changes *c, const struct store_part *parts,
                              struct err *err);

/* The same for a sweep (changes_sweep()), which has no records: of the parked ratings that `enter`
 * (with `parts` NULL) hangs on its groups. They are in c->refused_places then, in memory of c->a:
 * the transaction that is begun with `c` again ends them. */
bool store_cull_sweep(struct store *s, struct changes *c, store_enter_call *enter,
                      struct err *err) MUST_CHECK;

/* Parked ratings that a cull of this batch has found, as they are read again. */
void store_mark_refused(struct changes *c);

/* After COMMIT: how many were refused in a row. */
void store_count_refused(struct store *s, const struct changes *c);
