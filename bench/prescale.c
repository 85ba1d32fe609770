/* prescale.c: image_probe and image_prescale beside libvips' own vips_thumbnail_buffer, in turns, one thread.
 *
 *     bench-prescale PHOTO [ROUNDS]
 *
 * Both make the same JPEG: at most 2 MP and 2048 px a side, quality 92, upright, sRGB, without metadata.
 * Prints JSON: medians in ms, of wall clock and of the process's CPU, and libvips' time over ours. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "imaging/imaging.h"
#include "read_file.h"

#include <vips/vips.h> /* after ours: it has a MIN of its own */

enum { ROUNDS = 15, ROUNDS_MAX = 1000, MAX_PIXELS = 2000000, MAX_SIDE = 2048, QUALITY = 92 };

struct sample {
    double wall_ms, cpu_ms;
    size_t bytes;
};

static size_t ours(struct blob *in, struct prescaled *out)
{
    static const struct image_limits limits = {.max_pixels = 100000000, .max_pixels_per_byte = 2000};
    static const struct prescale_rule rule = {MAX_PIXELS, MAX_SIDE, PRESCALE_JPEG, QUALITY, true, false};
    struct image_info info;
    struct error e;
    if (image_probe(in, &limits, &info, &e) < 0 || image_prescale(in, &info, &rule, out, &e) < 0)
        fail(e.reason);
    size_t bytes = out->image->size;
    blob_unref(out->image);
    return bytes;
}

static size_t theirs(const struct blob *in, uint32_t width, uint32_t height)
{
    VipsImage *small;
    void *jpeg;
    size_t bytes;
    if (vips_thumbnail_buffer((void *)(uintptr_t)in->data, in->size, &small, (int)width, "height",
                              (int)height, "size", VIPS_SIZE_DOWN, NULL))
        fail(vips_error_buffer());
    if (vips_jpegsave_buffer(small, &jpeg, &bytes, "Q", QUALITY, "keep", VIPS_FOREIGN_KEEP_NONE, NULL))
        fail(vips_error_buffer());
    g_object_unref(small);
    g_free(jpeg);
    return bytes;
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct sample measure(struct blob *in, struct prescaled *out, bool is_ours)
{
    uint64_t wall = clock_mono_ns();
    double cpu = cpu_ms();
    size_t bytes = is_ours ? ours(in, out) : theirs(in, out->info.width, out->info.height);
    return (struct sample){(double)(clock_mono_ns() - wall) / 1e6, cpu_ms() - cpu, bytes};
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const struct sample *s, int n, bool wall)
{
    double v[ROUNDS_MAX];
    for (int i = 0; i < n; i++)
        v[i] = wall ? s[i].wall_ms : s[i].cpu_ms;
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

int main(int argc, char **argv)
{
    struct error e;
    if (argc < 2 || imaging_start(&e) < 0) {
        fprintf(stderr, "usage: bench-prescale PHOTO [ROUNDS]\n");
        return 2;
    }
    int rounds = argc > 2 ? MIN(MAX(atoi(argv[2]), 1), ROUNDS_MAX) : ROUNDS;
    struct blob *in = read_file(argv[1]);
    struct prescaled out;
    static struct sample us[ROUNDS_MAX], vips[ROUNDS_MAX];
    measure(in, &out, true);
    measure(in, &out, false);
    for (int i = 0; i < rounds; i++) {
        us[i] = measure(in, &out, true);
        vips[i] = measure(in, &out, false);
    }
    double a = median(us, rounds, true), b = median(vips, rounds, true);
    double ca = median(us, rounds, false), cb = median(vips, rounds, false);
    printf("{\"photo_bytes\":%zu,\"original\":\"%ux%u\",\"scaled\":\"%ux%u\",\"rounds\":%d,\"ms\":%.2f,"
           "\"libvips_ms\":%.2f,\"ratio\":%.3f,\"cpu_ms\":%.2f,\"libvips_cpu_ms\":%.2f,\"cpu_ratio\":%.3f,"
           "\"bytes\":%zu,\"libvips_bytes\":%zu}\n",
           in->size, out.original_width, out.original_height, out.info.width, out.info.height, rounds, a, b,
           b / a, ca, cb, cb / ca, us[0].bytes, vips[0].bytes);
    blob_unref(in);
    imaging_stop();
    return 0;
}
