#include "imaging/bubble.h"

#include <math.h>
#include <string.h>

#include "base/check.h"
#include "imaging/bubble_parts.h"

enum { SIZE_USUAL = 30, SIZE_FLOOR = 17, SIZE_STEP = 2, SIZE_FOR_FACES = 23, SPLIT_LEAST = 6 };

#define FACE_LITTLE 0.1f /* of it may be hidden */

static const uint8_t ink[3] = {18, 18, 22};

static const struct bubble_look looks[PAGE_EMOTION_COUNT] = {
    [PAGE_NEUTRAL] = {RIM_PLAIN, TAIL_POINTED, 2.4f, 3, 1, 0.62f, 34, false, false, {255, 255, 255}},
    [PAGE_HAPPY] = {RIM_LIVELY, TAIL_POINTED, 2.1f, 3, 1, 0.56f, 36, false, false, {255, 255, 255}},
    [PAGE_SAD] = {RIM_DROOPING, TAIL_POINTED, 2.4f, 2, 0.94f, 0.56f, 20, false, true, {247, 249, 252}},
    [PAGE_ANGRY] = {RIM_SPIKY, TAIL_POINTED, 2.2f, 3.5f, 1.06f, 0.46f, 36, true, false, {255, 255, 255}},
    [PAGE_SURPRISED] = {RIM_BURST, TAIL_POINTED, 2.2f, 3, 1.06f, 0.46f, 34, true, false, {255, 255, 255}},
    [PAGE_THINKING] = {RIM_CLOUD, TAIL_PUFFS, 2.3f, 2.6f, 1, 0.46f, 26, false, true, {255, 255, 255}},
};
static const struct bubble_look narrator = {RIM_BOX, TAIL_NONE, 2,     2,    0.9f,
                                            0.55f,   0,         false, true, {255, 248, 222}};

struct bubbles {
    struct bubble bubble[BUBBLES_MAX];
    unsigned count;
};

struct scene {
    struct text text[PAGE_LINES_MAX];
    unsigned text_count;
    struct bubbles now;
    struct calm calm;
    struct panel_space space;
    struct pixels drawn[BUBBLES_MAX]; /* the texts */
};

static void scene_release(struct scene *s)
{
    for (unsigned i = 0; i < s->text_count; i++)
        text_release(s->text + i);
    for (unsigned i = 0; i < BUBBLES_MAX; i++)
        pixels_release(s->drawn + i);
    calm_release(&s->calm);
}

/* One face for all, so that bubbles beside each other look alike. */
static enum font_face face_for(const struct page_line *line, unsigned count)
{
    enum font_face face = FONT_COMIC;
    for (unsigned i = 0; i < count; i++)
        if (text_face(line[i].text) == FONT_WIDE)
            face = FONT_WIDE;
    return face;
}

/* Lines without a name are all of one who is not known. */
static unsigned speaker_of(const struct page_line *line, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (line[k].voice == PAGE_SPEECH && strcmp(line[k].speaker, line[i].speaker) == 0)
            return k;
    return i;
}

static int add_line(struct scene *s, const struct page_line *line, unsigned i, enum font_face face)
{
    CHECK((unsigned)line[i].emotion < PAGE_EMOTION_COUNT);
    const struct bubble_look *look = line[i].voice == PAGE_CAPTION ? &narrator : looks + line[i].emotion;
    struct text_style style = {.face = face, .bold = look->bold, .italic = look->italic};
    struct text *t = s->text + s->text_count++;
    if (text_init(t, line[i].text, &style))
        return -1;
    if (t->count)
        s->now.bubble[s->now.count++] = (struct bubble){
            .look = look, .text = t, .end = t->count, .ellipsis = t->cut, .speaker = speaker_of(line, i)};
    return 0;
}

/* What is said of the side on which a line's speaker is, by any line of that speaker. */
static enum page_side side_of(const struct page_line *line, unsigned count, unsigned speaker)
{
    for (unsigned i = 0; i < count; i++)
        if (line[i].voice == PAGE_SPEECH && line[i].side != PAGE_SIDE_UNKNOWN &&
            speaker_of(line, i) == speaker)
            return line[i].side;
    return PAGE_SIDE_UNKNOWN;
}

static struct point target_on(const struct scene *s, enum page_side side)
{
    float w = s->space.width, h = s->space.height;
    float left = side == PAGE_RIGHT ? 0.5f * w : 0.05f * w, right = side == PAGE_LEFT ? 0.5f * w : 0.95f * w;
    struct point at = calm_busiest(&s->calm, left, 0.25f * h, right, 0.9f * h);
    return (struct point){at.x, MIN(MAX(at.y, 0.45f * h), 0.75f * h)};
}

/* Speakers of whom nothing is known take turns on the two sides; one alone is where most goes on. */
static void find_speakers(struct scene *s, const struct page_line *line, unsigned count)
{
    unsigned speakers = 0, turn[PAGE_LINES_MAX];
    for (unsigned i = 0; i < count; i++)
        if (line[i].voice == PAGE_SPEECH && speaker_of(line, i) == i)
            turn[i] = speakers++;
    for (unsigned i = 0; i < s->now.count; i++) {
        struct bubble *b = s->now.bubble + i;
        if (b->look == &narrator)
            continue;
        enum page_side side = side_of(line, count, b->speaker);
        if (side == PAGE_SIDE_UNKNOWN && speakers > 1)
            side = (turn[b->speaker] % 2 == 0) != s->space.right_to_left ? PAGE_LEFT : PAGE_RIGHT;
        b->target = target_on(s, side);
        b->on_side = side != PAGE_SIDE_UNKNOWN || s->now.count > 1;
    }
}

static int prepare(struct scene *s, const struct page_line *line, unsigned count, bool right_to_left,
                   const struct pixels *canvas)
{
    s->space = (struct panel_space){(float)canvas->width, (float)canvas->height, &s->calm, right_to_left};
    enum font_face face = face_for(line, count);
    for (unsigned i = 0; i < count; i++)
        if (add_line(s, line, i, face))
            return -1;
    if (s->now.count == 0)
        return 0;
    if (calm_init(&s->calm, canvas))
        return -1;
    find_speakers(s, line, count);
    return 0;
}

/* Takes off what is more than `room` (one line's width at a size of 1, times the lines' distance). */
static void cut(struct scene *s, float room)
{
    for (unsigned i = 0; i < s->now.count; i++) {
        struct bubble *b = s->now.bubble + i;
        unsigned end = b->end;
        while (end > b->first + 1 && text_width(b->text, b->first, end) * b->text->leading > room)
            end -= MAX(1, (end - b->first) / 16);
        b->ellipsis |= end < b->end;
        b->end = end;
    }
}

static bool place(struct scene *s, int size, float slack)
{
    float share = 0.34f + 0.5f * (float)(SIZE_USUAL - size) / (SIZE_USUAL - SIZE_FLOOR);
    return bubbles_place(s->now.bubble, s->now.count, &s->space, (float)size, slack, share);
}

/* The largest size that there is room for. Small text may cover more of the picture. While a face is hidden,
 * some smaller sizes are tried, too. */
static bool fit(struct scene *s, float slack)
{
    struct bubbles best;
    float least = INFINITY;
    for (int size = SIZE_USUAL; size >= SIZE_FLOOR;
         size -= size > SIZE_FLOOR && size - SIZE_STEP < SIZE_FLOOR ? 1 : SIZE_STEP) {
        if (!place(s, size, slack))
            continue;
        float hidden = bubbles_hide(s->now.bubble, s->now.count, &s->space) - FACE_LITTLE;
        float cost = MAX(hidden, 0) + 0.02f * (float)(SIZE_USUAL - size);
        if (cost < least) {
            least = cost;
            best = s->now;
        }
        if (hidden <= 0 || size < SIZE_FOR_FACES)
            break;
    }
    if (least == INFINITY)
        return false;
    s->now = best;
    return true;
}

/* The one with the most text that is not split and can be; else count. */
static unsigned longest(const struct scene *s)
{
    unsigned best = s->now.count;
    float most = 0;
    for (unsigned i = 0; i < s->now.count; i++) {
        const struct bubble *b = s->now.bubble + i;
        bool is_half = b->follows || (i + 1 < s->now.count && b[1].follows);
        float width = text_width(b->text, b->first, b->end);
        if (!is_half && b->end - b->first >= SPLIT_LEAST && s->now.count < BUBBLES_MAX && width > most) {
            most = width;
            best = i;
        }
    }
    return best;
}

/* In the middle, or a little off, behind the end of a sentence. */
static unsigned middle_of(const struct bubble *b)
{
    float whole = text_width(b->text, b->first, b->end), best = INFINITY;
    unsigned at = b->first + 1;
    for (unsigned i = b->first + 1; i < b->end; i++) {
        const struct text_atom *before = b->text->atom + i - 1;
        bool ends = strchr(".!?,;", b->text->clean[before->at + before->len - 1]) != NULL;
        float off = fabsf(text_width(b->text, b->first, i) / whole - 0.5f) + (ends ? 0 : 0.15f);
        if (off < best) {
            best = off;
            at = i;
        }
    }
    return at;
}

static void split(struct scene *s, unsigned i)
{
    memmove(s->now.bubble + i + 1, s->now.bubble + i, (s->now.count - i) * sizeof(*s->now.bubble));
    s->now.count++;
    struct bubble *b = s->now.bubble + i;
    b[0].end = b[1].first = middle_of(b);
    b[0].ellipsis = false;
    b[1].follows = true;
}

static bool fit_split(struct scene *s, float slack)
{
    for (unsigned i; (i = longest(s)) < s->now.count;) {
        split(s, i);
        if (fit(s, slack))
            return true;
    }
    return false;
}

/* As much of each line as there is room for at the floor. false: not even a word. */
static bool fit_cut(struct scene *s, const struct bubbles *whole, float slack, float room)
{
    struct bubbles best;
    bool any = false;
    float least = 0;
    for (unsigned i = 0; i < 7; i++) {
        float middle = (least + room) / 2;
        s->now = *whole;
        cut(s, middle);
        if (place(s, SIZE_FLOOR, slack)) {
            any = true;
            best = s->now;
            least = middle;
        } else {
            room = middle;
        }
    }
    if (any)
        s->now = best;
    return any;
}

/* Smaller text, then more bubbles, then less text; a panel that holds no word stays without its last line.
 * What could not be read in it even if nothing else were there is taken off at once. */
static void choose(struct scene *s, float slack)
{
    struct bubbles whole;
    while (s->now.count) {
        float room =
            0.7f * s->space.width * s->space.height / (SIZE_FLOOR * SIZE_FLOOR) / (float)s->now.count;
        cut(s, room);
        whole = s->now;
        if (fit(s, slack) || fit_split(s, slack) || fit_cut(s, &whole, slack, room))
            return;
        s->now = whole;
        s->now.count--;
    }
}

static int draw_texts(struct scene *s)
{
    for (unsigned i = 0; i < s->now.count; i++) {
        const struct bubble *b = s->now.bubble + i;
        PICTURE_ON_EXIT VipsImage *drawn = NULL;
        pixels_release(s->drawn + i);
        if (text_render(b->text, &b->shape[b->chosen].lines, b->size_px, true, &drawn))
            continue; /* nothing but what no font has ink for: an empty bubble */
        if (picture_take(drawn, s->drawn + i))
            return -1;
    }
    return 0;
}

static bool all_fit(const struct scene *s)
{
    for (unsigned i = 0; i < s->now.count; i++)
        if (!bubble_text_fits(s->now.bubble + i, s->drawn + i))
            return false;
    return true;
}

/* Widths are measured word by word at one size; where a line comes out wider, all is done with more room. */
static int arrange(struct scene *s)
{
    static const float slacks[] = {1.01f, 1.05f, 1.12f, 1.3f, 1.6f};
    struct bubbles kept = s->now;
    for (unsigned i = 0; i < ARRAY_LEN(slacks); i++) {
        s->now = kept;
        choose(s, slacks[i]);
        if (draw_texts(s))
            return -1;
        if (all_fit(s))
            break;
    }
    for (unsigned i = 0; i < s->now.count; i++)
        tail_choose(s->now.bubble, s->now.count, i, &s->space);
    return 0;
}

/* The rectangle that holds bubbles first…end − 1, with tails. */
static int field_around(const struct scene *s, unsigned first, unsigned end, struct field *ret)
{
    float left = s->space.width, top = s->space.height, right = 0, bottom = 0;
    for (unsigned i = first; i < end; i++) {
        const struct bubble *b = s->now.bubble + i;
        struct point c = b->body.centre, reach = bubble_reach(b->look, b->body.a, b->body.b);
        struct point tip = b->tail ? b->tip : c;
        left = MIN(left, MIN(c.x - reach.x, tip.x));
        right = MAX(right, MAX(c.x + reach.x, tip.x));
        top = MIN(top, MIN(c.y - reach.y, tip.y));
        bottom = MAX(bottom, MAX(c.y + reach.y, tip.y));
    }
    int x = (int)left - 8, y = (int)top - 8;
    return field_init(ret, x, y, (int)right + 8 - x, (int)bottom + 8 - y);
}

/* Bubbles of one line become one shape. */
static int draw_shape(const struct scene *s, unsigned first, unsigned end, const struct pixels *canvas)
{
    CLEANUP(field_release) struct field f = {0};
    if (field_around(s, first, end, &f))
        return -1;
    for (unsigned i = first; i < end; i++) {
        struct outline o;
        struct body body = s->now.bubble[i].body;
        tail_bare(s->now.bubble + i, &body);
        outline_body(&body, &o);
        field_add(&f, &o);
        tail_add(s->now.bubble + i, &f);
        if (i > first) { /* and are joined */
            outline_band(&s->now.bubble[i - 1].body, &s->now.bubble[i].body, 18, &o);
            field_add(&f, &o);
        }
    }
    const struct bubble_look *look = s->now.bubble[first].look;
    struct field_paint paint = {.stroke = look->stroke};
    memcpy(paint.line, ink, sizeof(ink));
    memcpy(paint.fill, look->fill, sizeof(ink));
    field_paint(&f, &paint, canvas);
    return 0;
}

/* Its middle in the body's middle. */
static void put_text(const struct bubble *b, const struct pixels *text, const struct pixels *canvas)
{
    int left = (int)lroundf(b->body.centre.x - (float)text->width / 2);
    int top = (int)lroundf(b->body.centre.y - (float)text->height / 2);
    for (int y = MAX(0, -top); y < MIN((int)text->height, (int)canvas->height - top); y++)
        for (int x = MAX(0, -left); x < MIN((int)text->width, (int)canvas->width - left); x++) {
            const uint8_t *from = text->data + ((size_t)y * text->width + (size_t)x) * text->bands;
            uint8_t *to = canvas->data + 3 * ((size_t)(y + top) * canvas->width + (size_t)(x + left));
            const uint8_t *colour = text->bands == 4 ? from : ink;
            unsigned alpha = from[text->bands - 1];
            for (unsigned k = 0; k < 3; k++)
                to[k] = (uint8_t)((to[k] * (255 - alpha) + colour[k] * alpha + 127) / 255);
        }
}

static int draw(const struct scene *s, const struct pixels *canvas)
{
    for (unsigned first = 0, end; first < s->now.count; first = end) {
        for (end = first + 1; end < s->now.count && s->now.bubble[end].follows; end++)
            ;
        if (draw_shape(s, first, end, canvas))
            return -1;
    }
    for (unsigned i = 0; i < s->now.count; i++)
        put_text(s->now.bubble + i, s->drawn + i, canvas);
    return 0;
}

int bubbles_draw(VipsImage **panel, const struct page_line *line, unsigned line_count, bool right_to_left)
{
    CHECK(vips_image_get_bands(*panel) == 3 && vips_image_get_format(*panel) == VIPS_FORMAT_UCHAR);
    CHECK(line_count <= PAGE_LINES_MAX);
    if (picture_settle(panel))
        return -1;
    size_t size = 3 * (size_t)(*panel)->Xsize * (size_t)(*panel)->Ysize;
    PICTURE_ON_EXIT VipsImage *out = vips_image_new_from_memory_copy(
        (*panel)->data, size, (*panel)->Xsize, (*panel)->Ysize, 3, VIPS_FORMAT_UCHAR); /* to be drawn on */
    if (!out)
        return -1;
    out->Type = VIPS_INTERPRETATION_sRGB;
    struct pixels canvas = {out->data, (uint32_t)out->Xsize, (uint32_t)out->Ysize, 3};
    CLEANUP(scene_release) struct scene s = {0};
    if (prepare(&s, line, line_count, right_to_left, &canvas) || arrange(&s) || draw(&s, &canvas))
        return -1;
    g_object_unref(*panel);
    *panel = TAKE(out);
    return 0;
}
