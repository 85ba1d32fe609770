/* scan.h: inside of src/imaging. Walks the structure of an upload, in our own bounds-checked code, before any
 * decoder of a library sees it: is it whole, is it one still picture, how large does it say it is?
 *
 * The bytes are hostile: every read is checked, time is linear in size, nothing is allocated. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imaging/imaging.h"

enum scan_fault {
    SCAN_WHOLE,
    SCAN_TRUNCATED, /* the end is missing */
    SCAN_ANIMATED,  /* more than one frame */
    SCAN_NO_PIXELS, /* a declared side is zero */
    SCAN_DAMAGED,   /* parts contradict each other, or one that must be there is not */
};

struct image_scan {
    uint32_t width, height; /* as declared, before EXIF or other turning; 0 when the walk did not get there */
    unsigned passes;        /* JPEG: scans over the picture; a progressive one has about ten */
    bool odd_header;        /* JPEG: decoders warn about the header although the pixels are sound */
};

/* ret is always filled as far as the walk came. */
enum scan_fault scan_image(enum image_type type, const uint8_t *data, size_t size, struct image_scan *ret);

/* What an upload of no type of ours seems to be, to tell its sender: "a GIF image"; NULL if that is unknown.
 */
const char *sniff_foreign(const uint8_t *data, size_t size);
