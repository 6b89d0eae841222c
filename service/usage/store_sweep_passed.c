#include "usage/store_sweep_passed.h"

#include <string.h>

#include "base/log.h"
#include "usage/id.h"
#include "usage/store_cull.h"

enum { SAY_MS = 600000 };

/* Connection, state of the transaction, rollback, resources, rights and names, locks, the operator,
 * the system. */
static const char *const classes_of_database[] = {"08", "25", "40", "42", "53", "55", "57", "58"};

bool sweep_passed_is_of_usage(const struct err *err)
{
    if (!err->state[0] || store_is_data(err))
        return false;
    for (size_t i = 0; i < sizeof classes_of_database / sizeof classes_of_database[0]; i++)
        if (strncmp(err->state, classes_of_database[i], 2) == 0)
            return false;
    return true;
}

/* Where it is, or would be. */
static size_t place_of(const struct sweep_passed *p, const struct usage_id *id, bool *found)
{
    size_t i = 0;
    while (i < p->count && id_compare(&p->usages[i].id, id) < 0)
        i++;
    *found = i < p->count && id_compare(&p->usages[i].id, id) == 0;
    return i;
}

static void say(const struct usage_id *id, const struct err *why)
{
    char name[ID_CHARS], quoted[TEXT_QUOTED];
    id_print(id, name);
    log_line(LOG_WARNING, "what waits for a usage cannot be taken, and is tried again",
             "usage=%s sqlstate=%s why=\"%s\"", name, why->state,
             text_quote(text_of(why->text), quoted));
}

bool sweep_passed_add(struct sweep_passed *p, const struct usage_id *id, int64_t now,
                      struct err *why)
{
    bool found;
    size_t i = place_of(p, id, &found);
    struct sweep_passed_usage *u = &p->usages[i];
    if (!found && p->count == SWEEP_PASSED_MAX)
        return err_wrap(why, "more than %d usages cannot be swept, so it is not they",
                        SWEEP_PASSED_MAX);
    if (!found) {
        memmove(u + 1, u, (p->count++ - i) * sizeof *u);
        *u = (struct sweep_passed_usage){.id = *id};
    }
    u->until = now + SWEEP_PASSED_MS;
    if (!found || now - u->said >= SAY_MS) {
        u->said = now;
        say(id, why);
    }
    return true;
}

size_t sweep_passed_due(const struct sweep_passed *p, int64_t now, struct usage_id *ids)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (p->usages[i].until <= now)
            ids[n++] = p->usages[i].id;
    return n;
}

void sweep_passed_remove(struct sweep_passed *p, const struct usage_id *ids, size_t n)
{
    size_t kept = 0, at = 0;
    for (size_t i = 0; i < p->count; i++) {
        while (at < n && id_compare(&ids[at], &p->usages[i].id) < 0)
            at++;
        if (at == n || id_compare(&ids[at], &p->usages[i].id) != 0)
            p->usages[kept++] = p->usages[i];
    }
    p->count = kept;
}

void sweep_passed_param(const struct sweep_passed *p, struct db_params *params)
{
    db_array_begin(params, DB_UUID, p->count);
    for (size_t i = 0; i < p->count; i++)
        db_array_uuid(params, p->usages[i].id.bytes);
    db_array_end(params);
}
