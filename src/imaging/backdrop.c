#include "imaging/backdrop.h"

#include <math.h>
#include <string.h>

#include "base/check.h"

/* Where a side's free space goes, or what is cut off it: 0 all behind, 1 all in front. */
static const struct {
    const char *word;
    double across, down;
} positions[COMPOSE_POSITION_COUNT] = {
    [COMPOSE_CENTRE] = {"centre", 0.5, 0.5},         [COMPOSE_TOP] = {"top", 0.5, 0},
    [COMPOSE_RIGHT_TOP] = {"right top", 1, 0},       [COMPOSE_RIGHT] = {"right", 1, 0.5},
    [COMPOSE_RIGHT_BOTTOM] = {"right bottom", 1, 1}, [COMPOSE_BOTTOM] = {"bottom", 0.5, 1},
    [COMPOSE_LEFT_BOTTOM] = {"left bottom", 0, 1},   [COMPOSE_LEFT] = {"left", 0, 0.5},
    [COMPOSE_LEFT_TOP] = {"left top", 0, 0},
};

static const char *const fits[COMPOSE_FIT_COUNT] = {
    [COMPOSE_COVER] = "cover",   [COMPOSE_CONTAIN] = "contain", [COMPOSE_FILL] = "fill",
    [COMPOSE_INSIDE] = "inside", [COMPOSE_OUTSIDE] = "outside",
};

bool compose_fit_parse(const char *word, enum compose_fit *ret)
{
    for (unsigned i = 0; i < COMPOSE_FIT_COUNT; i++)
        if (strcmp(word, fits[i]) == 0) {
            *ret = (enum compose_fit)i;
            return true;
        }
    return false;
}

bool compose_position_parse(const char *word, enum compose_position *ret)
{
    if (strcmp(word, "center") == 0)
        word = positions[COMPOSE_CENTRE].word;
    for (unsigned i = 0; i < COMPOSE_POSITION_COUNT; i++)
        if (strcmp(word, positions[i].word) == 0) {
            *ret = (enum compose_position)i;
            return true;
        }
    return false;
}

/* One side, the whole of the picture on it at `size` pixels: cut off where that is too much, else placed. */
static void place_side(double size, uint32_t canvas, double position, double *ret_from, double *ret_share,
                       uint32_t *ret_at, uint32_t *ret_count)
{
    *ret_share = MIN(1, canvas / size);
    *ret_from = (1 - *ret_share) * position;
    *ret_count = (uint32_t)MAX(1, MIN(lround(size), canvas));
    *ret_at = (uint32_t)floor((canvas - *ret_count) * position);
}

void backdrop_place(uint32_t width, uint32_t height, uint32_t canvas_width, uint32_t canvas_height,
                    enum compose_fit fit, enum compose_position position, struct placement *ret)
{
    CHECK(width > 0 && height > 0 && canvas_width > 0 && canvas_height > 0);
    double across = (double)canvas_width / width, down = (double)canvas_height / height;
    switch (fit) {
    case COMPOSE_OUTSIDE:
        position = COMPOSE_CENTRE;
        __attribute__((fallthrough));
    case COMPOSE_COVER:
        across = down = MAX(across, down);
        break;
    case COMPOSE_INSIDE:
        position = COMPOSE_CENTRE;
        __attribute__((fallthrough));
    case COMPOSE_CONTAIN:
        across = down = MIN(across, down);
        break;
    case COMPOSE_FILL:
        break;
    case COMPOSE_FIT_COUNT:
        CHECK(false && "no fit");
    }
    struct placement p;
    place_side(across * width, canvas_width, positions[position].across, &p.part.left, &p.part.width, &p.left,
               &p.width);
    place_side(down * height, canvas_height, positions[position].down, &p.part.top, &p.part.height, &p.top,
               &p.height);
    *ret = p;
}

static void replace(VipsImage **im, VipsImage *next)
{
    g_object_unref(*im);
    *im = next;
}

/* White around it, or nothing. */
static int surround(VipsImage **im, const struct placement *p, uint32_t width, uint32_t height, bool clear)
{
    if (p->width == width && p->height == height)
        return 0;
    VipsImage *out = NULL;
    if (clear && !vips_image_hasalpha(*im)) {
        if (vips_addalpha(*im, &out, NULL))
            return -1;
        replace(im, out);
    }
    if (vips_embed(*im, &out, (int)p->left, (int)p->top, (int)width, (int)height, "extend",
                   clear ? VIPS_EXTEND_BLACK : VIPS_EXTEND_WHITE, NULL))
        return -1;
    replace(im, out);
    return 0;
}

int backdrop_draw(const struct compose_request *req, uint32_t width, uint32_t height, bool clear,
                  struct pixels *ret, struct error *e)
{
    const struct image_info *info = &req->background_info;
    struct placement p;
    backdrop_place(info->width, info->height, width, height, req->fit, req->position, &p);
    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (part_open(req->background, info, &p.part, p.width, p.height, &im) ||
        (!clear && picture_flatten(&im)) || surround(&im, &p, width, height, clear) || picture_take(im, ret))
        return error_set_field(e, ERR_VALIDATION, "bg",
                               "The background's data is damaged and cannot be read in full");
    return 0;
}
