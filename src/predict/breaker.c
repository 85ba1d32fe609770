#include "predict/breaker.h"

#include "base/check.h"
#include "base/clock.h"

void breaker_init(struct breaker *b, int64_t failures_max, int64_t open_ms)
{
    *b = (struct breaker){.failures_max = (unsigned)failures_max, .open_ns = (uint64_t)open_ms * NS_PER_MS};
    pthread_mutex_init(&b->mutex, NULL);
}

void breaker_release(struct breaker *b)
{
    pthread_mutex_destroy(&b->mutex);
}

static enum breaker_pass pass_now(const struct breaker *b, uint64_t now_ns)
{
    if (!b->open)
        return BREAKER_CALL;
    return b->probing || now_ns < b->until_ns ? BREAKER_REFUSED : BREAKER_PROBE;
}

bool breaker_allows(struct breaker *b, uint64_t now_ns, unsigned *ret_retry_after_s)
{
    pthread_mutex_lock(&b->mutex);
    bool allowed = pass_now(b, now_ns) != BREAKER_REFUSED;
    uint64_t left_ns = b->until_ns > now_ns ? b->until_ns - now_ns : b->open_ns; /* a probe is under way */
    pthread_mutex_unlock(&b->mutex);
    if (!allowed)
        *ret_retry_after_s = (unsigned)((left_ns + NS_PER_S - 1) / NS_PER_S);
    return allowed;
}

enum breaker_pass breaker_enter(struct breaker *b, uint64_t now_ns)
{
    pthread_mutex_lock(&b->mutex);
    enum breaker_pass pass = pass_now(b, now_ns);
    if (pass == BREAKER_PROBE)
        b->probing = true;
    pthread_mutex_unlock(&b->mutex);
    return pass;
}

static void trip(struct breaker *b, uint64_t now_ns)
{
    b->open = true;
    b->probing = false;
    b->failures = 0;
    b->until_ns = now_ns + b->open_ns;
}

/* While it is open only the probe's word counts: the others began before. */
static bool count(struct breaker *b, enum breaker_pass pass, enum breaker_verdict verdict, uint64_t now_ns)
{
    bool probe = pass == BREAKER_PROBE && b->probing;
    if (probe)
        b->probing = false;
    if (verdict == BREAKER_NEITHER || (b->open && !probe))
        return false;
    if (verdict == BREAKER_GOOD) {
        b->open = false;
        b->failures = 0;
        return false;
    }
    if (!b->open && ++b->failures < b->failures_max)
        return false;
    trip(b, now_ns);
    return true;
}

bool breaker_leave(struct breaker *b, enum breaker_pass pass, enum breaker_verdict verdict, uint64_t now_ns)
{
    CHECK(pass != BREAKER_REFUSED);
    pthread_mutex_lock(&b->mutex);
    bool opened = count(b, pass, verdict, now_ns);
    pthread_mutex_unlock(&b->mutex);
    return opened;
}

bool breaker_trip(struct breaker *b, uint64_t now_ns)
{
    pthread_mutex_lock(&b->mutex);
    bool opened = !b->open || now_ns >= b->until_ns;
    trip(b, now_ns);
    pthread_mutex_unlock(&b->mutex);
    return opened;
}

const char *breaker_state(struct breaker *b, uint64_t now_ns)
{
    pthread_mutex_lock(&b->mutex);
    const char *state = !b->open ? "closed" : now_ns < b->until_ns ? "open" : "half-open";
    pthread_mutex_unlock(&b->mutex);
    return state;
}
