/* sim.h: the real pipeline, stepped in one thread under a clock that only the test moves.
 *
 * Two loops share the clock: `core` is the server's own, `world` holds what happens outside it: clients that
 * come and leave, mail under way, lane threads that get their turn, models that finish, puts that end. A step
 * moves the clock to the next event, lets the world act, gives the core one turn, and checks the invariants
 * (sim_check). Events are rounded to `quantum_ns`, so that many fall on the same instant and race.
 *
 * Order: fill a sim_plan, sim_start, sim_post and sim_run…, sim_stop (which checks that nothing is left).
 * A broken invariant prints the seed, the step and the clock, and aborts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rng.h"
#include "request/flights.h"
#include "request/request.h"
#include "request/stage.h"

struct sim;

/* How a model run or a put behaves; a time of SIM_NEVER: only when it is cancelled. */
#define SIM_NEVER UINT64_MAX

enum sim_end {
    SIM_OK,
    SIM_FAILS,          /* UPSTREAM; a put: STORAGE_FULL */
    SIM_FAILS_SILENTLY, /* a run, against its contract: err is not filled */
    SIM_NO_OUTPUT,      /* the run succeeds, with outputs that are none, empty, no image or too large */
    SIM_EMPTY_OUTPUT,
    SIM_NOT_AN_IMAGE,
    SIM_TOO_LARGE,
    SIM_REFUSED, /* a put that cannot even start */
};
enum sim_paid { SIM_UNPAID, SIM_PAID_AT_START, SIM_PAID_HALFWAY, SIM_PAID_AT_END };
enum sim_cancel {
    SIM_STOPS_AT_ONCE,
    SIM_STOPS_LATE,
    SIM_ENDS_ANYWAY, /* as it would have ended, after cancel_ns more */
    SIM_DEAF,        /* goes on as if nothing had been said; not together with SIM_NEVER */
};

struct sim_act {
    uint64_t ns;
    enum sim_end end;
    enum sim_paid paid;
    enum sim_cancel cancel;
    uint64_t cancel_ns;
    unsigned outputs;
};

/* What is known of a key, from outside. */
struct sim_key {
    struct sim_key *next;
    uint8_t key[DIGEST_BYTES];
    unsigned creates, running;
    uint64_t led_at; /* sim.checks when a leader of it was last seen */
};

struct sim_plan {
    uint64_t seed;
    struct options opt;
    uint64_t quantum_ns;
    uint64_t mail_ns; /* longest delay of a message */
    uint64_t lane_ns; /* longest time until a lane thread takes or ends a job; SIM_NEVER: only sim_lane */
    uint64_t memory_bytes; /* of bodies */
    uint64_t behind_ns;    /* the classes' slots are given by others, after so long at most; 0: by nobody */
    bool own_limiter;      /* of the provider */
    bool backup;           /* a second provider, which behaves like the first */
    bool remembers_all;    /* nothing leaves the cache: then every stored object must be in it */
    void (*run)(struct sim *sim, const struct request *req, struct sim_act *ret); /* asked at each create */
    void (*put)(struct sim *sim, struct sim_act *ret);                            /* asked at each put */
    int (*available)(struct sim *sim, struct error *e);                           /* NULL: always */
};

enum { SIM_KEY_CHAINS = 1024, SIM_PICTURES = 24, SIM_OBJECT_CHAINS = 4096 };

/* The pictures that can be posted: good ones, ones that must be shrunk, broken ones. */
enum { SIM_BROKEN_FIRST = 16, SIM_NO_PICTURE = 22, SIM_EMPTY_PICTURE = 23 };

struct sim_behind {
    struct limiter_behind behind;
    struct sim *sim;
    struct limiter *limiter;
    struct timer timer;
};

struct sim {
    struct sim_plan plan;
    struct sim_behind behind[CLASS_COUNT];
    struct rng rng;
    uint64_t now_ns;
    uint64_t steps, checks;
    struct loop core, world;
    struct services svc;
    struct timer lane_timer;
    char *dir;
    struct blob *picture[SIM_PICTURES];
    /* provider */
    struct provider provider;
    struct sim_key *keys[SIM_KEY_CHAINS];
    struct list runs;
    unsigned running, creates, peak_running, progress_calls;
    /* store */
    struct store store;
    struct sim_object *objects[SIM_OBJECT_CHAINS];
    unsigned object_count, puts, puts_running;
    /* clients */
    struct list clients;
    unsigned posted, answered, succeeded, failed, left;
    unsigned error_count[ERR_COUNT]; /* told to clients who were there to hear it */
};

struct sim_client {
    struct list node;
    struct sim *sim;
    struct request *req; /* NULL once answered */
    struct timer leave, upload;
    unsigned answers;
    bool leaving;   /* inside request_client_left */
    bool left;      /* it went before its answer */
    bool watched;   /* the core would notice */
    bool impatient; /* leaves within watch */
    enum err error; /* of the answer */
    unsigned retry_after_s;
    bool hit, joined; /* the answer came from the cache, from a twin */
    bool degraded;    /* or from the second provider */
};

/* sim.c */
void sim_options(struct options *ret); /* the defaults of the option table */
void sim_start(struct sim *sim, const struct sim_plan *plan);
void sim_finish(struct sim *sim);              /* runs until nothing happens any more, and checks the end */
void sim_stop(struct sim *sim);                /* finishes and frees, clients too */
bool sim_step(struct sim *sim);                /* false: nothing will ever happen */
void sim_run_ms(struct sim *sim, uint64_t ms); /* 0: the events of this instant, mail included */
bool sim_lane(struct sim *sim);                /* a lane thread runs the oldest job */
uint64_t sim_below(struct sim *sim, uint64_t limit); /* random, 0 … limit - 1 */
bool sim_chance(struct sim *sim, unsigned percent);
void sim_arm(struct sim *sim, struct timer *t, uint64_t delay_ns, void (*fire)(struct timer *t));
_Noreturn void sim_broken(const struct sim *sim, const char *what, const char *file, int line);
#define SIM_CHECK(sim, expr)                                                                                 \
    do {                                                                                                     \
        if (!(expr))                                                                                         \
            sim_broken((sim), #expr, __FILE__, __LINE__);                                                    \
    } while (0)

/* sim_pictures.c */
void sim_pictures_make(struct sim *sim);
void sim_pictures_free(struct sim *sim);

/* sim_client.c */
struct sim_post {
    unsigned picture;
    enum feature_id feature;
    const char *field, *value; /* one more form field; NULL: none */
    uint64_t upload_ns;        /* how long the body takes; 0: it is there */
    uint64_t leave_ns;         /* when the client leaves; 0: it stays */
    bool impatient;
    uint64_t caller; /* who asks */
    enum slot_priority priority;
};
struct sim_client *sim_post(struct sim *sim, const struct sim_post *post);
void sim_leave(struct sim_client *c); /* now */
void sim_clients_free(struct sim *sim);

/* sim_behind.c */
void sim_behind_init(struct sim_behind *s, struct sim *sim, struct limiter *l);

/* sim_provider.c */
void sim_provider_init(struct sim *sim);
void sim_provider_release(struct sim *sim);
struct sim_key *sim_key_of(struct sim *sim, const uint8_t *key);
unsigned sim_finish_runs(struct sim *sim); /* ends all that run, as planned, now; how many */
void sim_pay_runs(struct sim *sim);        /* all that run are paid from now on */

/* sim_store.c */
void sim_store_init(struct sim *sim);
void sim_store_release(struct sim *sim);
bool sim_store_has(struct sim *sim, const char *key, uint64_t bytes);
unsigned sim_cached_objects(struct sim *sim); /* objects of all results in the cache */

/* sim_check.c */
void sim_check(struct sim *sim);
void sim_check_slots(struct sim *sim); /* holds in the middle of a turn too */
void sim_check_end(struct sim *sim);
