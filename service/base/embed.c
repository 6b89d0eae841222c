#include "base/embed.h"

#include <assert.h>
#include <string.h>

const char *embed_text(const struct embed_file *files, const char *name)
{
    while (files->name && strcmp(files->name, name) != 0)
        files++;
    assert(files->name);
    return files->text;
}
