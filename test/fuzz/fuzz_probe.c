/* A whole upload's way through src/imaging: probe, then prescale and decode for what probe lets through.
 *
 * cc -fsanitize=fuzzer,address,undefined; libvips itself is not instrumented, so this finds what our code
 * does with its answers, and crashes inside it. Writes small seeds of the four types to the first corpus
 * folder given, if that is empty. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "imaging/picture.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct image_limits limits = {.max_pixels = 1000000, .max_pixels_per_byte = 2000};

static void write_seed(const char *folder, const char *name, const struct blob *b)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/seed-%s", folder, name);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(b->data, 1, b->size, f) == b->size);
    fclose(f);
}

static void write_seeds(const char *folder)
{
    static const struct {
        const char *name;
        enum image_type type;
        uint8_t bands;
    } rows[] = {{"grey.jpg", IMAGE_JPEG, 1}, {"colour.jpg", IMAGE_JPEG, 3},  {"colour.png", IMAGE_PNG, 3},
                {"alpha.png", IMAGE_PNG, 4}, {"colour.webp", IMAGE_WEBP, 3}, {"alpha.webp", IMAGE_WEBP, 4}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pixels p = {calloc(16 * 12, rows[i].bands), 16, 12, rows[i].bands};
        for (size_t k = 0; k < (size_t)16 * 12 * p.bands; k++)
            p.data[k] = (uint8_t)(k * 37);
        struct blob *b;
        struct error e;
        CHECK(image_encode(&p, rows[i].type, 80, &b, &e) == 0);
        write_seed(folder, rows[i].name, b);
        blob_unref(b);
        pixels_release(&p);
    }
    VipsImage *black = NULL;
    void *data;
    size_t size;
    CHECK(vips_black(&black, 16, 12, "bands", 3, NULL) == 0);
    CHECK(vips_heifsave_buffer(black, &data, &size, "compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, NULL) ==
          0);
    struct blob *avif = blob_take(data, size, g_free);
    write_seed(folder, "colour.avif", avif);
    blob_unref(avif);
    g_object_unref(black);
}

static bool is_empty_folder(const char *path)
{
    DIR *d = opendir(path);
    if (!d)
        return false;
    int entries = 0;
    while (readdir(d))
        entries++;
    closedir(d);
    return entries <= 2;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error e;
    CHECK(imaging_start(&e) == 0);
    for (int i = 1; i < *argc; i++)
        if ((*argv)[i][0] != '-' && is_empty_folder((*argv)[i])) {
            write_seeds((*argv)[i]);
            break;
        }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct prescale_rule rules[] = {{100, 64, PRESCALE_JPEG, 80, true, false},
                                                 {1000000, 65535, PRESCALE_WEBP, 80, false, false}};
    struct blob *in = blob_copy(data, size);
    struct image_info info;
    struct error e = {0};
    int r = image_probe(in, &limits, &info, &e);
    CHECK((r == 0) == (e.reason[0] == '\0'));
    CHECK(r == 0 || r == -ERR_VALIDATION || r == -ERR_UNSUPPORTED_MEDIA_TYPE);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(rules); i++) {
        struct prescaled out;
        int q = image_prescale(in, &info, &rules[i], &out, &e);
        CHECK(q == 0 || q == -ERR_VALIDATION);
        if (q)
            continue;
        CHECK(out.info.width <= rules[i].max_side && out.info.height <= rules[i].max_side);
        CHECK((uint64_t)out.info.width * out.info.height <= rules[i].max_pixels);
        blob_unref(out.image);
    }
    struct pixels p = {0};
    if (r == 0 && image_decode(in, &info, &p, &e) == 0) {
        CHECK(p.width == info.width && p.height == info.height && (p.bands == 3 || p.bands == 4));
        pixels_release(&p);
    }
    blob_unref(in);
    CHECK(blob_live_count() == 0);
    return 0;
}
