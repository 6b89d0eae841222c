/* record_shapes - how tables of Avro fields are written. Private to record.c and hub_event.c. */
#pragma once

#include <stddef.h>

#include "io/plan.h"

#define SHAPE_FIELD(name_, kind_, struct_, member_, ...)                                           \
    {.name = (name_),                                                                              \
     .kind = SHAPE_##kind_,                                                                        \
     .offset = offsetof(struct struct_, member_),                                                  \
     __VA_ARGS__}
#define SHAPE_OF(name_, struct_, fields_)                                                          \
    {.name = (name_),                                                                              \
     .bytes = sizeof(struct struct_),                                                              \
     .fields = (fields_),                                                                          \
     .count = sizeof(fields_) / sizeof(fields_)[0]}
