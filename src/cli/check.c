/* limner check: does what a server would do at its start, without listening, and says of each thing whether
 * it works or how to repair it. It may run beside a server. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "app.h"
#include "app_budgets.h"
#include "app_limiters.h"
#include "app_store.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/check.h"
#include "cli/check_db.h"
#include "cli/check_redis.h"
#include "cli/cli.h"
#include "local/local.h"
#include "request/access.h"
#include "store/body.h"
#include "store/file.h"
#include "tables/prices.h"

enum { MODELS_MAX = 64, PROBE_BYTES = 64 << 10 };

#define PROBE "limner-check"

struct check {
    const struct config *config;
    const struct options *opt; /* its */
    check_tell_fn *tell;
    void *ctx;
    unsigned failed;
    struct loop_uv *uv;
    struct lane *disk;
};

static void say(struct check *c, bool ok, const char *what, const char *fmt, ...) PRINTF(4, 5);

static void say(struct check *c, bool ok, const char *what, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *line = NULL;
    if (vasprintf(&line, fmt, ap) >= 0)
        c->tell(c->ctx, ok, what, line);
    va_end(ap);
    free(line);
    c->failed += !ok;
}

/* ---- DATA_DIR ---- */

static void check_data_dir(struct check *c)
{
    const char *path = c->opt->data_dir;
    struct error e = {0};
    struct spool *spool = NULL;
    struct signer *signer = NULL;
    struct statvfs fs;
    double free_gb = 0;
    int r = file_make_folders(path);
    if (r < 0) {
        say(c, false, "DATA_DIR",
            "%s cannot be made: %s; name another folder, or give limner's user the right", path,
            strerror(-r));
        return;
    }
    if (statvfs(path, &fs) == 0)
        free_gb = (double)fs.f_bavail * (double)fs.f_frsize / 1e9;
    r = spool_new(path, 0, 0, &spool, &e);
    if (r == 0)
        r = signer_new(c->opt->url_signing_key, path, &signer, &e);
    if (r < 0)
        say(c, false, "DATA_DIR", "%s; give limner's user the right to write in %s", e.reason, path);
    else
        say(c, true, "DATA_DIR", "%s can be written, %.1f GB are free", path, free_gb);
    signer_free(signer);
    spool_free(spool);
}

/* ---- the store ---- */

static void on_done(struct op *op)
{
    loop_uv_stop(op->owner);
}

/* What is stored must be there for those who get the links. Writing has been tried by its start, on S3 by the
 * object that is read here. */
static int read_probe(struct check *c, struct store *s, struct error *e)
{
    BLOB_ON_EXIT struct blob *body = blob_copy("limner", 6);
    struct store_put p = {.key = PROBE, .content_type = "text/plain", .body = body};
    struct store_get g = {.name = PROBE, .max_bytes = PROBE_BYTES};
    p.op.owner = g.op.owner = c->uv;
    store_put_start(s, &p, on_done);
    loop_uv_run(c->uv);
    if (p.op.result < 0) {
        *e = p.err;
        return p.op.result;
    }
    store_get_start(s, &g, on_done);
    loop_uv_run(c->uv);
    blob_unref(g.body);
    int removed = s->ops->remove(s, PROBE);
    (void)removed; /* best effort: it harms nobody */
    *e = g.err;
    return g.op.result;
}

static int list_some(struct check *c, struct store *s, struct error *e)
{
    struct store_list l = {.prefix = c->opt->packs_prefix, .objects_max = 1, .skip_dated = true};
    l.op.owner = c->uv;
    store_list_start(s, &l, on_done);
    loop_uv_run(c->uv);
    store_listing_release(&l.listing);
    *e = l.err;
    return l.op.result;
}

static void check_opened(struct check *c, struct store *s)
{
    const struct options *opt = c->opt;
    struct error e = {0};
    int r = read_probe(c, s, &e);
    FREE_ON_EXIT char *place = *opt->r2_bucket ? mem_printf("the bucket \"%s\"", opt->r2_bucket)
                                               : mem_printf("%s/objects", opt->data_dir);
    if (r < 0)
        say(c, false, "store",
            "%s takes an object, but does not give it back (%s); the credentials need the right "
            "to read objects",
            place, e.reason);
    else
        say(c, true, "store", "%s takes objects and gives them back", place);
    r = list_some(c, s, &e);
    if (r < 0)
        say(c, false, "asset packs",
            "%s cannot be listed (%s); the credentials need the right to list the bucket", place, e.reason);
    else
        say(c, true, "asset packs", "%s can be listed", place);
}

static void check_store(struct check *c)
{
    struct store *store = NULL;
    struct error e = {0};
    if (app_store_new(c->opt, c->uv, c->disk, &store, &e) < 0)
        say(c, false, "store", "%s", e.reason);
    else
        check_opened(c, store);
    store_free(store);
}

/* ---- models and providers ---- */

static void check_networks(struct check *c, struct local *local)
{
    struct local_model row[MODELS_MAX];
    struct error e = {0};
    unsigned count = MIN(local_describe(local, row, MODELS_MAX), (unsigned)MODELS_MAX), wrong = 0;
    for (unsigned i = 0; i < count; i++) {
        if (local_verify(local, i, &e) == 0)
            continue;
        say(c, false, "local models", "%s", e.reason);
        wrong++;
    }
    if (wrong == 0 && local_available(local, MODEL_UPSCALE, &e) < 0)
        say(c, false, "local models", "%s", e.reason);
    else if (wrong == 0)
        say(c, true, "local models", "%u networks, all as they should be", count);
}

static void check_models(struct check *c)
{
    const char *providers = c->opt->providers;
    if (strcmp(providers, "auto") != 0 && !strstr(providers, "local")) {
        say(c, true, "local models", "not used (PROVIDERS=%s)", providers);
        return;
    }
    char program_dir[PROGRAM_DIR_MAX];
    app_program_dir(program_dir, sizeof(program_dir));
    struct local *local = local_new(c->opt, program_dir);
    check_networks(c, local);
    local_free(local);
}

/* r8_ and 37 letters and digits. */
static bool token_form_ok(const char *token)
{
    size_t len = strlen(token);
    if (strncmp(token, "r8_", 3) != 0 || len != 40)
        return false;
    for (size_t i = 3; i < len; i++)
        if (!isalnum((unsigned char)token[i]))
            return false;
    return true;
}

static void check_token(struct check *c)
{
    const char *token = c->opt->replicate_token;
    if (!*token)
        say(c, true, "REPLICATE_API_TOKEN", "not set: Replicate is not used");
    else if (*c->opt->replicate_base_url || token_form_ok(token))
        say(c, true, "REPLICATE_API_TOKEN", "has the form of a token");
    else
        say(c, false, "REPLICATE_API_TOKEN",
            "is no token: one is r8_ and 37 letters and digits; look for blanks or quotes around it");
}

static void check_keys(struct check *c)
{
    struct access *access = NULL;
    struct error e = {0};
    if (access_new(c->opt->api_keys, &access, &e) < 0)
        say(c, false, "API_KEYS", "%s", e.reason);
    else
        say(c, true, "API_KEYS", "%s", *c->opt->api_keys ? "are in order" : "not set: everybody may ask");
    access_free(access);
}

static void check_prices(struct check *c)
{
    struct prices *prices = NULL;
    struct error e = {0};
    if (prices_new(c->opt->prices, &prices, &e) < 0)
        say(c, false, "PRICES", "%s", e.reason);
    else
        say(c, true, "PRICES", "are in order; `limner prices` lists them");
    prices_free(prices);
}

static void check_budgets(struct check *c)
{
    struct budget_plan plan;
    struct access *access = NULL;
    struct error e = {0};
    int r = budget_plan_parse(c->opt->budgets, &plan, &e);
    if (r == 0)
        r = access_new(c->opt->api_keys, &access, &e);
    if (r == 0)
        r = app_check_budget_keys(&plan, access, &e);
    if (r < 0)
        say(c, false, "BUDGETS", "%s", e.reason);
    else
        say(c, true, "BUDGETS", "%s",
            plan.count ? "are in order" : "not set: as much may be spent as is asked for");
    access_free(access);
}

static void check_weights(struct check *c)
{
    struct services svc = {.opt = c->opt};
    struct access *access = NULL;
    struct error e = {0};
    if (access_new(c->opt->api_keys, &access, &e) < 0)
        return; /* that is said already */
    if (app_make_weights(&svc, access, &e) < 0)
        say(c, false, "KEY_WEIGHTS", "%s", e.reason);
    else if (*c->opt->key_weights)
        say(c, true, "KEY_WEIGHTS", "are in order");
    app_limiters_free(&svc);
    access_free(access);
}

static void check_shared(struct check *c)
{
    FREE_ON_EXIT char *text = NULL, *limits = NULL;
    if (*c->opt->redis_url) {
        bool ok = check_redis(c->opt, c->uv, &text);
        say(c, ok, "REDIS_URL", "%s", text);
    }
    if (*c->opt->redis_limits_url) {
        bool ok = check_redis_limits(c->opt, c->uv, &limits);
        say(c, ok, "REDIS_LIMITS_URL", "%s", limits);
    }
}

static void check_database(struct check *c)
{
    FREE_ON_EXIT char *text = NULL;
    bool ok = check_db(c->opt, &text);
    say(c, ok, "database", "%s", text);
}

/* Whatever else a start looks at, once all that has a line of its own is in order. */
static void check_start(struct check *c)
{
    struct app *app = NULL;
    struct error e = {0};
    if (c->failed > 0)
        return;
    if (app_new(c->config, &(struct app_wants){0}, &app, &e) < 0)
        say(c, false, "start", "%s", e.reason);
    else
        say(c, true, "start", "a server can start");
    app_free(app);
}

static const struct {
    void (*run)(struct check *c);
    bool slow; /* reads all networks, or begins a start */
} checks[] = {
    {check_data_dir, false}, {check_store, false},    {check_models, true},  {check_token, false},
    {check_keys, false},     {check_weights, false},  {check_prices, false}, {check_budgets, false},
    {check_shared, false},   {check_database, false}, {check_start, true},
};

unsigned check_all(const struct config *config, bool quick, check_tell_fn *tell, void *ctx)
{
    struct check c = {.config = config, .opt = &config->opt, .tell = tell, .ctx = ctx, .uv = loop_uv_new()};
    c.disk = lane_new(&(struct lane_config){"disk", 1, 100, NULL}, loop_uv_loop(c.uv));
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (!quick || !checks[i].slow)
            checks[i].run(&c);
    lane_free(c.disk);
    loop_uv_free(c.uv);
    return c.failed;
}

static void print(void *ctx, bool ok, const char *what, const char *text)
{
    printf("%s: %s: %s\n", ok ? "ok" : "failed", what, text);
    fflush(stdout); /* the next one may take a while */
}

int cli_check(int argc, char **argv)
{
    struct config config;
    if (cli_config_load(&config, &argc, argv) < 0)
        return EXIT_USAGE;
    if (argc > 1) {
        config_release(&config);
        return cli_usage("check takes options only, not \"%s\"", argv[1]);
    }
    signal(SIGPIPE, SIG_IGN);
    unsigned failed = check_all(&config, false, print, NULL);
    config_release(&config);
    return failed ? EXIT_FAILED : EXIT_DONE;
}
