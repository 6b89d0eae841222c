#include "base/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/config_take.h"
#include "base/text.h"

enum { LINE_MAX_BYTES = 8192, FILE_MAX_BYTES = 1 << 20 };

enum source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENVIRONMENT, SOURCE_SET };

struct entry {
    struct config_value value;
    enum source source;
    bool faulty; /* has been reported */
};

struct config {
    struct config_options options;
    struct arena *arena;
    struct entry *entries;
    int count, size;
    bool failed;
};

static struct entry *add_entry(struct config *c, const char *name,
                               const struct config_setting *setting)
{
    if (c->count == c->size) {
        c->size = c->size ? 2 * c->size : 64;
        c->entries = realloc(c->entries, (size_t)c->size * sizeof *c->entries);
        if (!c->entries)
            abort();
    }
    struct entry *e = &c->entries[c->count++];
    bool open = !setting || setting->type == CONFIG_OPEN;
    bool secret =
        open ? c->options.secret && c->options.secret(name) : setting->type == CONFIG_SECRET;
    *e = (struct entry){{name, setting, setting ? setting->fallback : NULL, "default", secret},
                        SOURCE_DEFAULT,
                        false};
    return e;
}

struct config *config_new(const struct config_options *options)
{
    struct config *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->options = *options;
    c->arena = arena_new(8192);
    for (size_t i = 0; i < options->count; i++)
        add_entry(c, options->table[i].name, &options->table[i]);
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    arena_free(c->arena);
    free(c->entries);
    free(c);
}

/* --- errors --------------------------------------------------------------------------------- */

static void complain(struct config *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct config *c, const char *format, ...)
{
    c->failed = true;
    va_list args;
    va_start(args, format);
    fprintf(c->options.errors, "%s: ", c->options.program);
    vfprintf(c->options.errors, format, args);
    fputc('\n', c->options.errors);
    va_end(args);
}

static void fault(struct config *c, struct entry *e, bool show, const char *text)
{
    const struct config_value *v = &e->value;
    char quoted[TEXT_QUOTED];
    if (e->faulty)
        return;
    e->faulty = true;
    if (show && v->text && !v->secret)
        complain(c, "setting %s: \"%s\" %s (%s)", v->name, text_quote(text_of(v->text), quoted),
                 text, v->where);
    else
        complain(c, "setting %s: %s%s (%s)", v->name, show && v->text ? "the value " : "", text,
                 v->where);
}

bool config_failed(const struct config *c)
{
    return c->failed;
}

/* --- sources -------------------------------------------------------------------------------- */

static bool is_open(const struct config *c, const char *name)
{
    size_t n = c->options.open ? strlen(c->options.open) : 0;
    return n > 0 && strncmp(name, c->options.open, n) == 0 && name[n] != 0;
}

static struct entry *find(const struct config *c, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->entries[i].value.name, name) == 0)
            return &c->entries[i];
    return NULL;
}

/* The entry of a name that a source gives; NULL if there is no such setting. */
static struct entry *entry_of(struct config *c, const char *name)
{
    struct entry *e = find(c, name);
    if (!e && is_open(c, name))
        e = add_entry(c, arena_copy(c->arena, name, strlen(name)), NULL);
    return e;
}

static void put(struct config *c, struct entry *e, enum source source, const char *text, size_t n,
                const char *where)
{
    e->value.text = arena_copy(c->arena, text, n);
    e->value.where = where;
    e->source = source;
}

static void complain_unknown(struct config *c, const char *name, const char *where)
{
    char quoted[TEXT_QUOTED];
    complain(c, "setting %s: there is no such setting; `%s --help` lists them (%s)",
             text_quote(text_of(name), quoted), c->options.program, where);
}

/* One "name = value"; `assignment` is cut in place. */
static void file_setting(struct config *c, char *assignment, const char *section, const char *where)
{
    char *equals = strchr(assignment, '=');
    if (equals)
        *equals = 0;
    const char *bare = equals ? config_trim(assignment) : "";
    if (!*bare) {
        /* The line itself is not shown: it may be half of a secret. */
        complain(c, "%s: the line is not \"name = value\", [section] or a comment", where);
        return;
    }
    const char *name = arena_printf(c->arena, "%s%s%s", section, *section ? "." : "", bare);
    const char *value = config_trim(equals + 1);
    struct entry *e = entry_of(c, name);
    if (!e)
        complain_unknown(c, name, where);
    else if (e->source == SOURCE_FILE)
        complain(c, "setting %s: given a second time, first in %s (%s)", name, e->value.where,
                 where);
    else
        put(c, e, SOURCE_FILE, value, strlen(value), where);
}

static void file_line(struct config *c, char *line, const char **section, const char *where)
{
    char *t = config_trim(line);
    size_t n = strlen(t);
    if (n == 0 || *t == '#' || *t == ';')
        return;
    if (*t != '[') {
        file_setting(c, t, *section, where);
    } else if (t[n - 1] != ']') {
        complain(c, "%s: the section does not end with ]", where);
    } else {
        const char *name = config_trim(arena_copy(c->arena, t + 1, n - 2));
        if (!*name)
            complain(c, "%s: the section has no name", where);
        *section = name;
    }
}

void config_file(struct config *c, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        complain(c, "file %s: %s", path, strerror(errno));
        return;
    }
    char *line = NULL;
    size_t size = 0;
    const char *section = "";
    for (int number = 1;; number++) {
        errno = 0;
        ssize_t n = getline(&line, &size, file);
        if (n < 0)
            break;
        const char *where = arena_printf(c->arena, "file %s line %d", path, number);
        bool mark = number == 1 && n >= 3 &&
                    memcmp(line, "\xef\xbb\xbf", 3) == 0; /* some editors write it */
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (n > LINE_MAX_BYTES)
            complain(c, "%s: the line is longer than %d bytes", where, LINE_MAX_BYTES);
        else if (memchr(line, 0, (size_t)n))
            complain(c, "%s: the line holds a NUL byte", where);
        else
            file_line(c, mark ? line + 3 : line, &section, where);
    }
    if (ferror(file))
        complain(c, "file %s: %s", path, strerror(errno));
    free(line);
    fclose(file);
}

void config_set(struct config *c, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (!equals || equals == assignment) {
        complain(c, "--set wants NAME=VALUE");
        return;
    }
    const char *name = config_trim(arena_copy(c->arena, assignment, (size_t)(equals - assignment)));
    struct entry *e = entry_of(c, name);
    if (e)
        put(c, e, SOURCE_SET, equals + 1, strlen(equals + 1), "--set");
    else
        complain_unknown(c, name, "--set");
}

void config_default(struct config *c, const char *name, const char *text)
{
    struct entry *e = find(c, name);
    assert(e);
    if (e->source == SOURCE_DEFAULT)
        put(c, e, SOURCE_DEFAULT, text, strlen(text), "default");
}

/* --- the environment ------------------------------------------------------------------------ */

/* Whether `variable`, without the prefix, is the name of this setting: capitals, dots and dashes as
 * underscores. */
static bool stands_for(struct text variable, const char *name)
{
    if (variable.n != strlen(name))
        return false;
    for (size_t i = 0; i < variable.n; i++) {
        char want = name[i] == '.' || name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
        if (variable.p[i] != want)
            return false;
    }
    return true;
}

/* KAFKA_SASL_PASSWORD is kafka.sasl.password if no setting of the table has this name. */
static struct entry *environment_entry(struct config *c, struct text variable)
{
    for (int i = 0; i < c->count; i++)
        if (stands_for(variable, c->entries[i].value.name))
            return &c->entries[i];
    char *name = arena_copy(c->arena, variable.p, variable.n);
    for (char *p = name; *p; p++) {
        if (islower((unsigned char)*p))
            return NULL;
        *p = *p == '_' ? '.' : (char)tolower((unsigned char)*p);
    }
    return is_open(c, name) ? entry_of(c, name) : NULL;
}

static void put_from_file(struct config *c, struct entry *e, const char *path, const char *where)
{
    struct buf b = {0};
    errno = 0;
    FILE *file = fopen(path, "re");
    if (file)
        b.len = fread(buf_room(&b, FILE_MAX_BYTES + 1), 1, FILE_MAX_BYTES + 1, file);
    if (!file || ferror(file))
        complain(c, "setting %s: cannot read %s: %s (%s)", e->value.name, path, strerror(errno),
                 where);
    else if (b.len > FILE_MAX_BYTES)
        complain(c, "setting %s: %s is longer than %d bytes (%s)", e->value.name, path,
                 FILE_MAX_BYTES, where);
    else if (memchr(b.data, 0, b.len))
        complain(c, "setting %s: %s holds a NUL byte (%s)", e->value.name, path, where);
    else {
        if (b.len > 0 && b.data[b.len - 1] == '\n')
            b.len--;
        put(c, e, SOURCE_ENVIRONMENT, b.data, b.len, where);
    }
    if (file)
        fclose(file);
    buf_fini(&b);
}

static void environment_setting(struct config *c, const char *variable)
{
    static const char suffix[] = "_FILE";
    size_t prefix = strlen(c->options.environment), n = strcspn(variable, "=");
    const char *foreign = c->options.foreign;
    if (strncmp(variable, c->options.environment, prefix) != 0 ||
        (foreign && strncmp(variable, foreign, strlen(foreign)) == 0))
        return;
    struct text name = {variable + prefix, n - prefix};
    bool file = name.n > sizeof suffix - 1 &&
                memcmp(variable + n - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0;
    if (file)
        name.n -= sizeof suffix - 1;
    const char *value = variable[n] ? variable + n + 1 : "";
    const char *where = arena_printf(c->arena, "environment %.*s", (int)n, variable);
    struct entry *e = environment_entry(c, name);
    if (!e)
        complain_unknown(c, where + strlen("environment "),
                         where); /* its own name: it stands for none of ours */
    else if (e->source == SOURCE_ENVIRONMENT)
        complain(c, "setting %s: given twice, in %s and in %s", e->value.name, e->value.where,
                 where);
    else if (file)
        put_from_file(c, e, value, where);
    else
        put(c, e, SOURCE_ENVIRONMENT, value, strlen(value), where);
}

void config_environment(struct config *c, char *const *environment)
{
    for (; *environment; environment++)
        environment_setting(c, *environment);
}

/* --- values --------------------------------------------------------------------------------- */

/* What the caller's struct holds in the place of a faulty value. */
static void take_fallback(struct config *c, const struct config_value *v, void *target)
{
    static const char *const empty = "";
    struct config_value usual = *v;
    usual.text = v->setting->fallback;
    if (usual.text)
        config_take(c->arena, &usual, target);
    else
        memcpy((char *)target + v->setting->offset, &empty,
               sizeof(const char *)); /* the pointer itself */
}

bool config_finish(struct config *c, void *target)
{
    for (int i = 0; i < c->count; i++) {
        struct entry *e = &c->entries[i];
        const char *text = e->value.setting ? config_take(c->arena, &e->value, target) : NULL;
        if (text) {
            fault(c, e, true, text);
            take_fallback(c, &e->value, target);
        }
    }
    return !c->failed;
}

void config_complain(struct config *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    complain(c, "%s", text);
}

void config_fault(struct config *c, const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault(c, find(c, name), true, text);
}

void config_refuse(struct config *c, const char *name, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault(c, find(c, name), false, text);
}

const char *config_copy(struct config *c, const char *text, size_t n)
{
    return arena_copy(c->arena, text, n);
}

const char *config_text(const struct config *c, const char *name)
{
    const struct entry *e = find(c, name);
    return e ? e->value.text : NULL;
}

int config_count(const struct config *c)
{
    return c->count;
}

const struct config_value *config_at(const struct config *c, int i)
{
    return &c->entries[i].value;
}
