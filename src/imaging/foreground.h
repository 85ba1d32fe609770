/* foreground.h: the subject's own colour where a photo shows a mix of it and of what
 * lies behind: without that, hair and soft edges carry a fringe of the old background onto the new one.
 *
 * The method is blur fusion (Forte, Pitié: Approximate Fast Foreground Colour Estimation): a first guess from
 * wide means of what is surely subject and surely background, corrected by what the photo shows, and a second
 * one from narrow means of the first. Linear in pixels; memory for a few rows and a coarse grid. Any thread.
 */
#pragma once

#include "imaging/imaging.h"

/* photo: 3 bands; alpha: how much subject the photo has; shown: where its colours are needed (alpha itself,
 * or softened outwards); 1 band each; all of one size. On return photo has the subject's colours where shown
 * is above 0: untouched where alpha is solid, estimated where it is partial, carried on from nearby where it
 * is 0. Elsewhere it is as it was. INTERNAL: no memory; photo is then untouched. */
int foreground_estimate(struct pixels *photo, const struct pixels *alpha, const struct pixels *shown,
                        struct error *e) MUST_CHECK;
