/* metrics_process - what /proc says of this process, under the names that all Prometheus clients
 * use. */
#pragma once

#include "base/buf.h"

void metrics_process(struct buf *b);
