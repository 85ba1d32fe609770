/* provider_rig.h: one provider and one prediction on a loop of its own, for tests; the test's thread is the
 * core. Order: provider_rig_init, set options and the prediction, provider_rig_open with a function that
 * makes the provider, provider_rig_run any number of times, provider_rig_release. */
#pragma once

#include "client_rig.h"
#include "predict/predict.h"
#include "scratch.h"

struct provider_rig {
    struct client_rig client;
    struct options opt; /* the defaults, with short waits */
    struct provider *provider;
    struct store *store; /* NULL: none */
    struct metrics *metrics;
    struct arena arena;
    struct params params;
    struct prediction p;
    bool done;
    unsigned told;                               /* calls of on_progress */
    char paid[64];                               /* what it was at each: "pp-" */
    bool (*cancel_when)(struct provider_rig *r); /* asked every few ms; NULL: never */
    bool leave_when_free;                        /* on_progress cancels when nothing is paid */
    char notes[256];                             /* what on_note was told: "id|address;id|address;" */
    unsigned asked;                              /* p.may_pay; the test's own */
    struct timer look;
    void *ctx;
};

void provider_rig_init(struct provider_rig *r, enum feature_id id);
void provider_rig_set(struct provider_rig *r, const char *param, const char *value);
void provider_rig_open(struct provider_rig *r, struct provider *(*make)(const struct remote_config *config));
int provider_rig_run(struct provider_rig *r); /* starts the prediction anew, waits; its result */
void provider_rig_turn_ms(struct provider_rig *r, unsigned ms); /* lets clean-up go on */
void provider_rig_release(struct provider_rig *r);
