/* settings_check - what no single setting shows: collisions, what librdkafka says. Part of
 * settings. */
#pragma once

#include "app/settings.h"

/* Checks settings that are each in range, reads the effective time-outs of kafka.* into *s and
 * tidies URLs. Every fault is reported through `c`. */
bool settings_check(struct settings *s, struct config *c);

/* Whether a kafka.* setting's value must never be shown. */
bool settings_check_secret(const char *name);
