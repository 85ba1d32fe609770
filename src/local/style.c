#include "local/style.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "local/oklab.h"
#include "local/studio.h"

/* Below this a picture is enlarged for the work, at most ENLARGE_MOST times: lines finer than a pixel could
 * not be drawn. */
enum { SMALL_PX = 700000, ENLARGED_SIDE_MOST = 65535, ENLARGE_MOST = 3 };

static const struct {
    const char *name, *model;
    int (*render)(struct studio *s, struct error *e);
    unsigned steps;
} styles[LOCAL_STYLE_COUNT] = {
    [LOCAL_STYLE_ANIME] = {"anime", "limner-anime", style_anime, 4},
    [LOCAL_STYLE_GHIBLI] = {"ghibli", "limner-ghibli", style_ghibli, 4},
    [LOCAL_STYLE_WATERCOLOR] = {"watercolor", "limner-watercolor", style_watercolor, 4},
    [LOCAL_STYLE_OIL_PAINTING] = {"oil-painting", "limner-oil-paint", style_oil, 3},
    [LOCAL_STYLE_SKETCHES] = {"sketches", "limner-pencil", style_sketch, 4},
    [LOCAL_STYLE_CARTOON] = {"cartoon", "limner-cartoon", style_cartoon, 3},
};

bool style_find(const char *name, enum local_style *ret)
{
    for (unsigned i = 0; i < LOCAL_STYLE_COUNT; i++) {
        if (strcmp(styles[i].name, name) == 0) {
            *ret = (enum local_style)i;
            return true;
        }
    }
    return false;
}

/* The photo, 3 or 4 bands, worked over at its own size; alpha is left as it is. */
static int render(const struct pixels *in, enum local_style style, const struct style_run *run,
                  struct pixels *ret, struct error *e)
{
    struct studio s = {
        .crew = {run->threads, run->cancelled},
        .unit = sqrtf((float)in->width * (float)in->height) / 1000,
        .seed = run->seed,
        .run = run,
        .total = styles[style].steps + 1,
    };
    size_t size = (size_t)in->width * in->height * in->bands;
    struct pixels out = {malloc(size), in->width, in->height, in->bands};
    if (!out.data)
        return error_set(e, ERR_INTERNAL, "no memory for a picture of %u × %u", in->width, in->height);
    memcpy(out.data, in->data, size);
    int r = oklab_from(&s.crew, in, &s.lab, e);
    if (r == 0)
        r = styles[style].render(&s, e);
    if (r == 0)
        r = oklab_into(&s.crew, &s.lab, &out, e);
    plane_release(&s.lab);
    if (r < 0) {
        pixels_release(&out);
        return r;
    }
    CHECK(s.done + 1 == s.total);
    studio_step(&s, 0);
    *ret = out;
    return 0;
}

static int render_enlarged(const struct pixels *in, uint32_t times, enum local_style style,
                           const struct style_run *run, struct pixels *ret, struct error *e)
{
    struct pixels large, drawn, out;
    int r = image_resize(in, in->width * times, in->height * times, &large, e);
    if (r < 0)
        return r;
    r = render(&large, style, run, &drawn, e);
    pixels_release(&large);
    if (r < 0)
        return r;
    r = image_resize(&drawn, in->width, in->height, &out, e);
    pixels_release(&drawn);
    if (r < 0)
        return r;
    for (size_t i = 3; in->bands == 4 && i < (size_t)in->width * in->height * 4; i += 4)
        out.data[i] = in->data[i];
    *ret = out;
    return 0;
}

int style_render(const struct pixels *in, enum local_style style, const struct style_run *run,
                 struct pixels *ret, const char **ret_model, struct error *e)
{
    CHECK(in->bands == 3 || in->bands == 4);
    uint64_t px = (uint64_t)in->width * in->height;
    uint32_t times = 1, side = MAX(in->width, in->height);
    while (times < ENLARGE_MOST && px * times * times < SMALL_PX && side <= ENLARGED_SIDE_MOST / (times + 1))
        times++;
    int r = times == 1 ? render(in, style, run, ret, e) : render_enlarged(in, times, style, run, ret, e);
    if (r == 0)
        *ret_model = styles[style].model;
    return r;
}
