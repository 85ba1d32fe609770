/* Happy path of leaving: no more is accepted, the sockets are closed once the acceptors have let go of them;
 * each request that comes on an open connection is served and told Connection: close; when no connection is
 * open and no request is, the process stops as after a SIGTERM. Failure modes: a connection on which nothing
 * comes is closed after its usual time, in which its client may begin a request; what is not over after
 * DRAIN_TIMEOUT_S is cut. */
#include "app_place.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* While systemd waits for our end, so that the next process may begin: longer than clients take between two
 * requests that belong together, shorter than anybody minds waiting. */
enum { KEEP_IDLE_MS = 1000, CHECKS_MAX = 4096 };

int app_place_open(struct app_place *p, const struct options *opt, struct error *e)
{
    p->open = true;
    return app_sockets_open(opt, &p->sockets, e);
}

bool app_place_waits(const struct app_place *p)
{
    return p->sockets.before_fd >= 0;
}

int app_place_start_metrics(struct app_place *p, struct web *web, struct app_metrics_server **ret,
                            struct error *e)
{
    int fd = p->sockets.metrics_fd;
    p->sockets.metrics_fd = -1;
    if (*web->opt->metrics_addr)
        return app_metrics_server_start(web, fd, ret, e);
    if (fd >= 0)
        close(fd);
    return 0;
}

static void leave(struct app_place *p, uint64_t idle_ms)
{
    p->leaving = true;
    app_jobs_leave(p->by.jobs);
    p->until_ns = clock_mono_ns() + (uint64_t)p->by.svc->opt->drain_timeout_s * NS_PER_S;
    http_leave(p->by.http, idle_ms);
}

/* ---- the handover's questions ---- */

static void next_is_ready(void *ctx)
{
    struct app_place *p = ctx;
    LOG(LOG_INFO, "handing over", F_INT("requests", atomic_load(&p->by.svc->open)),
        F_INT("connections", http_connections(p->by.http)));
    leave(p, (uint64_t)p->by.svc->opt->keepalive_timeout_ms);
    app_metrics_server_leave(p->by.metrics);
}

/* Who leaves takes nothing up any more: the next one finds it. */
static void take_up(struct app_place *p)
{
    if (!p->leaving)
        app_jobs_start(p->by.jobs, !p->before && !p->beside);
}

/* Its pictures lie where ours do from then on; when it has gone, what was left for it is swept. */
static void next_is_beside(void *ctx, bool there)
{
    struct app_place *p = ctx;
    p->beside = there;
    if (there)
        app_jobs_share(p->by.jobs);
    else if (!p->before)
        take_up(p);
}

static void before_is_quiet(void *ctx)
{
    struct app_place *p = ctx;
    p->before_quiet = true;
    take_up(p);
}

static void before_has_gone(void *ctx)
{
    struct app_place *p = ctx;
    p->before = false;
    LOG(LOG_INFO, "the process before has ended");
    take_up(p);
}

/* ---- life ---- */

void app_place_hold(struct app_place *p, const struct app_place_holder *by)
{
    p->by = *by;
    const struct handover_config config = {
        .path = by->svc->opt->handover_socket,
        .uv = by->svc->uv,
        .listen_fd = p->sockets.listen_fd,
        .metrics_fd = app_metrics_server_socket(by->metrics),
        .before_fd = p->sockets.before_fd,
        .beside = next_is_beside,
        .leave = next_is_ready,
        .quiet = before_is_quiet,
        .gone = before_has_gone,
        .ctx = p,
    };
    p->sockets.before_fd = -1; /* it is the handover's */
    p->before = config.before_fd >= 0;
    p->handover = handover_new(&config);
}

/* The process before us, if there is one, goes on until new work is taken here. */
static bool may_accept(struct app_place *p)
{
    BUF_ON_EXIT struct buf checks;
    buf_init(&checks, CHECKS_MAX);
    if (!p->before || p->by.ready(p->by.ctx, &checks))
        return true;
    if (!p->told)
        LOG(LOG_WARN, "not ready to take over", F_STR("checks", buf_text(&checks)));
    p->told = true;
    return false;
}

static void accept_clients(struct app_place *p)
{
    p->accepts = true;
    http_accept(p->by.http);
    app_metrics_server_accept(p->by.metrics);
    handover_ready(p->handover);
    app_sockets_notify("READY=1");
}

void app_place_start(struct app_place *p)
{
    if (p->before)
        app_jobs_share(p->by.jobs);
    else if (p->by.jobs)
        app_jobs_start(p->by.jobs, true);
}

/* No request is open, a job's or not, and all that was noted of jobs is written, here and in all before us:
 * the next process may take up what there is. */
static bool is_quiet(const struct app_place *p)
{
    return atomic_load(&p->by.svc->open) == 0 && app_jobs_quiet(p->by.jobs) &&
           (!p->before || p->before_quiet);
}

void app_place_tick(struct app_place *p)
{
    if (p->handover && !p->accepts && may_accept(p))
        accept_clients(p);
    if (!p->leaving)
        return;
    if (http_has_left(p->by.http))
        app_sockets_close(&p->sockets);
    app_metrics_server_let_go(p->by.metrics);
    if (!p->told_quiet && is_quiet(p)) {
        p->told_quiet = true;
        handover_quiet(p->handover);
    }
}

bool app_place_keep(struct app_place *p)
{
    if (!p->handover || !p->sockets.kept || p->leaving)
        return false;
    leave(p, KEEP_IDLE_MS);
    return true;
}

/* Requests that are open, those of jobs not counted: the next process takes them up. */
static uint64_t waited_for(const struct app_place *p)
{
    return atomic_load(&p->by.svc->open) - app_jobs_left(p->by.jobs);
}

bool app_place_left(const struct app_place *p)
{
    bool over = p->leaving && !p->before && waited_for(p) == 0 && http_connections(p->by.http) == 0;
    return over || (p->leaving && clock_mono_ns() > p->until_ns);
}

void app_place_free(struct app_place *p)
{
    handover_free(p->handover);
    if (p->open)
        app_sockets_close(&p->sockets);
}
