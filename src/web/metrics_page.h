/* metrics_page.h: inside of metrics_page.c, for its tests. */
#pragma once

enum metrics_format { METRICS_JSON, METRICS_PROMETHEUS, METRICS_OPENMETRICS, METRICS_FORMATS };

/* What an Accept header asks for; NULL, and whatever names none of the formats: JSON. text/plain that has as
 * much weight as JSON is JSON too: clients of apps send such lists. */
enum metrics_format metrics_format_accepted(const char *accept);
