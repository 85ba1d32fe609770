/* alpha.h: transparency goes round a network, not through it.
 *
 * alpha_split takes a picture with 4 bands apart; after the colours went through a network, alpha_join puts
 * the enlarged transparency back. What lies under fully transparent pixels is often black and would show as a
 * dark rim after enlarging, so alpha_split lets the nearest visible colour spread there. Any thread. */
#pragma once

#include "imaging/imaging.h"

/* Both the caller's. Fails when there is no memory (INTERNAL). */
int alpha_split(const struct pixels *in, struct pixels *ret_colour, struct pixels *ret_alpha,
                struct error *e) MUST_CHECK;

/* Resizes alpha and writes it into the 4th band of to. */
int alpha_join(const struct pixels *alpha, struct pixels *to, struct error *e) MUST_CHECK;
