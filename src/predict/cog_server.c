#include "predict/cog_server.h"

#include <stdbool.h>

#include "base/check.h"
#include "base/clock.h"
#include "predict/cog_endpoints.h"

enum { PAUSE_MAX_MS = 10000 };

void cog_server_begin(struct cog_server *s)
{
    s->runs++;
}

void cog_server_end(struct cog_server *s)
{
    CHECK(s->runs > 0);
    s->runs--;
}

void cog_server_took(struct cog_server *s)
{
    s->refusals = 0;
    s->pause_until_ns = 0;
}

/* At least half of the pause, so that a refused picture is not uploaded again at once. */
void cog_server_refused(struct cog_server *s, const struct cog_pause *pause, uint64_t now_ns, struct rng *rng)
{
    int64_t ms = pause->base_ms;
    for (unsigned i = 0; i < s->refusals && ms < PAUSE_MAX_MS; i++)
        ms = (int64_t)((double)ms * pause->factor);
    uint64_t half_ns = (uint64_t)MIN(ms, (int64_t)PAUSE_MAX_MS) * NS_PER_MS / 2;
    s->refusals++;
    s->pause_until_ns = now_ns + half_ns + rng_below(rng, half_ns + 1);
    if (s->runs > 0)
        s->slots = s->runs;
}

void cog_server_heard(struct cog_server *s, const struct cog_health *h)
{
    atomic_store(&s->state, h->state);
    if (h->slots > 0)
        s->slots = h->slots;
    else if (h->state == COG_READY && s->runs >= s->slots)
        s->slots = 0; /* there is room: others had what we thought was not there */
}

/* Own runs, and one more if somebody else may have one there. */
static unsigned load_of(const struct cog_server *s, bool avoided)
{
    return 2 * s->runs + (atomic_load(&s->state) == COG_BUSY) + (avoided ? UINT32_MAX / 2 : 0);
}

static bool has_room(const struct cog_server *s)
{
    return atomic_load(&s->state) >= COG_READY && (s->slots == 0 || s->runs < s->slots);
}

int cog_choose(const struct cog_server *server, const struct cog_choice *choice, uint64_t *ret_when_ns)
{
    int best = COG_NOBODY;
    unsigned least = UINT32_MAX;
    uint64_t when = UINT64_MAX;
    bool unasked = false;
    for (unsigned i = 0; i < COG_SERVERS_MAX; i++) {
        unsigned n = (choice->turn + i) % COG_SERVERS_MAX;
        const struct cog_server *s = &server[n];
        if (!(choice->serves >> n & 1) || !cog_state_hopeful(atomic_load(&s->state)))
            continue;
        if (best == COG_NOBODY)
            best = COG_LATER;
        unasked |= atomic_load(&s->state) == COG_UNASKED;
        if (!has_room(s))
            continue;
        if (s->pause_until_ns > choice->now_ns) {
            when = MIN(when, s->pause_until_ns);
            continue;
        }
        unsigned load = load_of(s, (int)n == choice->avoid);
        if (load < least) {
            least = load;
            best = (int)n;
        }
    }
    /* One that may be idle is about to answer. */
    if (best >= 0 && unasked && least > 0)
        best = COG_LATER;
    if (best == COG_LATER)
        *ret_when_ns = when;
    return best;
}
