#include "local/flow.h"

#include <math.h>
#include <stdbool.h>

#include "base/check.h"
#include "local/noise.h"

/* How much the wide tensor counts beside the near one, and how much wider it is. */
static const float wide_share = 0.02f, wide_sigma = 5;

/* The hand's own direction: radians, how far it turns, and over which part of the picture's longer side. */
static const float hand_angle = -0.45f, hand_turn = 1.1f, hand_period = 0.28f;

enum { TENSOR_XX, TENSOR_XY, TENSOR_YY };

struct pair {
    const struct plane *from, *to;
    float rest;
};

/* Scharr's weights, which treat all directions alike. */
static void tensor_row(void *ctx, uint32_t y)
{
    const struct pair *p = ctx;
    uint32_t width = p->from->width;
    const v4 *up = plane_row4(p->from, y ? y - 1 : 0), *here = plane_row4(p->from, y);
    const v4 *down = plane_row4(p->from, MIN(y + 1, p->from->height - 1));
    v4 *to = plane_row4(p->to, y);
    for (uint32_t x = 0; x < width; x++) {
        uint32_t l = x ? x - 1 : 0, r = MIN(x + 1, width - 1);
        v4 gx = (up[r] - up[l] + down[r] - down[l]) * 0.09375f + (here[r] - here[l]) * 0.3125f;
        v4 gy = (down[l] - up[l] + down[r] - up[r]) * 0.09375f + (down[x] - up[x]) * 0.3125f;
        v4 xx = gx * gx, xy = gx * gy, yy = gy * gy;
        to[x] = (v4){xx[0] + xx[1] + xx[2], xy[0] + xy[1] + xy[2], yy[0] + yy[1] + yy[2], 0};
    }
}

static void add_row(void *ctx, uint32_t y)
{
    const struct pair *p = ctx;
    const v4 *from = plane_row4(p->from, y);
    v4 *to = plane_row4(p->to, y);
    float square = p->rest * p->rest, period = hand_period * (float)MAX(p->to->width, p->to->height);
    for (uint32_t x = 0; x < p->to->width; x++) {
        to[x] += from[x] * wide_share;
        if (square <= 0)
            continue;
        float turn = noise_smooth(0, (float)x / period, (float)y / period) - 0.5f;
        float angle = hand_angle + hand_turn * turn, c = cosf(angle), s = sinf(angle);
        to[x] += (v4){s * s, -s * c, c * c, 0} * square;
    }
}

/* Eigenvectors of the tensor, in its own place. */
static void direction_row(void *ctx, uint32_t y)
{
    const struct pair *p = ctx;
    v4 *to = plane_row4(p->to, y);
    for (uint32_t x = 0; x < p->to->width; x++) {
        float xx = to[x][TENSOR_XX], xy = to[x][TENSOR_XY], yy = to[x][TENSOR_YY];
        float root = sqrtf((xx - yy) * (xx - yy) + 4 * xy * xy), sum = xx + yy;
        float most = 0.5f * (sum + root);
        /* Two ways to write the same vector; the longer one is the exacter one. */
        float tx = most - xx, ty = -xy, other_x = -xy, other_y = most - yy;
        if (tx * tx + ty * ty < other_x * other_x + other_y * other_y) {
            tx = other_x;
            ty = other_y;
        }
        float length = sqrtf(tx * tx + ty * ty);
        bool known = length > 1e-12f;
        to[x] = (v4){known ? tx / length : 0, known ? ty / length : 1, sum > 1e-10f ? root / sum : 0,
                     sqrtf(most)};
    }
}

int flow_make(const struct crew *crew, const struct plane *from, float sigma, float rest, struct plane *ret,
              struct error *e)
{
    CHECK(from->bands == 4);
    PLANE_ON_EXIT struct plane tensor = {0}, wide = {0};
    struct pair p = {from, &tensor, rest};
    int r = plane_init(&tensor, from->width, from->height, 4, e);
    if (r == 0)
        r = parallel_rows(crew, from->height, tensor_row, &p, e);
    if (r == 0)
        r = plane_blur(crew, &tensor, sigma, e);
    if (r == 0)
        r = plane_copy(&tensor, &wide, e);
    if (r == 0)
        r = plane_blur(crew, &wide, wide_sigma * sigma, e);
    p.from = &wide;
    if (r == 0)
        r = parallel_rows(crew, from->height, add_row, &p, e);
    if (r == 0)
        r = parallel_rows(crew, from->height, direction_row, &p, e);
    if (r < 0)
        return r;
    *ret = tensor;
    tensor = (struct plane){0};
    return 0;
}

/* On either side: a longer way is walked in longer steps. */
enum { STEPS_MOST = 24 };

struct smooth {
    const struct plane *from, *flow, *to;
    float taps[STEPS_MOST + 1];
    unsigned steps;
    float step; /* pixels */
};

/* One side of a pixel: follows the flow and adds up what it meets. */
static float walk(const struct smooth *s, float x, float y, float dx, float dy, float *weight)
{
    float sum = 0;
    const v4 *flow = plane_row4(s->flow, 0);
    uint32_t width = s->flow->width, height = s->flow->height;
    for (unsigned i = 1; i <= s->steps; i++) {
        x += s->step * dx;
        y += s->step * dy;
        if (x < 0 || y < 0 || x > (float)(width - 1) || y > (float)(height - 1))
            break;
        sum += s->taps[i] * plane_at(s->from, x, y);
        *weight += s->taps[i];
        float right = x + 0.5f, down = y + 0.5f; /* cut off below, so rounded */
        v4 next = flow[(size_t)down * width + (size_t)right];
        float sign = next[FLOW_X] * dx + next[FLOW_Y] * dy < 0 ? -1.0f : 1.0f;
        dx = sign * next[FLOW_X];
        dy = sign * next[FLOW_Y];
    }
    return sum;
}

static void smooth_row(void *ctx, uint32_t y)
{
    const struct smooth *s = ctx;
    const v4 *flow = plane_row4(s->flow, y);
    const float *from = plane_row(s->from, y);
    float *to = plane_row(s->to, y);
    for (uint32_t x = 0; x < s->from->width; x++) {
        float weight = s->taps[0], sum = weight * from[x];
        sum += walk(s, (float)x, (float)y, flow[x][FLOW_X], flow[x][FLOW_Y], &weight);
        sum += walk(s, (float)x, (float)y, -flow[x][FLOW_X], -flow[x][FLOW_Y], &weight);
        to[x] = sum / weight;
    }
}

int flow_smooth(const struct crew *crew, const struct plane *from, const struct plane *flow, float sigma,
                struct plane *ret, struct error *e)
{
    CHECK(from->bands == 1 && flow->bands == 4 && sigma > 0);
    struct smooth s = {.from = from, .flow = flow, .to = ret};
    s.steps = MIN((unsigned)ceilf(2 * sigma), STEPS_MOST);
    s.step = MAX(2 * sigma / STEPS_MOST, 1.0f);
    for (unsigned i = 0; i <= s.steps; i++)
        s.taps[i] = expf(-0.5f * (float)(i * i) * s.step * s.step / (sigma * sigma));
    struct plane out;
    int r = plane_init(&out, from->width, from->height, 1, e);
    if (r < 0)
        return r;
    s.to = &out;
    r = parallel_rows(crew, from->height, smooth_row, &s, e);
    if (r < 0)
        plane_release(&out);
    else
        *ret = out;
    return r;
}
