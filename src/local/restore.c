#include "local/restore.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "base/macros.h"
#include "local/faces.h"
#include "local/inside.h"

/* Sizes of a face by looking: below the least the network invents grimaces, above the most it has nothing to
 * add. It is not shrunk further than to 64: its eyes would suffer. Sizes that are too large leave it
 * blurred, which the network takes for texture. */
enum { FACE_LEAST = 32, FACE_MOST = 192, MEASURE_MOST = 512, TONE_CELLS = 6 };
static const uint32_t sizes[] = {64, 80, 96, 128, 160, FACE_MOST};

static const float surroundings = 1.6f; /* side of the patch / side of the face */
static const float solid = 0.7f;        /* from so much of the oval's radius on it fades */
static const double lossless = 0.05;    /* loss by shrinking / contrast of the face that cannot be seen */

/* A part of p. */
static int cut_part(const struct pixels *p, uint32_t left, uint32_t top, uint32_t width, uint32_t height,
                    struct pixels *ret, struct error *e)
{
    struct pixels part = {malloc((size_t)3 * width * height), width, height, 3};
    if (!part.data)
        return error_set(e, ERR_INTERNAL, "no memory for a face of %u × %u", width, height);
    for (uint32_t y = 0; y < height; y++) {
        const uint8_t *from = p->data + p->bands * ((size_t)p->width * (top + y) + left);
        for (uint32_t x = 0; x < width; x++)
            memcpy(part.data + 3 * ((size_t)width * y + x), from + (size_t)p->bands * x, 3);
    }
    *ret = part;
    return 0;
}

/* Replaces p by itself at another size. */
static int resize(struct pixels *p, uint32_t width, uint32_t height, struct error *e)
{
    struct pixels other;
    int r = image_resize(p, MAX(width, 1u), MAX(height, 1u), &other, e);
    if (r < 0)
        return r;
    pixels_release(p);
    *p = other;
    return 0;
}

/* What shrinking to that width and back takes from the face, as a share of its contrast. */
static int loss(const struct pixels *face, uint32_t width, double *ret, struct error *e)
{
    struct pixels back;
    CHECK(face->width > 0);
    int r = image_resize(face, width, MAX(face->height * width / face->width, 1u), &back, e);
    if (r < 0)
        return r;
    r = resize(&back, face->width, face->height, e);
    if (r == 0) {
        size_t count = (size_t)3 * face->width * face->height;
        double lost = 0, sum = 0, squares = 0;
        for (size_t i = 0; i < count; i++) {
            double v = face->data[i], d = v - back.data[i];
            lost += d * d;
            sum += v;
            squares += v * v;
        }
        *ret = sqrt(lost / fmax(squares - sum * (sum / (double)count), 1));
    }
    pixels_release(&back);
    return r;
}

/* The least width at which the face still shows all it does; its own if there is little to gain. */
static int sharp_width(const struct pixels *in, const struct face_patch *box, uint32_t *ret, struct error *e)
{
    struct pixels face;
    uint32_t width = box->width;
    int r = cut_part(in, box->left, box->top, box->width, box->height, &face, e);
    if (r < 0)
        return r;
    if (MAX(face.width, face.height) > MEASURE_MOST)
        r = resize(&face, face.width * MEASURE_MOST / MAX(face.width, face.height),
                   face.height * MEASURE_MOST / MAX(face.width, face.height), e);
    for (size_t i = 0; r == 0 && i < ARRAY_LEN(sizes) && 5 * sizes[i] <= 4 * face.width; i++) {
        double lost = 0;
        r = loss(&face, sizes[i], &lost, e);
        if (r == 0 && lost < lossless) {
            width = sizes[i];
            break;
        }
    }
    pixels_release(&face);
    if (r == 0)
        *ret = width;
    return r;
}

/* Where a box of `scale` times the face lies in the picture. False: outside. */
static bool place(const struct pixels *in, const struct face_box *face, float scale, struct face_patch *ret)
{
    struct face_patch p = {.middle_x = (face->left + face->right) / 2,
                           .middle_y = (face->top + face->bottom) / 2,
                           .radius_x = (face->right - face->left) / 2 * scale,
                           .radius_y = (face->bottom - face->top) / 2 * scale};
    float left = MAX(floorf(p.middle_x - p.radius_x), 0.0f), top = MAX(floorf(p.middle_y - p.radius_y), 0.0f);
    float right = MIN(ceilf(p.middle_x + p.radius_x), (float)in->width),
          bottom = MIN(ceilf(p.middle_y + p.radius_y), (float)in->height);
    if (!(right - left >= 1) || !(bottom - top >= 1))
        return false;
    p.left = (uint32_t)left;
    p.top = (uint32_t)top;
    p.width = (uint32_t)(right - left);
    p.height = (uint32_t)(bottom - top);
    *ret = p;
    return true;
}

int restore_find(struct local *l, const struct pixels *in, enum model_id base,
                 struct face_patch ret[RESTORE_MAX], unsigned *ret_count, struct error *e)
{
    struct face_box faces[RESTORE_MAX];
    unsigned found, count = 0;
    int r = faces_find(l, in, faces, RESTORE_MAX, &found, e);
    for (unsigned i = 0; r == 0 && i < found; i++) {
        struct face_patch box, *patch = &ret[count];
        if (!place(in, &faces[i], 1, &box) || !place(in, &faces[i], surroundings, patch) ||
            box.width < FACE_LEAST || box.height < FACE_LEAST)
            continue;
        uint32_t width = box.width;
        r = sharp_width(in, &box, &width, e);
        /* Sharp and large; or just what the network has done already. */
        if (r < 0 || width > FACE_MOST || (base == MODEL_BEST && width == box.width))
            continue;
        patch->small_width = MAX((uint32_t)((uint64_t)patch->width * width / box.width), 1u);
        patch->small_height = MAX((uint32_t)((uint64_t)patch->height * width / box.width), 1u);
        count++;
    }
    if (r == 0)
        *ret_count = count;
    return r;
}

unsigned restore_tiles(const struct face_patch *patch)
{
    struct tile_plan plan = upscale_plan(MODEL_BEST, patch->small_width, patch->small_height);
    return tile_count(&plan);
}

double restore_megapixels(const struct face_patch *patch)
{
    struct tile_plan plan = upscale_plan(MODEL_BEST, patch->small_width, patch->small_height);
    return (double)tile_work_px(&plan) / 1e6;
}

/* The network's face, at the size it will have. */
static int make_face(struct upscale_run *run, const struct face_patch *patch, const struct pixels *in,
                     struct pixels *ret, struct error *e)
{
    struct pixels small, face;
    int r = cut_part(in, patch->left, patch->top, patch->width, patch->height, &small, e);
    if (r < 0)
        return r;
    r = resize(&small, patch->small_width, patch->small_height, e);
    struct upscale_run one = *run;
    one.model = MODEL_BEST;
    one.plan = upscale_plan(MODEL_BEST, patch->small_width, patch->small_height);
    one.scale = models[MODEL_BEST].upscale.factor;
    one.seconds = 0;
    if (r == 0)
        r = upscale_pixels(&one, &small, &face, e);
    pixels_release(&small);
    if (r < 0)
        return r;
    run->seconds += one.seconds;
    r = resize(&face, run->scale * patch->width, run->scale * patch->height, e);
    if (r < 0)
        pixels_release(&face);
    else
        *ret = face;
    return r;
}

/* Gives the face the tones of what it is laid over: what both are in large is made the same. */
static int match_tones(struct pixels *face, const struct pixels *under, struct error *e)
{
    struct pixels want = {0}, have = {0};
    int r = image_resize(under, TONE_CELLS, TONE_CELLS, &want, e);
    if (r == 0)
        r = image_resize(face, TONE_CELLS, TONE_CELLS, &have, e);
    if (r == 0)
        r = resize(&want, face->width, face->height, e);
    if (r == 0)
        r = resize(&have, face->width, face->height, e);
    for (size_t i = 0; r == 0 && i < (size_t)3 * face->width * face->height; i++)
        face->data[i] = (uint8_t)MIN(MAX(face->data[i] + want.data[i] - have.data[i], 0), 255);
    pixels_release(&want);
    pixels_release(&have);
    return r;
}

/* How much of the face counts, by the distance from the middle of the oval as a share of its radius. */
static inline float share_at(float distance)
{
    float t = MIN(MAX((1.0f - distance) / (1.0f - solid), 0.0f), 1.0f);
    return t * t * (3.0f - 2.0f * t);
}

static void lay_over(const struct pixels *face, const struct face_patch *patch, unsigned scale,
                     struct pixels *out)
{
    for (uint32_t y = 0; y < face->height; y++) {
        uint32_t line = scale * patch->top + y;
        float dy = (((float)line + 0.5f) / (float)scale - patch->middle_y) / patch->radius_y;
        const uint8_t *from = face->data + (size_t)3 * face->width * y;
        uint8_t *to = out->data + out->bands * ((size_t)out->width * line + (size_t)scale * patch->left);
        for (uint32_t x = 0; x < face->width; x++, from += 3, to += out->bands) {
            float column = (float)(scale * patch->left + x) + 0.5f;
            float dx = (column / (float)scale - patch->middle_x) / patch->radius_x;
            float share = share_at(sqrtf(dx * dx + dy * dy));
            for (unsigned b = 0; b < 3; b++)
                to[b] = (uint8_t)((float)to[b] + share * (float)(from[b] - to[b]) + 0.5f);
        }
    }
}

int restore_apply(struct upscale_run *run, const struct face_patch *patch, const struct pixels *in,
                  struct pixels *out, struct error *e)
{
    CHECK(out->width == run->scale * in->width && out->height == run->scale * in->height);
    struct pixels face, under = {0};
    int r = make_face(run, patch, in, &face, e);
    if (r < 0)
        return r;
    r = cut_part(out, run->scale * patch->left, run->scale * patch->top, face.width, face.height, &under, e);
    if (r == 0)
        r = match_tones(&face, &under, e);
    if (r == 0)
        lay_over(&face, patch, run->scale, out);
    pixels_release(&face);
    pixels_release(&under);
    return r;
}
