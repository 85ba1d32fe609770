/* outline.h: inside of src/imaging. The lines that bubbles are drawn with, as closed polygons in pixels.
 *
 * A bubble is a body (a rounded shape with half axes a and b around its centre, which holds the text) and a
 * rim, which goes outwards from the body only: spikes, scallops, waves. A tail is a shape of its own that
 * begins inside the body. The same arguments give the same lines. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { OUTLINE_MAX = 1600 };

struct point {
    float x, y;
};

struct outline {
    struct point p[OUTLINE_MAX];
    unsigned count;
};

enum rim { RIM_PLAIN, RIM_LIVELY, RIM_DROOPING, RIM_SPIKY, RIM_BURST, RIM_CLOUD, RIM_BOX };

struct body {
    struct point centre;
    float a, b;
    float power; /* of the superellipse: 2 is an ellipse, more is squarer */
    enum rim rim;
    struct point bare; /* towards there, `bare_width` wide, the rim has no teeth; 0: everywhere */
    float bare_width;
};

/* How far the rim goes beyond a body of these half axes. */
float outline_rim(enum rim rim, float a, float b);
void outline_body(const struct body *body, struct outline *ret);

/* From the centre to the body's edge in direction (x, y), of length 1. */
float outline_reach(const struct body *body, float x, float y);
/* The point lies within a body that is larger by `more` all around. */
bool outline_holds(const struct body *body, struct point at, float more);

/* A pointed tail to tip, `width` wide where it leaves, a little bent. */
void outline_tail(const struct body *body, struct point tip, float width, float bend, struct outline *ret);
void outline_ellipse(struct point centre, float a, float b, struct outline *ret);
/* A band from one body to another. */
void outline_band(const struct body *from, const struct body *to, float width, struct outline *ret);
