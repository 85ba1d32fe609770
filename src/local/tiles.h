/* tiles.h: how a picture is cut into tiles for a network, and how much each tile counts where two overlap.
 *
 * All tiles of a picture have one size, at most `longest`, fitted so that little is computed twice; they
 * overlap by at least `overlap`. In the middle of an overlap lies the seam, TILE_BLEND input pixels wide,
 * across which one tile fades into the next; the rest of the overlap is only there so that a network sees the
 * surroundings. A picture smaller than the least tile is continued by mirroring. Pure arithmetic, any thread.
 */
#pragma once

#include <stdint.h>

#include "imaging/imaging.h"

enum { TILE_BLEND = 8, TILE_STEP = 8, TILE_LEAST = 16, TILE_ONE = 256 };

struct tile_axis {
    uint32_t length; /* of the picture */
    uint32_t size;   /* of a tile, a multiple of TILE_STEP; may exceed length when count is 1 */
    uint32_t count;  /* of tiles */
};

struct tile_plan {
    struct tile_axis x, y;
};

/* width, height ≥ 1; longest a multiple of TILE_STEP and ≥ 4 × overlap; overlap ≥ TILE_BLEND. */
struct tile_plan tile_plan(uint32_t width, uint32_t height, uint32_t longest, uint32_t overlap);
uint32_t tile_count(const struct tile_plan *p);
uint64_t tile_work_px(const struct tile_plan *p); /* pixels that go through the network */

uint32_t tile_start(const struct tile_axis *a, uint32_t i); /* first picture pixel of tile i */

/* Tile i counts from tile_from to tile_to (exclusive); from tile_from(i + 1) to tile_to(i) is the seam. */
uint32_t tile_from(const struct tile_axis *a, uint32_t i);
uint32_t tile_to(const struct tile_axis *a, uint32_t i);

/* How much the newer of two tiles counts at the nth of `width` pixels of a seam, in 1 / TILE_ONE; the older
 * one counts for the rest of TILE_ONE. */
uint32_t tile_fade(uint32_t n, uint32_t width);

/* Fills planes with tile (i, j) of the picture: red, green and blue planes of x.size × y.size, 0…1. p has 3
 * or 4 bands; a 4th is left out. */
void tile_cut(const struct tile_plan *plan, uint32_t i, uint32_t j, const struct pixels *p, float *planes);
