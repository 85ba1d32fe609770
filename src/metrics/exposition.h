/* exposition.h: the series as text, in the two formats that Prometheus reads. Any thread.
 *
 * Shown are: every gauge that was ever set; counters with at most one label, and histograms without, from the
 * start; the others once something was counted. The same le values in both formats, written as OpenMetrics
 * wants them. */
#pragma once

#include "base/buf.h"
#include "metrics/cells.h"
#include "metrics/exemplars.h"

enum exposition { EXPOSITION_PROMETHEUS, EXPOSITION_OPENMETRICS };

void exposition_put(const struct cells *c, struct exemplars *e, enum exposition format, struct buf *ret);
