/* migrate - the database's schema: `usaged migrate` makes it, `usaged run` accepts it or not.
 *
 * Migrations are the numbered files of migrations/, forward only, each in a transaction of its own
 * that also writes its number and checksum into usaged.schema_migration.
 */
#pragma once

#include "app/settings.h"
#include "io/db.h"

struct migrate_options {
    bool print;       /* the SQL to standard output instead; no database is asked */
    const char *role; /* the run-time role, which is granted its rights */
};

/* Returns the exit code; says what it does, and in one line what failed. */
int migrate_run(const struct settings *s, const struct migrate_options *options);

/* Whether the schema is exactly this program's and the role has its rights. ERR_FATAL: no, and what
 * to run; ERR_RETRY: the database is away. The handle is open. */
bool migrate_check(struct db *db, struct err *err) MUST_CHECK;

/* Of a query that failed because there is no schema, or no right to use it: says what to run. */
void migrate_explain(struct err *err);
