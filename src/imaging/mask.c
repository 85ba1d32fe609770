#include "imaging/mask.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

enum {
    RADIUS_MAX = 2000, /* up to there the division below is exact */
    THIN_MIN = 5,      /* pixels */
    THIN_SHARE = 200,  /* of the longer side */
};

/* sum / count by a multiplication, which is several times as fast. */
struct divisor {
    uint64_t inverse;
};

static inline struct divisor divisor(uint32_t count)
{
    return (struct divisor){(1ull << 32) / count + 1};
}

static inline uint8_t divide(uint32_t sum, struct divisor by)
{
    return (uint8_t)(sum * by.inverse >> 32);
}

static inline uint32_t after(uint32_t at, uint32_t distance, uint32_t count)
{
    return MIN(at + distance, count - 1);
}

static inline uint32_t before(uint32_t at, uint32_t distance)
{
    return at > distance ? at - distance : 0;
}

static void blur_across(const struct pixels *mask, uint32_t radius, uint8_t *line)
{
    uint32_t width = mask->width, whole = 2 * radius + 1;
    struct divisor by = divisor(whole);
    for (uint32_t y = 0; y < mask->height; y++) {
        uint8_t *row = mask->data + (size_t)y * width;
        memcpy(line, row, width);
        uint32_t sum = line[0] * (radius + 1) + whole / 2;
        for (uint32_t i = 1; i <= radius; i++)
            sum += line[after(0, i, width)];
        for (uint32_t x = 0; x < width; x++) {
            row[x] = divide(sum, by);
            sum += line[after(x, radius + 1, width)];
            sum -= line[before(x, radius)];
        }
    }
}

/* From the top; the row in work and those above it that a window still needs lie in the ring. */
static void blur_down(const struct pixels *mask, uint32_t radius, uint8_t *ring, uint32_t *sums)
{
    size_t width = mask->width;
    uint32_t height = mask->height, whole = 2 * radius + 1;
    struct divisor by = divisor(whole);
    for (size_t x = 0; x < width; x++)
        sums[x] = mask->data[x] * (radius + 1) + whole / 2;
    for (uint32_t i = 1; i <= radius; i++)
        for (size_t x = 0; x < width; x++)
            sums[x] += mask->data[after(0, i, height) * width + x];
    for (uint32_t y = 0; y < height; y++) {
        uint8_t *row = mask->data + y * width;
        memcpy(ring + y % (radius + 1) * width, row, width);
        const uint8_t *leaves = ring + before(y, radius) % (radius + 1) * width;
        const uint8_t *enters = mask->data + after(y, radius + 1, height) * width;
        for (size_t x = 0; x < width; x++) {
            uint8_t mean = divide(sums[x], by);
            sums[x] += enters[x];
            sums[x] -= leaves[x];
            row[x] = mean;
        }
    }
}

static int no_memory(struct error *e)
{
    error_set(e, ERR_INTERNAL, "no memory for the edges of a subject");
    return -ERR_INTERNAL;
}

int mask_blur(struct pixels *mask, uint32_t radius, struct error *e)
{
    CHECK(mask->bands == 1 && radius <= RADIUS_MAX);
    if (radius == 0)
        return 0;
    FREE_ON_EXIT uint8_t *ring = malloc((size_t)mask->width * (radius + 1));
    FREE_ON_EXIT uint32_t *sums = malloc(mask->width * sizeof(*sums));
    if (!ring || !sums)
        return no_memory(e);
    blur_across(mask, radius, ring);
    blur_down(mask, radius, ring, sums);
    return 0;
}

int mask_shadow(struct pixels *mask, double sigma, struct error *e)
{
    CHECK(sigma >= 0);
    /* Three boxes one after another; the variance of one is (side² - 1) / 12. */
    double side = sqrt(4 * sigma * sigma + 1);
    uint32_t radius = (uint32_t)((side - 1) / 2), larger = (uint32_t)lround((side - 1) / 2 * 3) - 3 * radius;
    int r = 0;
    for (uint32_t i = 0; i < 3 && r == 0; i++)
        r = mask_blur(mask, radius + (i < larger), e);
    return r;
}

/* Each byte becomes the least of itself and the one `step` further on. */
static void least(uint8_t *at, size_t count, size_t step)
{
    for (size_t i = 0; i < count; i++)
        at[i] = MIN(at[i], at[i + step]);
}

/* Each byte from `step` on becomes the most of itself and the one `step` before. */
static void most(uint8_t *at, size_t count, size_t step)
{
    for (size_t i = count; i-- > 0;)
        at[i + step] = MAX(at[i], at[i + step]);
}

/* Windows of `side` pixels, from doubled ones: what has two in it twice does not matter to least and most. */
static void each_window(struct pixels *mask, uint32_t side, void (*apply)(uint8_t *, size_t, size_t))
{
    size_t width = mask->width, height = mask->height;
    for (uint32_t have = 1, step; have < side; have += step) {
        step = MIN(have, side - have);
        for (size_t y = 0; y < height && step < width; y++)
            apply(mask->data + y * width, width - step, step);
        if (step < height)
            apply(mask->data, width * (height - step), width * step);
    }
}

/* Takes away what a square of that side does not fit into. The windows of the first half begin at the pixel,
 * those of the second end there, so nothing moves. */
static void take_thin_away(struct pixels *mask, uint32_t side)
{
    each_window(mask, side, least);
    each_window(mask, side, most);
}

int mask_feather(struct pixels *mask, uint32_t radius, struct error *e)
{
    CHECK(mask->bands == 1);
    if (radius == 0)
        return 0;
    size_t count = (size_t)mask->width * mask->height;
    FREE_ON_EXIT uint8_t *data = malloc(count);
    if (!data)
        return no_memory(e);
    memcpy(data, mask->data, count);
    struct pixels thick = {data, mask->width, mask->height, 1};
    take_thin_away(&thick, MAX(THIN_MIN, MAX(mask->width, mask->height) / THIN_SHARE));
    for (size_t i = 0; i < count; i++)
        mask->data[i] = (uint8_t)(mask->data[i] - thick.data[i]); /* what is thin */
    int r = mask_blur(&thick, radius / 2, e);
    if (r == 0)
        r = mask_blur(&thick, radius - radius / 2, e);
    for (size_t i = 0; i < count; i++)
        mask->data[i] = (uint8_t)MIN(255, mask->data[i] + thick.data[i]);
    return r;
}
