#include "cli/peek_args.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define INTERVAL_LEAST 0.1
#define INTERVAL_MOST  3600.0

struct given {
    const char *url, *metrics_url, *token, *interval;
    bool once;
};

/* The value behind --name or --name=; NULL: it is another argument. *at is left on the last one taken. */
static const char *value_of(const char *name, int argc, char **argv, int *at)
{
    size_t len = strlen(name);
    const char *arg = argv[*at];
    if (!arg || strncmp(arg, name, len) != 0 || (arg[len] && arg[len] != '='))
        return NULL;
    if (arg[len] == '=')
        return arg + len + 1;
    return *at + 1 < argc ? argv[++*at] : "";
}

static int take(struct given *g, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **to;
    } flags[] = {{"--url", &g->url},
                 {"--metrics-url", &g->metrics_url},
                 {"--token", &g->token},
                 {"--interval", &g->interval}};
    for (int i = 1; i < argc; i++) {
        bool known = strcmp(argv[i], "--once") == 0;
        g->once |= known;
        for (size_t k = 0; k < ARRAY_LEN(flags) && !known; k++) {
            const char *value = value_of(flags[k].name, argc, argv, &i);
            if (value && !*value)
                return cli_usage("%s needs a value", flags[k].name);
            if (value)
                *flags[k].to = value;
            known = value != NULL;
        }
        if (!known)
            return cli_usage("%s does not know \"%s\"", argv[0], argv[i]);
    }
    return 0;
}

static int interval_of(const char *text, double *ret)
{
    char *end = NULL;
    double s = text ? strtod(text, &end) : *ret;
    if ((text && (*end && strcmp(end, "s") != 0)) || !(s >= INTERVAL_LEAST && s <= INTERVAL_MOST))
        return cli_usage("--interval is in seconds, from %g to %g", INTERVAL_LEAST, INTERVAL_MOST);
    *ret = s;
    return 0;
}

static bool is_address(const char *url)
{
    return !url || strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

int peek_args_read(struct peek_args *ret, int argc, char **argv, double interval_s)
{
    struct given g = {0};
    *ret = (struct peek_args){.interval_s = interval_s};
    if (cli_config_load(&ret->config, &argc, argv) < 0)
        return EXIT_USAGE;
    const struct options *opt = &ret->config.opt;
    int r = take(&g, argc, argv);
    if (r == 0)
        r = interval_of(g.interval, &ret->interval_s);
    if (r == 0 && (!is_address(g.url) || !is_address(g.metrics_url)))
        r = cli_usage("an address begins with http:// or https://: --url http://127.0.0.1:3000");
    if (r == 0 && !g.url && opt->port == 0)
        r = cli_usage("%s needs the gateway's address: --url, or its port: PORT or --port", argv[0]);
    if (r != 0) {
        config_release(&ret->config);
        return r;
    }
    ret->once = g.once;
    ret->here = !g.url;
    ret->place = peek_find(opt, g.url, g.metrics_url);
    ret->where = (struct peek_where){.url = ret->place.url,
                                     .metrics_url = ret->place.metrics_url,
                                     .token = g.token ? g.token : opt->metrics_token,
                                     .ca_file = opt->ca_file};
    return 0;
}

void peek_args_release(struct peek_args *a)
{
    peek_place_release(&a->place);
    config_release(&a->config);
}
