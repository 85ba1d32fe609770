/* engine.h: networks run by OpenVINO, through its C API.
 *
 * Order: engine_open, network_load, then network_shape, network_run and network_output any number of times,
 * network_free, engine_close. The library is opened by name from a folder and never linked, so a limner
 * without it starts and tells what is missing; opening costs some 10 ms, loading a network 20 ms to a second.
 * Thread: one at a time for each object; networks of one engine are independent of each other. Blocking.
 * Errors: PROVIDER_UNAVAILABLE when library or network cannot be loaded, INTERNAL when a run fails. After any
 * error the process is as before, and the call may be tried again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "tables/error.h"

#define ENGINE_LIBRARY "libopenvino_c.so.2641"

struct engine;
struct network;

int engine_open(const char *dir, struct engine **ret, struct error *e) MUST_CHECK;
void engine_close(struct engine *g); /* accepts NULL; the library itself stays in memory */

/* A network takes one picture of 3 channels and gives any number of outputs, all of float32. */
struct network_spec {
    const char *file;       /* ONNX or TensorFlow Lite */
    const char *cache_dir;  /* for compiled networks; NULL: none */
    bool bf16;              /* compute in bfloat16, else in float32 */
    bool interleaved;       /* the input is 1×h×w×3, else planes: 1×3×h×w */
    unsigned threads;       /* > 0 */
    unsigned width, height; /* compile for just this size, which is faster; 0: for all that the file allows */
};

int network_load(struct engine *g, const struct network_spec *spec, struct network **ret,
                 struct error *e) MUST_CHECK;
void network_free(struct network *n); /* accepts NULL */

/* Says how large the next pictures are, and where they go: *ret_in has room for 3 × width × height floats and
 * stays valid until the next network_shape. A size that the file does not allow makes this or network_run
 * fail (INTERNAL). */
int network_shape(struct network *n, unsigned width, unsigned height, float **ret_in,
                  struct error *e) MUST_CHECK;
int network_run(struct network *n, struct error *e) MUST_CHECK;

enum { NETWORK_OUTPUTS_MAX = 2 };

struct network_output {
    const float *data; /* the network's; valid until the next network_run or network_shape */
    size_t count;      /* floats */
};

/* What the last run gave, i-th output of the file. */
int network_output(struct network *n, unsigned i, struct network_output *ret, struct error *e) MUST_CHECK;
