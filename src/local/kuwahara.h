/* kuwahara.h: the anisotropic Kuwahara filter with polynomial weights (Kyprianidis, Semmo, Kang, Döllner
 * 2010): around each pixel lies an ellipse along the flow, cut into eight overlapping sectors, and the sector
 * that varies least decides. Flattens what is rough, keeps edges, and looks brushed.
 *
 * Errors and threads as in plane.h. */
#pragma once

#include "local/plane.h"

/* from: Oklab, 4 bands; the fourth is used up. flow: flow_make's. radius in pixels, ≥ 1: the ellipse is twice
 * as long and half as wide where the flow is strongest. */
int kuwahara_filter(const struct crew *crew, struct plane *from, const struct plane *flow, float radius,
                    struct plane *ret, struct error *e) MUST_CHECK;
