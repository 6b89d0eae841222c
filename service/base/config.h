/* config - settings by one table, from defaults, an INI file, environment and command line.
 *
 * The later source wins. The grammar is that of the wire contract, section 8. Every error is
 * printed at once, as one line, and remembered: call config_file(), config_environment(),
 * config_set(), then ask config_finish() whether there was one. One thread. Texts live as long as
 * the config.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum config_type {
    CONFIG_TEXT,     /* const char *; "" is NULL where min is 0 */
    CONFIG_SECRET,   /* the same, never printed */
    CONFIG_INTEGER,  /* int or int64_t, by width */
    CONFIG_DURATION, /* the same: milliseconds; a name that ends in "-ms" takes a bare number too */
    CONFIG_SIZE,     /* the same: bytes */
    CONFIG_TRUTH,    /* bool */
    CONFIG_CHOICE,   /* index in `choices`: an enum, or a bool where there are two */
    CONFIG_LIST,     /* struct config_list: names between commas, each once */
    CONFIG_OPEN      /* another library's: any text, checked and taken over by the caller */
};

enum { CONFIG_LIST_MAX = 32 };

struct config_list {
    int count;
    const char *names[CONFIG_LIST_MAX];
};

struct config_setting {
    const char *name; /* "batch.wait-ms" */
    enum config_type type;
    size_t offset, width;       /* of its member in the caller's struct */
    const char *fallback;       /* the default, as one would write it; NULL: none, or `derived` */
    int64_t min, max;           /* of the number; of a text: its bytes; of a list: 0 may be empty */
    const char *const *choices; /* NULL-terminated */
    const char *derived;        /* for people: the default that the caller makes at run time */
    const char *help;           /* a phrase */
};

struct config_options {
    const struct config_setting *table;
    size_t count;
    const char *program;     /* what an error line begins with */
    const char *environment; /* prefix, "USAGED_" */
    const char *foreign;     /* variables with this prefix are no settings; NULL: all are */
    const char *open;        /* other names with this prefix are taken too: "kafka." */
    bool (*secret)(const char *name); /* for CONFIG_OPEN and open names */
    FILE *errors;
};

/* A setting with its effective value. */
struct config_value {
    const char *name;
    const struct config_setting *setting; /* NULL: an open name */
    const char *text;                     /* as written; NULL: not set */
    const char *where; /* "default", "file usaged.ini line 3", "environment USAGED_X", "--set" */
    bool secret;
};

struct config;

struct config *config_new(const struct config_options *options); /* copies the struct only */
void config_free(struct config *c);

void config_file(struct config *c, const char *path);
void config_environment(struct config *c, char *const *environment);
void config_set(struct config *c, const char *assignment); /* NAME=VALUE */

/* A default that is made at run time; any other source wins. */
void config_default(struct config *c, const char *name, const char *text);

/* A text that lives as long as the config, for a caller that changes a value. */
const char *config_copy(struct config *c, const char *text, size_t n);

/* Effective text so far, NULL if not set (or unknown). */
const char *config_text(const struct config *c, const char *name);

/* Checks all values of the table and writes them into `target`. False if there was any error,
 * before or now; in the place of a faulty value stands its default (of a text without one: ""), so
 * that the caller's checks can go on and report theirs too. */
bool config_finish(struct config *c, void *target);

/* An error of the caller's own checks, about the value of a setting, e.g. "is no topic name";
 * printed as `usaged: setting topic.raw: "a b" is no topic name (--set)`. Not printed for a setting
 * that has been reported. */
void config_fault(struct config *c, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same without the value, which may hold a secret: `usaged: setting x.url: ... (--set)`. */
void config_refuse(struct config *c, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool config_failed(const struct config *c);

/* An error that is not about one setting; printed behind the program's name. */
void config_complain(struct config *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Table order first, then the open names as they came. */
int config_count(const struct config *c);
const struct config_value *config_at(const struct config *c, int i);

/* The table for people: a text of two lines a setting, or a Markdown table. */
void config_help(const struct config_setting *table, size_t count, FILE *out);
void config_markdown(const struct config_setting *table, size_t count, FILE *out);
