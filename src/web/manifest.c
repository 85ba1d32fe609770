/* Happy path: a first question posts a wait to the core, which lists the store; a lane thread makes the
 * catalogue; it is published under the mutex and those who wait are told. A timer lists anew while there are
 * questions; the first question after a rest gets what there was and wakes the listing.
 * Failure modes: a listing that fails is reported, and told to those who wait if there is nothing older; the
 * next one begins AGAIN_MS later at the earliest. Whoever waits longer than HTTP_TIMEOUT_MS is told so, while
 * the listing goes on.
 * Invariants: one listing at a time; `packs` only ever goes from one catalogue to the next; `next_ns` is
 * UINT64_MAX while a listing is under way or the manifest has stopped, so nobody posts in vain. How many wait
 * is bounded by the connections there can be. */
#include "web/manifest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum { AGAIN_MS = 5000 };

struct manifest {
    struct manifest_config config;
    char prefix[STORE_NAME_MAX + 1]; /* with a slash at its end, or "" */
    pthread_mutex_t mutex;           /* over packs */
    struct packs *packs;             /* NULL: none yet */
    _Atomic uint64_t next_ns;        /* from when on a question wakes the listing */
    atomic_bool asked;               /* since the last listing */
    atomic_bool nudged;              /* `nudge` is under way */
    atomic_bool stopped;
    struct message nudge;
    /* core thread */
    struct store_list list;
    struct lane_job build;
    struct packs *built;
    struct list waits; /* of struct manifest_wait */
    struct timer fresh, give_up;
    struct error last; /* why the last listing failed */
    bool busy;
};

static uint64_t now_of(const struct manifest *m)
{
    return loop_now_ns(m->config.loop);
}

/* ---- telling ---- */

static void tell_all(struct manifest *m, const struct error *e)
{
    struct list *node;
    while ((node = list_pop_front(&m->waits))) {
        struct manifest_wait *w = CONTAINER_OF(node, struct manifest_wait, node);
        w->ready(w, m->packs ? packs_ref(m->packs) : NULL, e);
    }
    timer_disarm(m->config.loop, &m->give_up);
}

static void warn(const struct manifest *m, const char *what)
{
    if (m->config.warn)
        m->config.warn(m->config.ctx, what);
}

/* ---- a listing ---- */

static void begin(struct manifest *m);

static void fresh_over(struct timer *t)
{
    struct manifest *m = CONTAINER_OF(t, struct manifest, fresh);
    if (atomic_exchange(&m->asked, false))
        begin(m);
}

/* The next one: by the timer if somebody asks in the meantime, else when somebody asks. */
static void settle(struct manifest *m, uint64_t again_ms)
{
    m->busy = false;
    if (atomic_load(&m->stopped))
        return;
    uint64_t next = now_of(m) + again_ms * NS_PER_MS;
    atomic_store(&m->next_ns, next);
    timer_arm(m->config.loop, &m->fresh, next, fresh_over);
}

static void failed(struct manifest *m, const struct error *e)
{
    m->last = *e;
    if (e->code != ERR_CLIENT_GONE) /* which is our own end */
        warn(m, e->reason);
    settle(m, MIN((uint64_t)AGAIN_MS, (uint64_t)m->config.opt->packs_ttl_ms));
    tell_all(m, &m->last);
}

static void publish(struct manifest *m, struct packs *packs)
{
    pthread_mutex_lock(&m->mutex);
    struct packs *old = m->packs;
    m->packs = packs;
    pthread_mutex_unlock(&m->mutex);
    packs_unref(old);
    m->last = (struct error){0};
    if (packs_cut(packs))
        warn(m, "there are more files than PACKS_MAX_OBJECTS; the others are not shown");
    settle(m, (uint64_t)m->config.opt->packs_ttl_ms);
    tell_all(m, NULL);
}

static int run_build(struct lane_job *job)
{
    struct manifest *m = CONTAINER_OF(job, struct manifest, build);
    m->built = packs_new(&m->list.listing, m->prefix);
    return 0;
}

static void on_built(struct op *op)
{
    struct manifest *m = CONTAINER_OF(op, struct manifest, build.op);
    store_listing_release(&m->list.listing);
    struct packs *built = TAKE(m->built);
    if (built) {
        publish(m, built);
        return;
    }
    struct error e;
    error_set(&e, ERR_CLIENT_GONE, "The listing was given up");
    failed(m, &e);
}

static void on_listed(struct op *op)
{
    struct manifest *m = CONTAINER_OF(op, struct manifest, list.op);
    if (op->result < 0) {
        failed(m, &m->list.err);
        return;
    }
    m->build = (struct lane_job){0};
    if (lane_submit(m->config.lane, &m->build, run_build, on_built) == 0)
        return;
    struct error e;
    store_listing_release(&m->list.listing);
    error_set(&e, ERR_QUEUE_FULL, "Too much is waiting for the disk to list the asset packs");
    failed(m, &e);
}

static void begin(struct manifest *m)
{
    if (m->busy || atomic_load(&m->stopped))
        return;
    m->busy = true;
    atomic_store(&m->next_ns, UINT64_MAX);
    timer_disarm(m->config.loop, &m->fresh);
    m->list = (struct store_list){
        .prefix = m->prefix,
        .objects_max = (size_t)m->config.opt->packs_max_objects,
        .skip_dated = true,
    };
    store_list_start(m->config.store, &m->list, on_listed);
}

/* ---- questions ---- */

static void deliver_nudge(struct message *mail)
{
    struct manifest *m = CONTAINER_OF(mail, struct manifest, nudge);
    atomic_store(&m->nudged, false);
    if (now_of(m) >= atomic_load(&m->next_ns))
        begin(m);
}

struct packs *manifest_now(struct manifest *m)
{
    pthread_mutex_lock(&m->mutex);
    struct packs *packs = m->packs ? packs_ref(m->packs) : NULL;
    pthread_mutex_unlock(&m->mutex);
    if (!packs || atomic_load(&m->stopped))
        return packs;
    atomic_store(&m->asked, true);
    if (clock_mono_ns() >= atomic_load(&m->next_ns) && !atomic_exchange(&m->nudged, true))
        loop_post(m->config.loop, &m->nudge, deliver_nudge);
    return packs;
}

static void give_up(struct timer *t)
{
    struct manifest *m = CONTAINER_OF(t, struct manifest, give_up);
    struct error e;
    error_set(&e, ERR_DEADLINE, "The asset packs could not be listed in time; ask again in a moment");
    tell_all(m, &e);
}

static void deliver_wait(struct message *mail)
{
    struct manifest_wait *w = CONTAINER_OF(mail, struct manifest_wait, mail);
    struct manifest *m = w->manifest;
    bool first = list_empty(&m->waits);
    struct error e;
    list_push_back(&m->waits, &w->node);
    if (atomic_load(&m->stopped)) {
        error_set(&e, ERR_DRAINING, "The server is shutting down; ask again in a moment");
        tell_all(m, &e);
    } else if (m->packs) {
        tell_all(m, NULL);
    } else if (!m->busy && now_of(m) < atomic_load(&m->next_ns)) {
        tell_all(m, &m->last); /* it has failed just now */
    } else {
        if (first)
            timer_arm(m->config.loop, &m->give_up,
                      now_of(m) + (uint64_t)m->config.opt->http_timeout_ms * NS_PER_MS, give_up);
        begin(m);
    }
}

bool manifest_stopped(const struct manifest *m)
{
    return atomic_load(&m->stopped);
}

void manifest_wait(struct manifest *m, struct manifest_wait *w)
{
    w->manifest = m;
    loop_post(m->config.loop, &w->mail, deliver_wait);
}

/* ---- start and end ---- */

struct manifest *manifest_new(const struct manifest_config *config)
{
    struct manifest *m = NEW(struct manifest);
    const char *prefix = config->opt->packs_prefix + strspn(config->opt->packs_prefix, "/");
    size_t len = strlen(prefix);
    m->config = *config;
    snprintf(m->prefix, sizeof(m->prefix), "%s%s", prefix, len > 0 && prefix[len - 1] != '/' ? "/" : "");
    pthread_mutex_init(&m->mutex, NULL);
    list_init(&m->waits);
    return m;
}

void manifest_stop(struct manifest *m)
{
    if (!m || atomic_exchange(&m->stopped, true))
        return;
    atomic_store(&m->next_ns, UINT64_MAX);
    timer_disarm(m->config.loop, &m->fresh);
    if (m->busy) {
        op_cancel(&m->list.op);
        op_cancel(&m->build.op);
    }
    struct error e;
    error_set(&e, ERR_DRAINING, "The server is shutting down; ask again in a moment");
    tell_all(m, &e);
}

bool manifest_busy(const struct manifest *m)
{
    return m && m->busy;
}

void manifest_free(struct manifest *m)
{
    if (!m)
        return;
    CHECK(!m->busy && list_empty(&m->waits));
    packs_unref(m->packs);
    pthread_mutex_destroy(&m->mutex);
    free(m);
}
