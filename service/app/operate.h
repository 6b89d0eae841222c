/* operate - /healthz, /readyz and /metrics, on an address of their own: readers of usages cannot
 * starve them. */
#pragma once

#include "app/settings.h"
#include "base/err.h"

struct operate;

/* ERR_FATAL: the text says what to do. The settings must outlive it. */
struct operate *operate_start(const struct settings *s, struct err *err);
void operate_stop(struct operate *operate);
