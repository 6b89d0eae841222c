/* counts - what a stored transaction adds to the metrics beside its records. */
#pragma once

#include "app/metrics.h"
#include "usage/changes.h"

/* What became of parked ratings; a dead letter among them counts under the topic that it came from.
 * While the changes' memory is there. */
void counts_parked(const struct changes *c);
