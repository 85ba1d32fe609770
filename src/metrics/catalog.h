/* catalog.h: the metrics of the Prometheus formats, as data. Rows: tables/metrics.def. Read only, any thread.
 *
 * A metric has a series for each combination of its labels' values, all of which are known at build time: so
 * a series is a number, metric_series(M_QUEUE_DEPTH, V_CLASS_LIGHT, 0, 0). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tables/features.h"

enum metric_id {
#define METRIC(id, ...) M_##id,
#include "tables/metrics.def"
    M_COUNT
};

enum metric_label {
#define LABEL(id, ...) LABEL_##id,
#include "tables/metrics.def"
    LABEL_COUNT
};

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_INFO };
enum metric_unit { METRIC_UNIT_NONE, METRIC_UNIT_BYTES, METRIC_UNIT_SECONDS, METRIC_UNIT_USD };
enum metric_buckets {
    METRIC_BUCKETS_NONE,
    METRIC_BUCKETS_GATEWAY,
    METRIC_BUCKETS_UPSTREAM,
    METRIC_BUCKETS_WHOLE,
    METRIC_BUCKETS_SIZE
};

/* The values of a label, V_CLASS_LIGHT, V_CLASS_HEAVY …, from 0; V_CLASS_END of them. */
enum metric_value {
#define LABEL(id, ...)        V_##id##_BEFORE = -1,
#define VALUE(label, id, ...) V_##label##_##id,
#define LABEL_END(id)         V_##id##_END,
#include "tables/metrics.def"
};

/* Those of the labels that come from other tables: routes in the order of routes.def, then the features'. */
enum {
    METRIC_ROUTE_OTHER = 0,
#define ROUTE(id, ...) METRIC_ROUTE_##id,
#include "tables/routes.def"
#undef ROUTE
    METRIC_ROUTE_FEATURES, /* the first of them */
    METRIC_ROUTES = METRIC_ROUTE_FEATURES + FEATURE_COUNT,
    METRIC_MODEL_ACCOUNT = FEATURE_COUNT,
    METRIC_MODELS,
    METRIC_BUDGETS = 32, /* most; their names are the cells' */
};

struct metric_row {
    const char *name; /* with prefix, unit and _total */
    const char *help;
    enum metric_kind kind;
    enum metric_unit unit;
    enum metric_buckets buckets;
    enum metric_label label[3]; /* LABEL_NONE: no further ones */
};

struct metric_label_row {
    const char *name;
    const char *about;
};

extern const struct metric_row metric_rows[M_COUNT];
extern const struct metric_label_row metric_labels[LABEL_COUNT];

unsigned metric_label_values(enum metric_label label); /* at least 1 */
const char *metric_label_value(enum metric_label label, unsigned i);

unsigned metric_series_count(enum metric_id id);
/* One value for each label that the metric has, 0 for the others. */
unsigned metric_series(enum metric_id id, unsigned a, unsigned b, unsigned c);
/* The label's value in a series: position 0 to 2. */
const char *metric_series_value(enum metric_id id, unsigned series, unsigned position);

/* Upper bounds of a family in µs (SIZE: in bytes), ascending; +Inf comes on top of them. */
const uint64_t *metric_bounds(enum metric_buckets family, unsigned *ret_count);

static inline unsigned metric_route(unsigned route_id) /* of web.h's enum route_id */
{
    return METRIC_ROUTE_OTHER + 1 + route_id;
}
unsigned metric_feature_route(const struct feature *f);
unsigned metric_model(const struct feature *f); /* features with the same model have the same */
unsigned metric_method(const char *method);     /* any other one: V_METHOD_OTHER */
unsigned metric_code(int status);               /* 0: the client left; an unknown one counts as 500 */
int metric_class(const char *limiter);          /* -1: none of the table */
int metric_provider(const char *name);          /* -1: none of the table */
