#include "tables/prices.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/words.h"

struct prices {
    struct price of[FEATURE_COUNT][PRICE_PROVIDERS];
};

static const struct {
    enum feature_id feature;
    enum price_provider provider;
    const char *usd;
    enum price_unit unit;
    unsigned typical_s;
    const char *about;
} rows[] = {
#define PRICE(f, provider, usd, unit, typical, about)                                                        \
    {FEATURE_##f, PRICE_##provider, usd, PRICE_##unit, typical, about},
#include "tables/prices.def"
#undef PRICE
};

static const char *const providers[PRICE_PROVIDERS] = {"replicate", "cog", "local", "instant"};
static const char *const units[] = {[PRICE_SECOND] = "s", [PRICE_RUN] = "run", [PRICE_IMAGE] = "image"};

const char *price_provider_name(enum price_provider p)
{
    return providers[p];
}

const char *price_unit_name(enum price_unit u)
{
    return units[u];
}

static int find(const char *const *names, size_t count, const struct word *w)
{
    for (size_t i = 0; i < count; i++)
        if (word_is(w, names[i]))
            return (int)i;
    return -1;
}

/* ---- PRICES ---- */

static int refuse(const struct word *w, const char *why, struct error *e)
{
    return error_set_field(e, ERR_VALIDATION, "PRICES", "PRICES: \"%.*s\" %s", (int)MIN(w->len, (size_t)80),
                           w->at, why);
}

static int no_such_feature(const struct word *w, struct error *e)
{
    char why[240] = "is no feature; all is, and so are";
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const char *name = feature_model_name(&features[i]);
        snprintf(why + strlen(why), sizeof(why) - strlen(why), "%s%s", *name ? " " : "", name);
    }
    return refuse(w, why, e);
}

/* Whose prices an entry sets: bits of features. 0: there is no such one. */
static unsigned long named_features(const struct word *w)
{
    unsigned long bits = 0;
    bool all = word_is(w, "all");
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const char *name = feature_model_name(&features[i]);
        if (*name && (all || word_is(w, name)))
            bits |= 1ul << i;
    }
    return bits;
}

/* "0.000225/s" */
static int read_amount(const struct word *w, struct price *ret, struct error *e)
{
    const char *at = w->at, *end = at + w->len;
    struct word usd = word_next(&at, end, '/'), unit = {at, (size_t)(end - at)};
    int u = find(units, ARRAY_LEN(units), &unit);
    if (u < 0)
        return refuse(w, "has no unit; dollars are given /s, /run or /image, like 0.000225/s", e);
    if (money_parse(usd.at, usd.len, &ret->nano) < 0)
        return refuse(&usd, "is no amount of dollars, like 0.000225, with at most nine decimals", e);
    ret->unit = (enum price_unit)u;
    return 0;
}

/* "feature@provider=0.000225/s" */
static int set_price(struct prices *p, const struct word *entry, struct error *e)
{
    const char *at = entry->at, *end = at + entry->len;
    if (!memchr(at, '=', entry->len))
        return refuse(entry, "is not feature=dollars/unit", e);
    struct word name = word_next(&at, end, '='), amount = word_next(&at, end, '\0');
    const char *inner = name.at, *inner_end = name.at + name.len;
    bool says_where = memchr(name.at, '@', name.len);
    struct word feature = word_next(&inner, inner_end, '@'), where = word_next(&inner, inner_end, '\0');
    unsigned long named = named_features(&feature);
    int provider = says_where ? find(providers, PRICE_PROVIDERS, &where) : PRICE_REPLICATE;
    if (!named)
        return no_such_feature(&feature, e);
    if (provider < 0)
        return refuse(&where, "is no provider; there are replicate, cog, local, instant", e);
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        struct price *price = &p->of[i][provider];
        if (!(named & 1ul << i))
            continue;
        if (read_amount(&amount, price, e) < 0)
            return -(int)e->code;
        price->about = "as PRICES says";
    }
    return 0;
}

static void set_defaults(struct prices *p)
{
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        for (unsigned where = 0; where < PRICE_PROVIDERS; where++)
            p->of[f][where].about = "no price";
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct price *price = &p->of[rows[i].feature][rows[i].provider];
        *price = (struct price){.unit = rows[i].unit, .typical_s = rows[i].typical_s, .about = rows[i].about};
        int r = money_parse(rows[i].usd, strlen(rows[i].usd), &price->nano);
        CHECK(r == 0);
    }
}

int prices_new(const char *text, struct prices **ret, struct error *e)
{
    struct prices *p = NEW(struct prices);
    const char *end = text + strlen(text);
    set_defaults(p);
    for (const char *at = text; at < end;) {
        struct word entry = word_next(&at, end, ',');
        if (entry.len > 0 && set_price(p, &entry, e) < 0) {
            prices_free(p);
            return -(int)e->code;
        }
    }
    *ret = p;
    return 0;
}

void prices_free(struct prices *p)
{
    free(p);
}

/* ---- amounts ---- */

const struct price *price_of(const struct prices *p, const struct feature *f, const char *provider)
{
    static const struct price nothing = {.about = "no price"};
    const struct word w = {provider, strlen(provider)};
    int i = find(providers, PRICE_PROVIDERS, &w);
    return i < 0 ? &nothing : &p->of[f->id][i];
}

unsigned price_images(const struct params *params)
{
    return (unsigned)params_int(params, "number_of_images", 1);
}

int64_t price_cost(const struct price *price, uint64_t run_ns, unsigned images)
{
    switch (price->unit) {
    case PRICE_SECOND:
        return money_scale(price->nano, run_ns, NS_PER_S);
    case PRICE_IMAGE:
        return money_scale(price->nano, images, 1);
    case PRICE_RUN:
        break;
    }
    return price->nano;
}

int64_t price_estimate(const struct price *price, uint64_t typical_ns, unsigned images)
{
    return price_cost(price, typical_ns ? typical_ns : price->typical_s * NS_PER_S, images);
}
