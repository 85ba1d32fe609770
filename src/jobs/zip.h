/* zip.h: the pictures in a zip archive, one at a time, out of bytes that lie in memory or in a mapped file.
 *
 * The bytes are hostile. Only the central directory says what there is, and its records are counted before
 * the library reads them; no more comes out of an entry than its header says, nor than picture_max_bytes;
 * all of them together unpack to at most ZIP_RATIO_MAX times the archive. Names are for people: nothing is
 * ever opened by one.
 *
 * Order: zip_open, zip_list once to know what there is, zip_read for any of it (forwards is cheap, backwards
 * begins anew), zip_free. Blocking; one thread at a time. Errors: VALIDATION or PAYLOAD_TOO_LARGE, which is
 * the sender's fault, or whatever take says. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/macros.h"
#include "tables/error.h"

enum {
    ZIP_NAME_MAX = 255,     /* bytes of a name; of a longer one the end is kept */
    ZIP_RATIO_MAX = 50,     /* photos are packed already: above 2 it is hardly one */
    ZIP_OTHERS_MAX = 50000, /* records that are no pictures */
};

struct zip;

struct zip_limits {
    size_t pictures_max;
    uint64_t picture_max_bytes; /* unpacked */
};

struct zip_picture {
    unsigned at; /* its place in the archive, for zip_read */
    char *name;  /* the path inside: UTF-8 without control characters, never absolute, without ".." */
};

struct zip_list {
    struct zip_picture *picture;
    size_t count, passed_over; /* passed over: folders, hidden files, __MACOSX, and what is no picture */
};

int zip_open(struct blob *bytes, const struct zip_limits *limits, struct zip **ret,
             struct error *e) MUST_CHECK;
void zip_free(struct zip *z); /* accepts NULL */

/* Pictures are known by their first bytes. One that is too large, or damaged behind them, is listed: reading
 * it fails. Refused are an archive without a picture, one with too many, an encrypted one, one that unpacks
 * to too much, and one that cannot be read. */
int zip_list(struct zip *z, struct zip_list *ret, struct error *e) MUST_CHECK;
void zip_list_release(struct zip_list *l);

typedef int zip_take_fn(void *ctx, const void *data, size_t size, struct error *e);
/* Hands the bytes to take, piece by piece; those that it took before an error are worth nothing. */
int zip_read(struct zip *z, unsigned at, zip_take_fn *take, void *ctx, struct error *e) MUST_CHECK;
