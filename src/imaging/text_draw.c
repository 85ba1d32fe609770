#include <math.h>

#include "base/check.h"
#include "imaging/bubble.h"
#include "imaging/text.h"

/* The least number of lines that are no wider than `room` (at a size of 1); then the lines are about equal.
 */
static bool wrap(const struct text *t, unsigned end, float room, unsigned lines_max, struct text_lines *ret)
{
    for (unsigned n = 1; n <= lines_max; n++) {
        text_break(t, 0, end, n, false, ret);
        float widest = 0;
        for (unsigned i = 0; i < ret->count; i++)
            widest = MAX(widest, ret->width[i]);
        if (widest <= room)
            return true;
        if (ret->count == end)
            break; /* each atom has a line already */
    }
    return false;
}

/* As much of the text as has room; *ret_whole: all. 0 lines: not even its first word. */
static void choose(const struct text *t, float room, unsigned lines_max, struct text_lines *ret,
                   bool *ret_whole)
{
    *ret_whole = false;
    for (unsigned end = t->count; end > 0; end -= end > 40 ? end / 20 : 1) {
        bool whole = end == t->count && !t->cut;
        if (wrap(t, end, whole ? room : room - TEXT_ELLIPSIS, lines_max, ret)) {
            ret->ellipsis = !whole;
            *ret_whole = whole;
            return;
        }
    }
    ret->count = 0;
}

static int blank(bool colour, VipsImage **ret)
{
    return vips_black(ret, 1, 1, "bands", colour ? 4 : 1, NULL);
}

/* Words were measured at another size, so a line may come out a few pixels wider: then it is tried again with
 * that much less. */
static int render(const struct text *t, int size_px, bool centred, uint32_t width, uint32_t height,
                  bool *ret_whole, VipsImage **ret)
{
    unsigned lines_max = (unsigned)((float)height / ((float)size_px * t->leading));
    float room = (float)width / (float)size_px;
    for (unsigned i = 0; i < 8 && t->count; i++, room *= 0.96f) {
        struct text_lines lines;
        choose(t, room, MIN(lines_max, TEXT_LINES_MAX), &lines, ret_whole);
        if (lines.count == 0)
            break;
        PICTURE_ON_EXIT VipsImage *drawn = NULL;
        if (text_render(t, &lines, size_px, centred, &drawn))
            break; /* characters that no font has any ink for */
        if ((uint32_t)drawn->Xsize <= width && (uint32_t)drawn->Ysize <= height) {
            *ret = TAKE(drawn);
            return 0;
        }
        lines_max = (uint32_t)drawn->Ysize > height && lines_max > 1 ? lines_max - 1 : lines_max;
    }
    *ret_whole = t->count == 0;
    return blank(t->colour, ret);
}

int text_draw(const char *text, int size_px, bool bold, bool centred, uint32_t width, uint32_t height,
              struct text_drawn *ret)
{
    CHECK(size_px > 0);
    CLEANUP(text_release) struct text t = {0};
    struct text_style style = {.face = text_face(text), .bold = bold};
    VipsImage *drawn = NULL;
    bool whole = true;
    if (text_init(&t, text, &style) || render(&t, size_px, centred, width, height, &whole, &drawn))
        return -1;
    *ret = (struct text_drawn){
        .mask = t.colour ? NULL : drawn, .colour = t.colour ? drawn : NULL, .fits = whole};
    return 0;
}
