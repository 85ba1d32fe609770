/* engine.h: networks run by OpenVINO, through its C API.
 *
 * Order: engine_open, network_load, then network_shape and network_run any number of times, network_free,
 * engine_close. The library is opened by name from a folder and never linked, so a limner without it starts
 * and tells what is missing; opening costs some 10 ms, loading a network 20 ms to a second.
 * Thread: one at a time for each object; networks of one engine are independent of each other. Blocking.
 * Errors: PROVIDER_UNAVAILABLE when library or network cannot be loaded, INTERNAL when a run fails. After any
 * error the process is as before, and the call may be tried again. */
#pragma once

#include <stdbool.h>

#include "base/macros.h"
#include "tables/error.h"

#define ENGINE_LIBRARY "libopenvino_c.so.2641"

struct engine;
struct network;

int engine_open(const char *dir, struct engine **ret, struct error *e) MUST_CHECK;
void engine_close(struct engine *g); /* accepts NULL; the library itself stays in memory */

struct network_spec {
    const char *file; /* ONNX; one input 1×3×h×w, one output 1×3×(factor × h)×(factor × w), float planes */
    const char *cache_dir; /* for compiled networks; NULL: none */
    bool bf16;             /* compute in bfloat16, else in float32 */
    unsigned threads;      /* > 0 */
    unsigned factor;
    unsigned width, height; /* compile for just this size, which is faster; 0: for any */
};

int network_load(struct engine *g, const struct network_spec *spec, struct network **ret,
                 struct error *e) MUST_CHECK;
void network_free(struct network *n); /* accepts NULL */

/* Says how large the next pictures are and where they go: planes of width × height floats, red, green, blue.
 * What network_run makes of *ret_in appears in *ret_out; both stay valid until the next network_shape. */
int network_shape(struct network *n, unsigned width, unsigned height, float **ret_in, const float **ret_out,
                  struct error *e) MUST_CHECK;
int network_run(struct network *n, struct error *e) MUST_CHECK;
