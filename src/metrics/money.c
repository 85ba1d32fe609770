#include "metrics/money.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/money.h"

void metrics_keys_add(struct metrics_keys *keys, const char *name)
{
    json_t *text = json_string(name);
    CHECK(keys->count < METRICS_KEYS_MAX);
    keys->key[keys->count].name = name;
    keys->key[keys->count++].quoted = text ? json_dumps(text, JSON_ENCODE_ANY) : NULL;
    json_decref(text);
}

void metrics_keys_release(struct metrics_keys *keys)
{
    for (unsigned i = 0; i < keys->count; i++)
        free(keys->key[i].quoted);
}

static int find(const struct metrics_keys *keys, const char *name)
{
    for (unsigned i = 0; name && i < keys->count; i++)
        if (strcmp(keys->key[i].name, name) == 0)
            return (int)i;
    return -1;
}

void metrics_keys_cost(struct metrics_keys *keys, const char *name, int64_t nano)
{
    int i = find(keys, name);
    if (i >= 0)
        atomic_fetch_add_explicit(&keys->key[i].cost, nano, memory_order_relaxed);
}

void metrics_keys_saved(struct metrics_keys *keys, const char *name, int64_t nano)
{
    int i = find(keys, name);
    if (i >= 0)
        atomic_fetch_add_explicit(&keys->key[i].saved, nano, memory_order_relaxed);
}

/* ---- the document ---- */

static void put_amount(const char *before, const char *name, int64_t nano, struct buf *ret)
{
    char text[MONEY_TEXT];
    buf_printf(ret, "%s\"%s\":%s", before, name, money_text(nano, text));
}

/* The values of the second label, for one of the first, or for all together. */
static int64_t sum(const struct cells *c, enum metric_id id, int feature, unsigned second)
{
    uint64_t nano = 0;
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        if (feature < 0 || (unsigned)feature == f)
            nano += cells_value(c, id, metric_series(id, f, second, 0));
    return (int64_t)nano;
}

static int64_t cost_of(const struct cells *c, int feature)
{
    int64_t nano = 0;
    for (unsigned p = 0; p < V_PROVIDER_END; p++)
        nano += sum(c, M_COST, feature, p);
    return nano;
}

static int64_t saved_by(const struct cells *c, int feature)
{
    int64_t nano = 0;
    for (unsigned by = 0; by < V_SAVED_END; by++)
        nano += sum(c, M_SAVED, feature, by);
    return nano;
}

/* "cost_usd":1,"saved_usd":{"cache":0,"twin":0,"local":0} */
static void put_sums(const struct cells *c, int feature, struct buf *ret)
{
    put_amount("", "cost_usd", cost_of(c, feature), ret);
    for (unsigned by = 0; by < V_SAVED_END; by++)
        put_amount(by ? "," : ",\"saved_usd\":{", metric_label_value(LABEL_SAVED, by),
                   sum(c, M_SAVED, feature, by), ret);
    buf_puts(ret, "}");
}

static void put_keys(const struct metrics_keys *keys, struct buf *ret)
{
    const char *before = "";
    buf_puts(ret, ",\"keys\":{");
    for (unsigned i = 0; i < keys->count; i++) {
        if (!keys->key[i].quoted)
            continue;
        buf_printf(ret, "%s%s:", before, keys->key[i].quoted);
        before = ",";
        put_amount("{", "cost_usd", atomic_load_explicit(&keys->key[i].cost, memory_order_relaxed), ret);
        put_amount(",", "saved_usd", atomic_load_explicit(&keys->key[i].saved, memory_order_relaxed), ret);
        buf_puts(ret, "}");
    }
    buf_puts(ret, "}");
}

void metrics_money_put(const struct cells *c, const struct metrics_keys *keys, const char *budgets,
                       struct buf *ret)
{
    bool any = false;
    buf_puts(ret, "\"money\":{");
    put_sums(c, -1, ret);
    buf_puts(ret, ",\"features\":{");
    for (unsigned f = 0; f < FEATURE_COUNT; f++) {
        if (cost_of(c, (int)f) == 0 && saved_by(c, (int)f) == 0)
            continue;
        buf_printf(ret, "%s\"%s\":{", any ? "," : "", features[f].name);
        put_sums(c, (int)f, ret);
        buf_puts(ret, "}");
        any = true;
    }
    buf_puts(ret, "}");
    if (keys->count > 0)
        put_keys(keys, ret);
    if (budgets)
        buf_printf(ret, ",\"budgets\":%s", budgets);
    buf_puts(ret, "}");
}
