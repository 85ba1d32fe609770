/* canvas.h: puts tiles that come out of a network together into one picture, at the size asked for.
 *
 * Order: canvas_init, canvas_paste for every tile, row after row of tiles and from left to right in each,
 * canvas_take (or canvas_release to give up). Only one row of tiles is held at the network's own size, as
 * bytes: finished lines go straight into the picture, or, when it is to be smaller than the network made it,
 * through a downscaler that works in strips. Owner: one thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "imaging/imaging.h"
#include "local/tiles.h"

struct canvas {
    const struct tile_plan *plan;
    unsigned factor, scale; /* what the network gives, what is asked for */
    uint32_t wide;          /* pixels of a line at the network's size */
    struct pixels picture;  /* the result: 3 bands, or 4 with the last one empty */
    uint8_t *band;          /* one row of tiles, from its first line that counts; wide × 3 a line */
    uint8_t *fading;        /* the lines of the row of tiles above that fade into the band */
    uint8_t *strip;     /* lines still to be shrunk, and those their neighbours need; NULL: nothing shrinks */
    uint8_t *tile_line; /* one line of a tile as bytes, three planes */
    uint32_t strip_first; /* line of the large picture that strip begins with */
    uint32_t strip_count; /* lines in strip */
    uint32_t shrunk;      /* lines of the large picture that are in the result */
};

/* plan must outlive the canvas. scale ≤ factor. bands 3 or 4. Fails when there is no memory (INTERNAL). */
int canvas_init(struct canvas *c, const struct tile_plan *plan, unsigned factor, unsigned scale,
                uint8_t bands, struct error *e) MUST_CHECK;
void canvas_release(struct canvas *c); /* accepts zeroed */

/* planes: the network's output for tile (i, j), factor × tile size, red, green, blue, 0…1 (clamped). */
int canvas_paste(struct canvas *c, uint32_t i, uint32_t j, const float *planes, struct error *e) MUST_CHECK;
struct pixels canvas_take(struct canvas *c); /* after the last tile; the caller's */

static inline void cleanup_canvas(struct canvas *c)
{
    canvas_release(c);
}
#define CANVAS_ON_EXIT CLEANUP(cleanup_canvas)
