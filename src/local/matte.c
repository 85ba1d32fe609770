/* Happy path: the picture, shrunk to the network's size, becomes a mask of that size; the guided filter is
 * fitted to it with the picture at the work size, and its functions, interpolated, are applied to every pixel
 * of the picture itself. Failure modes: the network cannot be loaded or run; no memory; cancelled, which is
 * looked at before the network and before refining. Invariant: a network that was taken is given back. */
#include "local/matte.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "imaging/guided.h"
#include "local/alpha.h"
#include "local/inside.h"
#include "local/lerp.h"

/* The mask has a megapixel itself: functions fitted at twice that lose nothing. */
static const double work_max_px = 2 << 20;

/* Windows as wide as a few pixels of the mask, in which its edge may be wrong; epsilon by looking. */
enum { RADIUS_SHARE = 160, RADIUS_LEAST = 3 };
static const float epsilon = 1e-4f;

/* The network's doubts inside a subject are no transparency: what is more likely so or so becomes more so. */
static const float likely_none = 0.2f, likely_all = 0.8f;

/* What the filter leaves of nothing and of everything becomes nothing and everything. */
static const float surely_none = 0.03f, surely_all = 0.97f;

static inline uint8_t to_byte(float v)
{
    v = v * 255.0f + 0.5f;
    return (uint8_t)(v > 0.0f ? MIN(v, 255.0f) : 0.0f);
}

/* As the network was trained: (v − 128) / 256. */
static void fill_planes(const struct pixels *p, float *planes)
{
    size_t count = (size_t)p->width * p->height;
    for (size_t i = 0; i < count; i++)
        for (unsigned b = 0; b < 3; b++)
            planes[b * count + i] = ((float)p->data[3 * i + b] - 128.0f) / 256.0f;
}

static int run_network(struct matte_run *run, const struct pixels *small, struct pixels *ret_mask,
                       struct error *e)
{
    struct networks *networks = &run->local->networks;
    unsigned side = models[MODEL_ISNET].side;
    struct network *network;
    int r = networks_take(networks, MODEL_ISNET, 0, 0, &network, e);
    if (r < 0)
        return r;
    float *planes;
    struct network_output out = {0};
    struct pixels mask = {0};
    r = network_shape(network, side, side, &planes, e);
    if (r == 0) {
        fill_planes(small, planes);
        uint64_t start = clock_mono_ns();
        r = network_run(network, e);
        run->seconds = (double)(clock_mono_ns() - start) / 1e9;
    }
    if (r == 0)
        r = network_output(network, 0, &out, e);
    if (r == 0) {
        CHECK(out.count == (size_t)side * side);
        mask = (struct pixels){mem_alloc(out.count), side, side, 1};
        for (size_t i = 0; i < out.count; i++)
            mask.data[i] = to_byte((out.data[i] - likely_none) / (likely_all - likely_none));
    }
    networks_give_back(networks, MODEL_ISNET);
    if (r < 0)
        return r;
    networks_measured(networks, MODEL_ISNET, run->seconds / ((double)side * side / 1e6));
    *ret_mask = mask;
    return 0;
}

/* What refining works with, at the work size. */
struct fitting {
    float *memory; /* three planes of the photo, then the mask */
    struct guided *guided;
    float *functions[2];  /* rows `row - 1` and `row`: three slopes and an offset a pixel */
    struct lerp *columns; /* of the photo in the work size */
    uint32_t width, height, row;
};

static void fitting_release(struct fitting *f)
{
    guided_free(f->guided);
    free(f->memory);
    free(f->functions[0]);
    free(f->functions[1]);
    free(f->columns);
}

static void fitting_size(struct fitting *f, const struct pixels *photo)
{
    double scale = MIN(1.0, sqrt(work_max_px / ((double)photo->width * photo->height)));
    f->width = MAX((uint32_t)(photo->width * scale), 1u);
    f->height = MAX((uint32_t)(photo->height * scale), 1u);
}

static int fitting_init(struct fitting *f, const struct pixels *photo, const struct pixels *alpha,
                        struct error *e)
{
    fitting_size(f, photo);
    size_t count = (size_t)f->width * f->height;
    struct pixels guide, mask;
    int r = image_resize(photo, f->width, f->height, &guide, e);
    if (r < 0)
        return r;
    r = image_resize(alpha, f->width, f->height, &mask, e);
    if (r < 0) {
        pixels_release(&guide);
        return r;
    }
    f->memory = malloc(4 * count * sizeof(float));
    f->columns = malloc(photo->width * sizeof(*f->columns));
    for (unsigned i = 0; i < 2; i++)
        f->functions[i] = malloc(4 * f->width * sizeof(float));
    bool ok = f->memory && f->columns && f->functions[0] && f->functions[1];
    for (size_t i = 0; ok && i < count; i++) {
        for (unsigned b = 0; b < 3; b++)
            f->memory[b * count + i] = (float)guide.data[3 * i + b] / 255.0f;
        f->memory[3 * count + i] = (float)mask.data[i] / 255.0f;
    }
    pixels_release(&guide);
    pixels_release(&mask);
    if (!ok)
        return error_set(e, ERR_INTERNAL, "no memory for the edges of a picture of %u × %u", photo->width,
                         photo->height);
    for (uint32_t x = 0; x < photo->width; x++)
        f->columns[x] = lerp_at(x, photo->width, f->width);
    const struct guided_input input = {
        .guide = f->memory,
        .planes = 3,
        .in = f->memory + 3 * count,
        .width = f->width,
        .height = f->height,
        .radius = MAX((unsigned)(sqrt((double)count) / RADIUS_SHARE + 0.5), (unsigned)RADIUS_LEAST),
        .epsilon = epsilon,
    };
    return guided_new(&input, &f->guided, e);
}

/* Makes functions[1] those of row `row`. */
static void fitting_reach(struct fitting *f, uint32_t row)
{
    for (; f->row <= row; f->row++) {
        float *above = f->functions[0];
        f->functions[0] = f->functions[1];
        f->functions[1] = above;
        memcpy(f->functions[1], guided_next(f->guided), 4 * f->width * sizeof(float));
    }
}

static void apply_row(const struct fitting *f, struct lerp line, const uint8_t *photo, uint32_t width,
                      uint8_t *to)
{
    const float *lower = f->functions[1], *upper = line.b == line.a ? lower : f->functions[0];
    for (uint32_t x = 0; x < width; x++, photo += 3) {
        struct lerp c = f->columns[x];
        float alpha = 0;
        for (unsigned k = 0; k < 4; k++) {
            float v = lerp(lerp(upper[4 * c.a + k], upper[4 * c.b + k], c.share),
                           lerp(lower[4 * c.a + k], lower[4 * c.b + k], c.share), line.share);
            alpha += k < 3 ? v * (float)photo[k] / 255.0f : v;
        }
        to[x] = to_byte((alpha - surely_none) / (surely_all - surely_none));
    }
}

int matte_refine(const struct pixels *photo, const struct pixels *alpha, struct pixels *ret, struct error *e)
{
    CHECK(photo->bands == 3 && alpha->bands == 1);
    struct pixels out = {malloc((size_t)photo->width * photo->height), photo->width, photo->height, 1};
    if (!out.data)
        return error_set(e, ERR_INTERNAL, "no memory for an alpha of %u × %u", photo->width, photo->height);
    struct fitting f = {0};
    int r = fitting_init(&f, photo, alpha, e);
    for (uint32_t y = 0; r == 0 && y < photo->height; y++) {
        struct lerp line = lerp_at(y, photo->height, f.height);
        fitting_reach(&f, line.b);
        apply_row(&f, line, photo->data + (size_t)3 * photo->width * y, photo->width,
                  out.data + (size_t)photo->width * y);
    }
    fitting_release(&f);
    if (r < 0)
        pixels_release(&out);
    else
        *ret = out;
    return r;
}

static int matte_colour(struct matte_run *run, const struct pixels *colour, struct pixels *ret_alpha,
                        struct error *e)
{
    struct pixels small, mask;
    unsigned side = models[MODEL_ISNET].side;
    int r = image_resize(colour, side, side, &small, e);
    if (r < 0)
        return r;
    r = run_network(run, &small, &mask, e);
    pixels_release(&small);
    if (r < 0)
        return r;
    r = local_given_up(run->cancelled, e);
    if (r == 0)
        r = matte_refine(colour, &mask, ret_alpha, e);
    pixels_release(&mask);
    return r;
}

int matte_pixels(struct matte_run *run, const struct pixels *in, struct pixels *ret_alpha, struct error *e)
{
    CHECK(in->bands == 3 || in->bands == 4);
    int r = local_given_up(run->cancelled, e);
    if (r < 0)
        return r;
    if (in->bands == 3)
        return matte_colour(run, in, ret_alpha, e);
    struct pixels colour, old, alpha;
    r = alpha_split(in, &colour, &old, e);
    if (r != 0)
        return r;
    r = matte_colour(run, &colour, &alpha, e);
    if (r == 0) {
        /* The analyzer does not see that alpha is there then. */
        for (size_t i = 0; i < (size_t)in->width * in->height; i++)
            alpha.data[i] = MIN(alpha.data[i], old.data[i]); // NOLINT
        *ret_alpha = alpha;
    }
    pixels_release(&colour);
    pixels_release(&old);
    return r;
}
