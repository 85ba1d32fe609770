/* cog_server.h: what is known of each Cog server, and which of them gets the next run.
 *
 * How many runs a server takes at once is learned: a refusal while some of ours are under way there says it.
 * A refusal also makes a pause, longer with each in a row. Order around a run: cog_server_begin,
 * cog_server_end, then what the answer meant: cog_server_took or cog_server_refused. No I/O; core thread, but
 * for state. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"
#include "base/macros.h"
#include "base/rng.h"
#include "http/client/client.h"
#include "predict/cog_health.h"

struct cog;

struct cog_server {
    const char *url;
    _Atomic enum cog_state state; /* any thread may read it */
    unsigned runs;                /* ours, under way there */
    unsigned slots;               /* runs it takes at once; 0: not known */
    unsigned refusals;            /* in a row */
    uint64_t pause_until_ns;      /* nothing is sent before */
    /* for cog.c alone */
    struct cog *cog;
    struct list sent; /* of struct cog_run */
    struct http_call health;
    char *health_url;
    uint64_t ask_at_ns; /* when to ask for its health again */
    unsigned misses;    /* answers in a row that did not come */
};

struct cog_pause {
    int64_t base_ms; /* AI_RETRY_BASE_MS */
    double factor;   /* AI_RETRY_FACTOR */
};

void cog_server_begin(struct cog_server *s);
void cog_server_end(struct cog_server *s);
void cog_server_took(struct cog_server *s); /* it has run, well or not */
void cog_server_refused(struct cog_server *s, const struct cog_pause *pause, uint64_t now_ns,
                        struct rng *rng);
void cog_server_heard(struct cog_server *s, const struct cog_health *h);

struct cog_choice {
    uint64_t serves; /* bit n: server[n] may be taken */
    int avoid;       /* only if there is no other; -1: none */
    unsigned turn;   /* between equals it goes round */
    uint64_t now_ns;
};

enum { COG_LATER = -1, COG_NOBODY = -2 };

/* Its index; LATER: all that could have no room now, or one that has not been heard yet may be better;
 * *ret_when_ns is when a pause ends (UINT64_MAX: none). NOBODY: all are out of order. */
int cog_choose(const struct cog_server *server, const struct cog_choice *choice,
               uint64_t *ret_when_ns) MUST_CHECK;
