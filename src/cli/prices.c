/* limner prices: what a model run costs, by feature and provider, as the options have it. */
#include "tables/prices.h"

#include <stdio.h>

#include "base/money.h"
#include "cli/cli.h"

static void print_price(const struct feature *f, enum price_provider where, const struct price *price)
{
    char amount[MONEY_TEXT], unit[MONEY_TEXT + 8], run[MONEY_TEXT];
    if (price->nano == 0)
        return;
    snprintf(unit, sizeof(unit), "%s/%s", money_text(price->nano, amount), price_unit_name(price->unit));
    bool typical = price->unit != PRICE_SECOND || price->typical_s > 0;
    printf("%-11s %-10s %-16s %-12s %s\n", feature_model_name(f), price_provider_name(where), unit,
           typical ? money_text(price_estimate(price, 0, 1), run) : "-", price->about);
}

static void print_prices(const struct prices *prices)
{
    printf("%-11s %-10s %-16s %-12s %s\n", "FEATURE", "PROVIDER", "US DOLLARS", "TYPICAL RUN", "OF WHAT");
    for (unsigned f = 0; f < FEATURE_COUNT; f++)
        for (unsigned i = 0; i < PRICE_PROVIDERS; i++) {
            enum price_provider where = (enum price_provider)i;
            print_price(&features[f], where, price_of(prices, &features[f], price_provider_name(where)));
        }
    puts("\nWhatever is not listed costs nothing. PRICES changes a price: clarity=0.0003/s,style=0.05/image");
}

int cli_prices(int argc, char **argv)
{
    struct config config;
    struct prices *prices = NULL;
    struct error e = {0};
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    int code = EXIT_DONE;
    if (argc > 1)
        code = cli_usage("prices takes options only, not \"%s\"", argv[1]);
    else if (prices_new(config.opt.prices, &prices, &e) < 0)
        code = cli_usage("%s", e.reason);
    else
        print_prices(prices);
    prices_free(prices);
    config_release(&config);
    return code;
}
