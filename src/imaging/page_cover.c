/* Happy path: the picture covers the page; the title is set as large as it may be and still fits, in lines of
 * about the same length; it goes where the eye is not drawn to, above or below, on a shade that lets it be
 * read on any picture; who made it stands at the foot. */
#include <math.h>

#include "base/check.h"
#include "imaging/page_encode.h"
#include "imaging/page_fit.h"
#include "imaging/page_ink.h"

enum {
    MARGIN = 60,
    TITLE_WIDTH = PAGE_WIDTH - 2 * MARGIN,
    TITLE_HEIGHT = 560,
    TITLE_MOST = 280, /* sizes in pixels */
    TITLE_LEAST = 28,
    BYLINE_SIZE = 34,
    BYLINE_HEIGHT = 60,
    SHADE_REACH = 150 /* how far a shade goes beyond what stands on it */
};

static const struct ink title_ink = {255, 221, 74}, outline_ink = {22, 18, 30}, byline_ink = {255, 255, 255},
                        shade_ink = {8, 8, 16};

static int drawing_failed(struct error *e)
{
    return picture_failed(e, "drawn as a cover");
}

/* As large as it fits; what does not fit at the least size ends with an ellipsis. */
static int set_title(const char *title, struct text_drawn *ret, int *ret_size)
{
    int size = TITLE_MOST;
    struct text_drawn text = {0};
    while (!text_draw(title, size, true, true, TITLE_WIDTH, TITLE_HEIGHT, &text)) {
        if (text.fits || size == TITLE_LEAST) {
            *ret = text;
            *ret_size = size;
            return 0;
        }
        drawn_release(&text);
        size = MAX(size * 9 / 10, TITLE_LEAST);
    }
    return -1;
}

/* With a dark line around it and a shadow, its top at y; the middle of the page. */
static int paint_text(struct pixels *page, const struct text_drawn *text, int y, int radius,
                      struct ink colour)
{
    CLEANUP(pixels_release) struct pixels mask = {0}, grown = {0};
    if (drawn_mask(text, &mask) || ink_grow(&mask, (unsigned)radius, &grown))
        return -1;
    int x = ((int)page->width - (int)mask.width) / 2;
    ink_mask(page, &grown, x - radius + radius / 2, y, outline_ink, 120);
    ink_mask(page, &grown, x - radius, y - radius, outline_ink, 255);
    return ink_text(page, text, x, y, colour);
}

/* Deep blue to teal, with a printer's dots that grow towards the foot. */
static void paint_ground(struct pixels *page)
{
    static const struct ink above = {38, 42, 92}, below = {32, 128, 142}, dot = {255, 255, 255};
    static const double grid = 30, largest = 11;
    for (uint32_t y = 0; y < page->height; y++)
        for (uint32_t x = 0; x < page->width; x++) {
            double down = (double)y / page->height;
            uint32_t row = (uint32_t)(y / (grid / 2));
            double centre = (row % 2 ? grid / 2 : 0), off = fmod(x + centre, grid) - grid / 2;
            double far = hypot(off, y - (row + 0.5) * (grid / 2));
            double cover = fmax(0, fmin(1, largest * (down - 0.35) - far + 0.5)) * 0.14;
            uint8_t *to = page->data + ((size_t)y * page->width + x) * 3;
            to[0] = (uint8_t)lround((above.r + (below.r - above.r) * down) * (1 - cover) + dot.r * cover);
            to[1] = (uint8_t)lround((above.g + (below.g - above.g) * down) * (1 - cover) + dot.g * cover);
            to[2] = (uint8_t)lround((above.b + (below.b - above.b) * down) * (1 - cover) + dot.b * cover);
        }
}

static int paint_byline(struct pixels *page, const char *byline)
{
    CLEANUP(drawn_release) struct text_drawn text = {0};
    if (!*byline)
        return 0;
    int width, height;
    if (text_draw(byline, BYLINE_SIZE, true, true, TITLE_WIDTH, BYLINE_HEIGHT, &text))
        return -1;
    drawn_size(&text, &width, &height);
    return paint_text(page, &text, PAGE_HEIGHT - MARGIN - height, 4, byline_ink);
}

enum place { ABOVE, MIDDLE, BELOW };

static int paint_title(struct pixels *page, const char *title, enum place place)
{
    CLEANUP(drawn_release) struct text_drawn text = {0};
    int size, width, height;
    if (!*title)
        return 0;
    if (set_title(title, &text, &size))
        return -1;
    drawn_size(&text, &width, &height);
    int y = place == ABOVE    ? MARGIN + 10
            : place == MIDDLE ? PAGE_HEIGHT * 2 / 5 - height / 2
                              : PAGE_HEIGHT - MARGIN - BYLINE_HEIGHT - 30 - height;
    if (place == ABOVE)
        ink_shade(page, 0, y + height + SHADE_REACH, shade_ink, 190, 0);
    if (place == BELOW)
        ink_shade(page, y - SHADE_REACH, PAGE_HEIGHT - y + SHADE_REACH, shade_ink, 0, 210);
    return paint_text(page, &text, y, MAX(4, size / 14), title_ink);
}

static int draw(const struct page_cover *cover, struct pixels *page, VipsImage *im,
                const struct page_view *view)
{
    enum place place = !im ? MIDDLE : view->down < 0.5 ? BELOW : ABOVE;
    if (im && ink_picture(page, im, 0, 0))
        return -1;
    if (!im)
        paint_ground(page);
    else if (place == ABOVE && *cover->byline)
        ink_shade(page, PAGE_HEIGHT - MARGIN - SHADE_REACH, MARGIN + SHADE_REACH, shade_ink, 0, 190);
    return paint_title(page, cover->title, place) || paint_byline(page, cover->byline) ? -1 : 0;
}

int page_render_cover(const struct page_cover *cover, struct page_made *ret, struct error *e)
{
    CLEANUP(pixels_release) struct pixels page = {0};
    PICTURE_ON_EXIT VipsImage *im = NULL;
    struct page_view view;
    if (ink_new(PAGE_WIDTH, PAGE_HEIGHT, (struct ink){255, 255, 255}, &page))
        return drawing_failed(e);
    if (cover->image && page_fit(cover->image, &cover->info, PAGE_WIDTH, PAGE_HEIGHT, &im, &view))
        return error_set_field(e, ERR_VALIDATION, "image",
                               "The cover's picture is damaged and cannot be read in full");
    if (draw(cover, &page, im, &view))
        return drawing_failed(e);
    struct blob *image;
    int r = page_encode(&page, cover->output, cover->quality, &image, e);
    if (r)
        return r;
    *ret = (struct page_made){image, cover->output, PAGE_WIDTH, PAGE_HEIGHT};
    return 0;
}
