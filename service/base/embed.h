/* embed - files of the source tree that are inside the program: it runs from any folder.
 *
 * service/embed.sh writes the lists at build time. Each ends with an entry whose name is NULL;
 * names have no folder.
 */
#pragma once

#include <stddef.h>

struct embed_file {
    const char *name, *text; /* a 0 stands behind the text */
    size_t size;
};

extern const struct embed_file embed_migrations[]; /* of migrations/, by name */
extern const struct embed_file embed_schemas[];    /* of schemas/ */
extern const struct embed_file embed_sql[];        /* of service/usage/sql/ */

/* The text of a file that is known to be there. */
const char *embed_text(const struct embed_file *files, const char *name);
