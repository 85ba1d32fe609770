/* One after another in reading order, each where it costs least: calm, near where such a bubble is expected,
 * above its speaker. If that leaves no room for a later one, all are tried again as far up as they go. */
#include <math.h>

#include "imaging/bubble_parts.h"

enum { STEPS = 26, GAP = 8 };

struct rect {
    float left, top, right, bottom;
};

struct weights {
    float calm, faces, up, across, shape, top; /* top: simply as far up as it goes */
};

static struct rect rect_around(struct point centre, struct point reach)
{
    return (struct rect){centre.x - reach.x, centre.y - reach.y, centre.x + reach.x, centre.y + reach.y};
}

static struct rect taken_by(const struct bubble *b)
{
    return rect_around(b->body.centre, bubble_reach(b->look, b->body.a, b->body.b));
}

static bool overlap(const struct rect *p, const struct rect *q)
{
    return p->left < q->right + GAP && q->left < p->right + GAP && p->top < q->bottom + GAP &&
           q->top < p->bottom + GAP;
}

/* q is read after p: it lies clearly lower, or beside it on the further side. */
static bool is_read_after(const struct rect *p, const struct rect *q, bool right_to_left)
{
    bool beside = right_to_left ? q->right <= p->left : q->left >= p->right;
    float lower = (q->top + q->bottom - p->top - p->bottom) / 2;
    return q->top >= p->top - 2 && (beside || lower >= 0.5f * MIN(p->bottom - p->top, q->bottom - q->top));
}

static bool is_free(const struct bubble *all, unsigned i, const struct rect *r, bool right_to_left)
{
    for (unsigned k = 0; k < i; k++) {
        struct rect other = taken_by(all + k);
        if (overlap(&other, r) || !is_read_after(&other, r, right_to_left))
            return false;
    }
    return true;
}

/* Where bubble i of count is expected. */
static struct point expected(const struct bubble *all, unsigned i, unsigned count,
                             const struct panel_space *s, struct point reach)
{
    const struct bubble *b = all + i;
    bool left = (i % 2 == 0) != s->right_to_left;
    float edge = PANEL_MARGIN, room = s->height - 2 * reach.y - 2 * edge;
    struct point at = {left ? edge + reach.x : s->width - edge - reach.x, edge + reach.y};
    if (b->look->rim == RIM_BOX) { /* a corner: the first above, the last below if it is not the first */
        bool below = i > 0 && i + 1 == count;
        at.x = below != s->right_to_left ? s->width - edge - reach.x : edge + reach.x;
        at.y += below ? room : 0;
        return at;
    }
    if (b->on_side)
        at.x = MIN(MAX(b->target.x, edge + reach.x), s->width - edge - reach.x);
    if (count > 1)
        at.y += room * 0.5f * (float)i / (float)(count - 1);
    if (b->follows)
        at = (struct point){b[-1].body.centre.x, b[-1].body.centre.y + b[-1].body.b + reach.y + 2 * GAP};
    return at;
}

static bool is_on_way(const struct body *body, struct point from, struct point to)
{
    enum { LOOKS = 8 };
    for (unsigned i = 1; i < LOOKS; i++) {
        float t = (float)i / LOOKS;
        if (outline_holds(body, (struct point){from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)},
                          GAP))
            return true;
    }
    return false;
}

/* A bubble would lie on the way from another one to its speaker. */
static bool cuts_off(const struct bubble *all, unsigned i, const struct body *body)
{
    for (unsigned k = 0; k < i; k++)
        if ((all[k].look->tail != TAIL_NONE && is_on_way(body, all[k].body.centre, all[k].target)) ||
            (all[i].look->tail != TAIL_NONE && is_on_way(&all[k].body, body->centre, all[i].target)))
            return true;
    return false;
}

static float cost_at(const struct bubble *all, unsigned i, const struct panel_space *s, const struct rect *r,
                     const struct body *body, struct point wanted, const struct weights *w)
{
    float calm = calm_cost(s->calm, r->left, r->top, r->right, r->bottom);
    float area = (r->right - r->left) * (r->bottom - r->top) / (s->width * s->height);
    bool narrator = all[i].look->rim == RIM_BOX; /* his boxes keep to their corners */
    float cost = (narrator ? 0.4f : 1) * w->calm * calm * sqrtf(area) +
                 w->faces * calm_faces(s->calm, r->left, r->top, r->right, r->bottom) +
                 w->up * fabsf(body->centre.y - wanted.y) / s->height +
                 (all[i].on_side ? 2 : 1) * w->across * fabsf(body->centre.x - wanted.x) / s->width +
                 w->top * r->top / s->height;
    if (outline_holds(body, all[i].target, 0) && all[i].look->tail != TAIL_NONE)
        cost += 0.6f;
    if (body->centre.y > all[i].target.y &&
        all[i].look->tail != TAIL_NONE) /* he would be talked to from below */
        cost += 0.15f;
    return cost;
}

/* The best place for one shape; *best is what has to be beaten. */
static void try_shape(struct bubble *all, unsigned i, unsigned count, unsigned shape,
                      const struct panel_space *s, const struct weights *w, float *best)
{
    struct bubble *b = all + i;
    const struct shape *of = b->shape + shape;
    struct point reach = bubble_reach(b->look, of->a, of->b), wanted = expected(all, i, count, s, reach);
    struct body body = {.a = of->a, .b = of->b, .power = b->look->power, .rim = b->look->rim};
    float first_x = PANEL_MARGIN + reach.x, across = s->width - 2 * first_x;
    float first_y = PANEL_MARGIN + reach.y, down = s->height - 2 * first_y;
    for (unsigned y = 0; y <= STEPS; y++)
        for (unsigned x = 0; x <= STEPS; x++) {
            body.centre =
                (struct point){first_x + across * (float)x / STEPS, first_y + down * (float)y / STEPS};
            struct rect r = rect_around(body.centre, reach);
            if (!is_free(all, i, &r, s->right_to_left))
                continue;
            float cost = cost_at(all, i, s, &r, &body, wanted, w) + w->shape * of->excess;
            if (cost < *best && cuts_off(all, i, &body))
                cost += 0.5f;
            if (cost < *best) {
                *best = cost;
                b->body = body;
                b->chosen = shape;
            }
        }
}

/* Of the smallest of its shapes. */
static float least_area(const struct bubble *b)
{
    float least = INFINITY;
    for (unsigned i = 0; i < b->shape_count; i++) {
        struct point reach = bubble_reach(b->look, b->shape[i].a, b->shape[i].b);
        least = MIN(least, 4 * reach.x * reach.y);
    }
    return least;
}

static bool place_all(struct bubble *all, unsigned count, const struct panel_space *s,
                      const struct weights *w, float share)
{
    float taken = 0;
    for (unsigned i = 0; i < count; i++) {
        float best = INFINITY;
        for (unsigned k = 0; k < all[i].shape_count; k++)
            try_shape(all, i, count, k, s, w, &best);
        if (best == INFINITY)
            return false;
        struct rect r = taken_by(all + i);
        taken += (r.right - r.left) * (r.bottom - r.top);
        if (taken > share * s->width * s->height)
            return false;
    }
    return true;
}

float bubbles_hide(const struct bubble *b, unsigned count, const struct panel_space *s)
{
    float all = 0;
    for (unsigned i = 0; i < count; i++) {
        struct rect r = taken_by(b + i);
        all += calm_faces(s->calm, r.left, r.top, r.right, r.bottom);
    }
    return all;
}

bool bubbles_place(struct bubble *b, unsigned count, const struct panel_space *s, float size, float slack,
                   float share)
{
    static const struct weights ways[] = {
        {.calm = 2.4f, .faces = 1.8f, .up = 0.9f, .across = 0.5f, .shape = 0.6f},
        {.calm = 0.2f, .faces = 0.2f, .up = 0, .across = 0.3f, .shape = 0.3f, .top = 4},
    };
    float room = share * s->width * s->height;
    for (unsigned i = 0; i < count; i++) {
        bubble_shapes(b + i, size, slack, s->width - 2 * PANEL_MARGIN, s->height - 2 * PANEL_MARGIN);
        room -= least_area(b + i);
        if (room < 0) /* or there is no shape */
            return false;
    }
    for (unsigned i = 0; i < ARRAY_LEN(ways); i++)
        if (place_all(b, count, s, ways + i, share))
            return true;
    return false;
}
