#include "local/alpha.h"

#include <string.h>

#include "base/check.h"
#include "base/macros.h"

static const uint16_t far_away = UINT16_MAX;

/* Pixel `at` takes the colour of `from` if that one is nearer to a visible pixel. */
static inline void spread_one(uint8_t *colour, uint16_t *distance, size_t at, size_t from)
{
    /* The analyzer does not see that `from` is a neighbour inside the picture. */
    if (distance[from] == far_away || distance[from] + 1 >= distance[at]) // NOLINT
        return;
    distance[at] = (uint16_t)(distance[from] + 1);
    memcpy(colour + 3 * at, colour + 3 * from, 3);
}

/* There and back again: twice over the picture are enough for nearly the nearest. */
static void spread(struct pixels *p, uint16_t *distance)
{
    size_t wide = p->width, count = wide * p->height;
    for (size_t i = 0; i < count; i++) {
        if (i >= wide)
            spread_one(p->data, distance, i, i - wide);
        if (i % wide)
            spread_one(p->data, distance, i, i - 1);
    }
    for (size_t i = count; i-- > 0;) {
        if (i + wide < count)
            spread_one(p->data, distance, i, i + wide);
        if ((i + 1) % wide)
            spread_one(p->data, distance, i, i + 1);
    }
}

int alpha_split(const struct pixels *in, struct pixels *ret_colour, struct pixels *ret_alpha, struct error *e)
{
    CHECK(in->bands == 4);
    size_t count = (size_t)in->width * in->height;
    struct pixels colour = {malloc(3 * count), in->width, in->height, 3};
    struct pixels alpha = {malloc(count), in->width, in->height, 1};
    FREE_ON_EXIT uint16_t *distance = malloc(sizeof(*distance) * count);
    if (!colour.data || !alpha.data || !distance) {
        pixels_release(&colour);
        pixels_release(&alpha);
        return error_set(e, ERR_INTERNAL, "no memory for the transparency of a picture");
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(colour.data + 3 * i, in->data + 4 * i, 3);
        alpha.data[i] = in->data[4 * i + 3];
        distance[i] = alpha.data[i] ? 0 : far_away;
    }
    spread(&colour, distance);
    *ret_colour = colour;
    *ret_alpha = alpha;
    return 0;
}

int alpha_join(const struct pixels *alpha, struct pixels *to, struct error *e)
{
    CHECK(alpha->bands == 1 && to->bands == 4);
    struct pixels larger;
    int r = image_resize(alpha, to->width, to->height, &larger, e);
    if (r < 0)
        return r;
    size_t count = (size_t)to->width * to->height;
    for (size_t i = 0; i < count; i++)
        to->data[4 * i + 3] = larger.data[i];
    pixels_release(&larger);
    return 0;
}
