#include "app_limiters.h"

#include "app_budgets.h"
#include "limiter/key_weights.h"

/* A network uses all cores by itself: two at once would only take twice as long and twice the memory. */
enum { LOCAL_SLOTS = 1 };

static struct limiter *make(const struct services *svc, const char *name, int64_t slots)
{
    struct limiter *l = limiter_new(name, (size_t)slots, (size_t)svc->opt->queue_max, svc->loop);
    l->low_every = (size_t)svc->opt->queue_low_every;
    return l;
}

void app_make_limiters(struct services *svc)
{
    const struct options *opt = svc->opt;
    const int64_t slots[CLASS_COUNT] = {opt->light_concurrency, opt->heavy_concurrency,
                                        opt->comic_concurrency};
    for (int c = 0; c < CLASS_COUNT; c++)
        svc->class_limiter[c] = make(svc, class_name((enum class)c), slots[c]);
    svc->local_limiter = make(svc, "local", LOCAL_SLOTS);
    svc->fetch_limiter = make(svc, "fetch", opt->fetch_concurrency);
    svc->story_limiter = make(svc, "stories", opt->comics_max);
    svc->step_limiter = make(svc, "replace-bg", opt->replace_bg_concurrency);
}

void app_limiters_free(struct services *svc)
{
    for (int c = 0; c < CLASS_COUNT; c++)
        limiter_free(svc->class_limiter[c]);
    limiter_free(svc->local_limiter);
    limiter_free(svc->step_limiter);
    limiter_free(svc->story_limiter);
    limiter_free(svc->fetch_limiter);
    key_weights_free((struct key_weights *)svc->weights);
}

int app_make_weights(struct services *svc, const struct access *access, struct error *e)
{
    struct key_weights *weights = NULL;
    int r = key_weights_new(svc->opt->key_weights, &weights, e);
    svc->weights = weights;
    for (unsigned i = 0; r == 0 && key_weights_name(weights, i); i++)
        if (!app_has_key(access, key_weights_name(weights, i)))
            r = error_set_field(e, ERR_VALIDATION, "KEY_WEIGHTS",
                                "KEY_WEIGHTS names the key \"%s\", which API_KEYS does not have",
                                key_weights_name(weights, i));
    return r;
}
