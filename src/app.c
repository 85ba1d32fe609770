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

#include "app_budgets.h"
#include "app_comics.h"
#include "app_history.h"
#include "app_jobs.h"
#include "app_limiters.h"
#include "app_metrics.h"
#include "app_metrics_server.h"
#include "app_place.h"
#include "app_providers.h"
#include "app_ready.h"
#include "app_shared.h"
#include "app_status.h"
#include "app_store.h"
#include "app_v1.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "history/history.h"
#include "http/client/client.h"
#include "http/server/http.h"
#include "local/local.h"
#include "loop/loop_uv.h"
#include "metrics/metrics.h"
#include "request/access.h"
#include "request/flights.h"
#include "request/object_check.h"
#include "request/prefetch.h"
#include "request/receive.h"
#include "request/uploads.h"
#include "request/warming.h"
#include "store/file.h"
#include "tables/prices.h"
#include "version.h"
#include "web/web.h"

enum { CONNECTIONS_PER_HOST = 32 };
enum { TICK_MS = 250, INFERENCE_QUEUE_MAX = 64 };

struct app {
    const struct config *config;
    const struct options *opt;
    struct app_wants wants;
    char program_dir[PROGRAM_DIR_MAX];
    bool imaging;
    struct loop_uv *uv;
    struct lane *inference, *disk, *db;
    struct http_client_pool *api; /* to the providers */
    struct local *local;
    struct services svc;
    struct web web;
    struct gate gate;
    struct v1 *v1; /* NULL: no Replicate account */
    struct app_status *status;
    struct prices *prices;
    struct app_shared *shared; /* NULL: this gateway is alone */
    struct app_place place;
    struct http *http;
    struct app_metrics_server *metrics_server; /* NULL: metrics are with the rest */
    struct timer tick;
    uint64_t ticks, drain_until_ns;
    bool stopping, signalled;
    struct app_ready ready;
    struct app_jobs jobs;
};

/* ---- making the parts ---- */

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

/* Each run may hold a connection while its model works, where the server does not speak HTTP/2. */
static long api_connections(const struct options *opt)
{
    return (long)(opt->light_concurrency + opt->heavy_concurrency + opt->comic_concurrency) +
           CONNECTIONS_PER_HOST;
}

/* What callers and models name is fetched over connections of its own, apart from those to the providers. */
static int make_clients(struct app *app, struct error *e)
{
    struct http_client_config config = {
        .uv = app->uv,
        .user_agent = "limner/" LIMNER_VERSION,
        .ca_file = app->opt->ca_file,
        .connections_per_host = CONNECTIONS_PER_HOST,
        .allow_private = app->opt->allow_private_fetch,
    };
    int r = http_client_start(&config, &app->svc.fetch, e);
    config.connections_per_host = api_connections(app->opt);
    return r < 0 ? r : http_client_start(&config, &app->api, e);
}

static int make_data_dir(const char *path, struct error *e)
{
    int r = file_make_folders(path);
    if (r < 0)
        return error_set_field(e, ERR_INTERNAL, "DATA_DIR", "DATA_DIR=%s cannot be made: %s", path,
                               strerror(-r));
    return 0;
}

static int make_storage(struct app *app, struct error *e)
{
    const struct options *opt = app->opt;
    struct services *svc = &app->svc;
    int r = make_data_dir(opt->data_dir, e);
    if (r == 0)
        r = spool_new(opt->data_dir, (uint64_t)opt->body_memory_mb << 20, (uint64_t)opt->spool_bytes,
                      &svc->spool, e);
    if (app->wants.serve)
        svc->uploads = uploads_new(&(struct uploads_config){(uint64_t)opt->uploads_keep_mb << 20,
                                                            (uint64_t)opt->uploads_keep_max,
                                                            (uint64_t)opt->uploads_keep_s * NS_PER_S});
    if (r == 0 && !svc->store)
        r = app_store_new(opt, app->uv, app->disk, &svc->store, e);
    if (r == 0 && app->wants.serve)
        r = signer_new(opt->url_signing_key, opt->data_dir, &svc->signer, e);
    return r;
}

static int make_providers(struct app *app, struct error *e)
{
    app->local = local_new(app->opt, app->program_dir);
    const struct app_parts parts = {
        .opt = app->opt,
        .svc = &app->svc,
        .api = app->api,
        .local = app->local,
        .inference = app->inference,
        .limits = app_shared_limits(app->shared),
    };
    return app_make_providers(&parts, e);
}

static void make_object_checks(struct app *app)
{
    const struct object_checks_config config = {
        .loop = app->svc.loop,
        .store = app->svc.store,
        .cache = app->svc.cache,
        .shared = app->svc.shared,
        .after_ms = app->wants.serve ? (uint64_t)app->opt->cache_verify_after_ms : 0,
        .most = (unsigned)app->opt->cache_verify_max,
    };
    app->svc.object_checks = object_checks_new(&config);
}

static int make_all(struct app *app, struct error *e)
{
    struct services *svc = &app->svc;
    app_program_dir(app->program_dir, sizeof(app->program_dir));
    if (app_prepare_comics(app->opt, e) < 0 || imaging_start(e) < 0)
        return -(int)e->code;
    app->imaging = true;
    app->uv = loop_uv_new();
    svc->opt = app->opt;
    svc->uv = app->uv;
    svc->loop = loop_uv_loop(app->uv);
    list_init(&svc->live);
    make_lanes(app);
    app_make_limiters(svc);
    app_make_comics(svc, app->wants.serve);
    svc->rate = app->wants.serve && app->opt->rate_limits ? rate_new() : NULL;
    svc->flights = flights_new();
    svc->metrics = metrics_new(clock_mono_ns());
    metrics_window(svc->metrics, (uint64_t)app->opt->metrics_window_s, clock_mono_ns());
    svc->cache = cache_new(app->wants.serve ? (uint64_t)app->opt->cache_max_size : 0,
                           (uint64_t)app->opt->cache_ttl_ms);
    svc->log_requests = app->wants.serve;
    app->status = app_status_new(svc);
    int r = prices_new(app->opt->prices, &app->prices, e);
    svc->prices = app->prices;
    if (r == 0)
        r = make_storage(app, e);
    if (r == 0 && app->wants.serve)
        r = app_shared_new(svc, &app->shared, e);
    make_object_checks(app);
    if (r == 0)
        r = make_clients(app, e);
    if (r == 0)
        r = make_providers(app, e);
    if (r == 0 && app->wants.serve)
        r = app_make_history(app->opt, svc, &app->db, e);
    if (r == 0 && app->wants.serve)
        r = app_make_jobs(svc, app->disk, &app->jobs, e);
    return r < 0 || !app->wants.serve ? r : app_make_budgets(svc, app->shared, app->db, app->api, e);
}

int app_new(const struct config *config, const struct app_wants *wants, struct app **ret, struct error *e)
{
    struct app *app = NEW(struct app);
    app->config = config;
    app->opt = &config->opt;
    app->wants = *wants;
    app->svc.store = wants->store; /* so that a start that fails frees it */
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
    app_jobs_cut(&app->jobs);
    if (app->http)
        http_stop(app->http);
    app_metrics_server_stop(app->metrics_server);
    web_release(&app->web);
    app_shared_free(app->shared);
    lane_free(svc->imaging);
    lane_free(app->inference);
    lane_free(app->disk);
    lane_free(app->db);
    lane_free(app->jobs.lane);
    app_jobs_free(&app->jobs);
    app_history_free(svc);
    budgets_free(svc->budgets);
    v1_free(app->v1);
    for (unsigned i = 0; i < svc->provider_count; i++)
        provider_free(svc->provider[i]);
    local_free(app->local);
    http_client_stop(svc->fetch);
    http_client_stop(app->api);
    access_free(app->gate.access);
    object_checks_free(svc->object_checks);
    store_free(svc->store);
    signer_free(svc->signer);
    cache_free(svc->cache);
    flights_free(svc->flights);
    metrics_free(svc->metrics);
    prices_free(app->prices);
    app_limiters_free(svc);
    app_comics_free(svc);
    rate_free(svc->rate);
    app_status_free(app->status);
    uploads_free(svc->uploads);
    spool_free(svc->spool);
    app_place_free(&app->place);
    loop_uv_free(app->uv);
    if (app->imaging)
        imaging_stop();
    free(app);
}

/* ---- readiness and status, for the pages ---- */

static bool ready(void *ctx, struct buf *out)
{
    struct app *app = ctx;
    return app_ready(&app->ready, &app->svc, app->shared, out);
}

static void ask_status(void *ctx, struct status_question *q)
{
    struct app *app = ctx;
    app_status_ask(app->status, q);
}

static void sample(void *ctx)
{
    struct app *app = ctx;
    app_metrics_sample(&app->svc);
}

static bool flushed(void *ctx, bool warm)
{
    struct app *app = ctx;
    return warming_again(app->svc.warming, warm);
}

static void warn(void *ctx, const char *what)
{
    (void)ctx;
    LOG(LOG_WARN, "asset packs", F_STR("why", what));
}

/* ---- running ---- */

static bool all_written(struct app *app)
{
    bool history = app_history_stopped(&app->svc), budgets = app_budgets_stopped(&app->svc);
    return app_jobs_written(&app->jobs) && budgets && history;
}

/* Only jobs are under way, and the next start takes them up where they are: what is written about them must
 * be on the disk, and that is all. Their runs cannot be freed, so the process ends without. */
static void leave_jobs(struct app *app, unsigned open, bool late)
{
    if (!all_written(app) && !late)
        return;
    LOG(LOG_INFO, "stopped", F_INT("jobs_left_to_the_next_start", open));
    _exit(0);
}

static void check_drained(struct app *app)
{
    uint64_t open = atomic_load(&app->svc.open), left = app_jobs_left(&app->jobs);
    bool late = loop_now_ns(app->svc.loop) > app->drain_until_ns;
    bool answering = app->http && http_answering(app->http) > 0; /* to clients that may read slowly */
    bool listing =
        web_busy(&app->web) || object_checks_running(app->svc.object_checks) > 0 || v1_busy(app->v1);
    if (open == left && !listing)
        app_status_close(app->status); /* so that answering comes to an end, however many ask */
    if (left > 0 && open == left && ((!answering && !listing) || late)) {
        leave_jobs(app, (unsigned)open, late);
        return;
    }
    if ((open > 0 || answering || listing || app_shared_busy(app->shared) || app_jobs_busy(&app->jobs)) &&
        !late)
        return;
    if (open > 0 || listing) {
        LOG(LOG_WARN, "drain took too long", F_INT("requests", open));
        _exit(1); /* running work cannot be freed; the process ends without it */
    }
    if (late && app_jobs_cut_readers(&app->jobs, app->http))
        return;
    if (!all_written(app))
        return; /* each wait for the database is bounded */
    if (app_jobs_busy(&app->jobs)) {
        LOG(LOG_INFO, "stopped", F_STR("why", "somebody was still being told of a job"));
        _exit(0); /* a callback that is being posted cannot be freed; the next start posts it again */
    }
    timer_disarm(app->svc.loop, &app->tick);
    loop_uv_stop(app->uv);
}

static void tick_providers(struct services *svc)
{
    for (unsigned i = 0; i < svc->provider_count; i++)
        if (svc->provider[i]->ops->tick)
            svc->provider[i]->ops->tick(svc->provider[i]);
}

static void on_tick(struct timer *t)
{
    struct app *app = CONTAINER_OF(t, struct app, tick);
    uint64_t now = loop_now_ns(app->svc.loop);
    timer_arm(app->svc.loop, t, now + TICK_MS * NS_PER_MS, on_tick);
    app_metrics_tick(&app->svc, app->http);
    app_jobs_tick(&app->jobs);
    if (++app->ticks % (1000 / TICK_MS) == 0) {
        tick_providers(&app->svc);
        uploads_expire(app->svc.uploads, now);
    }
    app_place_tick(&app->place);
    if (app_place_left(&app->place))
        app_stop(app);
    if (app->stopping)
        check_drained(app);
}

void app_stop(struct app *app)
{
    if (app->stopping)
        return;
    app->stopping = true;
    atomic_store(&app->svc.draining, true);
    uint64_t now = loop_now_ns(app->svc.loop), most = now + (uint64_t)app->opt->drain_timeout_s * NS_PER_S;
    app->drain_until_ns = app->place.leaving ? MIN(app->place.until_ns, most) : most;
    if (app->http)
        http_drain(app->http);
    web_stop(&app->web);
    app_jobs_stop(&app->jobs);
    v1_stop(app->v1);
    prefetch_stop(app->svc.prefetch); /* nobody waits for what runs ahead */
    timer_arm(app->svc.loop, &app->tick, now, on_tick);
}

static void on_signal(void *ctx, int signum)
{
    struct app *app = ctx;
    if (app->signalled) {
        LOG(LOG_WARN, "second signal: leaving at once", F_INT("requests", atomic_load(&app->svc.open)));
        _exit(130);
    }
    app->signalled = true;
    LOG(LOG_INFO, "draining", F_STR("signal", strsignal(signum)),
        F_INT("requests", atomic_load(&app->svc.open)));
    if (!app_place_keep(&app->place))
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
        .history = app->svc.history,
        .budgets = app->svc.budgets,
        .cache = app->svc.cache,
        .store = app->svc.store,
        .signer = app->svc.signer,
        .loop = app->svc.loop,
        .lane = app->disk,
        .warn = warn,
        .app = app,
        .ready = ready,
        .sample = sample,
        .status = ask_status,
        .flushed = flushed,
        .jobs = app->jobs.jobs ? jobs_page : NULL,
        .archive = app->jobs.jobs ? jobs_archive : NULL,
        .ws = app->jobs.jobs ? jobs_socket : NULL,
        .jobs_ctx = app->jobs.jobs,
    };
    app_expect_hooks(&app->svc, &app->web);
    web_init(&app->web);
    app->gate.svc = &app->svc;
    app->gate.web = &app->web;
    int r = access_new(app->opt->api_keys, &app->gate.access, e);
    if (r == 0)
        r = app_make_weights(&app->svc, app->gate.access, e);
    if (r == 0)
        r = app_v1_start(&app->gate, &app->v1, e);
    if (r == 0 && app->svc.budgets)
        r = app_check_budget_keys(budgets_plan(app->svc.budgets), app->gate.access, e);
    for (unsigned i = 0; r == 0 && access_name(app->gate.access, i); i++)
        metrics_key(app->svc.metrics, access_name(app->gate.access, i));
    if (r == 0)
        r = app_place_open(&app->place, app->opt, e);
    if (r == 0)
        r = app_place_start_metrics(&app->place, &app->web, &app->metrics_server, e);
    if (r < 0)
        return r;
    int fd = app->place.sockets.listen_fd;
    struct http_config config = {fd, app->opt, &receive_handler, &app->gate, app_place_waits(&app->place)};
    r = http_start(&config, &app->http, e);
    if (r < 0)
        return r;
    app_place_hold(&app->place, &(struct app_place_holder){&app->svc, app->http, app->metrics_server,
                                                           &app->jobs, ready, app});
    LOG(LOG_INFO, "listening", F_STR("host", app->opt->host), F_INT("port", http_port_of(fd)),
        F_INT("connections_max", http_connections_max(app->http)), F_STR("data_dir", app->opt->data_dir),
        F_STR("provider", app->svc.provider[0]->ops->name), F_STR("store", app->svc.store->ops->name),
        F_STR("version", LIMNER_VERSION));
    return 0;
}

void app_run(struct app *app)
{
    timer_arm(app->svc.loop, &app->tick, loop_now_ns(app->svc.loop), on_tick);
    app_history_start(&app->svc);
    app_place_start(&app->place);
    budgets_start(app->svc.budgets);
    app_shared_start(app->shared);
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
