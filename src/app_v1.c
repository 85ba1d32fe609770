#include "app_v1.h"

#include <string.h>

static struct provider *account_of(const struct services *svc)
{
    for (unsigned i = 0; i < svc->provider_count; i++)
        if (strcmp(svc->provider[i]->ops->name, "replicate") == 0)
            return svc->provider[i];
    return NULL;
}

int app_v1_start(struct gate *gate, struct v1 **ret, struct error *e)
{
    const struct services *svc = gate->svc;
    const struct v1_config config = {
        .opt = svc->opt,
        .loop = svc->loop,
        .provider = account_of(svc),
        .pool = svc->fetch,
        .class_limiter = svc->class_limiter,
        .weights = svc->weights,
        .metrics = svc->metrics,
        .budgets = svc->budgets,
        .prices = svc->prices,
    };
    if (!config.provider)
        return 0;
    int r = v1_new(&config, ret, e);
    if (r == 0) {
        gate->web->v1 = v1_answer;
        gate->web->v1_ctx = *ret;
    }
    return r;
}
