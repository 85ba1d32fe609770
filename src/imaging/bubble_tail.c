/* A tail points from the body's edge to the speaker: as long as there is room for before another bubble or
 * the panel's edge, and never all the way. */
#include <math.h>

#include "imaging/bubble_parts.h"

enum { SHORTEST = 10, LONGEST = 76, KEEP_OFF = 7, PUFF_GAP = 5, STEP = 2 };

static const float part_of_way = 0.62f;

static bool is_clear(const struct bubble *all, unsigned count, unsigned i, struct point at,
                     const struct panel_space *s)
{
    float edge = PANEL_MARGIN;
    if (at.x < edge || at.y < edge || at.x > s->width - edge || at.y > s->height - edge)
        return false;
    for (unsigned k = 0; k < count; k++)
        if (k != i && outline_holds(&all[k].body, at,
                                    outline_rim(all[k].look->rim, all[k].body.a, all[k].body.b) + KEEP_OFF))
            return false;
    return true;
}

/* Up or down, where there is more room, for a speaker who is right behind the bubble. */
static struct point aim(const struct bubble *b, const struct panel_space *s)
{
    float x = b->target.x - b->body.centre.x, y = b->target.y - b->body.centre.y, length = hypotf(x, y);
    if (outline_holds(&b->body, b->target, 12) || length < 1)
        return (struct point){0.25f, b->body.centre.y < s->height / 2 ? 0.968f : -0.968f};
    return (struct point){x / length, y / length};
}

void tail_choose(struct bubble *all, unsigned count, unsigned i, const struct panel_space *s)
{
    struct bubble *b = all + i;
    b->tail = false;
    bool goes_on = i + 1 < count && all[i + 1].follows;
    if (b->look->tail == TAIL_NONE || goes_on)
        return;
    struct point way = aim(b, s), c = b->body.centre;
    float edge = outline_reach(&b->body, way.x, way.y), rim = outline_rim(b->look->rim, b->body.a, b->body.b);
    float whole = hypotf(b->target.x - c.x, b->target.y - c.y) - edge;
    float least = b->look->tail == TAIL_PUFFS ? 70 : 30;
    float most = MIN(MAX(part_of_way * whole, least), LONGEST) + rim / 2, free_way = 0;
    for (unsigned k = 1; (float)k * STEP <= most; k++) {
        float length = (float)k * STEP;
        struct point at = {c.x + (edge + length) * way.x, c.y + (edge + length) * way.y};
        if (!is_clear(all, count, i, at, s))
            break;
        free_way = length;
    }
    if (free_way < SHORTEST + rim / 2)
        return;
    b->tail = true;
    b->tip = (struct point){c.x + (edge + free_way) * way.x, c.y + (edge + free_way) * way.y};
}

static float tail_width(const struct bubble *b)
{
    return MIN(b->look->tail_width, 0.8f * b->body.b);
}

void tail_bare(const struct bubble *b, struct body *body)
{
    if (!b->tail || (b->look->rim != RIM_SPIKY && b->look->rim != RIM_BURST))
        return;
    body->bare = b->tip;
    body->bare_width = tail_width(b) * 1.15f;
}

/* Smaller and smaller, from the rim to the tip. */
static void add_puffs(const struct bubble *b, struct field *f)
{
    static const float sizes[] = {0.42f, 0.3f, 0.2f};
    struct point c = b->body.centre;
    float x = b->tip.x - c.x, y = b->tip.y - c.y, length = hypotf(x, y);
    x /= length;
    y /= length;
    float way = outline_reach(&b->body, x, y) + outline_rim(b->look->rim, b->body.a, b->body.b);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        float size = sizes[i] * b->look->tail_width;
        way += size + PUFF_GAP;
        if (way + size > length + PUFF_GAP)
            break;
        struct outline o;
        outline_ellipse((struct point){c.x + way * x, c.y + way * y}, size * 1.15f, size, &o);
        field_add(f, &o);
        way += size;
    }
}

void tail_add(const struct bubble *b, struct field *f)
{
    if (!b->tail)
        return;
    if (b->look->tail == TAIL_PUFFS) {
        add_puffs(b, f);
        return;
    }
    float length = hypotf(b->tip.x - b->body.centre.x, b->tip.y - b->body.centre.y);
    float bend = 0.12f * length * (b->tip.x < b->body.centre.x ? -1 : 1);
    struct outline o;
    outline_tail(&b->body, b->tip, tail_width(b), bend, &o);
    field_add(f, &o);
}
