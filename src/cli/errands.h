/* errands.h: what is asked of a running gateway from the command line: many errands, several at once.
 *
 * An errand is one call, or several one after another. A call that fails for a passing reason is sent again
 * after a pause, for QUEUE_TIMEOUT_MS in all; so it must be one that may be sent twice. Order: errands_start,
 * errands_run, errands_stop. Of each lane: begin, which asks with errand_ask; answered, which asks on or says
 * errand_over; clear. The first signal begins no more errands, a second one leaves at once. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "cli/progress.h"
#include "http/client/client.h"
#include "http/client/patience.h"
#include "loop/loop_uv.h"
#include "tables/options.h"

enum { ERRANDS_AT_ONCE_MAX = 64 };

struct errands;

/* A lane: one errand at a time. */
struct errand {
    struct errands *all;
    unsigned lane;
    size_t number; /* of the errand */
    char *name;    /* for people; set by begin, freed here; NULL: idle */
    uint64_t begun_ns;
    struct http_call call; /* in answered: the answer */
    struct http_call like; /* as it was asked for; to be sent again */
    struct patience patience;
    struct timer pause;
};

struct errand_ops {
    bool (*begin)(struct errand *a);          /* false: it is over already, and has been told */
    bool (*may_pass)(const struct errand *a); /* the call failed for a reason that may pass */
    void (*answered)(struct errand *a);
    void (*clear)(struct errand *a);                        /* what begin took */
    size_t (*over)(const void *ctx);                        /* how many errands are */
    void (*view)(const void *ctx, struct progress_view *v); /* says more of them; NULL: there is no more */
    void (*abandon)(void *ctx); /* the process is about to end; NULL: nothing to do */
};

struct errands_config {
    const struct options *opt;
    const char *url;  /* of the gateway, without a slash at its end */
    const char *flag; /* by which it was named */
    const char *user_agent;
    unsigned at_once;
    size_t count;
    bool bar;
    bool cut; /* a signal ends the calls under way too, with CLIENT_GONE */
    const struct errand_ops *ops;
    void *ctx;
};

struct errands {
    struct errands_config config;
    struct loop_uv *uv;
    struct loop *loop;
    struct http_client_pool *pool;
    struct message begin;
    struct timer draw;
    struct progress progress;
    struct rng rng;
    uint64_t begun_ns;
    size_t next;
    unsigned busy;    /* lanes */
    bool answered;    /* there is a gateway */
    bool interrupted; /* by a signal */
    char *hopeless;   /* why all that follows would fail alike; NULL: it would not */
    struct errand lane[ERRANDS_AT_ONCE_MAX];
};

int errands_start(struct errands *all, const struct errands_config *config, struct error *e) MUST_CHECK;
void errands_run(struct errands *all);
void errands_stop(struct errands *all); /* after a failed start too */

/* Sends a call, now or after a pause. Its texts live until it is answered; a body is the caller's. */
void errand_ask(struct errand *a, const struct http_call *call, uint32_t after_ms);
void errand_over(struct errand *a); /* the lane takes the next one */

/* Whose call it is, to the gateway; and that refusals come as problem+json. */
void errand_sign(const struct errand *a, struct http_call *call);
/* True, and said, if what was answered means that no errand can succeed. known: it must know this address. */
bool errand_is_hopeless(struct errand *a, bool known);
char *errand_reason(const struct errand *a) MUST_CHECK; /* why the call failed, for people */
double errand_seconds(const struct errand *a);
