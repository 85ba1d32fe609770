/* A body is chosen by the corners of its lines: of the superellipses that hold them all the smallest one,
 * with a liking for those half as wide again as they are tall. */
#include <math.h>
#include <string.h>

#include "imaging/bubble_parts.h"

enum { ASPECTS = 12, LINES_TRIED = 14 };

static const float ink_height = 0.78f, /* of a line's letters, at a size of 1 */
    best_aspect = 1.7f, best_box_aspect = 3.5f, least_a = 1.25f, least_b = 0.95f;

struct point bubble_reach(const struct bubble_look *look, float a, float b)
{
    float more = outline_rim(look->rim, a, b) + look->stroke / 2;
    return (struct point){a + more, b + more};
}

/* Half axes in the ratio `aspect` of the least superellipse that holds the corners. */
static struct point hold(const struct point *corner, unsigned count, float power, float aspect)
{
    float most = 0;
    for (unsigned i = 0; i < count; i++)
        most = MAX(most, powf(corner[i].x / aspect, power) + powf(corner[i].y, power));
    float b = powf(most, 1 / power);
    return (struct point){aspect * b, b};
}

/* Smaller is better: area, and how far from the liked aspect. */
static float cost_of(const struct bubble_look *look, float a, float b)
{
    float off = logf(a / b / (look->rim == RIM_BOX ? best_box_aspect : best_aspect));
    return a * b * (1 + 0.5f * off * off);
}

static struct point best_hold(const struct bubble_look *look, const struct point *corner, unsigned count)
{
    struct point best = {0};
    if (look->rim == RIM_BOX) {
        for (unsigned i = 0; i < count; i++)
            best = (struct point){MAX(best.x, corner[i].x), MAX(best.y, corner[i].y)};
        return best;
    }
    for (unsigned i = 0; i < ASPECTS; i++) {
        struct point now = hold(corner, count, look->power, 0.8f * powf(1.14f, (float)i));
        if (i == 0 || cost_of(look, now.x, now.y) < cost_of(look, best.x, best.y))
            best = now;
    }
    return best;
}

/* The outermost corner of each line, as seen from the middle of them all. */
static void corners(const struct text_lines *lines, const struct text *t, float size, float slack,
                    struct point *ret)
{
    float lead = t->leading * size, half = ((float)(lines->count - 1) * lead + ink_height * size) / 2;
    for (unsigned i = 0; i < lines->count; i++) {
        float top = fabsf(-half + (float)i * lead),
              bottom = fabsf(-half + (float)i * lead + ink_height * size);
        float wide = lines->width[i] + (lines->ellipsis && i + 1 == lines->count ? TEXT_ELLIPSIS : 0);
        ret[i] = (struct point){wide * size * slack / 2, MAX(top, bottom) * slack};
    }
}

static void shape_of(const struct bubble *b, const struct text_lines *lines, float slack, struct shape *ret)
{
    struct point corner[TEXT_LINES_MAX];
    float size = (float)b->size_px, pad = b->look->pad * size;
    corners(lines, b->text, size, slack, corner);
    struct point axes = best_hold(b->look, corner, lines->count);
    ret->lines = *lines;
    ret->a = MAX(axes.x + 1.2f * pad, least_a * size);
    ret->b = MAX(axes.y + pad, least_b * size);
    ret->excess = cost_of(b->look, ret->a, ret->b);
    unsigned last = lines->count - 1; /* a short word alone above or below */
    if (lines->count > 1 && lines->width[last] < 0.35f * lines->width[last - 1])
        ret->excess *= 1.12f;
    if (lines->count > 1 && lines->width[0] < 0.5f * lines->width[1])
        ret->excess *= 1.12f;
}

/* Keeps the best, in order. */
static void insert(struct bubble *b, const struct shape *s)
{
    unsigned at = b->shape_count;
    if (at == SHAPES_MAX && b->shape[--at].excess <= s->excess)
        return;
    for (; at > 0 && b->shape[at - 1].excess > s->excess; at--)
        b->shape[at] = b->shape[at - 1];
    b->shape[at] = *s;
    b->shape_count = MIN(b->shape_count + 1, SHAPES_MAX);
}

void bubble_shapes(struct bubble *b, float size, float slack, float width, float height)
{
    b->size_px = (int)lroundf(size * b->look->size);
    b->shape_count = 0;
    unsigned atoms = b->end - b->first;
    for (unsigned n = 1; n <= MIN(LINES_TRIED, atoms); n++) {
        struct text_lines lines;
        text_break(b->text, b->first, b->end, n, b->look->rim != RIM_BOX, &lines);
        if (lines.count < n)
            continue;
        lines.ellipsis = b->ellipsis;
        struct shape s;
        shape_of(b, &lines, slack, &s);
        struct point reach = bubble_reach(b->look, s.a, s.b);
        if (2 * reach.x <= width && 2 * reach.y <= height)
            insert(b, &s);
    }
    float best = b->shape_count ? b->shape[0].excess : 1;
    for (unsigned i = 0; i < b->shape_count; i++)
        b->shape[i].excess = b->shape[i].excess / best - 1;
}

/* Its rows' ends, half of the padding away from the edge. */
bool bubble_text_fits(const struct bubble *b, const struct pixels *drawn)
{
    struct body inner = b->body;
    float less = 0.5f * b->look->pad * (float)b->size_px;
    for (uint32_t y = 0; y < drawn->height; y++) {
        const uint8_t *row = drawn->data + (size_t)y * drawn->width * drawn->bands + drawn->bands - 1;
        for (unsigned side = 0; side < 2; side++)
            for (uint32_t i = 0; i < drawn->width; i++) {
                uint32_t x = side ? drawn->width - 1 - i : i;
                if (row[(size_t)x * drawn->bands] < 32)
                    continue;
                struct point at = {inner.centre.x + (float)x + 0.5f - (float)drawn->width / 2,
                                   inner.centre.y + (float)y + 0.5f - (float)drawn->height / 2};
                if (!outline_holds(&inner, at, -less))
                    return false;
                break;
            }
    }
    return true;
}
