/* studio.h: what the styles of style.c share: the photo under work and the tools of the trade. Inside only.
 *
 * Errors and threads as in plane.h. */
#pragma once

#include <stdbool.h>

#include "local/plane.h"
#include "local/style.h"
#include "local/xdog.h"

struct studio {
    struct crew crew;
    float unit; /* pixels: a thousandth of the side of a square as large as the picture */
    uint64_t seed;
    const struct style_run *run;
    unsigned done, total; /* steps */
    struct plane lab;     /* Oklab: first the photo, at last the painting */
};

/* One for each style. They call studio_step as often as style.c's table says. */
int style_oil(struct studio *s, struct error *e) MUST_CHECK;
int style_watercolor(struct studio *s, struct error *e) MUST_CHECK;
int style_ghibli(struct studio *s, struct error *e) MUST_CHECK;
int style_anime(struct studio *s, struct error *e) MUST_CHECK;
int style_cartoon(struct studio *s, struct error *e) MUST_CHECK;
int style_sketch(struct studio *s, struct error *e) MUST_CHECK;

void studio_step(struct studio *s, int r); /* r: how the step came out; only a success is told */

/* Spreads lightness over the whole range, the darkest and lightest hundredth apart, and moves the median
 * towards `middle`, both by `share` (0…1). */
int studio_expose(struct studio *s, float middle, float share, struct error *e) MUST_CHECK;

/* Kuwahara's filter over the photo, `passes` times, along a flow that is made for it and given back: ret_flow
 * may be NULL. radius and flow_sigma in units. */
int studio_paint(struct studio *s, float radius, unsigned passes, float flow_sigma, struct plane *ret_flow,
                 struct error *e) MUST_CHECK;

/* Lines of the photo as it is now; the pen's width and length in units. */
int studio_lines(struct studio *s, const struct plane *flow, struct xdog_pen pen, struct plane *ret,
                 struct error *e) MUST_CHECK;

/* Fibres along the flow, mean 0, deviation about 1; thickness and length in units. */
int studio_fibres(struct studio *s, const struct plane *flow, float thickness, float length,
                  struct plane *ret, struct error *e) MUST_CHECK;

/* How much a colour is of a hue, 0…1: hue and half-width in degrees (30 pink-red, 60 skin, 140 green, 250
 * sky). Grey is of none. */
struct hue {
    float a, b;       /* unit vector */
    float full, none; /* cosines of the distance */
};
struct hue hue_make(float degrees, float half_width);
float hue_share(const struct hue *h, v4 lab);

/* Lightness in `levels` steps whose edges are the softer the smaller `hard`. */
float quantise(float lightness, float levels, float hard);
