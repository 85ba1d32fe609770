#include "imaging/field.h"

#include <math.h>
#include <string.h>

enum { NEAR = 6 }; /* distances up to there are exact */

static const float far_away = 1e6f;

int field_init(struct field *f, int left, int top, int width, int height)
{
    size_t count = (size_t)width * (size_t)height;
    *f = (struct field){.left = left, .top = top, .width = width, .height = height};
    f->distance = malloc(count * sizeof(*f->distance));
    f->spare = malloc(count * sizeof(*f->spare));
    f->inside = malloc(count);
    if (!f->distance || !f->spare || !f->inside)
        return -1;
    for (size_t i = 0; i < count; i++)
        f->distance[i] = far_away;
    return 0;
}

void field_release(struct field *f)
{
    free(f->distance);
    free(f->spare);
    free(f->inside);
    *f = (struct field){0};
}

/* Squares of distances from a piece of the edge, for the pixels near it. */
static void add_piece(struct field *f, struct point a, struct point b)
{
    int left = MAX(0, (int)floorf(MIN(a.x, b.x)) - NEAR),
        right = MIN(f->width - 1, (int)ceilf(MAX(a.x, b.x)) + NEAR);
    int top = MAX(0, (int)floorf(MIN(a.y, b.y)) - NEAR),
        bottom = MIN(f->height - 1, (int)ceilf(MAX(a.y, b.y)) + NEAR);
    float dx = b.x - a.x, dy = b.y - a.y, square = dx * dx + dy * dy, inverse = square > 0 ? 1 / square : 0;
    for (int y = top; y <= bottom; y++) {
        float *row = f->spare + (size_t)y * (size_t)f->width;
        float py = (float)y + 0.5f - a.y;
        for (int x = left; x <= right; x++) {
            float px = (float)x + 0.5f - a.x, along = (px * dx + py * dy) * inverse;
            along = MIN(MAX(along, 0), 1);
            float ex = px - along * dx, ey = py - along * dy, distance = ex * ex + ey * ey;
            row[x] = MIN(row[x], distance);
        }
    }
}

/* Turns inside out all that lies to the right of a piece of the edge. */
static void flip(struct field *f, struct point a, struct point b)
{
    if (a.y > b.y) {
        struct point c = a;
        a = b;
        b = c;
    }
    int top = MAX(0, (int)ceilf(a.y - 0.5f)), end = MIN(f->height, (int)ceilf(b.y - 0.5f));
    for (int y = top; y < end; y++) {
        float x = a.x + ((float)y + 0.5f - a.y) * (b.x - a.x) / (b.y - a.y);
        int at = MAX(0, (int)ceilf(x - 0.5f));
        if (at < f->width)
            f->inside[(size_t)y * (size_t)f->width + (size_t)at] ^= 1;
    }
}

/* The rows that an outline comes near to. */
static void rows_of(const struct field *f, const struct outline *o, size_t *ret_top, size_t *ret_end)
{
    float top = (float)f->height, bottom = 0;
    for (unsigned i = 0; i < o->count; i++) {
        top = MIN(top, o->p[i].y - (float)f->top);
        bottom = MAX(bottom, o->p[i].y - (float)f->top);
    }
    *ret_top = (size_t)MAX((int)top - NEAR - 1, 0);
    *ret_end = (size_t)MIN((int)bottom + NEAR + 2, f->height);
}

void field_add(struct field *f, const struct outline *o)
{
    size_t width = (size_t)f->width, top, end;
    rows_of(f, o, &top, &end);
    for (size_t i = top * width; i < end * width; i++)
        f->spare[i] = far_away;
    memset(f->inside + top * width, 0, end > top ? (end - top) * width : 0);
    for (unsigned i = 0; i < o->count; i++) {
        struct point a = o->p[i], b = o->p[(i + 1) % o->count];
        a = (struct point){a.x - (float)f->left, a.y - (float)f->top};
        b = (struct point){b.x - (float)f->left, b.y - (float)f->top};
        add_piece(f, a, b);
        flip(f, a, b);
    }
    for (size_t i = top * width; i < end * width; i++) {
        if (i % width)
            f->inside[i] ^= f->inside[i - 1];
        float distance = f->spare[i] < far_away ? sqrtf(f->spare[i]) : far_away;
        f->distance[i] = MIN(f->distance[i], f->inside[i] ? -distance : distance);
    }
}

static inline float cover(float v)
{
    return v < 0 ? 0 : v > 1 ? 1 : v;
}

void field_paint(const struct field *f, const struct field_paint *paint, const struct pixels *canvas)
{
    float half = paint->stroke / 2;
    int right = MIN(f->left + f->width, (int)canvas->width),
        bottom = MIN(f->top + f->height, (int)canvas->height);
    for (int y = MAX(f->top, 0); y < bottom; y++)
        for (int x = MAX(f->left, 0); x < right; x++) {
            float d = f->distance[(size_t)(y - f->top) * (size_t)f->width + (size_t)(x - f->left)];
            float all = cover(0.5f + half - d), fill = cover(0.5f - half - d);
            if (all == 0)
                continue;
            uint8_t *p = canvas->data + 3 * ((size_t)y * canvas->width + (size_t)x);
            if (fill == 1) {
                memcpy(p, paint->fill, 3);
                continue;
            }
            for (unsigned b = 0; b < 3; b++) {
                float own = (float)paint->line[b] * (1 - fill) + (float)paint->fill[b] * fill;
                p[b] = (uint8_t)((float)p[b] * (1 - all) + own * all + 0.5f);
            }
        }
}
