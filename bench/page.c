/* page.c: page_render on one thread: four panels of 832 × 1216 with bubbles, by formats.
 *
 *     bench-page PHOTO [ROUNDS]
 *
 * The panels are made of PHOTO, with a little noise, so that they take as many bytes as drawn ones do. Prints
 * JSON: for each format of panels and of the page the medians in ms (wall clock, CPU) and the sizes; the most
 * memory that the process has had above what it had before; and a cover and a preview. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "imaging/page.h"
#include "imaging/page_fit.h"
#include "read_file.h"

enum { ROUNDS = 11, ROUNDS_MAX = 1000, PANELS = 4, PANEL_WIDTH = 832, PANEL_HEIGHT = 1216, QUALITY = 90 };

static const struct image_limits limits = {.max_pixels = 100000000, .max_pixels_per_byte = 2000};
static const char *const names[IMAGE_TYPE_COUNT] = {
    [IMAGE_JPEG] = "jpeg", [IMAGE_PNG] = "png", [IMAGE_WEBP] = "webp"};

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    return v[n / 2];
}

static struct pixels draw_panel(const char *path)
{
    BLOB_ON_EXIT struct blob *photo = read_file(path);
    struct image_info info;
    struct page_view unused;
    struct error e;
    PICTURE_ON_EXIT VipsImage *im = NULL;
    struct pixels p;
    if (image_probe(photo, &limits, &info, &e) ||
        page_fit(photo, &info, PANEL_WIDTH, PANEL_HEIGHT, &im, &unused) || picture_take(im, &p))
        fail("the photo cannot be made a panel");
    uint32_t random = 1;
    for (size_t i = 0; i < (size_t)PANEL_WIDTH * PANEL_HEIGHT * 3; i++) {
        random = random * 1664525u + 1013904223u;
        p.data[i] = (uint8_t)MAX(0, MIN(255, p.data[i] + (int)(random >> 30) - 2));
    }
    return p;
}

static void say(struct page_panel *panel)
{
    static const struct page_line said[] = {
        {"We made it! I never thought we would see the sea again.", "Mai", PAGE_SPEECH, PAGE_HAPPY,
         PAGE_LEFT},
        {"Chúng ta phải đi ngay!", "Linh", PAGE_SPEECH, PAGE_ANGRY, PAGE_RIGHT},
    };
    memcpy(panel->line, said, sizeof(said));
    panel->line_count = ARRAY_LEN(said);
}

static struct page_request request(const struct blob *panel, enum image_type output)
{
    struct page_request req = {.panel_count = PANELS, .output = output, .quality = QUALITY};
    struct error e;
    for (unsigned i = 0; i < PANELS; i++) {
        req.panel[i].image = panel;
        if (image_probe(panel, &limits, &req.panel[i].info, &e))
            fail(e.reason);
        say(&req.panel[i]);
    }
    return req;
}

static size_t render(const struct page_request *req)
{
    struct page_made made;
    struct error e;
    unsigned bad;
    if (page_render(req, &made, &bad, &e))
        fail(e.reason);
    size_t bytes = made.image->size;
    blob_unref(made.image);
    return bytes;
}

static void measure(const struct pixels *p, enum image_type in, enum image_type out, int rounds)
{
    static double wall[ROUNDS_MAX], cpu[ROUNDS_MAX];
    struct error e;
    BLOB_ON_EXIT struct blob *panel = NULL;
    if (image_encode(p, in, QUALITY, &panel, &e))
        fail(e.reason);
    struct page_request req = request(panel, out);
    size_t bytes = render(&req);
    for (int i = 0; i < rounds; i++) {
        uint64_t start = clock_mono_ns();
        double cpu_start = cpu_ms();
        render(&req);
        wall[i] = (double)(clock_mono_ns() - start) / 1e6;
        cpu[i] = cpu_ms() - cpu_start;
    }
    printf("\"%s_to_%s\":{\"ms\":%.1f,\"cpu_ms\":%.1f,\"panel_kb\":%zu,\"page_kb\":%zu},", names[in],
           names[out], median(wall, rounds), median(cpu, rounds), panel->size / 1000, bytes / 1000);
}

static double cover_ms(const struct pixels *p, int rounds)
{
    static double wall[ROUNDS_MAX];
    struct error e;
    BLOB_ON_EXIT struct blob *image = NULL;
    if (image_encode(p, IMAGE_PNG, QUALITY, &image, &e))
        fail(e.reason);
    struct page_cover cover = {.image = image,
                               .title = "The Girl and the Dragon of the Northern Sea",
                               .byline = "limner",
                               .output = IMAGE_JPEG,
                               .quality = QUALITY};
    if (image_probe(image, &limits, &cover.info, &e))
        fail(e.reason);
    for (int i = 0; i < rounds; i++) {
        struct page_made made;
        uint64_t start = clock_mono_ns();
        if (page_render_cover(&cover, &made, &e))
            fail(e.reason);
        wall[i] = (double)(clock_mono_ns() - start) / 1e6;
        blob_unref(made.image);
    }
    return median(wall, rounds);
}

static double thumbnail_ms(const struct pixels *p, int rounds, size_t *ret_bytes)
{
    static double wall[ROUNDS_MAX];
    struct error e;
    struct image_info info;
    BLOB_ON_EXIT struct blob *image = NULL;
    if (image_encode(p, IMAGE_JPEG, QUALITY, &image, &e) || image_probe(image, &limits, &info, &e))
        fail(e.reason);
    for (int i = 0; i < rounds; i++) {
        struct blob *small;
        uint64_t start = clock_mono_ns();
        if (page_thumbnail(image, &info, 192, &small, &e))
            fail(e.reason);
        wall[i] = (double)(clock_mono_ns() - start) / 1e6;
        *ret_bytes = small->size;
        blob_unref(small);
    }
    return median(wall, rounds);
}

/* A line of /proc/self/status, in MB of 1,000,000 bytes. */
static double memory_mb(const char *what)
{
    char line[256];
    double mb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, what, strlen(what)) == 0)
            mb = strtod(line + strlen(what) + 1, NULL) * 1024 / 1e6;
    if (f)
        fclose(f);
    return mb;
}

int main(int argc, char **argv)
{
    struct error e;
    if (argc < 2 || imaging_start(&e) || page_fonts_start(&e)) {
        fprintf(stderr, "usage: bench-page PHOTO [ROUNDS]\n");
        return 2;
    }
    static const enum image_type in[] = {IMAGE_PNG, IMAGE_JPEG, IMAGE_WEBP};
    int rounds = argc > 2 ? MIN(MAX(atoi(argv[2]), 1), ROUNDS_MAX) : ROUNDS;
    CLEANUP(pixels_release) struct pixels p = draw_panel(argv[1]);
    double before = memory_mb("VmRSS:");
    printf("{");
    for (unsigned i = 0; i < ARRAY_LEN(in); i++)
        for (unsigned o = 0; o < ARRAY_LEN(in); o++) {
            measure(&p, in[i], in[o], rounds);
            if (i == 0 && o == 0)
                printf("\"peak_mb\":%.1f,", memory_mb("VmHWM:") - before);
        }
    size_t bytes = 0;
    double cover = cover_ms(&p, rounds), small = thumbnail_ms(&p, rounds, &bytes);
    printf("\"cover_ms\":%.1f,\"thumbnail_ms\":%.2f,\"thumbnail_bytes\":%zu}\n", cover, small, bytes);
    imaging_stop();
    return 0;
}
