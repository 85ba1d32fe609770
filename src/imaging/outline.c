#include "imaging/outline.h"

#include <math.h>

#include "base/check.h"
#include "base/macros.h"

enum { CURVE = 720 };

static const float turn = 6.2831853f;

/* A body's edge: points, directions outwards, and the way from the first point. */
struct curve {
    struct point at[CURVE + 1], out[CURVE + 1];
    float way[CURVE + 1];
};

static float rounded(float v, float power)
{
    return copysignf(powf(fabsf(v), 2 / power), v);
}

static void trace(const struct body *body, struct curve *ret)
{
    for (unsigned i = 0; i <= CURVE; i++) {
        float angle = turn * (float)(i % CURVE) / CURVE;
        ret->at[i] = (struct point){body->centre.x + body->a * rounded(cosf(angle), body->power),
                                    body->centre.y + body->b * rounded(sinf(angle), body->power)};
        ret->way[i] =
            i ? ret->way[i - 1] + hypotf(ret->at[i].x - ret->at[i - 1].x, ret->at[i].y - ret->at[i - 1].y)
              : 0;
    }
    for (unsigned i = 0; i <= CURVE; i++) {
        struct point before = ret->at[(i + CURVE - 1) % CURVE], after = ret->at[(i + 1) % CURVE];
        float x = after.y - before.y, y = before.x - after.x, length = MAX(hypotf(x, y), 1e-6f);
        ret->out[i] = (struct point){x / length, y / length};
    }
}

/* The point `share` of the way around, `height` outside; *from: where to begin to look, for shares that grow.
 */
static struct point on_curve(const struct curve *c, float share, float height, unsigned *from)
{
    float way = share * c->way[CURVE];
    while (*from + 1 < CURVE && c->way[*from + 1] < way)
        ++*from;
    unsigned i = *from;
    float step = c->way[i + 1] - c->way[i], part = step > 0 ? (way - c->way[i]) / step : 0;
    struct point p = c->at[i], q = c->at[i + 1], out = c->out[i];
    return (struct point){p.x + part * (q.x - p.x) + height * out.x,
                          p.y + part * (q.y - p.y) + height * out.y};
}

static float downwards(const struct curve *c, unsigned i)
{
    return c->out[i].y;
}

/* 0…1, the same for the same tooth: teeth are not all alike. */
static float chance(unsigned tooth)
{
    uint32_t h = (tooth + 1) * 2654435761u;
    h ^= h >> 15;
    h *= 2246822519u;
    return (float)(h >> 8 & 0xffff) / 65535;
}

static const struct {
    float share, least, most; /* height: of the shorter half axis; in pixels */
    float pitch;              /* from tooth to tooth */
    unsigned steps;           /* points to a tooth */
    unsigned fewest;          /* teeth */
} rims[] = {
    [RIM_PLAIN] = {0, 0, 0, 0, 0, 0},
    [RIM_LIVELY] = {0.06f, 4, 6, 120, 30, 6},
    [RIM_DROOPING] = {0.05f, 4, 5, 30, 10, 8},
    [RIM_SPIKY] = {0.2f, 11, 20, 34, 2, 12},
    [RIM_BURST] = {0.3f, 16, 30, 50, 14, 10},
    [RIM_CLOUD] = {0.2f, 11, 18, 54, 14, 8},
    [RIM_BOX] = {0, 0, 0, 0, 0, 0},
};

float outline_rim(enum rim rim, float a, float b)
{
    return MIN(MAX(rims[rim].share * MIN(a, b), rims[rim].least), rims[rim].most);
}

/* Height at `part` of a tooth's width, as a share of the rim's. */
static float tooth_height(enum rim rim, unsigned tooth, float part, float down)
{
    float middle = fabsf(2 * part - 1); /* 1 at the ends, 0 in the middle */
    switch (rim) {
    case RIM_LIVELY:
        return 0.5f - 0.5f * cosf(turn * part);
    case RIM_DROOPING:
        return (0.5f - 0.5f * cosf(turn * part)) * (0.45f + 0.55f * MAX(down, 0));
    case RIM_SPIKY:
        return part < 0.25f ? 0 : 0.62f + 0.38f * chance(tooth);
    case RIM_BURST:
        return powf(1 - middle, 1.7f) *
               (tooth % 2 ? 0.6f + 0.15f * chance(tooth) : 0.85f + 0.15f * chance(tooth));
    case RIM_CLOUD:
        return sqrtf(MAX(0, 1 - middle * middle)) * (0.8f + 0.2f * chance(tooth));
    case RIM_PLAIN:
    case RIM_BOX:
        break;
    }
    return 0;
}

static void put(struct outline *o, float x, float y)
{
    CHECK(o->count < OUTLINE_MAX);
    o->p[o->count++] = (struct point){x, y};
}

static void box(const struct body *b, struct outline *ret)
{
    put(ret, b->centre.x - b->a, b->centre.y - b->b);
    put(ret, b->centre.x + b->a, b->centre.y - b->b);
    put(ret, b->centre.x + b->a, b->centre.y + b->b);
    put(ret, b->centre.x - b->a, b->centre.y + b->b);
}

/* A tail leaves here. */
static bool is_bare(const struct body *body, struct point at)
{
    if (body->bare_width <= 0)
        return false;
    float x = body->bare.x - body->centre.x, y = body->bare.y - body->centre.y,
          length = MAX(hypotf(x, y), 1e-6f);
    float dx = at.x - body->centre.x, dy = at.y - body->centre.y;
    return dx * x + dy * y > 0 && fabsf(dx * y - dy * x) / length < body->bare_width / 2;
}

void outline_body(const struct body *body, struct outline *ret)
{
    ret->count = 0;
    if (body->rim == RIM_BOX) {
        box(body, ret);
        return;
    }
    struct curve c;
    trace(body, &c);
    unsigned teeth = 180, steps = 1, at = 0;
    if (rims[body->rim].steps) {
        teeth = 2 * (unsigned)lroundf(c.way[CURVE] / rims[body->rim].pitch / 2); /* an even number */
        teeth = MIN(MAX(teeth, rims[body->rim].fewest), OUTLINE_MAX / rims[body->rim].steps);
        steps = rims[body->rim].steps;
    }
    float height = outline_rim(body->rim, body->a, body->b);
    for (unsigned tooth = 0; tooth < teeth; tooth++) {
        unsigned ahead = at;
        bool bare = is_bare(body, on_curve(&c, ((float)tooth + 0.5f) / (float)teeth, 0, &ahead));
        for (unsigned i = 0; i < steps; i++) {
            float part = (float)i / (float)steps, share = ((float)tooth + part) / (float)teeth;
            on_curve(&c, share, 0, &at);
            float high = bare ? 0 : height * tooth_height(body->rim, tooth, part, downwards(&c, at));
            struct point p = on_curve(&c, share, high, &at);
            put(ret, p.x, p.y);
        }
    }
}

float outline_reach(const struct body *body, float x, float y)
{
    if (body->rim == RIM_BOX)
        return MIN(body->a / MAX(fabsf(x), 1e-6f), body->b / MAX(fabsf(y), 1e-6f));
    float n = body->power;
    return powf(powf(fabsf(x) / body->a, n) + powf(fabsf(y) / body->b, n), -1 / n);
}

bool outline_holds(const struct body *body, struct point at, float more)
{
    float x = fabsf(at.x - body->centre.x) / (body->a + more),
          y = fabsf(at.y - body->centre.y) / (body->b + more);
    if (body->rim == RIM_BOX || x > 1 || y > 1)
        return x <= 1 && y <= 1;
    return powf(x, body->power) + powf(y, body->power) <= 1;
}

void outline_tail(const struct body *body, struct point tip, float width, float bend, struct outline *ret)
{
    enum { STEPS = 16 };
    float x = tip.x - body->centre.x, y = tip.y - body->centre.y, length = MAX(hypotf(x, y), 1e-6f);
    x /= length;
    y /= length;
    float reach = outline_reach(body, x, y), start = 0.5f * reach; /* well inside, so that no seam shows */
    width *= (length - start) / MAX(length - reach, 0.5f * (length - start)); /* it narrows on the way */
    struct point root = {body->centre.x + start * x, body->centre.y + start * y};
    struct point middle = {(root.x + tip.x) / 2 - bend * y, (root.y + tip.y) / 2 + bend * x};
    ret->count = 0;
    for (unsigned side = 0; side < 2; side++)
        for (unsigned i = 0; i < STEPS; i++) { /* to the tip along one edge, back along the other */
            float t = side ? 1 - (float)i / STEPS : (float)i / STEPS;
            float half = (side ? -0.5f : 0.5f) * width * (1 - t);
            float p = (1 - t) * (1 - t), q = 2 * t * (1 - t), r = t * t;
            put(ret, p * root.x + q * middle.x + r * tip.x - half * y,
                p * root.y + q * middle.y + r * tip.y + half * x);
        }
}

void outline_ellipse(struct point centre, float a, float b, struct outline *ret)
{
    struct body body = {.centre = centre, .a = a, .b = b, .power = 2, .rim = RIM_PLAIN};
    outline_body(&body, ret);
}

void outline_band(const struct body *from, const struct body *to, float width, struct outline *ret)
{
    float x = to->centre.x - from->centre.x, y = to->centre.y - from->centre.y,
          length = MAX(hypotf(x, y), 1e-6f);
    x *= width / 2 / length;
    y *= width / 2 / length;
    ret->count = 0;
    put(ret, from->centre.x - y, from->centre.y + x);
    put(ret, to->centre.x - y, to->centre.y + x);
    put(ret, to->centre.x + y, to->centre.y - x);
    put(ret, from->centre.x + y, from->centre.y - x);
}
