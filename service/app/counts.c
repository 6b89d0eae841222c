#include "app/counts.h"

#include "app/storm.h"

void counts_parked(const struct changes *c)
{
    for (size_t i = 0; i < c->part_count; i++)
        for (int o = 0; o < OUTCOME_COUNT; o++)
            if (c->parts[i].parked_ended[o])
                metrics_parked_ended((enum outcome)o, c->parts[i].parked_ended[o]);
    if (c->parked_dead == 0)
        return;
    for (size_t i = 0; i < c->entry_count; i++)
        for (const struct effect *f = c->entries[i].effects; f; f = f->next)
            if (f->dead != REASON_NONE) {
                metrics_dead(metrics_topic(f->cause->topic), f->dead, 1);
                storm_dead(f->cause->topic, f->dead, 1);
            }
}
