#include "local/tiles.h"

#include "base/check.h"
#include "base/macros.h"

static uint32_t round_up(uint32_t n)
{
    return (n + TILE_STEP - 1) / TILE_STEP * TILE_STEP;
}

/* The fewest tiles, then the smallest tile with which that many still reach. */
static struct tile_axis plan_axis(uint32_t length, uint32_t longest, uint32_t overlap)
{
    struct tile_axis a = {.length = length, .count = 1};
    if (length > longest)
        a.count = (length - overlap + longest - overlap - 1) / (longest - overlap);
    uint64_t covered = length + (uint64_t)(a.count - 1) * overlap;
    a.size = MAX(round_up((uint32_t)((covered + a.count - 1) / a.count)), (uint32_t)TILE_LEAST);
    return a;
}

struct tile_plan tile_plan(uint32_t width, uint32_t height, uint32_t longest, uint32_t overlap)
{
    CHECK(width && height && longest % TILE_STEP == 0);
    CHECK(overlap >= TILE_BLEND && longest >= 4 * overlap && longest >= TILE_LEAST);
    return (struct tile_plan){plan_axis(width, longest, overlap), plan_axis(height, longest, overlap)};
}

uint32_t tile_count(const struct tile_plan *p)
{
    return p->x.count * p->y.count;
}

uint64_t tile_work_px(const struct tile_plan *p)
{
    return (uint64_t)p->x.size * p->y.size * tile_count(p);
}

uint32_t tile_start(const struct tile_axis *a, uint32_t i)
{
    CHECK(i < a->count);
    if (a->count == 1)
        return 0;
    return (uint32_t)((uint64_t)i * (a->length - a->size) / (a->count - 1));
}

uint32_t tile_from(const struct tile_axis *a, uint32_t i)
{
    if (i == 0)
        return 0;
    uint32_t start = tile_start(a, i), before_ends = tile_start(a, i - 1) + a->size;
    return start + (before_ends - start - TILE_BLEND) / 2;
}

uint32_t tile_to(const struct tile_axis *a, uint32_t i)
{
    return i + 1 < a->count ? tile_from(a, i + 1) + TILE_BLEND : a->length;
}

uint32_t tile_fade(uint32_t n, uint32_t width)
{
    return ((2 * n + 1) * TILE_ONE + width) / (2 * width);
}

/* Where position n of an endlessly mirrored line of the given length lies: 0 1 2 1 0 1 2 … */
static uint32_t mirror(uint32_t n, uint32_t length)
{
    if (n < length)
        return n;
    if (length == 1)
        return 0;
    uint32_t period = 2 * (length - 1);
    n %= period;
    return n < length ? n : period - n;
}

void tile_cut(const struct tile_plan *plan, uint32_t i, uint32_t j, const struct pixels *p, float *planes)
{
    CHECK(p->width == plan->x.length && p->height == plan->y.length && p->bands >= 3);
    uint32_t width = plan->x.size, left = tile_start(&plan->x, i), top = tile_start(&plan->y, j);
    size_t plane = (size_t)width * plan->y.size;
    for (uint32_t y = 0; y < plan->y.size; y++) {
        const uint8_t *row = p->data + (size_t)mirror(top + y, p->height) * p->width * p->bands;
        float *to = planes + (size_t)y * width;
        for (uint32_t x = 0; x < width; x++) {
            const uint8_t *from = row + (size_t)mirror(left + x, p->width) * p->bands;
            to[x] = (float)from[0] / 255.0f;
            to[plane + x] = (float)from[1] / 255.0f;
            to[2 * plane + x] = (float)from[2] / 255.0f;
        }
    }
}
