#include "imaging/calm.h"

#include <math.h>
#include <stdlib.h>

enum { CELL = 8, STEP = 2 };

#define LEAST_SKIN 0.01 /* less of the picture is no face */
#define CLOSE_UP   3    /* where skin is all over, some of it is always hidden */

void calm_release(struct calm *c)
{
    free(c->cost);
    free(c->sums);
    free(c->faces);
    *c = (struct calm){0};
}

static inline int grey(const uint8_t *p)
{
    return (2 * p[0] + 5 * p[1] + p[2]) / 8;
}

/* A rule of thumb that holds for photographs and for most drawings: the two differences of colour from grey,
 * in which skin of all shades is alike, and unlike wood or sand. Times 1024. */
static bool is_skin(const uint8_t *p)
{
    int r = p[0], g = p[1], b = p[2];
    int blue = -173 * r - 339 * g + 512 * b, red = 512 * r - 429 * g - 83 * b;
    return r > 60 && blue > -33 * 1024 && blue < -3 * 1024 && red > 8 * 1024 && red < 42 * 1024;
}

struct look {
    float detail, skin; /* 0…1 */
};

static struct look look_at(const struct pixels *p, unsigned left, unsigned top)
{
    unsigned right = MIN(left + CELL, p->width - STEP), bottom = MIN(top + CELL, p->height - STEP);
    unsigned changes = 0, skin = 0, count = 0;
    size_t row = 3 * (size_t)p->width;
    for (unsigned y = top; y < bottom; y += STEP)
        for (unsigned x = left; x < right; x += STEP) {
            const uint8_t *at = p->data + y * row + 3 * (size_t)x;
            int here = grey(at);
            changes += (unsigned)(abs(here - grey(at + 3 * STEP)) + abs(here - grey(at + STEP * row)));
            skin += is_skin(at);
            count++;
        }
    if (count == 0)
        return (struct look){0};
    return (struct look){MIN(1, (float)changes / (float)count / 40), (float)skin / (float)count};
}

/* 1 in the middle of (x, y), shares of the picture; less around it. */
static float bell(const struct calm *c, unsigned x, unsigned y, float at_y, float wide, float high)
{
    float dx = ((float)x + 0.5f) / (float)c->across - 0.5f, dy = ((float)y + 0.5f) / (float)c->down - at_y;
    return expf(-(dx * dx / (wide * wide) + dy * dy / (high * high)));
}

/* Both sums of the corner right of and below a cell. */
static void add_sums(struct calm *c, unsigned x, unsigned y, float cost, float face)
{
    size_t wide = c->across + 1, at = (y + 1) * wide + x + 1;
    c->sums[at] = (double)cost + c->sums[at - 1] + c->sums[at - wide] - c->sums[at - wide - 1];
    c->faces[at] = (double)face + c->faces[at - 1] + c->faces[at - wide] - c->faces[at - wide - 1];
}

int calm_init(struct calm *c, const struct pixels *panel)
{
    *c = (struct calm){.across = (panel->width + CELL - 1) / CELL, .down = (panel->height + CELL - 1) / CELL};
    size_t corners = (size_t)(c->across + 1) * (c->down + 1), cells = (size_t)c->across * c->down;
    c->cost = malloc(cells * sizeof(*c->cost));
    c->sums = calloc(corners, sizeof(*c->sums));
    c->faces = calloc(corners, sizeof(*c->faces));
    if (!c->cost || !c->sums || !c->faces)
        return -1;
    double most = 0; /* if all were skin */
    for (unsigned y = 0; y < c->down; y++)
        for (unsigned x = 0; x < c->across; x++) {
            struct look look = {0};
            if (panel->width > STEP && panel->height > STEP)
                look = look_at(panel, x * CELL, y * CELL);
            float cost = 0.7f * sqrtf(look.detail) + 0.8f * look.skin;
            c->cost[(size_t)y * c->across + x] = cost;
            float head = bell(c, x, y, 0.36f, 0.32f, 0.3f);
            add_sums(c, x, y, cost + 0.6f * bell(c, x, y, 0.48f, 0.3f, 0.28f), look.skin * head);
            most += (double)head;
        }
    double all = MAX(c->faces[corners - 1], (double)cells * LEAST_SKIN);
    if (all > most / 2)
        all *= CLOSE_UP;
    for (size_t i = 0; i < corners; i++)
        c->faces[i] /= all;
    return 0;
}

static unsigned cell(float at, unsigned count)
{
    return MIN((unsigned)(MAX(at, 0) / CELL + 0.5f), count);
}

struct cells {
    unsigned left, top, right, bottom;
};

static struct cells cells_in(const struct calm *c, float left, float top, float right, float bottom)
{
    return (struct cells){cell(left, c->across), cell(top, c->down), cell(right, c->across),
                          cell(bottom, c->down)};
}

static double sum_of(const struct calm *c, const double *sums, struct cells r)
{
    size_t wide = c->across + 1;
    return sums[r.bottom * wide + r.right] - sums[r.top * wide + r.right] - sums[r.bottom * wide + r.left] +
           sums[r.top * wide + r.left];
}

float calm_cost(const struct calm *c, float left, float top, float right, float bottom)
{
    struct cells r = cells_in(c, left, top, right, bottom);
    double count = (double)(r.right - r.left) * (r.bottom - r.top);
    return count > 0 ? (float)(sum_of(c, c->sums, r) / count) : 0;
}

float calm_faces(const struct calm *c, float left, float top, float right, float bottom)
{
    return (float)sum_of(c, c->faces, cells_in(c, left, top, right, bottom));
}

struct point calm_busiest(const struct calm *c, float left, float top, float right, float bottom)
{
    struct cells r = cells_in(c, left, top, right, bottom);
    double sum = 1e-3, across = sum * (left + right) / 2, down = sum * (top + bottom) / 2;
    for (unsigned y = r.top; y < r.bottom; y++)
        for (unsigned x = r.left; x < r.right; x++) {
            double cost = (double)c->cost[(size_t)y * c->across + x], weight = cost * cost;
            sum += weight;
            across += weight * (x + 0.5) * CELL;
            down += weight * (y + 0.5) * CELL;
        }
    return (struct point){(float)(across / sum), (float)(down / sum)};
}
