/* Other gateways have the same slots: who stands behind the limiters lets some of those who wait in, some
 * time later, and now and then is away, when the limiter is open. */
#include "base/clock.h"
#include "sim.h"

static void look(struct timer *t);

static void changed(struct limiter_behind *b)
{
    struct sim_behind *s = CONTAINER_OF(b, struct sim_behind, behind);
    if (s->timer.slot == 0 && s->limiter->closed && s->limiter->waiting > 0)
        timer_arm(&s->sim->core, &s->timer, s->sim->now_ns + 1 + sim_below(s->sim, s->sim->plan.behind_ns),
                  look);
}

static void look(struct timer *t)
{
    struct sim_behind *s = CONTAINER_OF(t, struct sim_behind, timer);
    struct limiter *l = s->limiter;
    if (sim_chance(s->sim, 10))
        limiter_open(l);
    else
        limiter_let_in(l, sim_below(s->sim, l->slots - l->running + 1));
    l->full = l->closed && sim_chance(s->sim, 30);
    if (!l->closed && sim_chance(s->sim, 50))
        limiter_close(l);
    changed(&s->behind);
}

void sim_behind_init(struct sim_behind *s, struct sim *sim, struct limiter *l)
{
    *s = (struct sim_behind){.behind.changed = changed, .sim = sim, .limiter = l};
    if (sim->plan.behind_ns == 0)
        return;
    l->behind = &s->behind;
    limiter_close(l);
}
