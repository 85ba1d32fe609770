/* cog.h: the Cog provider's inside. Private to predict/cog*.c.
 *
 * A run waits in `waiting` until cog_dispatch finds a server for it, is sent, and either ends or waits again.
 */
#pragma once

#include "base/list.h"
#include "base/rng.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "predict/cog_endpoints.h"
#include "predict/cog_server.h"
#include "predict/predict.h"

struct cog {
    struct provider provider;
    struct remote_config config;
    struct cog_endpoints endpoints;
    struct cog_server server[COG_SERVERS_MAX]; /* endpoints.count of them */
    struct list waiting;                       /* of struct cog_run, the longest waiting first */
    struct list farewells;                     /* of struct farewell (cog_run.c) */
    struct timer pause;                        /* while something waits for the end of one */
    struct rng rng;
    unsigned turn;
};

void cog_dispatch(struct cog *c);
uint64_t cog_serves(const struct cog *c, const struct feature *f); /* bit n: server[n] runs it */
void cog_doubt(struct cog_server *s); /* what was known of it is no longer: it is asked */

struct cog_run;

void cog_run_start(struct cog *c, struct prediction *p); /* it waits */
struct cog_run *cog_run_of(struct list *waiting_or_sent_node);
const struct feature *cog_run_feature(const struct cog_run *run);
int cog_run_avoids(const struct cog_run *run);
void cog_run_send(struct cog_run *run, struct cog_server *s);
void cog_run_unavailable(struct cog_run *run); /* it ends: no server can be hoped for */
void cog_run_lost(struct cog_run *run);        /* its server has gone silent: on to another one */
void cog_farewells_free(struct cog *c);
