/* prices.h: what model runs cost: rows of prices.def, with PRICES over them.
 *
 * Order: prices_new at start; the rest from any thread, read only; prices_free. Amounts are billionths of a
 * dollar (base/money.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "tables/error.h"
#include "tables/features.h"

enum price_provider { PRICE_REPLICATE, PRICE_COG, PRICE_LOCAL, PRICE_INSTANT, PRICE_PROVIDERS };
enum price_unit { PRICE_SECOND, PRICE_RUN, PRICE_IMAGE };

struct price {
    int64_t nano; /* a unit */
    enum price_unit unit;
    unsigned typical_s; /* of a run, until some were seen */
    const char *about;  /* what is paid; static text */
};

struct prices;

/* text: "feature[@provider]=dollars/unit,…". A feature is named by feature_model_name, all is each of them;
 * the provider is replicate if none is named; units: s, run, image. VALIDATION, field PRICES: which word
 * cannot be used, and why. */
int prices_new(const char *text, struct prices **ret, struct error *e) MUST_CHECK;
void prices_free(struct prices *p); /* accepts NULL */

/* provider: as in meta.ran_on; one that is not known costs nothing. Never NULL. */
const struct price *price_of(const struct prices *p, const struct feature *f, const char *provider);

/* How many pictures a run with these parameters gives. */
unsigned price_images(const struct params *params);
/* Before a run. typical_ns: of the feature's runs so far; 0: none were seen. */
int64_t price_estimate(const struct price *price, uint64_t typical_ns, unsigned images);
/* After one that is billed. run_ns: the provider's own figure if it gave one; images: that came back. */
int64_t price_cost(const struct price *price, uint64_t run_ns, unsigned images);

const char *price_provider_name(enum price_provider p);
const char *price_unit_name(enum price_unit u); /* as in PRICES */
