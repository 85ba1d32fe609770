#include "local/xdog.h"

#include <math.h>

#include "base/check.h"
#include "local/flow.h"

/* The wider Gaussian is 1.6 times the narrower one, which is nearest to a Laplacian. */
static const float wider = 1.6f;

enum { REACH_MOST = 24 };

struct lines {
    const struct plane *light, *flow, *to;
    const struct xdog_pen *pen;
    float tap[REACH_MOST + 1]; /* narrow less wide */
    float step;                /* pixels from tap to tap */
    unsigned reach;
};

static void taps_make(struct lines *l)
{
    float sigma = l->pen->width, narrow[REACH_MOST + 1], wide[REACH_MOST + 1], narrow_sum = 0, wide_sum = 0;
    l->step = MAX(sigma / 2, 0.5f);
    l->reach = MIN((unsigned)ceilf(2.5f * wider * sigma / l->step), REACH_MOST);
    for (unsigned i = 0; i <= l->reach; i++) {
        float t = (float)i * l->step / sigma, twice = i ? 2 : 1;
        narrow[i] = expf(-0.5f * t * t);
        wide[i] = expf(-0.5f * t * t / (wider * wider));
        narrow_sum += twice * narrow[i];
        wide_sum += twice * wide[i];
    }
    for (unsigned i = 0; i <= l->reach; i++)
        l->tap[i] = narrow[i] / narrow_sum - wide[i] / wide_sum;
}

static void across_row(void *ctx, uint32_t y)
{
    const struct lines *l = ctx;
    const v4 *flow = plane_row4(l->flow, y);
    float *to = plane_row(l->to, y);
    for (uint32_t x = 0; x < l->light->width; x++) {
        float dx = -flow[x][FLOW_Y] * l->step, dy = flow[x][FLOW_X] * l->step;
        float sum = l->tap[0] * plane_row(l->light, y)[x];
        for (unsigned i = 1; i <= l->reach; i++) {
            float ox = dx * (float)i, oy = dy * (float)i;
            sum += l->tap[i] * (plane_at(l->light, (float)x + ox, (float)y + oy) +
                                plane_at(l->light, (float)x - ox, (float)y - oy));
        }
        to[x] = sum;
    }
}

static void ink_row(void *ctx, uint32_t y)
{
    const struct lines *l = ctx;
    const struct xdog_pen *pen = l->pen;
    const float *light = plane_row(l->light, y);
    float *to = plane_row(l->to, y);
    for (uint32_t x = 0; x < l->light->width; x++) {
        float below = to[x] + pen->threshold;
        float paper = below >= 0 ? 1 : 1 + tanhf(pen->sharpness * below);
        if (pen->shadow > 0)
            paper *= smoothstep(pen->shadow - 0.05f, pen->shadow + 0.05f, light[x]);
        to[x] = paper;
    }
}

int xdog_lines(const struct crew *crew, const struct plane *light, const struct plane *flow,
               const struct xdog_pen *pen, struct plane *ret, struct error *e)
{
    CHECK(light->bands == 1 && flow->bands == 4 && pen->width > 0 && pen->length > 0);
    PLANE_ON_EXIT struct plane across = {0};
    struct plane out;
    struct lines l = {.light = light, .flow = flow, .to = &across, .pen = pen};
    taps_make(&l);
    int r = plane_init(&across, light->width, light->height, 1, e);
    if (r == 0)
        r = parallel_rows(crew, light->height, across_row, &l, e);
    if (r == 0)
        r = flow_smooth(crew, &across, flow, pen->length, &out, e);
    if (r < 0)
        return r;
    l.to = &out;
    r = parallel_rows(crew, light->height, ink_row, &l, e);
    if (r < 0)
        plane_release(&out);
    else
        *ret = out;
    return r;
}
