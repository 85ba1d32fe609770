/* sim_script.h: a calm simulator for chosen situations: runs take a second, puts 10 ms, nothing fails, unless
 * the test changes it. One at a time. */
#pragma once

#include "sim.h"

extern struct sim_act run_act, put_act; /* what runs and puts do from now on */
extern unsigned failing_runs;           /* so many of the next runs fail */
extern bool unavailable;                /* the provider */
extern bool every_third_put_ends_anyway;

/* change (or NULL) sets options, before the start. */
void sim_script_start(struct sim *sim, void (*change)(struct options *opt));
struct sim_client *sim_script_post(struct sim *sim, unsigned picture);
void handovers_0(struct options *opt);
void handovers_2(struct options *opt);
void one_slot(struct options *opt); /* and two places before it, for half a second; one handover */
