/* config_table - settings of every type, and the struct that they go to: for the tests and the
 * fuzzer of base/config. */
#pragma once

#include <stddef.h>
#include <string.h>

#include "base/config.h"
#include "base/units.h"

struct target {
    const char *name, *note, *password;
    int records, wait_ms;
    int64_t age_ms, bytes;
    bool on, second;
    enum { HOUR, DAY, MONTH } interval;
    struct config_list topics;
};

#define IN(member)                                                                                 \
    .offset = offsetof(struct target, member), .width = sizeof(((struct target *)0)->member)

static const char *const intervals[] = {"hour", "day", "month", NULL};
static const char *const places[] = {"first", "second", NULL};

static const struct config_setting table[] = {
    {"name", CONFIG_TEXT, IN(name), "usaged", .min = 1, .max = 8, .help = "a name"},
    {"note", CONFIG_TEXT, IN(note), .max = 300, .help = "a note"},
    {"server.password", CONFIG_SECRET, IN(password), .max = 64, .help = "a secret"},
    {"batch.records", CONFIG_INTEGER, IN(records), "5000", .min = 1, .max = 100000,
     .help = "records"},
    {"batch.wait-ms", CONFIG_DURATION, IN(wait_ms), "20", .min = 0, .max = 10000, .help = "wait"},
    {"usage.oldest", CONFIG_DURATION, IN(age_ms), "10 y", .min = 1000,
     .max = INT64_C(3153600000000), .help = "age"},
    {"batch.bytes", CONFIG_SIZE, IN(bytes), "8 MiB", .min = 65536, .max = 1 << 30, .help = "bytes"},
    {"on", CONFIG_TRUTH, IN(on), "true", .help = "a truth"},
    {"place", CONFIG_CHOICE, IN(second), "first", .choices = places, .help = "one of two"},
    {"interval", CONFIG_CHOICE, IN(interval), "month", .choices = intervals, .help = "an interval"},
    {"topics", CONFIG_LIST, IN(topics), "a, b", .help = "topics"},
    {"other.timeout.ms", CONFIG_OPEN, .fallback = "10", .help = "another library's"},
};

static inline bool is_secret(const char *name)
{
    return strstr(name, "password") != NULL;
}
