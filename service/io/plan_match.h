/* plan_match - which of a writer's names and types goes with which of a shape's: the matching of
 * plan.h, without what is emitted for it. Private to plan*.c.
 */
#pragma once

#include "io/plan.h"
#include "io/schema.h"

/* The first shape with the name of the record, or else with one of its aliases; NULL: none. */
const struct shape *plan_find_shape(const struct schema_type *t, const struct shape *const *shapes);

/* The writer's field for one of ours, -1 if none; by name, by our aliases, by the writer's. A field
 * that is another one of ours by its name is not given away under an alias. `used`: by t->fields,
 * those that are given away. */
int plan_find_field(const struct schema_type *t, const struct shape *shape,
                    const struct shape_field *f, const bool *used);

/* The place of a symbol in f->symbols, -1 if there is none. */
int plan_symbol_index(const struct shape_field *f, struct text name);

/* What the field is in a record that does not have it; `record`: the struct, all zero. */
void plan_set_default(const struct shape_field *f, unsigned char *record);

/* How a scalar of the writer's becomes one of ours (enum op_code); OP_DONE: not at all. */
uint8_t plan_take_code(const struct schema_type *t, enum shape_kind kind);

/* How a scalar is checked and passed over. */
uint8_t plan_skip_code(const struct schema_type *t);
