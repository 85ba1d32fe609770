/* Happy path: modules are made from the bottom of the layers to the top and freed the other way round; the
 * core loop runs on the main thread; a first SIGTERM or SIGINT drains, a second one ends the process at once.
 * Failure modes: whatever cannot be made stops the start with one message, and what was made is freed.
 * Invariants: app_free can free any half-made app, as each part accepts NULL. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app_status.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server/http.h"
#include "local/local.h"
#include "loop/loop_uv.h"
#include "metrics/metrics.h"
#include "request/flights.h"
#include "request/receive.h"
#include "store/file.h"
#include "version.h"
#include "web/web.h"

/* A network uses all cores by itself: two at once would only take twice as long and twice the memory. */
enum { LOCAL_SLOTS = 1 };
enum { TICK_MS = 250, INFERENCE_QUEUE_MAX = 64 };

struct app {
    const struct config *config;
    const struct options *opt;
    struct app_wants wants;
    char program_dir[PROGRAM_DIR_MAX];
    bool imaging;
    struct loop_uv *uv;
    struct lane *inference, *disk;
    struct local *local;
    struct services svc;
    struct web web;
    struct gate gate;
    struct app_status *status;
    int listen_fd;
    struct http *http;
    struct timer tick;
    uint64_t ticks, drain_until_ns;
    bool stopping;
    _Atomic uint64_t store_checked_ns; /* when the store was asked last whether it can store */
    _Atomic bool store_ok;             /* and what it said */
};

/* ---- making the parts ---- */

void app_program_dir(char *ret, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", ret, size - 1);
    ret[MAX(n, 0)] = '\0';
    char *slash = strrchr(ret, '/');
    if (slash)
        *slash = '\0';
    else
        snprintf(ret, size, ".");
}

static unsigned cores_or(int64_t asked)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return asked > 0 ? (unsigned)asked : (unsigned)MAX(cores, 1);
}

static void make_lanes(struct app *app)
{
    struct loop *loop = app->svc.loop;
    const struct options *opt = app->opt;
    app->svc.imaging = lane_new(&(struct lane_config){"imaging", cores_or(opt->imaging_threads),
                                                      (size_t)opt->imaging_queue_max, imaging_thread_stop},
                                loop);
    app->inference =
        lane_new(&(struct lane_config){"inference", 1, INFERENCE_QUEUE_MAX, imaging_thread_stop}, loop);
    app->disk = lane_new(&(struct lane_config){"disk", 2, (size_t)opt->imaging_queue_max, NULL}, loop);
}

static void make_limiters(struct app *app)
{
    const struct options *opt = app->opt;
    const int64_t slots[CLASS_COUNT] = {opt->light_concurrency, opt->heavy_concurrency,
                                        opt->comic_concurrency};
    for (int c = 0; c < CLASS_COUNT; c++)
        app->svc.class_limiter[c] =
            limiter_new(class_name((enum class)c), (size_t)slots[c], (size_t)opt->queue_max, app->svc.loop);
    app->svc.local_limiter = limiter_new("local", LOCAL_SLOTS, (size_t)opt->queue_max, app->svc.loop);
}

static int make_data_dir(const char *path, struct error *e)
{
    int r = file_make_folders(path);
    if (r < 0)
        return error_set_field(e, ERR_INTERNAL, "DATA_DIR", "DATA_DIR=%s cannot be made: %s", path,
                               strerror(-r));
    return 0;
}

/* In the bucket, if one is named, else on the disk. */
static int make_store(struct app *app, struct error *e)
{
    const struct options *opt = app->opt;
    if (!*opt->r2_bucket)
        return store_disk_new(opt->data_dir, app->svc.loop, app->disk, &app->svc.store, e);
    if (!*opt->r2_access_key_id || !*opt->r2_secret_access_key)
        return error_set(e, ERR_VALIDATION,
                         "CF_R2_BUCKET needs CF_R2_ACCESS_KEY_ID and "
                         "CF_R2_SECRET_ACCESS_KEY");
    if (!*opt->r2_endpoint && !*opt->r2_account_id)
        return error_set(e, ERR_VALIDATION, "CF_R2_BUCKET needs CF_R2_ACCOUNT_ID or CF_R2_ENDPOINT");
    FREE_ON_EXIT char *r2 = mem_printf("https://%s.r2.cloudflarestorage.com", opt->r2_account_id);
    const struct s3_config config = {
        .endpoint = *opt->r2_endpoint ? opt->r2_endpoint : r2,
        .bucket = opt->r2_bucket,
        .access_key = opt->r2_access_key_id,
        .secret = opt->r2_secret_access_key,
        .region = opt->s3_region,
        .retries = (unsigned)opt->store_retries,
        .timeout_ms = (uint32_t)opt->store_timeout_ms,
    };
    return store_s3_new(&config, app->uv, app->disk, &app->svc.store, e);
}

static int make_storage(struct app *app, struct error *e)
{
    const struct options *opt = app->opt;
    struct services *svc = &app->svc;
    int r = make_data_dir(opt->data_dir, e);
    if (r == 0)
        r = spool_new(opt->data_dir, (uint64_t)opt->body_memory_mb << 20, (uint64_t)opt->spool_bytes,
                      &svc->spool, e);
    if (r == 0 && !svc->store)
        r = make_store(app, e);
    if (r == 0 && app->wants.serve)
        r = signer_new(opt->url_signing_key, opt->data_dir, &svc->signer, e);
    return r;
}

static void make_provider(struct app *app)
{
    app->local = local_new(app->opt, app->program_dir);
    if (app->opt->providers == PROVIDERS_INSTANT)
        app->svc.provider = provider_instant_new(app->svc.loop);
    else
        app->svc.provider = provider_local_new(app->local, app->inference, app->svc.loop, app->opt);
}

static int make_all(struct app *app, struct error *e)
{
    struct services *svc = &app->svc;
    app_program_dir(app->program_dir, sizeof(app->program_dir));
    if (imaging_start(e) < 0)
        return -(int)e->code;
    app->imaging = true;
    app->uv = loop_uv_new();
    svc->opt = app->opt;
    svc->uv = app->uv;
    svc->loop = loop_uv_loop(app->uv);
    list_init(&svc->live);
    make_lanes(app);
    make_limiters(app);
    svc->rate = app->wants.serve && app->opt->rate_limits ? rate_new() : NULL;
    svc->flights = flights_new();
    svc->metrics = metrics_new(clock_mono_ns());
    svc->cache = cache_new(app->wants.serve ? (uint64_t)app->opt->cache_max_size : 0,
                           (uint64_t)app->opt->cache_ttl_ms);
    svc->log_requests = app->wants.serve;
    app->status = app_status_new();
    make_provider(app);
    return make_storage(app, e);
}

int app_new(const struct config *config, const struct app_wants *wants, struct app **ret, struct error *e)
{
    struct app *app = NEW(struct app);
    app->config = config;
    app->opt = &config->opt;
    app->wants = *wants;
    app->svc.store = wants->store; /* so that a start that fails frees it */
    app->listen_fd = -1;
    int r = make_all(app, e);
    if (r < 0) {
        app_free(app);
        return r;
    }
    *ret = app;
    return 0;
}

void app_free(struct app *app)
{
    if (!app)
        return;
    struct services *svc = &app->svc;
    if (app->http)
        http_stop(app->http);
    if (app->listen_fd >= 0)
        close(app->listen_fd);
    web_release(&app->web);
    lane_free(svc->imaging);
    lane_free(app->inference);
    lane_free(app->disk);
    provider_free(svc->provider);
    local_free(app->local);
    store_free(svc->store);
    signer_free(svc->signer);
    cache_free(svc->cache);
    flights_free(svc->flights);
    metrics_free(svc->metrics);
    for (int c = 0; c < CLASS_COUNT; c++)
        limiter_free(svc->class_limiter[c]);
    limiter_free(svc->local_limiter);
    rate_free(svc->rate);
    app_status_free(app->status);
    spool_free(svc->spool);
    loop_uv_free(app->uv);
    if (app->imaging)
        imaging_stop();
    free(app);
}

/* ---- readiness and status, for the pages ---- */

/* The check writes a file: probes that come often get what the last one said. */
static bool store_works(struct app *app)
{
    struct error e;
    uint64_t now = clock_mono_ns();
    uint64_t last = atomic_load(&app->store_checked_ns);
    if (last && now - last < NS_PER_S)
        return atomic_load(&app->store_ok);
    bool ok = app->svc.store->ops->check(app->svc.store, &e) == 0;
    atomic_store(&app->store_ok, ok);
    atomic_store(&app->store_checked_ns, now);
    return ok;
}

static bool ready(void *ctx, struct buf *out)
{
    struct app *app = ctx;
    struct error e = {0};
    bool draining = atomic_load(&app->svc.draining);
    bool store_ok = store_works(app);
    struct provider *provider = app->svc.provider;
    bool provider_ok = provider->ops->available(provider, &features[0], &e) == 0;
    bool takes_work = !draining && store_ok;
    const char *status = !takes_work ? "unready" : provider_ok ? "ready" : "degraded";
    buf_printf(out, "{\"status\":\"%s\",\"version\":\"%s\",\"checks\":{", status, LIMNER_VERSION);
    buf_printf(out, "\"draining\":%s,\"store\":\"%s\",\"provider.%s\":\"%s\"}}", draining ? "true" : "false",
               store_ok ? "ok" : "failed", provider->ops->name, provider_ok ? "ok" : "unavailable");
    return takes_work;
}

static void status_page(void *ctx, struct buf *out)
{
    struct app *app = ctx;
    app_status_read(app->status, out);
}

/* ---- running ---- */

static void check_drained(struct app *app)
{
    uint64_t open = atomic_load(&app->svc.open);
    bool late = loop_now_ns(app->svc.loop) > app->drain_until_ns;
    bool answering = app->http && http_answering(app->http) > 0; /* to clients that may read slowly */
    if ((open > 0 || answering) && !late)
        return;
    if (open > 0) {
        LOG(LOG_WARN, "drain took too long", F_INT("requests", open));
        _exit(1); /* running work cannot be freed; the process ends without it */
    }
    timer_disarm(app->svc.loop, &app->tick);
    loop_uv_stop(app->uv);
}

static void on_tick(struct timer *t)
{
    struct app *app = CONTAINER_OF(t, struct app, tick);
    uint64_t now = loop_now_ns(app->svc.loop);
    timer_arm(app->svc.loop, t, now + TICK_MS * NS_PER_MS, on_tick);
    app_status_publish(app->status, &app->svc);
    if (++app->ticks % (1000 / TICK_MS) == 0 && app->svc.provider->ops->tick)
        app->svc.provider->ops->tick(app->svc.provider);
    if (app->stopping)
        check_drained(app);
}

void app_stop(struct app *app)
{
    if (app->stopping)
        return;
    app->stopping = true;
    atomic_store(&app->svc.draining, true);
    uint64_t now = loop_now_ns(app->svc.loop);
    app->drain_until_ns = now + (uint64_t)app->opt->drain_timeout_s * NS_PER_S;
    if (app->http)
        http_drain(app->http);
    timer_arm(app->svc.loop, &app->tick, now, on_tick);
}

static void on_signal(void *ctx, int signum)
{
    struct app *app = ctx;
    if (app->stopping) {
        LOG(LOG_WARN, "second signal: leaving at once", F_INT("requests", atomic_load(&app->svc.open)));
        _exit(130);
    }
    LOG(LOG_INFO, "draining", F_STR("signal", strsignal(signum)),
        F_INT("requests", atomic_load(&app->svc.open)));
    app_stop(app);
}

int app_listen(struct app *app, struct error *e)
{
    /* First of all: whoever sees it listening may stop it. */
    loop_uv_on_signal(app->uv, SIGTERM, on_signal, app);
    loop_uv_on_signal(app->uv, SIGINT, on_signal, app);
    app->web = (struct web){
        .opt = app->opt,
        .metrics = app->svc.metrics,
        .cache = app->svc.cache,
        .store = app->svc.store,
        .signer = app->svc.signer,
        .app = app,
        .ready = ready,
        .status = status_page,
    };
    web_init(&app->web);
    app->gate = (struct gate){&app->svc, &app->web};
    int r = http_listen(app->opt->host, (int)app->opt->port, &app->listen_fd, e);
    if (r < 0)
        return r;
    struct http_config config = {app->listen_fd, app->opt, &receive_handler, &app->gate};
    r = http_start(&config, &app->http, e);
    if (r < 0)
        return r;
    LOG(LOG_INFO, "listening", F_STR("host", app->opt->host), F_INT("port", http_port_of(app->listen_fd)),
        F_INT("connections_max", http_connections_max(app->http)), F_STR("data_dir", app->opt->data_dir),
        F_STR("provider", app->svc.provider->ops->name), F_STR("store", app->svc.store->ops->name),
        F_STR("version", LIMNER_VERSION));
    return 0;
}

void app_run(struct app *app)
{
    timer_arm(app->svc.loop, &app->tick, loop_now_ns(app->svc.loop), on_tick);
    loop_uv_run(app->uv);
    timer_disarm(app->svc.loop, &app->tick);
    if (app->wants.serve)
        LOG(LOG_INFO, "stopped");
}

struct services *app_services(struct app *app)
{
    return &app->svc;
}

struct local *app_local(struct app *app)
{
    return app->local;
}
