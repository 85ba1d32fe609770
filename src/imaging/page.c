/* Happy path: paper; for each panel its picture is fitted to the cell, what is said is drawn over it, and it
 * is laid on the paper and framed; the whole is encoded. One panel is in memory at a time. */
#include "imaging/page.h"

#include "base/check.h"
#include "imaging/page_encode.h"
#include "imaging/page_fit.h"
#include "imaging/page_ink.h"

enum { BORDER = 4, LABEL_SIZE = 34, LABEL_MARGIN = 40 };

static const struct ink paper = {255, 255, 255}, border = {24, 24, 28}, field = {236, 239, 243},
                        label_ink = {104, 111, 122};

static int drawing_failed(struct error *e)
{
    return picture_failed(e, "drawn as a page");
}

static int unreadable_panel(unsigned i, struct error *e)
{
    return error_set_field(e, ERR_VALIDATION, "image",
                           "The picture of panel %u is damaged and cannot be read in full", i + 1);
}

/* Light, with the label in its middle. */
static int draw_field(const char *label, uint32_t width, uint32_t height, VipsImage **ret)
{
    CLEANUP(pixels_release) struct pixels p = {0};
    CLEANUP(drawn_release) struct text_drawn text = {0};
    if (ink_new(width, height, field, &p))
        return -1;
    if (label && *label) {
        int text_width, text_height;
        if (text_draw(label, LABEL_SIZE, false, true, width - 2 * LABEL_MARGIN, height - 2 * LABEL_MARGIN,
                      &text))
            return -1;
        drawn_size(&text, &text_width, &text_height);
        if (ink_text(&p, &text, ((int)width - text_width) / 2, ((int)height - text_height) / 2, label_ink))
            return -1;
    }
    VipsImage *im = ink_copy(&p);
    if (!im)
        return -1;
    *ret = im;
    return 0;
}

static bool is_silent(const struct page_panel *panel)
{
    for (unsigned i = 0; i < panel->line_count; i++)
        if (*panel->line[i].text)
            return false;
    return true;
}

static int draw_panel(const struct page_request *req, unsigned i, struct pixels *page,
                      unsigned *ret_bad_panel, struct error *e)
{
    const struct page_panel *panel = &req->panel[i];
    CHECK(panel->line_count <= PAGE_LINES_MAX);
    uint32_t x, y, width, height;
    page_cell(req->panel_count, i, req->right_to_left, &x, &y, &width, &height);

    PICTURE_ON_EXIT VipsImage *im = NULL;
    if (panel->image && page_fit(panel->image, &panel->info, width, height, &im, NULL)) {
        *ret_bad_panel = i;
        return unreadable_panel(i, e);
    }
    if (!panel->image && draw_field(panel->label, width, height, &im))
        return drawing_failed(e);
    if (!is_silent(panel) && bubbles_draw(&im, panel->line, panel->line_count, req->right_to_left))
        return drawing_failed(e);
    if (picture_settle(&im) || ink_picture(page, im, (int)x, (int)y))
        return drawing_failed(e);
    ink_frame(page, (int)x, (int)y, (int)width, (int)height, BORDER, border);
    return 0;
}

int page_render(const struct page_request *req, struct page_made *ret, unsigned *ret_bad_panel,
                struct error *e)
{
    CHECK(req->panel_count >= 1 && req->panel_count <= PAGE_PANELS_MAX);
    CLEANUP(pixels_release) struct pixels page = {0};
    if (ink_new(PAGE_WIDTH, PAGE_HEIGHT, paper, &page))
        return drawing_failed(e);
    for (unsigned i = 0; i < req->panel_count; i++) {
        int r = draw_panel(req, i, &page, ret_bad_panel, e);
        if (r)
            return r;
    }
    struct blob *image;
    int r = page_encode(&page, req->output, req->quality, &image, e);
    if (r)
        return r;
    *ret = (struct page_made){image, req->output, PAGE_WIDTH, PAGE_HEIGHT};
    return 0;
}
