/* waiting_loop.h: a core loop for tests of things that finish on other threads: the test's thread is the core
 * and sleeps between turns. Order: init, any number of runs, release. */
#pragma once

#include <semaphore.h>
#include <stdbool.h>

#include "loop/loop.h"

struct waiting_loop {
    struct loop loop;
    sem_t awake;
};

void waiting_loop_init(struct waiting_loop *w);
void waiting_loop_release(struct waiting_loop *w);
/* Turns until *count reaches target; fails the test after 30 s without any news, and after 60 s in all. */
void waiting_loop_run(struct waiting_loop *w, const unsigned *count, unsigned target);
void waiting_loop_step(struct waiting_loop *w); /* turns, sleeps until there is news, turns */
