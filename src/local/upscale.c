/* Happy path: take the network, run it tile by tile into a canvas, give it back, remember how long it took;
 * alpha goes apart, through the plain resizer, and joins at the end. Failure modes: the network cannot be
 * loaded or run; no memory; cancelled, which is looked at before each tile. Invariant: whatever happens, a
 * network that was taken is given back. */
#include "local/upscale.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "local/alpha.h"
#include "local/canvas.h"
#include "local/inside.h"

enum { PROBE_SIDE = 128, MEASURE_LEAST_PX = 10000 };

struct tile_plan upscale_plan(enum model_id id, uint32_t width, uint32_t height)
{
    return tile_plan(width, height, models[id].upscale.tile, models[id].upscale.overlap);
}

static int run_tiles(struct upscale_run *run, struct network *network, const struct pixels *in,
                     struct canvas *canvas, struct error *e)
{
    const struct tile_plan *plan = &run->plan;
    unsigned done = 0, total = tile_count(plan);
    uint64_t spent = 0, first = 0;
    float *planes;
    struct network_output larger;
    int r = network_shape(network, plan->x.size, plan->y.size, &planes, e);
    for (uint32_t j = 0; r == 0 && j < plan->y.count; j++) {
        for (uint32_t i = 0; r == 0 && i < plan->x.count; i++) {
            r = local_given_up(run->cancelled, e);
            if (r < 0)
                return r;
            tile_cut(plan, i, j, in, planes);
            uint64_t start = clock_mono_ns();
            r = network_run(network, e);
            spent += clock_mono_ns() - start;
            first = first ? first : spent;
            if (r == 0)
                r = network_output(network, 0, &larger, e);
            if (r == 0)
                r = canvas_paste(canvas, i, j, larger.data, e);
            if (r == 0 && run->progress)
                run->progress(run->ctx, ++done, total);
        }
    }
    if (r < 0)
        return r;
    run->seconds = (double)spent / 1e9;
    /* The first tile is slower, as the runtime prepares itself; and tiny tiles say nothing about others. */
    if (plan->x.size * plan->y.size < MEASURE_LEAST_PX)
        return 0;
    double usual = total > 1 ? (double)(spent - first) / 1e9 / (total - 1) : run->seconds;
    networks_measured(run->networks, run->model, usual / ((double)plan->x.size * plan->y.size / 1e6));
    return 0;
}

/* The colours, 3 bands, into a canvas that has room for alpha if `bands` says so. */
static int run_network(struct upscale_run *run, const struct pixels *colour, uint8_t bands,
                       struct pixels *ret, struct error *e)
{
    const struct model *m = &models[run->model];
    CANVAS_ON_EXIT struct canvas canvas = {0};
    int r = canvas_init(&canvas, &run->plan, m->upscale.factor, run->scale, bands, e);
    if (r < 0)
        return r;
    bool fixed = tile_work_px(&run->plan) >= m->upscale.fixed_from;
    struct network *network;
    r = networks_take(run->networks, run->model, fixed ? run->plan.x.size : 0, fixed ? run->plan.y.size : 0,
                      &network, e);
    if (r < 0)
        return r;
    r = run_tiles(run, network, colour, &canvas, e);
    networks_give_back(run->networks, run->model);
    if (r == 0)
        *ret = canvas_take(&canvas);
    return r;
}

int upscale_pixels(struct upscale_run *run, const struct pixels *in, struct pixels *ret, struct error *e)
{
    CHECK(in->bands == 3 || in->bands == 4);
    int r = local_given_up(run->cancelled, e);
    if (r < 0)
        return r;
    if (in->bands == 3)
        return run_network(run, in, 3, ret, e);
    struct pixels colour, alpha, out = {0};
    r = alpha_split(in, &colour, &alpha, e);
    if (r < 0)
        return r;
    r = run_network(run, &colour, 4, &out, e);
    if (r == 0)
        r = alpha_join(&alpha, &out, e);
    pixels_release(&colour);
    pixels_release(&alpha);
    if (r < 0)
        pixels_release(&out);
    else
        *ret = out;
    return r;
}

int upscale_fast_rate(struct networks *n, double *ret, struct error *e)
{
    *ret = networks_rate(n, MODEL_FAST);
    if (*ret > 0)
        return 0;
    struct network *network;
    int r = networks_take(n, MODEL_FAST, 0, 0, &network, e);
    if (r < 0)
        return r;
    float *planes;
    double seconds = 0;
    r = network_shape(network, PROBE_SIDE, PROBE_SIDE, &planes, e);
    if (r == 0)
        memset(planes, 0, sizeof(*planes) * 3 * PROBE_SIDE * PROBE_SIDE);
    for (int i = 0; r == 0 && i < 2; i++) { /* the first time is slower */
        uint64_t start = clock_mono_ns();
        r = network_run(network, e);
        seconds = (double)(clock_mono_ns() - start) / 1e9;
    }
    networks_give_back(n, MODEL_FAST);
    if (r < 0)
        return r;
    *ret = seconds / (PROBE_SIDE * PROBE_SIDE / 1e6);
    networks_measured(n, MODEL_FAST, *ret);
    return 0;
}
