/* fixture.h: what the tests of src/local share. They need deps/ (make deps models) and fail without it. */
#pragma once

#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imaging_group.h"
#include "scratch.h"

#include "base/blob.h"
#include "base/mem.h"
#include "imaging/imaging.h"
#include "tables/options.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = true }; /* what a picture looks like is seen without; here it takes minutes */
#else
enum { SANITIZED = false };
#endif

/* The root of the source tree; the caller frees. */
static inline char *source_path(const char *name)
{
    const char *root = getenv("LIMNER_SOURCE_DIR");
    return mem_printf("%s/%s", root ? root : ".", name);
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline struct blob *read_blob(const char *path)
{
    CLOSE_ON_EXIT int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    struct blob *b = NULL;
    if (fd < 0 || fstat(fd, &st) < 0 || blob_map(fd, (size_t)st.st_size, &b) < 0)
        fail_msg("cannot read %s; are deps and samples there?", path);
    return b;
}

static inline struct image_info probe(const struct blob *b)
{
    const struct image_limits limits = {.max_pixels = 100000000, .max_pixels_per_byte = 100000};
    struct image_info info;
    struct error e;
    if (image_probe(b, &limits, &info, &e) < 0)
        fail_msg("probe: %s", e.reason);
    return info;
}

static inline struct pixels decode(const struct blob *b)
{
    struct image_info info = probe(b);
    struct pixels p;
    struct error e;
    if (image_decode(b, &info, &p, &e) < 0)
        fail_msg("decode: %s", e.reason);
    return p;
}

static inline struct pixels sample(const char *name)
{
    FREE_ON_EXIT char *path = source_path(name);
    BLOB_ON_EXIT struct blob *b = read_blob(path);
    return decode(b);
}

static inline struct pixels pixels_new(uint32_t width, uint32_t height, uint8_t bands)
{
    return (struct pixels){mem_alloc((size_t)width * height * bands), width, height, bands};
}

static inline struct pixels crop(const struct pixels *p, uint32_t left, uint32_t top, uint32_t width,
                                 uint32_t height)
{
    struct pixels part = pixels_new(width, height, p->bands);
    size_t line = (size_t)width * p->bands;
    for (uint32_t y = 0; y < height; y++)
        memcpy(part.data + y * line, p->data + ((size_t)(top + y) * p->width + left) * p->bands, line);
    return part;
}

static inline struct pixels resized(const struct pixels *p, uint32_t width, uint32_t height)
{
    struct pixels small;
    struct error e;
    if (image_resize(p, width, height, &small, &e) < 0)
        fail_msg("resize: %s", e.reason);
    return small;
}

static inline size_t bytes_of(const struct pixels *p)
{
    return (size_t)p->width * p->height * p->bands;
}

static inline double psnr(const struct pixels *a, const struct pixels *b)
{
    assert_int_equal(a->width, b->width);
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->bands, b->bands);
    double sum = 0;
    for (size_t i = 0; i < bytes_of(a); i++)
        sum += pow((double)a->data[i] - b->data[i], 2);
    return sum > 0 ? 10 * log10(255.0 * 255.0 * (double)bytes_of(a) / sum) : 99;
}

static inline int largest_difference(const struct pixels *a, const struct pixels *b)
{
    int most = 0;
    for (size_t i = 0; i < bytes_of(a); i++)
        most = MAX(most, abs(a->data[i] - b->data[i]));
    return most;
}
