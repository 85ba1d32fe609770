/* Lines are numbered as in the large picture, the one of the network's own size.
 *
 * Happy path, for each row of tiles: every tile is turned into bytes and pasted into the band, fading into
 * its left neighbour across the seam; after the last tile the band's first lines fade into those kept from
 * the row above, its last ones are kept for the row below, and what lies between is final and handed on.
 * Handing on is a copy into the picture, or into the strip, which is shrunk as far as its lines have all the
 * neighbours that the downscaler looks at. Invariants: band line 0 is line factor × tile_from(y, j); a strip
 * begins at a multiple of factor, so that every strip is shrunk in the very phase of the whole picture. */
#include "local/canvas.h"

#include <string.h>

#include "base/check.h"
#include "base/macros.h"

/* Lines that the downscaler must see on either side: Lanczos 3 shrinking to a half looks at 6. A multiple of
 * every factor there is. */
enum { MARGIN = 16 };

static size_t line_bytes(const struct canvas *c)
{
    return (size_t)c->wide * 3;
}

int canvas_init(struct canvas *c, const struct tile_plan *plan, unsigned factor, unsigned scale,
                uint8_t bands, struct error *e)
{
    CHECK(scale >= 1 && scale <= factor && MARGIN % factor == 0 && (bands == 3 || bands == 4));
    uint32_t band_lines = factor * MIN(plan->y.size, plan->y.length);
    *c = (struct canvas){.plan = plan, .factor = factor, .scale = scale, .wide = factor * plan->x.length};
    c->picture = (struct pixels){NULL, scale * plan->x.length, scale * plan->y.length, bands};
    c->picture.data = malloc((size_t)c->picture.width * c->picture.height * bands);
    c->band = malloc(line_bytes(c) * band_lines);
    c->fading = malloc(line_bytes(c) * TILE_BLEND * factor);
    c->tile_line = malloc((size_t)plan->x.size * factor * 3);
    if (scale < factor)
        c->strip = malloc(line_bytes(c) * (band_lines + 2 * MARGIN + factor));
    if (c->picture.data && c->band && c->fading && c->tile_line && (c->strip || scale == factor))
        return 0;
    canvas_release(c);
    return error_set(e, ERR_INTERNAL, "no memory for a picture of %u × %u", scale * plan->x.length,
                     scale * plan->y.length);
}

void canvas_release(struct canvas *c)
{
    pixels_release(&c->picture);
    free(c->band);
    free(c->fading);
    free(c->strip);
    free(c->tile_line);
    *c = (struct canvas){0};
}

/* Also right for what is no number: a broken weight makes a dark pixel, not undefined behaviour. */
static inline uint8_t to_byte(float v)
{
    float scaled = v * 255.0f + 0.5f;
    scaled = scaled > 0.0f ? scaled : 0.0f;
    return (uint8_t)(scaled < 255.0f ? scaled : 255.0f);
}

static inline uint8_t fade(unsigned older, unsigned newer, uint32_t weight)
{
    return (uint8_t)((older * (TILE_ONE - weight) + newer * weight + TILE_ONE / 2) / TILE_ONE);
}

/* One line of a tile into one of the band: `seam` pixels fade into what is there, the rest is copied. */
static void paste_line(uint8_t *to, const uint8_t *planes, size_t plane, uint32_t seam, uint32_t count)
{
    for (uint32_t x = 0; x < seam; x++) {
        uint32_t weight = tile_fade(x, seam);
        for (unsigned b = 0; b < 3; b++)
            to[3 * x + b] = fade(to[3 * x + b], planes[b * plane + x], weight);
    }
    for (uint32_t x = seam; x < count; x++) {
        to[3 * x] = planes[x];
        to[3 * x + 1] = planes[plane + x];
        to[3 * x + 2] = planes[2 * plane + x];
    }
}

static void paste_tile(struct canvas *c, uint32_t i, uint32_t j, const float *planes)
{
    const struct tile_axis *ax = &c->plan->x, *ay = &c->plan->y;
    uint32_t f = c->factor, from = tile_from(ax, i), to = tile_to(ax, i);
    uint32_t top = f * (tile_from(ay, j) - tile_start(ay, j)),
             lines = f * (tile_to(ay, j) - tile_from(ay, j));
    uint32_t left = f * (from - tile_start(ax, i)), count = f * (to - from);
    size_t tile_wide = (size_t)f * ax->size, tile_plane = tile_wide * f * ay->size;
    for (uint32_t y = 0; y < lines; y++) {
        for (unsigned b = 0; b < 3; b++) {
            const float *source = planes + b * tile_plane + (top + y) * tile_wide + left;
            uint8_t *bytes = c->tile_line + (size_t)b * count;
            for (uint32_t x = 0; x < count; x++)
                bytes[x] = to_byte(source[x]);
        }
        paste_line(c->band + y * line_bytes(c) + (size_t)f * from * 3, c->tile_line, count,
                   i ? f * TILE_BLEND : 0, count);
    }
}

static void copy_lines(struct pixels *picture, uint32_t at, const uint8_t *lines, uint32_t count)
{
    size_t pixels = (size_t)picture->width * count;
    uint8_t *to = picture->data + (size_t)at * picture->width * picture->bands;
    if (picture->bands == 3) {
        memcpy(to, lines, pixels * 3);
        return;
    }
    for (size_t i = 0; i < pixels; i++)
        memcpy(to + 4 * i, lines + 3 * i, 3);
}

/* Shrinks what can be: up to the end of the picture, or else as far as all neighbours are there. */
static int shrink(struct canvas *c, struct error *e)
{
    uint32_t high = c->factor * c->plan->y.length, have = c->strip_first + c->strip_count;
    uint32_t end = have == high ? high : (have > MARGIN ? have - MARGIN : 0) / c->factor * c->factor;
    if (end <= c->shrunk)
        return 0;
    uint32_t until = have == high ? high : end + MARGIN;
    struct pixels part = {c->strip, c->wide, until - c->strip_first, 3}, small;
    int r = image_resize(&part, c->picture.width, part.height / c->factor * c->scale, &small, e);
    if (r < 0)
        return r;
    uint32_t skip = (c->shrunk - c->strip_first) / c->factor * c->scale;
    copy_lines(&c->picture, c->shrunk / c->factor * c->scale, small.data + (size_t)skip * small.width * 3,
               (end - c->shrunk) / c->factor * c->scale);
    pixels_release(&small);

    c->shrunk = end;
    uint32_t keep_from = end > MARGIN ? end - MARGIN : 0;
    if (have < high && keep_from > c->strip_first) {
        c->strip_count = have - keep_from;
        memmove(c->strip, c->strip + (keep_from - c->strip_first) * line_bytes(c),
                c->strip_count * line_bytes(c));
        c->strip_first = keep_from;
    }
    return 0;
}

/* The band's lines up to the next seam are final. */
static int hand_on(struct canvas *c, uint32_t first, uint32_t count, struct error *e)
{
    if (!c->strip) {
        copy_lines(&c->picture, first, c->band, count);
        return 0;
    }
    memcpy(c->strip + c->strip_count * line_bytes(c), c->band, count * line_bytes(c));
    c->strip_count += count;
    return shrink(c, e);
}

static int row_done(struct canvas *c, uint32_t j, struct error *e)
{
    const struct tile_axis *ay = &c->plan->y;
    uint32_t seam = c->factor * TILE_BLEND, first = c->factor * tile_from(ay, j);
    for (uint32_t y = 0; j > 0 && y < seam; y++) {
        uint32_t weight = tile_fade(y, seam);
        uint8_t *to = c->band + y * line_bytes(c);
        const uint8_t *older = c->fading + y * line_bytes(c);
        for (size_t x = 0; x < line_bytes(c); x++)
            to[x] = fade(older[x], to[x], weight);
    }
    bool last = j + 1 == ay->count;
    uint32_t count = (last ? c->factor * ay->length : c->factor * tile_from(ay, j + 1)) - first;
    if (!last)
        memcpy(c->fading, c->band + count * line_bytes(c), seam * line_bytes(c));
    return hand_on(c, first, count, e);
}

int canvas_paste(struct canvas *c, uint32_t i, uint32_t j, const float *planes, struct error *e)
{
    paste_tile(c, i, j, planes);
    return i + 1 == c->plan->x.count ? row_done(c, j, e) : 0;
}

struct pixels canvas_take(struct canvas *c)
{
    CHECK(!c->strip || c->shrunk == c->factor * c->plan->y.length);
    struct pixels p = c->picture;
    c->picture = (struct pixels){0};
    return p;
}
