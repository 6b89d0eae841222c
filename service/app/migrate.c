#include "app/migrate.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/embed.h"
#include "base/stop.h"
#include "usage/indexes.h"

enum {
    STEPS_MAX = 999,
    CHECKSUM = 2 * 32 + 1,
    DEADLINE_MS = 24 * 3600 * 1000
}; /* an index may take its time */

struct step {
    const struct embed_file *file;
    char checksum[CHECKSUM];
};

struct steps {
    int count; /* number n is at n - 1 */
    struct step all[STEPS_MAX];
};

static void sum(const struct embed_file *file, char out[CHECKSUM])
{
    unsigned char digest[32];
    if (EVP_Digest(file->text, file->size, digest, NULL, EVP_sha256(), NULL) != 1)
        abort();
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static struct steps *steps_new(void)
{
    struct steps *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    for (const struct embed_file *f = embed_migrations; f->name; f++) {
        if (!isdigit((unsigned char)f->name[0]))
            continue;
        assert(s->count < STEPS_MAX && strtol(f->name, NULL, 10) == s->count + 1);
        struct step *step = &s->all[s->count++];
        step->file = f;
        sum(f, step->checksum);
    }
    return s;
}

/* How many of `steps` are applied; those must be the first ones, unchanged. */
static bool compare(const struct steps *steps, const struct db_rows *rows, int *applied,
                    struct err *err)
{
    for (int i = 0; i < rows->count; i++) {
        int number = db_int4(rows, i, 0);
        struct text name = db_text(rows, i, 1);
        if (number > steps->count)
            return err_set(
                err, ERR_FATAL,
                "the schema is newer than this program: it has migration %d, %.*s, and the "
                "program knows %d; run the newer program",
                number, TEXT_ARGS(name), steps->count);
        if (number != i + 1)
            return err_set(
                err, ERR_FATAL,
                "usaged.schema_migration lacks number %d and has %d: the schema is not one "
                "that usaged made",
                i + 1, number);
        if (!text_is(db_text(rows, i, 2), steps->all[i].checksum))
            return err_set(err, ERR_FATAL,
                           "migration %s is not the one that was applied (%.*s, another checksum): "
                           "run the program that the schema was made with, or restore the file",
                           steps->all[i].file->name, TEXT_ARGS(name));
    }
    *applied = rows->count;
    return true;
}

static bool read_applied(struct db *db, const struct steps *steps, int *applied, struct err *err)
{
    struct db_rows rows;
    if (!db_query_once(db, embed_text(embed_sql, "migration_list.sql"), NULL, &rows, err))
        return false;
    bool good = compare(steps, &rows, applied, err);
    db_rows_fini(&rows);
    return good;
}

/* --- migrate -------------------------------------------------------------------------------- */

static bool in_transaction(struct db *db, const char *sql, struct db_params *added, struct err *err)
{
    bool good = db_run(db, "BEGIN", err) && db_run(db, sql, err) &&
                (!added ||
                 db_query_once(db, embed_text(embed_sql, "migration_add.sql"), added, NULL, err)) &&
                db_run(db, "COMMIT", err);
    if (!good)
        db_rollback(db);
    return good;
}

static bool apply(struct db *db, int number, const struct step *step, struct err *err)
{
    struct db_params params = {0};
    db_param_int4(&params, number);
    db_param_text(&params, text_of(step->file->name));
    db_param_text(&params, text_of(step->checksum));
    bool good = in_transaction(db, step->file->text, &params, err) ||
                err_wrap(err, "migration %s", step->file->name);
    db_params_fini(&params);
    if (good)
        printf("applied %s\n", step->file->name);
    return good;
}

static bool lock(struct db *db, struct err *err)
{
    for (bool said = false;; said = true) {
        struct db_rows rows;
        if (!db_query_once(db, embed_text(embed_sql, "migration_lock.sql"), NULL, &rows, err))
            return false;
        bool ours = db_truth(&rows, 0, 0);
        db_rows_fini(&rows);
        if (ours)
            return true;
        if (!said)
            puts("waiting for another usaged migrate");
        if (stop_wait(500))
            return err_set(err, ERR_FATAL, "stopped while another usaged migrate was running");
    }
}

/* migrations/grants.sql for this role, quoted; main refuses names that need more than quotes. */
static char *grants(const char *role)
{
    static const char mark[] = "{{role}}";
    struct buf b = {0};
    const char *sql = embed_text(embed_migrations, "grants.sql");
    for (const char *at; (at = strstr(sql, mark)) != NULL; sql = at + strlen(mark)) {
        buf_add(&b, sql, (size_t)(at - sql));
        buf_printf(&b, "\"%s\"", role);
    }
    buf_str(&b, sql);
    buf_text(&b);
    return b.data;
}

struct role {
    bool there, is_us, owns_outbox;
};

static bool look_at_role(struct db *db, const char *name, struct role *role, struct err *err)
{
    struct db_params params = {0};
    struct db_rows rows;
    db_param_text(&params, text_of(name));
    bool good = db_query_once(db, embed_text(embed_sql, "migration_role.sql"), &params, &rows, err);
    db_params_fini(&params);
    if (good) {
        *role = (struct role){db_truth(&rows, 0, 0), db_truth(&rows, 0, 1), db_truth(&rows, 0, 2)};
        db_rows_fini(&rows);
    }
    return good;
}

static bool grant(struct db *db, const char *name, struct err *err)
{
    struct role role;
    if (!look_at_role(db, name, &role, err))
        return false;
    if (role.is_us)
        return true;
    if (!role.there) {
        printf("there is no role %s, so nothing was granted: CREATE ROLE \"%s\" LOGIN, then usaged "
               "migrate again, or "
               "usaged migrate --role NAME for another\n",
               name, name);
        return true;
    }
    char *sql = grants(name);
    bool good = (in_transaction(db, sql, NULL, err) && look_at_role(db, name, &role, err)) ||
                err_wrap(err, "rights of role %s", name);
    free(sql);
    if (good)
        printf("granted %s its rights\n", name);
    if (good && !role.owns_outbox)
        printf(
            "the outbox is not %s's own, so it cannot be vacuumed and will grow; as a superuser: "
            "ALTER TABLE usaged.outbox OWNER TO \"%s\"\n",
            name, name);
    return good;
}

struct indexing {
    const struct config_list *names;
    bool done; /* there was nothing left to do */
    bool busy; /* others held a lock, the last step was not taken */
};

static bool index_step(struct db *db, struct indexing *i, struct err *err)
{
    struct indexes_step step;
    bool good = indexes_next(db, i->names->names, i->names->count, &step, err);
    i->done = good && !step.run.p;
    if (good && step.say.p && !i->busy) {
        printf("%.*s\n", TEXT_ARGS(step.say));
        fflush(stdout); /* it may take long */
    }
    if (good && !i->done)
        good = indexes_take(db, &step, &i->busy, err);
    indexes_step_fini(&step);
    if (i->busy && stop_wait(500))
        return err_set(err, ERR_FATAL, "stopped while others held a lock on usages");
    return good;
}

/* On the values of characteristics, as the settings name them. */
static bool index_values(struct db *db, const struct config_list *names, struct err *err)
{
    struct indexing i = {.names = names};
    bool good = true;
    while (good && !i.done)
        good = index_step(db, &i, err);
    return good || err_wrap(err, "indexes of usage.indexed-characteristics");
}

static bool migrate(struct db *db, const struct steps *steps, const struct settings *s,
                    const char *role, struct err *err)
{
    int applied;
    bool good = db_open(db, err) && lock(db, err) &&
                in_transaction(db, embed_text(embed_sql, "migration_begin.sql"), NULL, err) &&
                read_applied(db, steps, &applied, err);
    for (; good && applied < steps->count; applied++)
        good = apply(db, applied + 1, &steps->all[applied], err);
    return good && grant(db, role, err) && index_values(db, &s->indexed_characteristics, err);
}

static void print_transaction(const char *title, const char *sql, const char *last)
{
    printf("\n-- %s\nBEGIN;\n%s%sCOMMIT;\n", title, sql, last);
}

static void print_all(const struct steps *steps, const char *role)
{
    puts("-- Everything that `usaged migrate` does to an empty database. Run it as the owner of "
         "the schema:\n"
         "--     psql -v ON_ERROR_STOP=1 -f FILE DATABASE\n"
         "-- Of a database that has some of the migrations, leave those out. Indexes of\n"
         "-- usage.indexed-characteristics are not in it: they depend on what is there.\n"
         "SET search_path = usaged, public;");
    print_transaction("migration_begin.sql", embed_text(embed_sql, "migration_begin.sql"), "");
    for (int i = 0; i < steps->count; i++) {
        char insert[512];
        const struct step *step = &steps->all[i];
        snprintf(insert, sizeof insert,
                 "INSERT INTO usaged.schema_migration (number, name, checksum) VALUES (%d, '%s', "
                 "'%s');\n",
                 i + 1, step->file->name, step->checksum);
        print_transaction(step->file->name, step->file->text, insert);
    }
    char *sql = grants(role);
    print_transaction("grants.sql", sql, "");
    free(sql);
}

int migrate_run(const struct settings *s, const struct migrate_options *options)
{
    struct steps *steps = steps_new();
    struct err err;
    bool good = true;
    if (options->print) {
        print_all(steps, options->role);
    } else {
        /* Not the service's application_name: a worker ends sessions of that name that stand in its
         * way. */
        struct db_options db_options = {.url = s->database_url,
                                        .application_name = "usaged-migrate",
                                        .deadline_ms = DEADLINE_MS};
        struct db *db = db_new(&db_options);
        good = migrate(db, steps, s, options->role, &err);
        db_free(db);
        if (good)
            printf("schema is at %d\n", steps->count);
        else
            fprintf(stderr, "usaged: migrate: %s%s\n", err.text,
                    strcmp(err.state, "42501") == 0
                        ? "; run it as the schema's owner, whom database.url must name then"
                        : "");
    }
    free(steps);
    return good ? 0 : 1;
}

/* --- check ---------------------------------------------------------------------------------- */

static bool check_rights(struct db *db, struct err *err)
{
    struct db_rows rows;
    if (!db_query_once(db, embed_text(embed_sql, "rights_missing.sql"), NULL, &rows, err))
        return false;
    if (rows.count > 0)
        err_set(err, ERR_FATAL,
                "this role of PostgreSQL lacks %.*s%s: run `usaged migrate --role NAME` as the "
                "schema's "
                "owner",
                TEXT_ARGS(db_text(&rows, 0, 0)), rows.count > 1 ? " and more" : "");
    bool good = rows.count == 0;
    db_rows_fini(&rows);
    return good;
}

void migrate_explain(struct err *err)
{
    if (strcmp(err->state, "42P01") == 0 || strcmp(err->state, "3F000") == 0)
        err_set(err, ERR_FATAL,
                "the database has no schema of usaged's: run `usaged migrate` as the owner it "
                "shall have");
    else if (strcmp(err->state, "42501") == 0)
        err_set(err, ERR_FATAL,
                "this role of PostgreSQL may not use schema usaged: run `usaged migrate --role "
                "NAME` as the schema's owner");
}

bool migrate_check(struct db *db, struct err *err)
{
    struct steps *steps = steps_new();
    int applied = 0;
    bool good = read_applied(db, steps, &applied, err);
    if (!good)
        migrate_explain(err);
    else if (applied < steps->count)
        good = err_set(err, ERR_FATAL,
                       "the schema is at %d and this program needs %d: run `usaged migrate`",
                       applied, steps->count);
    free(steps);
    return good && check_rights(db, err);
}
