/* Happy path: every thread takes the next band of rows until there are none. Failure modes: a thread does not
 * start, then the others take its share; cancelled, then no further band is taken. Invariant: all threads are
 * joined before the call returns, so ctx and what it points to need not outlive it. */
#include "local/parallel.h"

#include <pthread.h>
#include <stdbool.h>

/* Few enough rows that cancelling is quick, many enough that the counter is not fought over. */
enum { BAND = 8 };

struct pass {
    const atomic_bool *cancelled;
    void (*row)(void *ctx, uint32_t y);
    void *ctx;
    uint32_t rows;
    _Atomic uint64_t next; /* first row that nobody has taken; wider than a row, so it cannot wrap */
    atomic_bool gone;
};

static void *work(void *arg)
{
    struct pass *p = arg;
    for (;;) {
        if (p->cancelled && atomic_load(p->cancelled)) {
            atomic_store(&p->gone, true);
            return NULL;
        }
        uint64_t from = atomic_fetch_add(&p->next, BAND);
        if (from >= p->rows)
            return NULL;
        uint64_t to = MIN(from + BAND, p->rows);
        for (uint64_t y = from; y < to; y++)
            p->row(p->ctx, (uint32_t)y);
    }
}

int parallel_rows(const struct crew *crew, uint32_t rows, void (*row)(void *ctx, uint32_t y), void *ctx,
                  struct error *e)
{
    struct pass p = {.cancelled = crew->cancelled, .row = row, .ctx = ctx, .rows = rows};
    pthread_t others[PARALLEL_THREADS_MAX];
    unsigned wanted = MIN(MIN(crew->threads, PARALLEL_THREADS_MAX), (rows + BAND - 1) / BAND), started = 0;
    while (started + 1 < wanted && pthread_create(&others[started], NULL, work, &p) == 0)
        started++;
    work(&p);
    while (started)
        pthread_join(others[--started], NULL);
    if (atomic_load(&p.gone))
        return error_set(e, ERR_CLIENT_GONE, "The work was given up before the picture was ready");
    return 0;
}
