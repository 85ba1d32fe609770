#include "metrics/catalog.h"

#include <string.h>

#include "base/check.h"
#include "version.h"

const struct metric_row metric_rows[M_COUNT] = {
#define METRIC(id, kind, name, unit, buckets, a, b, c, help)                                                 \
    [M_##id] = {name,                                                                                        \
                help,                                                                                        \
                METRIC_##kind,                                                                               \
                METRIC_UNIT_##unit,                                                                          \
                METRIC_BUCKETS_##buckets,                                                                    \
                {LABEL_##a, LABEL_##b, LABEL_##c}},
#include "tables/metrics.def"
};

const struct metric_label_row metric_labels[LABEL_COUNT] = {
#define LABEL(id, name, about) [LABEL_##id] = {name, about},
#include "tables/metrics.def"
};

struct value_row {
    enum metric_label label;
    const char *text;
};

static const struct value_row values[] = {
#define VALUE(label, id, text) {LABEL_##label, text},
#include "tables/metrics.def"
};

static const char *const routes[] = {
    "other",
#define ROUTE(id, method, path, ...) path,
#include "tables/routes.def"
#undef ROUTE
};

/* The most frequent first, as they are searched for in this order. */
static const struct {
    int status;
    const char *text;
} codes[] = {
    {200, "200"}, {101, "101"}, {201, "201"}, {202, "202"}, {204, "204"}, {206, "206"},
    {304, "304"}, {400, "400"}, {401, "401"}, {402, "402"}, {403, "403"}, {404, "404"},
    {405, "405"}, {406, "406"}, {408, "408"}, {409, "409"}, {410, "410"}, {412, "412"},
    {413, "413"}, {415, "415"}, {416, "416"}, {422, "422"}, {429, "429"}, {431, "431"},
    {499, "499"}, {500, "500"}, {502, "502"}, {503, "503"}, {504, "504"}, {507, "507"},
};

/* Of each label, as far as its values are rows. */
static const unsigned counts[LABEL_COUNT] = {
#define LABEL_END(id) [LABEL_##id] = V_##id##_END,
#include "tables/metrics.def"
};

static unsigned first_of(enum metric_label label)
{
    unsigned i = 0;
    while (values[i].label != label)
        i++;
    return i;
}

unsigned metric_label_values(enum metric_label label)
{
    switch (label) {
    case LABEL_ROUTE:
        return METRIC_ROUTES;
    case LABEL_FEATURE:
        return FEATURE_COUNT;
    case LABEL_MODEL:
        return METRIC_MODELS;
    case LABEL_CODE:
        return ARRAY_LEN(codes);
    case LABEL_BUDGET:
        return METRIC_BUDGETS;
    default:
        return MAX(counts[label], 1);
    }
}

const char *metric_label_value(enum metric_label label, unsigned i)
{
    CHECK(i < metric_label_values(label));
    switch (label) {
    case LABEL_NONE:
    case LABEL_BUDGET: /* known at run time only */
        return "";
    case LABEL_ROUTE:
        return i < METRIC_ROUTE_FEATURES ? routes[i] : features[i - METRIC_ROUTE_FEATURES].route;
    case LABEL_FEATURE:
        return features[i].name;
    case LABEL_MODEL:
        return i == METRIC_MODEL_ACCOUNT ? "account" : features[i].model;
    case LABEL_VERSION:
        return LIMNER_VERSION;
    case LABEL_CODE:
        return codes[i].text;
    default:
        return values[first_of(label) + i].text;
    }
}

unsigned metric_series_count(enum metric_id id)
{
    const enum metric_label *label = metric_rows[id].label;
    return metric_label_values(label[0]) * metric_label_values(label[1]) * metric_label_values(label[2]);
}

unsigned metric_series(enum metric_id id, unsigned a, unsigned b, unsigned c)
{
    const enum metric_label *label = metric_rows[id].label;
    return (a * metric_label_values(label[1]) + b) * metric_label_values(label[2]) + c;
}

const char *metric_series_value(enum metric_id id, unsigned series, unsigned position)
{
    const enum metric_label *label = metric_rows[id].label;
    for (unsigned i = 2; i > position; i--)
        series /= metric_label_values(label[i]);
    return metric_label_value(label[position], series % metric_label_values(label[position]));
}

#define GATEWAY_US 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000
#define LONGER_US  2500000, 5000000, 10000000, 20000000, 30000000, 60000000, 120000000, 300000000, 600000000

const uint64_t *metric_bounds(enum metric_buckets family, unsigned *ret_count)
{
    static const uint64_t whole_us[] = {GATEWAY_US, LONGER_US};
    static const uint64_t size_bytes[] = {1000,    10000,   50000,   100000,   250000,   500000,
                                          1000000, 2500000, 5000000, 10000000, 25000000, 100000000};
    enum { GATEWAY = 13, UPSTREAM_FROM = 10 };
    static const struct {
        const uint64_t *bound;
        unsigned count;
    } families[] = {
        [METRIC_BUCKETS_NONE] = {whole_us, 0},
        [METRIC_BUCKETS_GATEWAY] = {whole_us, GATEWAY},
        [METRIC_BUCKETS_UPSTREAM] = {whole_us + UPSTREAM_FROM, ARRAY_LEN(whole_us) - UPSTREAM_FROM},
        [METRIC_BUCKETS_WHOLE] = {whole_us, ARRAY_LEN(whole_us)},
        [METRIC_BUCKETS_SIZE] = {size_bytes, ARRAY_LEN(size_bytes)},
    };
    *ret_count = families[family].count;
    return families[family].bound;
}

unsigned metric_feature_route(const struct feature *f)
{
    return *f->route ? METRIC_ROUTE_FEATURES + (unsigned)f->id : METRIC_ROUTE_OTHER;
}

unsigned metric_model(const struct feature *f)
{
    unsigned i = 0;
    while (strcmp(features[i].model, f->model) != 0)
        i++;
    return i;
}

static unsigned find(enum metric_label label, const char *text, unsigned otherwise)
{
    const unsigned first = first_of(label);
    for (unsigned i = 0; i < counts[label]; i++)
        if (strcmp(values[first + i].text, text) == 0)
            return i;
    return otherwise;
}

unsigned metric_method(const char *method)
{
    return find(LABEL_METHOD, method, V_METHOD_OTHER);
}

int metric_class(const char *limiter)
{
    return (int)find(LABEL_CLASS, limiter, (unsigned)-1);
}

int metric_provider(const char *name)
{
    return (int)find(LABEL_PROVIDER, name, (unsigned)-1);
}

unsigned metric_code(int status)
{
    unsigned i = 0;
    int wanted = status ? status : 499;
    while (i < ARRAY_LEN(codes) && codes[i].status != wanted)
        i++;
    return i < ARRAY_LEN(codes) ? i : metric_code(500);
}
