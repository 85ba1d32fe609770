#include "imaging/bubble.h"

#include <math.h>
#include <pthread.h>

#include "samples.h"

enum { WIDE = 504, HIGH = 496 };

/* No grey, so that no soft edge of a letter has it. */
static const uint8_t ground[3] = {170, 90, 200};

static int start(void **state)
{
    struct error e = {0};
    int r = imaging_group_start(state);
    if (r == 0 && page_fonts_start(&e)) {
        print_error("%s\n", e.reason);
        r = -1;
    }
    return r;
}

static VipsImage *plain(uint32_t width, uint32_t height)
{
    struct pixels p = {mem_alloc((size_t)width * height * 3), width, height, 3};
    for (size_t i = 0; i < (size_t)width * height; i++)
        memcpy(p.data + 3 * i, ground, 3);
    VipsImage *im = sample_view(&p);
    pixels_release(&p);
    return im;
}

/* Takes the panel. */
static struct pixels drawn_on(VipsImage *panel, const struct page_line *line, unsigned count,
                              bool right_to_left)
{
    struct pixels p = {0};
    assert_int_equal(bubbles_draw(&panel, line, count, right_to_left), 0);
    assert_int_equal(picture_take(panel, &p), 0);
    g_object_unref(panel);
    return p;
}

static struct pixels drawn(const struct page_line *line, unsigned count)
{
    return drawn_on(plain(WIDE, HIGH), line, count, false);
}

static struct page_line says(const char *text, enum page_emotion emotion)
{
    return (struct page_line){.text = text, .speaker = "Lan", .emotion = emotion};
}

static struct pixels text_of(const char *text, int size)
{
    struct text_drawn d = {0};
    struct pixels p = {0};
    assert_int_equal(text_draw(text, size, false, true, 400, 300, &d), 0);
    assert_true(!d.mask != !d.colour);
    assert_true(d.fits);
    VipsImage *im = d.mask ? d.mask : d.colour;
    assert_int_equal(picture_take(im, &p), 0);
    assert_int_equal(p.bands, d.mask ? 1 : 4);
    g_object_unref(im);
    return p;
}

static bool same(const struct pixels *a, const struct pixels *b)
{
    return a->width == b->width && a->height == b->height && a->bands == b->bands &&
           memcmp(a->data, b->data, (size_t)a->width * a->height * a->bands) == 0;
}

/* Parts of a picture that hang together: what is not the ground's colour, and in it what is dark. */
struct parts {
    int *label;     /* of each pixel; 0: none, or not dark */
    unsigned count; /* 1…count */
};

enum { PARTS_MAX = 400 };

static bool is_ground(const struct pixels *p, uint32_t x, uint32_t y)
{
    return memcmp(sample_at(p, x, y), ground, 3) == 0;
}

static bool is_dark(const struct pixels *p, size_t i)
{
    return p->data[3 * i] < 80;
}

/* Dark pixels that touch each other have one label. */
static struct parts parts_of(const struct pixels *p)
{
    size_t count = (size_t)p->width * p->height, filled;
    struct parts parts = {mem_zalloc(count * sizeof(int)), 0};
    size_t *stack = mem_alloc(count * sizeof(*stack));
    for (size_t start_at = 0; start_at < count; start_at++) {
        if (parts.label[start_at] || !is_dark(p, start_at))
            continue;
        parts.label[start_at] = (int)++parts.count;
        stack[0] = start_at;
        filled = 1;
        while (filled) {
            size_t at = stack[--filled];
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++) {
                    long x = (long)(at % p->width) + dx, y = (long)(at / p->width) + dy;
                    size_t next = (size_t)(y * (long)p->width + x);
                    if (x < 0 || y < 0 || x >= (long)p->width || y >= (long)p->height || parts.label[next] ||
                        !is_dark(p, next))
                        continue;
                    parts.label[next] = parts.label[at];
                    stack[filled++] = next;
                }
        }
    }
    free(stack);
    assert_true(parts.count < PARTS_MAX);
    return parts;
}

static void drop_parts(struct parts *p)
{
    free(p->label);
}

/* Which parts have the ground within two pixels of them: those are outlines, the others are letters. */
static unsigned outlines_of(const struct pixels *p, const struct parts *parts, bool outline[static PARTS_MAX])
{
    unsigned count = 0;
    memset(outline, 0, PARTS_MAX);
    for (uint32_t y = 3; y + 3 < p->height; y++)
        for (uint32_t x = 3; x + 3 < p->width; x++) {
            int label = parts->label[y * p->width + x];
            if (!label || outline[label])
                continue;
            for (uint32_t v = y - 2; v <= y + 2; v++)
                for (uint32_t u = x - 2; u <= x + 2; u++)
                    outline[label] |= is_ground(p, u, v);
            count += outline[label];
        }
    return count;
}

/* Letters are somewhere, and nowhere within `distance` of an outline. Returns the number of outlines. */
static unsigned assert_text_inside(const struct pixels *p, uint32_t distance)
{
    CLEANUP(drop_parts) struct parts parts = parts_of(p);
    bool outline[PARTS_MAX];
    unsigned count = outlines_of(p, &parts, outline), ink = 0;
    for (uint32_t y = distance; y + distance < p->height; y++)
        for (uint32_t x = distance; x + distance < p->width; x++) {
            int label = parts.label[y * p->width + x];
            if (!label || outline[label])
                continue;
            ink++;
            for (uint32_t v = y - distance; v <= y + distance; v++)
                for (uint32_t u = x - distance; u <= x + distance; u++)
                    assert_false(outline[parts.label[v * p->width + u]]);
        }
    assert_true(ink > 20);
    return count;
}

/* Nothing is drawn within 8 pixels of the edge. Returns how many pixels are drawn. */
static size_t assert_inside_panel(const struct pixels *p)
{
    size_t count = 0;
    for (uint32_t y = 0; y < p->height; y++)
        for (uint32_t x = 0; x < p->width; x++)
            if (!is_ground(p, x, y)) {
                assert_in_range(x, 8, p->width - 9);
                assert_in_range(y, 8, p->height - 9);
                count++;
            }
    return count;
}

static struct point {
    double x, y;
} middle_of(const struct pixels *p)
{
    double x = 0, y = 0, count = 0;
    for (size_t i = 0; i < (size_t)p->width * p->height; i++)
        if (p->data[3 * i + 1] == 255) {
            x += (double)(i % p->width);
            y += (double)(i / p->width);
            count++;
        }
    return (struct point){x / count, y / count};
}

static void finds_fonts(void **state)
{
    (void)state;
    struct error e = {0};
    assert_int_equal(page_fonts_start(&e), 0); /* once more */
    assert_non_null(strstr(page_fonts_found(), "Comic Neue"));
    assert_non_null(strstr(page_fonts_found(), "DejaVu Sans"));
    assert_memory_equal(getenv("FONTCONFIG_FILE"), "/proc/self/fd/", 14); /* ours, for the first text */
}

static void text_lies_in_its_bubble(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "No!",
        "I told you never to touch that button!",
        "Đừng lo, tôi sẽ tìm ra cô ấy trước khi trời tối, ẵ Ẵ Ậ.",
        "心配しないで、暗くなる前に必ず彼女を見つけるから！",
        "لا تقلق، سوف أجدها قبل أن يحل الظلام!",
        "A somewhat longer line that needs many words to say what could have been said in a few of them, if "
        "only its speaker had not been as fond of hearing his own voice as he is."};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        for (enum page_emotion m = 0; m <= PAGE_EMOTION_COUNT; m++) {
            struct page_line line = says(texts[i], m % PAGE_EMOTION_COUNT);
            line.voice = m == PAGE_EMOTION_COUNT ? PAGE_CAPTION : PAGE_SPEECH;
            struct pixels p = drawn(&line, 1);
            unsigned outlines = assert_text_inside(&p, 3);
            assert_in_range(outlines, 1, m == PAGE_THINKING ? 4 : 1);
            assert_inside_panel(&p);
            pixels_release(&p);
        }
}

static void emotions_look_different(void **state)
{
    (void)state;
    struct pixels all[PAGE_EMOTION_COUNT + 1];
    for (unsigned i = 0; i <= PAGE_EMOTION_COUNT; i++) {
        struct page_line line = says("I am here.", i % PAGE_EMOTION_COUNT);
        line.voice = i == PAGE_EMOTION_COUNT ? PAGE_CAPTION : PAGE_SPEECH;
        all[i] = drawn(&line, 1);
        struct pixels again = drawn(&line, 1);
        assert_true(same(all + i, &again));
        pixels_release(&again);
        for (unsigned k = 0; k < i; k++)
            assert_false(same(all + k, all + i));
    }
    for (unsigned i = 0; i <= PAGE_EMOTION_COUNT; i++)
        pixels_release(all + i);
}

static void bubbles_keep_apart_and_in_order(void **state)
{
    (void)state;
    struct page_line line[] = {says("One is what I say first of all.", PAGE_NEUTRAL),
                               says("Two is the answer.", PAGE_NEUTRAL), says("Three?", PAGE_NEUTRAL),
                               says("Four! That is enough now, is it not?", PAGE_NEUTRAL)};
    line[1].speaker = line[3].speaker = "Minh";
    struct pixels p = drawn(line, 4);
    assert_int_equal(assert_text_inside(&p, 3), 4);
    assert_inside_panel(&p);
    pixels_release(&p);

    struct point before = {0}; /* each alone comes where it comes among the others, so: the first is first */
    for (unsigned turned = 0; turned < 2; turned++) {
        struct page_line two[] = {says("First.", PAGE_NEUTRAL), says("", PAGE_NEUTRAL)};
        p = drawn_on(plain(WIDE, HIGH), two, 2, turned);
        struct point at = middle_of(&p);
        assert_true(at.y < HIGH / 2.0);
        if (turned)
            assert_true(fabs(before.x + at.x - WIDE) < 60 && at.x > WIDE / 2.0);
        before = at;
        pixels_release(&p);
    }
}

static void speakers_have_sides(void **state)
{
    (void)state;
    for (enum page_side side = PAGE_LEFT; side <= PAGE_RIGHT; side++) {
        struct page_line line = says("Over here, quick!", PAGE_NEUTRAL);
        line.side = side;
        struct pixels p = drawn_on(plain(1032, 756), &line, 1, false);
        assert_true((middle_of(&p).x < 516) == (side == PAGE_LEFT));
        pixels_release(&p);
    }
}

/* Noise all over, except for a calm corner above on the right. */
static void prefers_calm_places(void **state)
{
    (void)state;
    struct pixels panel = sample_photo(WIDE, HIGH, 3);
    for (uint32_t y = 0; y < 250; y++)
        memset(panel.data + 3 * ((size_t)y * WIDE + 250), 90, 3 * (WIDE - 250));
    struct page_line line = says("It is quiet here.", PAGE_NEUTRAL);
    struct pixels p = drawn_on(sample_view(&panel), &line, 1, false);
    size_t in_noise = 0, in_calm = 0;
    for (uint32_t y = 0; y < HIGH; y++)
        for (uint32_t x = 0; x < WIDE; x++)
            if (memcmp(sample_at(&p, x, y), sample_at(&panel, x, y), 3) != 0)
                *(x >= 250 && y < 250 ? &in_calm : &in_noise) += 1;
    assert_true(in_calm > 10000 && in_noise < in_calm / 10);
    pixels_release(&p);
    pixels_release(&panel);
}

static void leaves_the_callers_pixels_alone(void **state)
{
    (void)state;
    struct page_line line = says("Hello.", PAGE_NEUTRAL);
    VipsImage *panel = plain(WIDE, HIGH), *held = panel;
    g_object_ref(held);
    struct pixels p = drawn_on(panel, &line, 1, false), before = {0};
    assert_int_equal(picture_take(held, &before), 0);
    assert_int_equal(assert_inside_panel(&before), 0);
    assert_true(assert_inside_panel(&p) > 0);
    g_object_unref(held);
    pixels_release(&p);
    pixels_release(&before);
}

static char *repeated(const char *s, unsigned times)
{
    char *all = mem_zalloc(strlen(s) * times + 1), *to = all;
    for (unsigned i = 0; i < times; i++)
        to = stpcpy(to, s);
    return all;
}

static void holds_whatever_is_said(void **state)
{
    (void)state;
    FREE_ON_EXIT char *emoji = repeated("😀👩‍🚀🇻🇳", 400);
    FREE_ON_EXIT char *word = repeated("W", 400);
    FREE_ON_EXIT char *words = repeated("word after word ", 900);
    FREE_ON_EXIT char *pile = repeated("a\u0301\u0302\u0303\u0323\u0334\u0489\u036f\u0300", 40);
    FREE_ON_EXIT char *joined = repeated("👍\u200d", 500);
    const char *const texts[] = {emoji,
                                 word,
                                 words,
                                 pile,
                                 joined,
                                 "",
                                 "   \n\t ",
                                 "<b>bold</b> & </span> <span size='90000'>",
                                 "&amp;&#60;",
                                 "%s%n",
                                 "\x01\x02\x1b[31m",
                                 "\u202eevil\u202c \u2067x\u2069\u200f",
                                 "\xff\xfe\xc0\x80",
                                 "\u0301",
                                 "\U000e0001\ue000\U0010ffff",
                                 "\u200b\ufeff\u2028",
                                 "\u0378",
                                 "\u00a0",
                                 "\u200d",
                                 "\u3164\u2800",
                                 "नमस्ते"};
    static const uint32_t sides[][2] = {{WIDE, HIGH}, {1032, 756}, {100, 700}, {60, 50}, {17, 17}, {1, 1}};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        for (unsigned k = 0; k < ARRAY_LEN(sides); k++) {
            struct page_line line[PAGE_LINES_MAX] = {
                says(texts[i], i % PAGE_EMOTION_COUNT), says("And?", PAGE_NEUTRAL),
                says(texts[(i + 1) % ARRAY_LEN(texts)], (i + 3) % PAGE_EMOTION_COUNT)};
            line[3] = line[1];
            line[2].voice = PAGE_CAPTION;
            for (unsigned count = 1; count <= PAGE_LINES_MAX; count += 3) {
                struct pixels p = drawn_on(plain(sides[k][0], sides[k][1]), line, count, i % 2);
                size_t ink = assert_inside_panel(&p);
                assert_true(ink <= (size_t)p.width * p.height * 9 / 10);
                assert_true(ink > 0 || k > 1 || count == 1);
                pixels_release(&p);
            }
        }
}

/* Pango's sign for what no font has: a frame, whose upper and lower edges are straight lines. */
static bool is_frame(const struct pixels *p)
{
    if (p->bands != 1 || p->width < 5 || p->height < 5)
        return false;
    unsigned above = 0, below = 0;
    for (uint32_t x = 0; x < p->width; x++) {
        above += *sample_at(p, x, 0) > 60 || *sample_at(p, x, 1) > 60;
        below += *sample_at(p, x, p->height - 1) > 60 || *sample_at(p, x, p->height - 2) > 60;
    }
    return above + 3 > p->width && below + 3 > p->width;
}

static void has_every_letter(void **state)
{
    (void)state;
    static const char *const letters[] = {
        "a",  "ă",  "ắ",  "ằ",  "ẳ",  "ẵ", "ặ", "â", "ấ", "ầ", "ẩ", "ẫ", "ậ", "à", "ả", "ã", "á", "ạ",
        "e",  "ê",  "ế",  "ề",  "ể",  "ễ", "ệ", "ẻ", "ẽ", "ẹ", "o", "ô", "ố", "ồ", "ổ", "ỗ", "ộ", "ơ",
        "ớ",  "ờ",  "ở",  "ỡ",  "ợ",  "ỏ", "ọ", "u", "ư", "ứ", "ừ", "ử", "ữ", "ự", "ủ", "ụ", "ũ", "i",
        "ỉ",  "ĩ",  "ị",  "y",  "ỷ",  "ỹ", "ỵ", "d", "đ", "Đ", "D", "Ắ", "Ễ", "Ợ", "Ự", "Ж", "λ", "ш",
        "你", "好", "に", "カ", "한", "א", "ש", "ع", "م", "ก", "ษ", "♥", "♪", "ł", "ğ", "ß", "…", "“"};
    struct pixels all[ARRAY_LEN(letters)];
    struct pixels missing = text_of("\u0915", 60); /* of a script that has no row */
    assert_true(is_frame(&missing));
    pixels_release(&missing);
    for (unsigned i = 0; i < ARRAY_LEN(letters); i++) {
        all[i] = text_of(letters[i], 60);
        if (is_frame(all + i)) {
            print_error("no font has %s\n", letters[i]);
            fail();
        }
        for (unsigned k = 0; k < i; k++)
            assert_false(same(all + k, all + i));
    }
    struct pixels apart = text_of("a\u0306\u0301", 60); /* decomposed */
    assert_true(same(&apart, all + 2));
    pixels_release(&apart);
    for (unsigned i = 0; i < ARRAY_LEN(letters); i++)
        pixels_release(all + i);
}

/* A word with one letter that the comic face lacks is drawn as a whole in the other. */
static void never_mixes_faces_in_a_word(void **state)
{
    (void)state;
    struct pixels comic = text_of("nnn", 40), word = text_of("nnnế", 40), letter = text_of("ế", 40);
    uint32_t without = word.width - letter.width;
    assert_true(without + 3 < comic.width || without > comic.width + 3);
    pixels_release(&comic);
    pixels_release(&word);
    pixels_release(&letter);
}

static void nothing_is_markup(void **state)
{
    (void)state;
    struct pixels plain_a = text_of("a", 30), bold = text_of("<b>a</b>", 30), named = text_of("&lt;", 30),
                  less = text_of("<", 30), turned = text_of("\u202eabc\u202c", 30), abc = text_of("abc", 30);
    assert_true(bold.width > 4 * plain_a.width);
    assert_true(named.width > 2 * less.width);
    assert_true(same(&turned, &abc));
    struct pixels *all[] = {&plain_a, &bold, &named, &less, &turned, &abc};
    for (unsigned i = 0; i < ARRAY_LEN(all); i++)
        pixels_release(all[i]);
}

static void emoji_have_colours(void **state)
{
    (void)state;
    struct pixels p = text_of("Hi 😀❤️", 40);
    unsigned coloured = 0, black = 0;
    assert_int_equal(p.bands, 4);
    for (size_t i = 0; i < (size_t)p.width * p.height; i++) {
        const uint8_t *at = p.data + 4 * i;
        coloured += at[3] > 200 && at[0] > at[2] + 80;
        black += at[3] > 200 && (at[0] | at[1] | at[2]) == 0;
    }
    assert_true(coloured > 400 && black > 20);
    assert_in_range(p.height, 20, 60); /* scaled to the text */
    pixels_release(&p);
}

static void text_keeps_to_its_room(void **state)
{
    (void)state;
    FREE_ON_EXIT char *words = repeated("a few words more ", 60);
    const char *const texts[] = {"The title of a rather good story", "W", "", words,
                                 "Đừng lo, tôi sẽ tìm ra"};
    static const uint32_t rooms[][2] = {{900, 300}, {300, 100}, {120, 400}, {40, 40}, {1, 1}};
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
        for (unsigned k = 0; k < ARRAY_LEN(rooms); k++)
            for (int size = 12; size < 90; size += 25) {
                struct text_drawn d = {0};
                assert_int_equal(text_draw(texts[i], size, k % 2, i % 2, rooms[k][0], rooms[k][1], &d), 0);
                VipsImage *im = d.mask ? d.mask : d.colour;
                assert_in_range(im->Xsize, 1, rooms[k][0]);
                assert_in_range(im->Ysize, 1, rooms[k][1]);
                assert_true(d.fits || *texts[i]);
                if (texts[i] == words && k > 0)
                    assert_false(d.fits);
                if (i == 0 && k == 0)
                    assert_true(d.fits);
                g_object_unref(im);
            }
}

struct worker {
    struct pixels wanted;
    struct page_line line;
    bool failed;
};

static void *draw_often(void *arg)
{
    struct worker *w = arg;
    for (unsigned i = 0; i < 15; i++) {
        VipsImage *panel = plain(WIDE, HIGH);
        struct pixels p = {0};
        w->failed |=
            bubbles_draw(&panel, &w->line, 1, false) || picture_take(panel, &p) || !same(&p, &w->wanted);
        g_object_unref(panel);
        pixels_release(&p);
    }
    imaging_thread_stop();
    return NULL;
}

static void threads_draw_the_same(void **state)
{
    (void)state;
    struct worker w[2] = {{.line = says("Đừng lo, you 你好 will see 😀", PAGE_SURPRISED)},
                          {.line = says("Something else altogether.", PAGE_THINKING)}};
    pthread_t thread[2];
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 2 << 20);
    for (unsigned i = 0; i < 2; i++)
        w[i].wanted = drawn(&w[i].line, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(thread + i, &attr, draw_often, w + i), 0);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert_false(w[i].failed);
        pixels_release(&w[i].wanted);
    }
    pthread_attr_destroy(&attr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_fonts),
        cmocka_unit_test(text_lies_in_its_bubble),
        cmocka_unit_test(emotions_look_different),
        cmocka_unit_test(bubbles_keep_apart_and_in_order),
        cmocka_unit_test(speakers_have_sides),
        cmocka_unit_test(prefers_calm_places),
        cmocka_unit_test(leaves_the_callers_pixels_alone),
        cmocka_unit_test(holds_whatever_is_said),
        cmocka_unit_test(has_every_letter),
        cmocka_unit_test(never_mixes_faces_in_a_word),
        cmocka_unit_test(nothing_is_markup),
        cmocka_unit_test(emoji_have_colours),
        cmocka_unit_test(text_keeps_to_its_room),
        cmocka_unit_test(threads_draw_the_same),
    };
    return cmocka_run_group_tests(tests, start, sample_group_stop);
}
