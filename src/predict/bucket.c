#include "predict/bucket.h"

#include "base/clock.h"
#include "base/macros.h"

/* A burst of n beside one every interval makes at most n - 1 + minute / interval in any minute. */
static void set_rate(struct bucket *b, unsigned per_minute)
{
    unsigned burst = MAX(per_minute / 10, 1u);
    b->interval_ns = 60 * NS_PER_S / (per_minute - (burst - 1));
    b->slack_ns = (burst - 1) * b->interval_ns;
}

void bucket_init(struct bucket *b, unsigned per_minute)
{
    *b = (struct bucket){.per_minute = per_minute};
    set_rate(b, per_minute);
}

uint64_t bucket_next_ns(const struct bucket *b, uint64_t now_ns)
{
    return MAX(now_ns, b->full_ns > b->slack_ns ? b->full_ns - b->slack_ns : 0);
}

struct bucket_place bucket_take(struct bucket *b, uint64_t now_ns)
{
    struct bucket_place place = {bucket_next_ns(b, now_ns), b->pauses};
    b->full_ns = MAX(b->full_ns, now_ns) + b->interval_ns;
    return place;
}

bool bucket_is_due(const struct bucket *b, const struct bucket_place *place, uint64_t now_ns)
{
    return place->pauses == b->pauses && now_ns >= place->at_ns;
}

void bucket_pause(struct bucket *b, uint64_t now_ns, uint64_t until_ns)
{
    if (until_ns <= MAX(now_ns, b->paused_until_ns))
        return;
    b->paused_until_ns = until_ns;
    b->pauses++; /* the places given lie before it, or were counted for a burst that is over */
    b->full_ns = until_ns + b->slack_ns;
}

void bucket_slow_down(struct bucket *b, uint64_t now_ns)
{
    b->slow_until_ns = now_ns + BUCKET_SLOW_MS * NS_PER_MS;
    if (b->slow)
        return;
    b->slow = true;
    set_rate(b, MIN((unsigned)BUCKET_SLOW_PER_MINUTE, b->per_minute));
    b->pauses++;
    b->full_ns = MAX(now_ns, b->paused_until_ns);
}

void bucket_full_speed(struct bucket *b)
{
    b->slow = false;
    set_rate(b, b->per_minute);
}

bool bucket_accepted(struct bucket *b, uint64_t now_ns)
{
    if (!b->slow || now_ns < b->slow_until_ns)
        return false;
    bucket_full_speed(b);
    return true;
}
