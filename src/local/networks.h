/* networks.h: the runtime and the networks that are in memory, shared between the thread that runs them and
 * those that describe or release them.
 *
 * Order: networks_init, then networks_take and networks_give_back in pairs on one thread (the run's), and
 * networks_release_idle, networks_loaded, networks_rate, networks_measured from any thread; networks_release
 * when no thread uses it any more. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "local/cpu.h"
#include "local/engine.h"
#include "local/models.h"

struct network_slot {
    struct network *network; /* NULL: not loaded */
    unsigned width, height;  /* compiled for; 0: any */
    bool taken;              /* the running thread has it; nobody else may free it */
    bool verified;           /* the file's digest was right once in this process */
    uint64_t used_ns;        /* when it was given back */
    double rate;             /* seconds per megapixel through the network; 0: not measured */
    double stored_rate;      /* what the file holds */
};

struct networks {
    pthread_mutex_t lock;
    char *engine_dir, *models_dir, *data_dir, *cache_dir, *rates_file;
    char *path[MODEL_COUNT];
    struct cpu cpu;
    bool bf16;
    unsigned threads;
    struct engine *engine;                 /* the running thread's; NULL before the first run */
    struct network_slot slot[MODEL_COUNT]; /* under the lock */
};

struct networks_config {
    const char *engine_dir, *models_dir, *data_dir;
    int precision;    /* PRECISION_AUTO, … */
    unsigned threads; /* 0: all that may be used */
};

void networks_init(struct networks *n, const struct networks_config *config);
void networks_release(struct networks *n);

/* Loads what is not there. width, height: compile for just this size of tile; 0: for any. */
int networks_take(struct networks *n, enum model_id id, unsigned width, unsigned height, struct network **ret,
                  struct error *e) MUST_CHECK;
void networks_give_back(struct networks *n, enum model_id id);

void networks_release_idle(struct networks *n, uint64_t now_ns, uint64_t idle_ns);
bool networks_loaded(struct networks *n, enum model_id id);
double networks_rate(struct networks *n, enum model_id id);
void networks_measured(struct networks *n, enum model_id id, double seconds_per_megapixel); /* keeps it */
