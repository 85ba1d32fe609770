#include "metrics/exemplars.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "metrics/cells.h"

enum { PLACES = METRIC_ROUTES * (CELLS_BUCKETS_MAX + 1) };

struct exemplars {
    pthread_mutex_t mutex; /* over `last` */
    struct exemplar last[PLACES];
    atomic_uint_fast64_t taken_ns[PLACES]; /* 0: never */
};

struct exemplars *exemplars_new(void)
{
    struct exemplars *e = NEW(struct exemplars);
    pthread_mutex_init(&e->mutex, NULL);
    return e;
}

void exemplars_free(struct exemplars *e)
{
    if (!e)
        return;
    pthread_mutex_destroy(&e->mutex);
    free(e);
}

static unsigned place_of(unsigned series, unsigned bucket)
{
    return series * (CELLS_BUCKETS_MAX + 1) + bucket;
}

static uint64_t wall_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void exemplars_note(struct exemplars *e, unsigned series, uint64_t ns, const char *id, uint64_t now_ns)
{
    unsigned i = place_of(series, cells_bucket_of(M_HTTP_DURATION, ns));
    uint64_t taken = atomic_load_explicit(&e->taken_ns[i], memory_order_relaxed);
    if (taken && now_ns - taken < NS_PER_S)
        return;
    if (strlen(id) > EXEMPLAR_ID_MAX || strpbrk(id, "\"\\"))
        return;
    if (pthread_mutex_trylock(&e->mutex) != 0)
        return;
    struct exemplar *x = &e->last[i];
    x->ns = ns;
    x->wall_ns = wall_ns();
    memcpy(x->id, id, strlen(id) + 1);
    atomic_store_explicit(&e->taken_ns[i], now_ns, memory_order_relaxed);
    pthread_mutex_unlock(&e->mutex);
}

bool exemplars_get(struct exemplars *e, unsigned series, unsigned bucket, struct exemplar *ret)
{
    unsigned i = place_of(series, bucket);
    if (atomic_load_explicit(&e->taken_ns[i], memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&e->mutex);
    *ret = e->last[i];
    pthread_mutex_unlock(&e->mutex);
    return true;
}
