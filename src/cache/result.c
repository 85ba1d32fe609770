#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cache/cache.h"
#include "tables/features.h"

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
    free(r->version);
    free(r->ran_on);
    free(r->network);
    free(r->reason);
    free(r->detail);
    free(r);
}

static size_t text_bytes(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

size_t result_bytes(const struct result *r)
{
    size_t n = sizeof(*r) + text_bytes(r->model) + text_bytes(r->version) + text_bytes(r->ran_on) +
               text_bytes(r->network) + text_bytes(r->reason) + text_bytes(r->detail);
    for (unsigned i = 0; i < r->output_count; i++)
        n += text_bytes(r->output[i].key) + text_bytes(r->output[i].content_type);
    return n;
}

const char *result_feature(const struct result *r)
{
    return r->feature > 0 ? features[r->feature - 1].name : NULL;
}

uint64_t result_age_ms(const struct result *r, uint64_t now_ms)
{
    return now_ms > r->made_ms ? now_ms - r->made_ms : 0;
}

uint64_t result_left_ms(const struct result *r, uint64_t now_ms)
{
    uint64_t age = result_age_ms(r, now_ms);
    return age < r->keep_ms ? r->keep_ms - age : 0;
}
