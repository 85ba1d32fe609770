/* Happy path: a finished request becomes a message; on the core it is learned from, and perhaps leads to a
 * request made ahead, whose answer is its end. Each ten seconds what was learned goes to the database.
 * Failure modes: too much is under way, the class is busy, the budget is spent, the picture is not known any
 * more: the step is skipped; the database is away: what was learned in that time is kept in memory only.
 * Invariants: `running` holds each request made ahead until its answer; `holding` those that have a slot
 * (queue.lent); a slot that was given away is not released a second time, as queue.limiter is NULL then. */
#include "request/prefetch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/money.h"
#include "base/rng.h"
#include "history/follows.h"
#include "metrics/metrics.h"
#include "request/costs.h"
#include "request/flights.h"
#include "request/stage.h"
#include "request/uploads.h"

enum { PENDING_MAX = 64, WRITE_S = 10, DAY_S = 86400 };

struct prefetch {
    struct services *svc;
    struct follows *follows;
    struct list running; /* of struct ahead */
    struct list holding; /* of struct request.queue.lent */
    unsigned count;      /* running */
    atomic_uint pending; /* messages under way */
    int64_t day;         /* of spent_nano */
    int64_t spent_nano, reserved_nano;
    bool stopped;
    struct timer timer;
    unsigned ticks; /* seconds */
    bool writing;
    struct history_task task; /* reads at the start, then writes */
    struct follow_row row[FOLLOWS_ROWS_MAX];
    unsigned rows;
};

/* What was done, on its way to the core. */
struct step {
    struct message mail;
    struct prefetch *p;
    const struct feature *feature;
    enum image_type wanted;
    char *tenant; /* NULL: everybody's */
    char *params; /* canonical; NULL: with free text */
    uint8_t digest[DIGEST_BYTES];
};

/* A request made ahead. */
struct ahead {
    struct list node;
    struct prefetch *p;
    struct request *req;
    int64_t reserved_nano;
};

static void count(const struct prefetch *p, unsigned what)
{
    cells_add(metrics_cells(p->svc->metrics), M_PREFETCH, what, 1);
}

/* ---- money ---- */

static bool affords(struct prefetch *p, int64_t nano)
{
    int64_t day = clock_wall_s() / DAY_S;
    if (day != p->day)
        p->spent_nano = 0;
    p->day = day;
    int64_t most = llround(p->svc->opt->prefetch_budget_usd * (double)NANO_PER_USD);
    return nano == 0 || p->spent_nano + p->reserved_nano + nano <= most;
}

/* What its run has cost; what it was thought to cost, if it was left while it ran. */
static int64_t cost_of(const struct ahead *a)
{
    const struct prediction *run = a->req->run.prediction;
    if (!run || a->req->join.collapsed)
        return 0;
    return op_running(&run->op) ? a->reserved_nano : costs_of_request(a->req);
}

static void settle_cost(struct prefetch *p, const struct ahead *a)
{
    int64_t nano = cost_of(a);
    p->reserved_nano -= a->reserved_nano;
    p->spent_nano += nano;
    cells_add(metrics_cells(p->svc->metrics), M_PREFETCH_COST, 0, (uint64_t)nano);
}

/* ---- a request made ahead ---- */

static void nothing_to_do(struct request *req)
{
}

static void answered(struct request *req)
{
    struct ahead *a = req->client_state;
    struct prefetch *p = a->p;
    bool ran = request_result(req) && !req->lookup.hit && !req->join.collapsed;
    if (!req->lookup.hit)
        count(p, ran ? V_PREFETCH_RUN : V_PREFETCH_SKIPPED);
    settle_cost(p, a);
    list_remove(&a->node);
    p->count--;
    free(a);
}

static const struct client_ops ahead_client = {
    .suspend = nothing_to_do,
    .watch = nothing_to_do,
    .answer = answered,
};

/* "scale=2;faceEnhance=false", without free text */
static void add_fields(struct request *req, const char *params)
{
    char text[FOLLOWS_PARAMS_MAX], *rest = NULL;
    snprintf(text, sizeof(text), "%s", params);
    for (char *pair = strtok_r(text, ";", &rest); pair; pair = strtok_r(NULL, ";", &rest)) {
        char *value = strchr(pair, '=');
        if (!value)
            continue;
        *value++ = '\0';
        if (*value)
            request_add_field(req, pair, value);
    }
}

static void run_ahead(struct prefetch *p, const struct step *s, const struct follow_row *next,
                      struct body *picture)
{
    char id[UUID_TEXT];
    uuid_make(id);
    struct ahead *a = NEW(struct ahead);
    a->p = p;
    struct request *req =
        request_new(p->svc, &features[next->to], id, &ahead_client, a, loop_now_ns(p->svc->loop));
    a->req = req;
    req->ahead = true;
    req->priority = SLOT_LOW;
    req->tenant = s->tenant ? arena_strdup(&req->arena, s->tenant) : NULL;
    req->wanted = s->wanted;
    add_fields(req, next->params);
    req->receive.body[0] = body_ref(picture);
    req->receive.complete = true;
    list_push_back(&p->running, &a->node);
    p->count++;
    request_start(req); /* may be over already when this returns */
}

static void consider(struct prefetch *p, const struct step *s)
{
    const struct services *svc = p->svc;
    const struct options *opt = svc->opt;
    double percent;
    const struct follow_row *next =
        follows_next(p->follows, s->feature, (double)opt->prefetch_min_times, clock_wall_s(), &percent);
    if (!next || percent < (double)opt->prefetch_min_percent || p->stopped || atomic_load(&svc->draining))
        return;
    if (features[next->to].step != FEATURE_NONE)
        return; /* the slot that counts would be its step's */
    if (next->to == s->feature->id && s->params && strcmp(next->params, s->params) == 0)
        return; /* it is what was just done */
    struct provider *idle = NULL;
    if (p->count < (unsigned)opt->prefetch_max)
        idle = queue_idle(svc, &features[next->to], (unsigned)opt->prefetch_idle_percent);
    struct body *picture =
        idle ? uploads_get(svc->uploads, s->tenant, s->digest, loop_now_ns(svc->loop)) : NULL;
    int64_t cost = idle ? costs_of_any(svc, &features[next->to], idle, 1) : 0;
    if (picture && affords(p, cost))
        run_ahead(p, s, next, picture);
    else
        count(p, V_PREFETCH_SKIPPED);
    body_unref(picture);
}

/* ---- what was done ---- */

static void name_picture(const struct step *s, uint8_t ret[static DIGEST_BYTES])
{
    struct digest d;
    digest_init(&d);
    digest_update(&d, s->tenant ? s->tenant : "", s->tenant ? strlen(s->tenant) + 1 : 1);
    digest_update(&d, s->digest, DIGEST_BYTES);
    digest_final(&d, ret);
}

static void on_core(struct message *m)
{
    struct step *s = CONTAINER_OF(m, struct step, mail);
    struct prefetch *p = s->p;
    uint8_t name[DIGEST_BYTES];
    name_picture(s, name);
    follows_seen(p->follows, name, s->feature, s->params, clock_wall_s());
    consider(p, s);
    free(s->tenant);
    free(s->params);
    free(s);
    atomic_fetch_sub(&p->pending, 1);
}

/* It has words of the caller's own, or a picture that will not come by itself. */
static bool is_personal(const struct request *req)
{
    size_t rows;
    const struct param_row *row = feature_params(req->feature, &rows);
    for (size_t i = 0; i < rows; i++)
        if ((row[i].type == PARAM_TYPE_TEXT || row[i].type == PARAM_TYPE_LIST) &&
            (!row[i].initial || strcmp(req->validate.params.value[i], row[i].initial) != 0))
            return true;
    for (unsigned i = 1; i < IMAGES_MAX; i++)
        if (req->validate.digest[i])
            return true;
    return false;
}

void prefetch_finished(struct prefetch *p, const struct request *req)
{
    if (!p || req->ahead || !*req->feature->route || !request_result(req) || !request_shares(req) ||
        !req->validate.digest[0])
        return;
    if (atomic_fetch_add(&p->pending, 1) >= PENDING_MAX) {
        atomic_fetch_sub(&p->pending, 1);
        return;
    }
    struct step *s = NEW(struct step);
    struct request *mine = (struct request *)req; /* of its arena only */
    const char *tenant = request_tenant(req);
    *s = (struct step){.p = p, .feature = req->feature, .wanted = req->wanted};
    s->tenant = tenant ? mem_strdup(tenant) : NULL;
    s->params = is_personal(req) ? NULL : mem_strdup(params_canonical(&req->validate.params, &mine->arena));
    memcpy(s->digest, req->validate.digest[0], DIGEST_BYTES);
    loop_post(p->svc->loop, &s->mail, on_core);
}

void prefetch_hit(const struct request *req, struct result *r)
{
    if (!req->ahead && atomic_load_explicit(&r->ahead, memory_order_relaxed) &&
        atomic_exchange(&r->ahead, false))
        cells_add(metrics_cells(req->svc->metrics), M_PREFETCH, V_PREFETCH_HIT, 1);
}

bool prefetch_is_asked_for(const struct request *req)
{
    return req->join.leads && flight_has_followers(req->join.flight);
}

/* One that a twin waits for was asked for already. */
void prefetch_made(const struct request *req, struct result *r)
{
    if (!req->ahead || !*req->feature->route)
        return;
    bool asked = prefetch_is_asked_for(req);
    atomic_store(&r->ahead, !asked);
    if (asked)
        cells_add(metrics_cells(req->svc->metrics), M_PREFETCH, V_PREFETCH_HIT, 1);
}

/* ---- slots ---- */

bool prefetch_affords(const struct request *req)
{
    struct ahead *a = req->client_state;
    struct prefetch *p = a->p;
    int64_t nano = costs_estimate(req, req->feature, req->queue.provider);
    p->reserved_nano -= a->reserved_nano; /* of a try before this one */
    a->reserved_nano = 0;
    if (!affords(p, nano))
        return false;
    a->reserved_nano = nano;
    p->reserved_nano += nano;
    return true;
}

void prefetch_holds(struct prefetch *p, struct request *req)
{
    CHECK(p);
    list_push_back(&p->holding, &req->queue.lent);
}

/* It is not done yet: a slot that has been granted is known only when it resumes. */
static bool waits_for(const struct request *req, const struct limiter *l)
{
    return req->at == STAGE_QUEUE && req->waiting == &req->queue.wait.op && req->queue.wait.limiter == l;
}

void prefetch_yield(struct prefetch *p, struct limiter *l)
{
    if (!p)
        return;
    LIST_FOREACH_SAFE (node, &p->running) {
        struct request *req = CONTAINER_OF(node, struct ahead, node)->req;
        if (waits_for(req, l) && !prefetch_is_asked_for(req))
            request_client_left(req);
    }
    LIST_FOREACH_SAFE (node, &p->holding) {
        struct request *req = CONTAINER_OF(node, struct request, queue.lent);
        bool paid = req->run.prediction && req->run.prediction->paid;
        if (req->queue.limiter != l || paid || prefetch_is_asked_for(req))
            continue;
        queue_let_go(req);
        request_client_left(req);
        return;
    }
}

/* ---- the database ---- */

static int write_rows(struct history_task *t, struct db *db, struct error *e)
{
    const struct prefetch *p = CONTAINER_OF(t, struct prefetch, task);
    return follows_write(db, p->row, p->rows, e);
}

static int read_rows(struct history_task *t, struct db *db, struct error *e)
{
    struct prefetch *p = CONTAINER_OF(t, struct prefetch, task);
    return follows_read(db, p->row, &p->rows, e);
}

static void rows_written(struct history_task *t, int result, const struct error *e)
{
    CONTAINER_OF(t, struct prefetch, task)->writing = false;
}

static void rows_read(struct history_task *t, int result, const struct error *e)
{
    struct prefetch *p = CONTAINER_OF(t, struct prefetch, task);
    p->writing = false;
    if (result == 0)
        follows_add(p->follows, p->row, p->rows);
}

static void run_task(struct prefetch *p, int (*work)(struct history_task *t, struct db *db, struct error *e),
                     void (*done)(struct history_task *t, int result, const struct error *e))
{
    p->writing = true;
    p->task = (struct history_task){.work = work, .done = done};
    history_run(p->svc->history, &p->task);
}

static void write_learned(struct prefetch *p)
{
    if (!p->svc->history || p->writing)
        return;
    p->rows = follows_take(p->follows, p->row);
    if (p->rows > 0)
        run_task(p, write_rows, rows_written);
}

static void on_timer(struct timer *t)
{
    struct prefetch *p = CONTAINER_OF(t, struct prefetch, timer);
    struct cache_waste waste = cache_take_wasted(p->svc->cache);
    timer_arm(p->svc->loop, t, loop_now_ns(p->svc->loop) + NS_PER_S, on_timer);
    cells_add(metrics_cells(p->svc->metrics), M_PREFETCH, V_PREFETCH_WASTED, waste.results);
    cells_add(metrics_cells(p->svc->metrics), M_PREFETCH_WASTED, 0, waste.cost_nano);
    if (++p->ticks % WRITE_S == 0)
        write_learned(p);
}

/* ---- life ---- */

struct prefetch *prefetch_new(struct services *svc)
{
    struct prefetch *p = NEW(struct prefetch);
    p->svc = svc;
    p->follows = follows_new((unsigned)svc->opt->prefetch_pictures, (unsigned)svc->opt->prefetch_window_s);
    list_init(&p->running);
    list_init(&p->holding);
    return p;
}

void prefetch_free(struct prefetch *p)
{
    if (!p)
        return;
    CHECK(!prefetch_busy(p));
    follows_free(p->follows);
    free(p);
}

void prefetch_start(struct prefetch *p)
{
    if (!p)
        return;
    timer_arm(p->svc->loop, &p->timer, loop_now_ns(p->svc->loop) + NS_PER_S, on_timer);
    if (p->svc->history)
        run_task(p, read_rows, rows_read);
}

void prefetch_stop(struct prefetch *p)
{
    if (!p || p->stopped)
        return;
    p->stopped = true;
    timer_disarm(p->svc->loop, &p->timer);
    write_learned(p);
    LIST_FOREACH_SAFE (node, &p->running)
        request_client_left(CONTAINER_OF(node, struct ahead, node)->req);
}

bool prefetch_busy(const struct prefetch *p)
{
    return p && (p->writing || p->count > 0 || atomic_load(&p->pending) > 0);
}
