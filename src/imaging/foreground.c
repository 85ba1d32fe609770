/* First a grid of cells, a few hundred across, with the sums of subject and background in each, blurred. Then
 * down the picture: some rows before the row in work, the first guess of a row comes into the ring and into
 * the sums of its columns, which give the narrow means; a row that leaves the window is taken out again.
 *
 * Invariant: a row of the photo is written only after its first guess lies in the ring, and is not read from
 * the photo by any later guess. Sums of columns are whole numbers, so nothing is left behind in them. */
#include "imaging/foreground.h"

#include <string.h>

#include "base/check.h"

enum {
    WIDE_SHARE = 40, /* the wide window's radius is this part of the longer side */
    WIDE_MIN = 16,
    CELLS_A_RADIUS = 5,
    NARROW_SHARE = 8, /* and the narrow one's this part of the wide one's */
    NARROW_MIN = 3,
    NARROW_MAX = 100, /* keeps sums within 32 bits */
};

enum side { SUBJECT, BEHIND, SIDES };

struct sums {
    float colour[SIDES][3], weight[SIDES]; /* colour × weight, and weight */
};

struct guess {
    uint8_t colour[SIDES][3], weight[SIDES];
    uint8_t alpha;
};

struct column {
    uint32_t colour[SIDES][3], weight[SIDES]; /* as in sums, over the ring's rows */
};

struct estimate {
    struct pixels *photo;
    const struct pixels *alpha, *shown;
    uint32_t cell, across, down; /* side of a cell in pixels; cells */
    uint32_t wide, narrow;       /* radii: in cells; in pixels */
    struct sums *grid, *spare;   /* across × down */
    struct sums *line;           /* the grid at one row of pixels, [across] */
    struct guess *ring;          /* 2 × narrow + 1 rows */
    struct column *columns;      /* [width] */
};

static void release(struct estimate *s)
{
    free(s->grid);
    free(s->spare);
    free(s->line);
    free(s->ring);
    free(s->columns);
}

static int init(struct estimate *s)
{
    uint32_t longer = MAX(s->photo->width, s->photo->height), radius = MAX(WIDE_MIN, longer / WIDE_SHARE);
    s->cell = MAX(1, radius / CELLS_A_RADIUS);
    s->across = (s->photo->width + s->cell - 1) / s->cell;
    s->down = (s->photo->height + s->cell - 1) / s->cell;
    s->wide = radius / s->cell;
    s->narrow = MIN(MAX(NARROW_MIN, radius / NARROW_SHARE), NARROW_MAX);
    size_t cells = (size_t)s->across * s->down, width = s->photo->width;
    s->grid = calloc(cells, sizeof(*s->grid));
    s->spare = calloc(cells, sizeof(*s->spare));
    s->line = calloc(s->across, sizeof(*s->line));
    s->ring = calloc(width * (2 * s->narrow + 1), sizeof(*s->ring));
    s->columns = calloc(width, sizeof(*s->columns));
    return s->grid && s->spare && s->line && s->ring && s->columns ? 0 : -1;
}

/* Soft pixels say little about either side, hence the fourth power. Most are not soft. */
static inline void add_pixel(struct sums *to, const uint8_t *colour, unsigned alpha)
{
    float share[SIDES] = {(float)alpha / 255, 1 - (float)alpha / 255};
    for (unsigned side = 0; side < SIDES; side++) {
        float weight = share[side] * share[side] * share[side] * share[side];
        if (weight == 0)
            continue;
        to->weight[side] += weight;
        for (unsigned b = 0; b < 3; b++)
            to->colour[side][b] += weight * (float)colour[b];
    }
}

static void fill_grid(struct estimate *s)
{
    const uint8_t *colour = s->photo->data, *alpha = s->alpha->data;
    for (uint32_t y = 0; y < s->photo->height; y++) {
        struct sums *cell = s->grid + (size_t)(y / s->cell) * s->across;
        for (uint32_t left = 0; left < s->photo->width; left += s->cell, cell++)
            for (uint32_t x = left; x < MIN(left + s->cell, s->photo->width); x++, colour += 3, alpha++)
                add_pixel(cell, colour, *alpha);
    }
}

static inline void add_sums(struct sums *to, const struct sums *from, float factor)
{
    for (unsigned side = 0; side < SIDES; side++) {
        to->weight[side] += factor * from->weight[side];
        for (unsigned b = 0; b < 3; b++)
            to->colour[side][b] += factor * from->colour[side][b];
    }
}

/* Sums over the `radius` neighbours on either side; lines of `count` cells, `step` apart. */
static void blur_line(const struct sums *from, struct sums *to, uint32_t count, size_t step, uint32_t radius)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sums sum = {0};
        for (uint32_t k = i > radius ? i - radius : 0; k <= MIN(i + radius, count - 1); k++)
            add_sums(&sum, from + k * step, 1);
        to[i * step] = sum;
    }
}

/* A pixel of the picture's mean goes everywhere, for where a window sees next to nothing of one side. */
static void blur_grid(struct estimate *s)
{
    size_t cells = (size_t)s->across * s->down;
    struct sums all = {0};
    for (size_t i = 0; i < cells; i++)
        add_sums(&all, s->grid + i, 1);
    float little = 1 / (1 + MAX(all.weight[SUBJECT], all.weight[BEHIND]));
    for (uint32_t y = 0; y < s->down; y++)
        blur_line(s->grid + (size_t)y * s->across, s->spare + (size_t)y * s->across, s->across, 1, s->wide);
    for (uint32_t x = 0; x < s->across; x++)
        blur_line(s->spare + x, s->grid + x, s->down, s->across, s->wide);
    for (size_t i = 0; i < cells; i++)
        add_sums(s->grid + i, &all, little);
}

struct between {
    uint32_t first, second;
    float share; /* of the second */
};

/* Which two cells pixel `at` lies between. */
static inline struct between place(uint32_t at, uint32_t cell, uint32_t cells)
{
    float where = ((float)at + 0.5f) / (float)cell - 0.5f;
    if (where <= 0)
        return (struct between){0, 0, 0};
    uint32_t first = MIN((uint32_t)where, cells - 1);
    return (struct between){first, MIN(first + 1, cells - 1), where - (float)first};
}

static void take_line(struct estimate *s, uint32_t y)
{
    struct between b = place(y, s->cell, s->down);
    memset(s->line, 0, s->across * sizeof(*s->line));
    for (uint32_t i = 0; i < s->across; i++) {
        add_sums(s->line + i, s->grid + (size_t)b.first * s->across + i, 1 - b.share);
        add_sums(s->line + i, s->grid + (size_t)b.second * s->across + i, b.share);
    }
}

static inline float clip(float v)
{
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* What of the photo the two means leave unexplained goes to either side, in proportion to its share. */
static inline void correct(const uint8_t *photo, float alpha, const float mean[SIDES][3],
                           uint8_t to[SIDES][3])
{
    float gain = 1 / (alpha * alpha + (1 - alpha) * (1 - alpha));
    for (unsigned b = 0; b < 3; b++) {
        float rest = ((float)photo[b] - alpha * mean[SUBJECT][b] - (1 - alpha) * mean[BEHIND][b]) * gain;
        to[SUBJECT][b] = (uint8_t)(clip(mean[SUBJECT][b] + alpha * rest) + 0.5f);
        to[BEHIND][b] = (uint8_t)(clip(mean[BEHIND][b] + (1 - alpha) * rest) + 0.5f);
    }
}

static void guess_soft(const struct estimate *s, uint32_t x, const uint8_t *photo, struct guess *to)
{
    struct between at = place(x, s->cell, s->across);
    struct sums sum = {0};
    add_sums(&sum, s->line + at.first, 1 - at.share);
    add_sums(&sum, s->line + at.second, at.share);
    float mean[SIDES][3];
    for (unsigned side = 0; side < SIDES; side++)
        for (unsigned b = 0; b < 3; b++)
            mean[side][b] = sum.weight[side] > 0 ? sum.colour[side][b] / sum.weight[side] : (float)photo[b];
    correct(photo, (float)to->alpha / 255, mean, to->colour);
}

static inline void add_guess(struct column *to, const struct guess *g, uint32_t sign)
{
    for (unsigned side = 0; side < SIDES; side++) {
        to->weight[side] += sign * g->weight[side];
        for (unsigned b = 0; b < 3; b++)
            to->colour[side][b] += sign * g->colour[side][b] * g->weight[side];
    }
}

static struct guess *ring_row(const struct estimate *s, uint32_t y)
{
    return s->ring + (size_t)(y % (2 * s->narrow + 1)) * s->photo->width;
}

static void take_row(struct estimate *s, uint32_t y)
{
    struct guess *row = ring_row(s, y);
    size_t start = (size_t)y * s->photo->width;
    const uint8_t *photo = s->photo->data + 3 * start;
    bool lined = false;
    for (uint32_t x = 0; x < s->photo->width; x++, photo += 3) {
        unsigned alpha = s->alpha->data[start + x];
        row[x].alpha = (uint8_t)alpha;
        row[x].weight[SUBJECT] = (uint8_t)(alpha * alpha / 255);
        row[x].weight[BEHIND] = (uint8_t)((255 - alpha) * (255 - alpha) / 255);
        if (alpha == 255 || s->shown->data[start + x] == 0) {
            memcpy(row[x].colour[SUBJECT], photo, 3);
            memcpy(row[x].colour[BEHIND], photo, 3);
        } else {
            if (!lined)
                take_line(s, y);
            lined = true;
            guess_soft(s, x, photo, row + x);
        }
        add_guess(s->columns + x, row + x, 1);
    }
}

static void drop_row(struct estimate *s, uint32_t y)
{
    for (uint32_t x = 0; x < s->photo->width; x++)
        add_guess(s->columns + x, ring_row(s, y) + x, UINT32_MAX); /* -1 */
}

static inline void add_column(struct column *to, const struct column *from, uint32_t sign)
{
    for (unsigned side = 0; side < SIDES; side++) {
        to->weight[side] += sign * from->weight[side];
        for (unsigned b = 0; b < 3; b++)
            to->colour[side][b] += sign * from->colour[side][b];
    }
}

/* The second guess at one pixel from the narrow window's sums; the first counts a little, for where the
 * window sees nothing of one side. */
static void refine(const struct column *sum, const struct guess *first, uint8_t *photo)
{
    float mean[SIDES][3];
    uint8_t colour[SIDES][3];
    for (unsigned side = 0; side < SIDES; side++)
        for (unsigned b = 0; b < 3; b++)
            mean[side][b] =
                (float)(sum->colour[side][b] + first->colour[side][b]) / (float)(sum->weight[side] + 1);
    correct(photo, (float)first->alpha / 255, mean, colour);
    memcpy(photo, colour[SUBJECT], 3);
}

static void finish_row(struct estimate *s, uint32_t y)
{
    uint32_t width = s->photo->width, r = s->narrow;
    const struct guess *first = ring_row(s, y);
    size_t start = (size_t)y * width;
    struct column sum = {0};
    for (uint32_t x = 0; x < MIN(r, width); x++)
        add_column(&sum, s->columns + x, 1);
    for (uint32_t x = 0; x < width; x++) {
        if (x + r < width)
            add_column(&sum, s->columns + x + r, 1);
        if (first[x].alpha < 255 && s->shown->data[start + x] > 0)
            refine(&sum, first + x, s->photo->data + 3 * (start + x));
        if (x >= r)
            add_column(&sum, s->columns + x - r, UINT32_MAX);
    }
}

int foreground_estimate(struct pixels *photo, const struct pixels *alpha, const struct pixels *shown,
                        struct error *e)
{
    CHECK(photo->bands == 3 && alpha->bands == 1 && shown->bands == 1);
    CHECK(photo->width == alpha->width && photo->height == alpha->height);
    CHECK(photo->width == shown->width && photo->height == shown->height);
    CLEANUP(release) struct estimate s = {.photo = photo, .alpha = alpha, .shown = shown};
    if (init(&s)) {
        error_set(e, ERR_INTERNAL, "no memory for the colours of a subject");
        return -ERR_INTERNAL;
    }
    fill_grid(&s);
    blur_grid(&s);
    for (uint32_t y = 0, taken = 0; y < photo->height; y++) {
        if (y > s.narrow) /* first, as the ring has no room for one row more */
            drop_row(&s, y - s.narrow - 1);
        while (taken < photo->height && taken <= y + s.narrow)
            take_row(&s, taken++);
        finish_row(&s, y);
    }
    return 0;
}
