#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "cache/cache.h"

struct result *result_new(void)
{
    struct result *r = NEW(struct result);
    atomic_init(&r->refs, 1);
    return r;
}

struct result *result_ref(struct result *r)
{
    unsigned before = atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    CHECK(before > 0);
    return r;
}

void result_unref(struct result *r)
{
    if (!r)
        return;
    unsigned before = atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    for (unsigned i = 0; i < RESULT_OUTPUTS_MAX; i++) {
        free(r->output[i].key);
        free(r->output[i].content_type);
    }
    free(r->model);
    free(r->ran_on);
    free(r->network);
    free(r->reason);
    free(r);
}
