/* The photo is shrunk to the size of the alpha. There the guided filter says for each pixel how alpha follows
 * from colour; these functions, interpolated, are asked about the colours of the full photo.
 *
 * Where a photo is textured beside an edge that would show in alpha: the result therefore keeps to the range
 * that alpha has right around the pixel. */
#include "imaging/joint.h"

#include <string.h>

#include "base/check.h"
#include "imaging/guided.h"

enum { RADIUS = 2, TERMS = 4 }; /* three slopes and the offset */

static const float epsilon = 1e-4f;

struct enlarging {
    const struct pixels *alpha, *photo;
    struct pixels small; /* the photo at the alpha's size */
    float *planes;       /* small, and alpha as the fourth, in 0…1 */
    struct guided *guided;
    uint32_t read;       /* rows that came out of guided */
    float *rows[2];      /* the last two of them, [x][TERMS] */
    float *line;         /* between the two, at one row of the photo */
    uint8_t *low, *high; /* the range of alpha around each pixel of a row of it */
};

static void release(struct enlarging *s)
{
    pixels_release(&s->small);
    free(s->planes);
    guided_free(s->guided);
    free(s->rows[0]);
    free(s->rows[1]);
    free(s->line);
    free(s->low);
    free(s->high);
}

static int no_memory(struct error *e)
{
    error_set(e, ERR_INTERNAL, "no memory for the edges of a subject");
    return -ERR_INTERNAL;
}

static void fill_planes(struct enlarging *s)
{
    size_t count = (size_t)s->alpha->width * s->alpha->height;
    for (size_t i = 0; i < count; i++) {
        for (unsigned b = 0; b < 3; b++)
            s->planes[b * count + i] = (float)s->small.data[3 * i + b] / 255;
        s->planes[3 * count + i] = (float)s->alpha->data[i] / 255;
    }
}

static int init(struct enlarging *s, struct error *e)
{
    uint32_t width = s->alpha->width, height = s->alpha->height;
    size_t row = width * TERMS * sizeof(float);
    int r = image_resize(s->photo, width, height, &s->small, e);
    if (r)
        return r;
    s->planes = malloc(row * height);
    s->rows[0] = calloc(1, row);
    s->rows[1] = calloc(1, row);
    s->line = calloc(1, row);
    s->low = calloc(1, width);
    s->high = calloc(1, width);
    if (!s->planes || !s->rows[0] || !s->rows[1] || !s->line || !s->low || !s->high)
        return no_memory(e);
    fill_planes(s);
    struct guided_input in = {
        .guide = s->planes,
        .planes = 3,
        .in = s->planes + 3 * (size_t)width * height,
        .width = width,
        .height = height,
        .radius = RADIUS,
        .epsilon = epsilon,
    };
    return guided_new(&in, &s->guided, e);
}

static void read_row(struct enlarging *s)
{
    memcpy(s->rows[s->read++ % 2], guided_next(s->guided), s->alpha->width * TERMS * sizeof(float));
}

struct between {
    uint32_t first, second;
    float share; /* of the second */
};

/* Which two of `small` pixels the pixel `at` of `large` lies between. */
static inline struct between place(uint32_t at, uint32_t small, uint32_t large)
{
    float where = ((float)at + 0.5f) * (float)small / (float)large - 0.5f;
    if (where <= 0)
        return (struct between){0, 0, 0};
    uint32_t first = MIN((uint32_t)where, small - 1);
    return (struct between){first, MIN(first + 1, small - 1), where - (float)first};
}

static void take_line(struct enlarging *s, uint32_t y)
{
    struct between b = place(y, s->alpha->height, s->photo->height);
    while (s->read <= b.second)
        read_row(s);
    const float *first = s->rows[b.first % 2], *second = s->rows[b.second % 2];
    for (size_t i = 0; i < (size_t)s->alpha->width * TERMS; i++)
        s->line[i] = first[i] + (second[i] - first[i]) * b.share;
}

/* The least and the most of the 3 × 3 pixels around each of row y of alpha. */
static void take_range(struct enlarging *s, uint32_t y)
{
    uint32_t width = s->alpha->width, last = s->alpha->height - 1;
    memset(s->low, 255, width);
    memset(s->high, 0, width);
    for (uint32_t row = y ? y - 1 : 0; row <= MIN(y + 1, last); row++) {
        const uint8_t *from = s->alpha->data + (size_t)row * width;
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t i = x ? x - 1 : 0; i <= MIN(x + 1, width - 1); i++) {
                s->low[x] = MIN(s->low[x], from[i]);
                s->high[x] = MAX(s->high[x], from[i]);
            }
    }
}

static uint8_t alpha_at(const struct enlarging *s, uint32_t x, uint32_t nearest, const uint8_t *photo)
{
    struct between b = place(x, s->alpha->width, s->photo->width);
    const float *first = s->line + (size_t)b.first * TERMS, *second = s->line + (size_t)b.second * TERMS;
    float alpha = 255 * (first[3] + (second[3] - first[3]) * b.share);
    for (unsigned i = 0; i < 3; i++)
        alpha += (first[i] + (second[i] - first[i]) * b.share) * (float)photo[i];
    float low = s->low[nearest], high = s->high[nearest];
    return (uint8_t)((alpha < low ? low : alpha > high ? high : alpha) + 0.5f);
}

static void enlarge(struct enlarging *s, struct pixels *to)
{
    uint64_t width = s->photo->width, height = s->photo->height;
    const uint8_t *photo = s->photo->data;
    uint8_t *out = to->data;
    for (uint32_t y = 0; y < height; y++) {
        uint32_t row = (uint32_t)((2ull * y + 1) * s->alpha->height / (2 * height));
        if (y == 0 || row != (uint32_t)((2ull * y - 1) * s->alpha->height / (2 * height)))
            take_range(s, row);
        take_line(s, y);
        for (uint32_t x = 0; x < width; x++, photo += 3) {
            uint32_t nearest = (uint32_t)((2ull * x + 1) * s->alpha->width / (2 * width));
            bool flat = s->low[nearest] == s->high[nearest];
            *out++ = flat ? s->low[nearest] : alpha_at(s, x, nearest, photo);
        }
    }
}

int joint_enlarge(const struct pixels *alpha, const struct pixels *photo, struct pixels *ret, struct error *e)
{
    CHECK(alpha->bands == 1 && photo->bands == 3);
    CHECK(alpha->width <= photo->width && alpha->height <= photo->height);
    CLEANUP(release) struct enlarging s = {.alpha = alpha, .photo = photo};
    int r = init(&s, e);
    if (r)
        return r;
    struct pixels to = {malloc((size_t)photo->width * photo->height), photo->width, photo->height, 1};
    if (!to.data)
        return no_memory(e);
    enlarge(&s, &to);
    *ret = to;
    return 0;
}
