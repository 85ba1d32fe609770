/* Happy path: a job on the db lane gives the best rows; a few of them at a time have their objects asked for
 * in the store, and those that are all there enter the cache, best first, without taking anybody's place;
 * what is gone leaves the database in one more job. Each ten seconds what was used is collected.
 * Failure modes: a database or a store that does not answer: nothing is loaded, or less. The time is over,
 * the cache is full, or the program stops: what is being asked ends, and no more begins. Invariants: one
 * collection and one load at a time; a load is over when no look runs and none will begin; after warming_stop
 * there is no timer, and busy says whether a job or a look still runs. */
#include "request/warming.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "history/worth.h"

enum { COLLECT_S = 10, COLLECT_MAX = 1000, COLLECT_AT_ONCE = 50 };

struct look {
    struct warming *w;
    struct worth_found *found;
    unsigned next; /* of its outputs */
    struct store_get head;
};

struct warming {
    struct warming_config config;
    char space[WORTH_SPACE_MAX];
    bool stopped;
    struct timer timer;
    struct message again;
    atomic_bool asked, forget; /* by warming_again, not begun yet */
    atomic_bool posted;        /* again is on its way */

    bool collecting;
    struct history_task collect;
    struct cache_use use[COLLECT_MAX];
    unsigned uses;

    bool loading;
    struct history_task load; /* reads, and afterwards forgets what is gone */
    uint64_t begun_ns;
    struct worth_found *found;
    unsigned count, next, looking, loaded;
    uint64_t expired;
    uint8_t (*gone)[DIGEST_BYTES];
    unsigned gone_count;
    struct look *look; /* WARM_CHECKS of them; found NULL: idle */
};

struct warming *warming_new(const struct warming_config *config)
{
    struct warming *w = NEW(struct warming);
    w->config = *config;
    snprintf(w->space, sizeof(w->space), "%s", config->space);
    w->look = mem_zalloc((size_t)config->opt->warm_checks * sizeof(*w->look));
    return w;
}

void warming_free(struct warming *w)
{
    if (!w)
        return;
    CHECK(!warming_busy(w));
    free(w->look);
    free(w);
}

bool warming_busy(const struct warming *w)
{
    return w && (w->collecting || w->loading);
}

static struct cells *cells_of(const struct warming *w)
{
    return metrics_cells(w->config.metrics);
}

/* ---- what was used ---- */

static int write_uses(struct history_task *t, struct db *db, struct error *e)
{
    struct warming *w = CONTAINER_OF(t, struct warming, collect);
    return worth_write(db, w->space, w->use, w->uses, (uint64_t)w->config.opt->warm_keep_max, clock_wall_ms(),
                       e);
}

static void uses_written(struct history_task *t, int result, const struct error *e)
{
    struct warming *w = CONTAINER_OF(t, struct warming, collect);
    if (result < 0)
        LOG(LOG_DEBUG, "what results were worth is lost", F_INT("results", w->uses), F_STR("why", e->reason));
    for (unsigned i = 0; i < w->uses; i++)
        result_unref(TAKE(w->use[i].result));
    w->uses = 0;
    w->collecting = false;
}

/* A few at a time: who asks the cache meanwhile hardly waits. */
static void collect(struct warming *w)
{
    if (w->collecting)
        return;
    unsigned n;
    do {
        n = cache_take_uses(w->config.cache, w->use + w->uses, MIN(COLLECT_AT_ONCE, COLLECT_MAX - w->uses));
        w->uses += n;
    } while (n > 0 && w->uses < COLLECT_MAX);
    if (w->uses == 0)
        return;
    w->collecting = true;
    w->collect = (struct history_task){.work = write_uses, .done = uses_written};
    history_run(w->config.history, &w->collect);
}

static void on_timer(struct timer *t)
{
    struct warming *w = CONTAINER_OF(t, struct warming, timer);
    timer_arm(w->config.loop, t, loop_now_ns(w->config.loop) + COLLECT_S * NS_PER_S, on_timer);
    collect(w);
}

/* ---- a load ---- */

static void begin_load(struct warming *w);

static void load_over(struct warming *w)
{
    for (unsigned i = 0; w->found && i < w->count; i++)
        result_unref(w->found[i].result);
    free(TAKE(w->found));
    free(TAKE(w->gone));
    w->count = w->next = w->gone_count = w->loaded = 0;
    w->loading = false;
    if (atomic_exchange(&w->asked, false))
        begin_load(w);
}

static int forget_gone(struct history_task *t, struct db *db, struct error *e)
{
    const struct warming *w = CONTAINER_OF(t, struct warming, load);
    return worth_forget(db, w->space, (const uint8_t(*)[DIGEST_BYTES])w->gone, w->gone_count, e);
}

/* Whatever became of it: what is gone is found out again the next time. */
static void gone_forgotten(struct history_task *t, int result, const struct error *e)
{
    load_over(CONTAINER_OF(t, struct warming, load));
}

static void end_looks(struct warming *w)
{
    struct cells *cells = cells_of(w);
    cells_add(cells, M_WARMED, V_WARMED_LOADED, w->loaded);
    cells_add(cells, M_WARMED, V_WARMED_GONE, w->gone_count);
    cells_add(cells, M_WARMED, V_WARMED_EXPIRED, w->expired);
    LOG(LOG_INFO, "warmed", F_INT("loaded", w->loaded), F_INT("gone", w->gone_count),
        F_INT("expired", w->expired), F_INT("left", w->count - w->loaded - w->gone_count),
        F_NUM("ms", (double)(loop_now_ns(w->config.loop) - w->begun_ns) / NS_PER_MS));
    if (w->gone_count == 0) {
        load_over(w);
        return;
    }
    w->load = (struct history_task){.work = forget_gone, .done = gone_forgotten};
    history_run(w->config.history, &w->load);
}

static bool is_over(const struct warming *w)
{
    uint64_t now = loop_now_ns(w->config.loop);
    return w->stopped || w->next == w->count || atomic_load(&w->forget) ||
           now - w->begun_ns > (uint64_t)w->config.opt->warm_timeout_ms * NS_PER_MS;
}

static void enter(struct warming *w, struct worth_found *found)
{
    uint64_t now_ms = clock_wall_ms(), left_ms = result_left_ms(found->result, now_ms);
    atomic_store(&found->result->checked_ms, now_ms);
    if (left_ms == 0)
        w->expired++;
    w->loaded += cache_fill(w->config.cache, found->key, found->result, loop_now_ns(w->config.loop), left_ms);
}

static void look_for(struct look *l);

static void next_look(struct look *l)
{
    struct warming *w = l->w;
    l->found = NULL;
    w->looking--;
    if (!is_over(w)) {
        w->looking++;
        l->found = &w->found[w->next++];
        l->next = 0;
        look_for(l);
    } else if (w->looking == 0) {
        end_looks(w);
    }
}

static void looked(struct op *op)
{
    struct look *l = op->owner;
    struct warming *w = l->w;
    l->next++;
    if (op->result == 0 && l->next < l->found->result->output_count) {
        look_for(l);
        return;
    }
    if (op->result == -ERR_NOT_FOUND)
        memcpy(w->gone[w->gone_count++], l->found->key, DIGEST_BYTES);
    else if (op->result == 0 && !atomic_load(&w->forget))
        enter(w, l->found);
    next_look(l);
}

static void look_for(struct look *l)
{
    l->head = (struct store_get){.name = l->found->result->output[l->next].key};
    l->head.op.owner = l;
    store_head_start(l->w->config.store, &l->head, looked);
}

/* Each look begins as one that has just ended. */
static void begin_looks(struct warming *w)
{
    unsigned most = (unsigned)MIN((int64_t)w->count, w->config.opt->warm_checks);
    w->looking = MAX(most, 1u);
    w->gone = mem_zalloc((w->count + 1) * sizeof(*w->gone));
    for (unsigned i = 0, n = w->looking; i < n; i++) {
        w->look[i].w = w;
        next_look(&w->look[i]);
    }
}

static int read_best(struct history_task *t, struct db *db, struct error *e)
{
    struct warming *w = CONTAINER_OF(t, struct warming, load);
    if (atomic_exchange(&w->forget, false))
        return worth_forget_all(db, w->space, e);
    unsigned most = (unsigned)MIN((uint64_t)w->config.opt->warm_max, cache_max_size(w->config.cache));
    w->found = mem_zalloc((most + 1) * sizeof(*w->found));
    return worth_best(db, w->space, clock_wall_ms(), w->found, most, &w->count, &w->expired, e);
}

static void best_read(struct history_task *t, int result, const struct error *e)
{
    struct warming *w = CONTAINER_OF(t, struct warming, load);
    if (result < 0)
        LOG(LOG_WARN, "nothing is loaded into the cache", F_STR("why", e->reason));
    if (w->found && w->count + w->expired > 0)
        begin_looks(w);
    else
        load_over(w);
}

static void begin_load(struct warming *w)
{
    if (w->stopped || w->loading)
        return;
    w->loading = true;
    w->expired = 0;
    w->begun_ns = loop_now_ns(w->config.loop);
    w->load = (struct history_task){.work = read_best, .done = best_read};
    history_run(w->config.history, &w->load);
}

/* ---- from outside ---- */

void warming_start(struct warming *w)
{
    if (!w)
        return;
    timer_arm(w->config.loop, &w->timer, loop_now_ns(w->config.loop) + COLLECT_S * NS_PER_S, on_timer);
    if (w->config.opt->warm_max > 0 && cache_max_size(w->config.cache) > 0)
        begin_load(w);
}

static void load_again(struct message *m)
{
    struct warming *w = CONTAINER_OF(m, struct warming, again);
    atomic_store(&w->posted, false);
    if (w->loading)
        return; /* its end sees that one is asked for */
    if (atomic_exchange(&w->asked, false))
        begin_load(w);
}

bool warming_again(struct warming *w, bool load)
{
    if (!w)
        return false;
    if (!load)
        atomic_store(&w->forget, true);
    atomic_store(&w->asked, true);
    if (!atomic_exchange(&w->posted, true))
        loop_post(w->config.loop, &w->again, load_again);
    return true;
}

void warming_stop(struct warming *w)
{
    if (!w || w->stopped)
        return;
    w->stopped = true;
    timer_disarm(w->config.loop, &w->timer);
    collect(w);
}
