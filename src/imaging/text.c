/* Words are measured all at once: each is drawn on a line of its own, with a ground of its own colour, which
 * is as wide as the word goes on. */
#include "imaging/text.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
    MEASURE_PX = 24,
    COLOUR_STEP = 3, /* between the colours of two words */
    MARKUP_MAX = 1 << 17,
};

static const float blank_width = 0.27f;

/* What is as tall as two storeys of accents, or hangs below, keeps its lines further apart. */
static void look_at(struct text *t)
{
    t->leading = t->style.face == FONT_COMIC ? 1.16f : 1.28f;
    for (const char *at = t->clean; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        if (c >= 0x1f000 || c == 0xfe0f || c == 0x20e3 || (c >= 0x2300 && c < 0x2c00))
            t->colour = true;
        if (c >= 0x590 && !g_unichar_iswide(c) && !(c >= 0x2000 && c < 0x2100))
            t->leading = MAX(t->leading, 1.35f);
        else if (c >= 0x2e80)
            t->leading = MAX(t->leading, 1.22f);
    }
    t->right_to_left = text_is_right_to_left(t->clean);
}

static int draw(const struct text *t, const char *markup, int size_px, bool centred, bool colour,
                VipsImage **ret)
{
    FREE_ON_EXIT char *font =
        mem_printf("%s%s%s%dpx", fonts_families(t->style.face), t->style.bold ? "Bold " : "",
                   t->style.italic ? "Italic " : "", size_px);
    VipsAlign align = centred ? VIPS_ALIGN_CENTRE : VIPS_ALIGN_LOW;
    return vips_text(ret, markup, "font", font, "dpi", 72, "align", align, "rgba", (gboolean)colour, NULL);
}

/* What markup is made of; controls are gone already. */
static void put_escaped(struct buf *markup, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        switch (s[i]) {
        case '<':
            buf_puts(markup, "&lt;");
            break;
        case '>':
            buf_puts(markup, "&gt;");
            break;
        case '&':
            buf_puts(markup, "&amp;");
            break;
        default:
            buf_append(markup, s + i, 1);
        }
}

static unsigned colour_of(unsigned atom)
{
    return (atom + 1) * COLOUR_STEP;
}

/* From the first to the last pixel of a row that has a word's colour. Letters have it, too. */
static void measure_row(struct text *t, const uint8_t *row, int width)
{
    unsigned atom = UINT32_MAX;
    int first = 0;
    for (int x = 0; x < width; x++, row += 4) {
        unsigned colour = (unsigned)row[0] << 16 | (unsigned)row[1] << 8 | row[2];
        if (row[3] < 255 || colour % COLOUR_STEP != 0 || colour == 0 || colour / COLOUR_STEP > t->count)
            continue;
        unsigned here = colour / COLOUR_STEP - 1;
        if (here != atom)
            first = x;
        atom = here;
        float wide = (float)(x + 1 - first) / MEASURE_PX;
        t->atom[atom].width = MAX(t->atom[atom].width, wide);
    }
}

static int measure(struct text *t)
{
    BUF_ON_EXIT struct buf markup;
    buf_init(&markup, MARKUP_MAX);
    for (unsigned i = 0; i < t->count; i++) {
        unsigned colour = colour_of(i);
        buf_printf(&markup, "%s<span background=\"#%06x\" foreground=\"#%06x\">", i ? "\n" : "", colour,
                   colour);
        put_escaped(&markup, t->clean + t->atom[i].at, t->atom[i].len);
        buf_puts(&markup, "</span>");
    }
    PICTURE_ON_EXIT VipsImage *drawn = NULL;
    if (draw(t, buf_text(&markup), MEASURE_PX, false, true, &drawn)) {
        t->count = 0; /* it has no ink: blanks of a kind that do not look like any */
        return 0;
    }
    if (picture_settle(&drawn))
        return -1;
    for (int y = 0; y < drawn->Ysize; y++)
        measure_row(t, drawn->data + 4 * (size_t)y * (size_t)drawn->Xsize, drawn->Xsize);
    return 0;
}

int text_init(struct text *t, const char *raw, const struct text_style *style)
{
    *t = (struct text){.clean = text_tidy(raw), .style = *style};
    t->atom = mem_zalloc(TEXT_ATOMS_MAX * sizeof(*t->atom));
    t->count = text_atoms(t->clean, t->atom, TEXT_ATOMS_MAX, &t->cut);
    look_at(t);
    return t->count ? measure(t) : 0;
}

void text_release(struct text *t)
{
    free(t->clean);
    free(t->atom);
    *t = (struct text){0};
}

float text_width(const struct text *t, unsigned first, unsigned end)
{
    float width = 0;
    for (unsigned i = first; i < end; i++)
        width += t->atom[i].width + (i > first && t->atom[i].blank ? blank_width : 0);
    return width;
}

/* How much of the widest line a line of a round shape has: less at top and bottom. */
static float share_of(unsigned line, unsigned count, bool round)
{
    if (!round || count < 3)
        return 1;
    float off = ((float)line + 0.5f) / (float)count * 2 - 1;
    return MAX(0.55f, sqrtf(1 - 0.8f * off * off));
}

/* As many words as go into each line of that room; false: there are more. */
static bool fill(const struct text *t, unsigned first, unsigned end, unsigned count, bool round, float room,
                 struct text_lines *ret)
{
    unsigned at = first;
    ret->count = 0;
    while (at < end && ret->count < count) {
        float wide = room * share_of(ret->count, count, round), have = t->atom[at].width;
        ret->first[ret->count] = at++;
        while (at < end) {
            float more = t->atom[at].width + (t->atom[at].blank ? blank_width : 0);
            if (have + more > wide)
                break;
            have += more;
            at++;
        }
        ret->width[ret->count++] = have;
    }
    ret->first[ret->count] = at;
    return at == end;
}

void text_break(const struct text *t, unsigned first, unsigned end, unsigned count, bool round,
                struct text_lines *ret)
{
    float high = text_width(t, first, end) + 1, low = 0;
    count = MIN(count, TEXT_LINES_MAX);
    for (unsigned i = 0; i < 14; i++) {
        float middle = (low + high) / 2;
        if (fill(t, first, end, count, round, middle, ret))
            high = middle;
        else
            low = middle;
    }
    /* At 1/0.55 of it the outer lines take all, so this is whole. */
    for (; !fill(t, first, end, count, round, high, ret); high *= 1.1f)
        ;
    ret->ellipsis = false;
}

/* A paragraph's direction is that of its first letters, and each line is one: it is told the whole text's. */
static void put_line(struct buf *markup, const struct text *t, const struct text_lines *lines, unsigned line)
{
    buf_puts(markup, t->right_to_left ? "\u200f" : "\u200e");
    const struct text_atom *a = t->atom + lines->first[line], *z = t->atom + lines->first[line + 1] - 1;
    size_t len = z->at + z->len - a->at;
    if (lines->ellipsis && line + 1 == lines->count)
        while (len > 1 && strchr(".,;:", t->clean[a->at + len - 1])) /* not before an ellipsis */
            len--;
    put_escaped(markup, t->clean + a->at, len);
}

/* The comic face is thinner than a letterer's pen: each dot of it is drawn a second time, fainter, a little
 * to the right. Emoji are not. */
static int thicken(VipsImage **im)
{
    PICTURE_ON_EXIT VipsImage *wide = NULL;
    int bands = (*im)->Bands;
    if (vips_embed(*im, &wide, 0, 0, (*im)->Xsize + 1, (*im)->Ysize, NULL) || picture_settle(&wide))
        return -1;
    for (int y = 0; y < wide->Ysize; y++) {
        uint8_t *row = wide->data + (size_t)y * (size_t)wide->Xsize * (size_t)bands;
        for (int x = wide->Xsize - 1; x > 0; x--) {
            uint8_t *at = row + x * bands, *before = at - bands;
            if (bands == 4 && (at[0] | at[1] | at[2] | before[0] | before[1] | before[2]))
                continue;
            unsigned alpha = at[bands - 1] + before[bands - 1] * 115u / 256;
            at[bands - 1] = (uint8_t)MIN(alpha, 255);
        }
    }
    VipsImage *old = *im;
    *im = TAKE(wide);
    g_object_unref(old);
    return 0;
}

int text_render(const struct text *t, const struct text_lines *lines, int size_px, bool centred,
                VipsImage **ret)
{
    BUF_ON_EXIT struct buf markup;
    buf_init(&markup, MARKUP_MAX);
    buf_printf(&markup, "<span line_height=\"%d\">", (int)lroundf(t->leading * (float)size_px * 1024));
    for (unsigned i = 0; i < lines->count; i++) {
        buf_puts(&markup, i ? "\n" : "");
        put_line(&markup, t, lines, i);
    }
    buf_puts(&markup, lines->ellipsis ? "…</span>" : "</span>");
    PICTURE_ON_EXIT VipsImage *drawn = NULL;
    if (draw(t, buf_text(&markup), size_px, centred, t->colour, &drawn))
        return -1;
    if (t->style.face == FONT_COMIC && !t->style.bold && thicken(&drawn))
        return -1;
    *ret = TAKE(drawn);
    return 0;
}
