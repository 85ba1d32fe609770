/* photo.c: makes the pictures of the other measurements, so that nothing large is committed.
 *
 *     bench-photo SOURCE OUT WIDTH HEIGHT BYTES
 *
 * SOURCE is enlarged to cover WIDTH × HEIGHT and gets the noise of a camera's sensor, as much as makes a JPEG
 * of about BYTES (within 1 %) of it. The same arguments give the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <vips/vips.h>

enum { QUALITY = 90, QUALITY_LEAST = 40, QUALITY_STEP = 5, NOISE_SEED = 7, TRIES = 16 };

struct photo {
    VipsImage *plain; /* without noise */
    int quality;
    void *jpeg;
    size_t size;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench-photo: %s: %s\n", what, vips_error_buffer());
    exit(1);
}

static VipsImage *load(const char *source, int width, int height)
{
    VipsImage *covered, *plain, *in_memory;
    if (vips_thumbnail(source, &covered, width, "height", height, "crop", VIPS_INTERESTING_CENTRE, NULL))
        fail(source);
    if (vips_colourspace(covered, &plain, VIPS_INTERPRETATION_sRGB, NULL))
        fail("colours");
    in_memory = vips_image_copy_memory(plain);
    if (!in_memory)
        fail("pixels");
    g_object_unref(covered);
    g_object_unref(plain);
    return in_memory;
}

/* Replaces p->jpeg with the picture under that much noise. */
static void encode(struct photo *p, double sigma)
{
    int width = vips_image_get_width(p->plain), height = vips_image_get_height(p->plain);
    VipsImage *noise, *noisy, *bytes;
    g_free(p->jpeg);
    if (vips_gaussnoise(&noise, width, height, "mean", 0.0, "sigma", sigma, "seed", NOISE_SEED, NULL) ||
        vips_add(p->plain, noise, &noisy, NULL) || vips_cast(noisy, &bytes, VIPS_FORMAT_UCHAR, NULL) ||
        vips_jpegsave_buffer(bytes, &p->jpeg, &p->size, "Q", p->quality, "keep", VIPS_FOREIGN_KEEP_NONE,
                             NULL))
        fail("encode");
    g_object_unref(noise);
    g_object_unref(noisy);
    g_object_unref(bytes);
}

static void search(struct photo *p, size_t wanted)
{
    double least = 0, most = 64;
    /* A picture full of detail is too large without any noise. */
    for (p->quality = QUALITY; p->quality > QUALITY_LEAST; p->quality -= QUALITY_STEP) {
        encode(p, 1);
        if (p->size < wanted)
            break;
    }
    for (int i = 0; i < TRIES; i++) {
        double sigma = (least + most) / 2;
        encode(p, sigma);
        size_t off = p->size > wanted ? p->size - wanted : wanted - p->size;
        if (off * 100 <= wanted)
            return;
        if (p->size > wanted)
            most = sigma;
        else
            least = sigma;
    }
}

static int save(const char *path, const struct photo *p)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        return -1;
    size_t written = fwrite(p->jpeg, 1, p->size, f);
    return fclose(f) == 0 && written == p->size ? 0 : -1;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: bench-photo SOURCE OUT WIDTH HEIGHT BYTES\n");
        return 2;
    }
    if (vips_init(argv[0]))
        fail("start");
    struct photo p = {.plain = load(argv[1], atoi(argv[3]), atoi(argv[4]))};
    search(&p, strtoul(argv[5], NULL, 10));
    if (save(argv[2], &p) < 0) {
        perror(argv[2]);
        return 1;
    }
    printf("%zu\n", p.size);
    g_free(p.jpeg);
    g_object_unref(p.plain);
    vips_shutdown();
    return 0;
}
