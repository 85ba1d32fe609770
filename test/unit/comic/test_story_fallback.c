#include <stdlib.h>

#include "base/utf8.h"
#include "story_rig.h"

static void test_share(void **state)
{
    for (unsigned beats = 0; beats <= 40; beats++)
        for (unsigned pages = 1; pages <= 16; pages++) {
            unsigned next = 0, least = beats, most = 0;
            for (unsigned page = 0; page < pages; page++) {
                unsigned first, count;
                story_share(beats, pages, page, &first, &count);
                assert_int_equal(first, next);
                next = first + count;
                least = MIN(least, count);
                most = MAX(most, count);
            }
            assert_int_equal(next, beats);
            assert_true(most - least <= 1);
        }
}

static struct story_outline outline_of(const char *prompt, struct arena *a)
{
    struct story_ask ask = rig_ask;
    struct story_outline o;
    ask.prompt = prompt;
    story_outline_fallback(&ask, a, &o);
    return o;
}

static void test_sentences(void **state)
{
    struct arena a;
    arena_init(&a);
    struct story_outline o = outline_of("Lan vào rừng. Trời mưa!\nLan sợ 3.5 giây… Rồi về nhà? Hết", &a);
    static const char *const beats[] = {"Lan vào rừng.",    "Lan vào rừng.", "Trời mưa!",   "Trời mưa!",
                                        "Lan sợ 3.5 giây…", "Rồi về nhà?",   "Rồi về nhà?", "Hết"};
    assert_int_equal(o.beat_count, 8);
    for (unsigned i = 0; i < 8; i++) {
        assert_string_equal(o.beat[i].summary, beats[i]);
        assert_int_equal(o.beat[i].id, i + 1);
    }
    assert_string_equal(o.story_id, "lan-vao-rung-troi-mua-lan-so-3-5-giay-roi-ve-nha-het");
    assert_string_equal(o.beat[0].summary_en, "forest, an event of the story");
    assert_string_equal(o.beat[7].summary_en, "an event of the story");
    FREE_ON_EXIT char *many = rig_rows("", "This is sentence number %u. ", 30, "");
    o = outline_of(many, &a);
    assert_int_equal(o.beat_count, 12);
    assert_string_equal(o.beat[0].summary, "This is sentence number 1. ,This is sentence number 2.");
    assert_string_equal(o.beat[0].summary_en, o.beat[0].summary);
    arena_release(&a);
}

static void test_long_sentence(void **state)
{
    struct arena a;
    arena_init(&a);
    struct story_outline o =
        outline_of("A small cat finds a map in an old attic, sails across the wide sea to an island, and "
                   "meets a giant crab who guards a treasure",
                   &a);
    assert_int_equal(o.beat_count, 8);
    assert_string_equal(o.beat[0].summary, "A small cat finds a map in an old attic,");
    assert_string_equal(o.beat[4].summary, "sails across the wide sea to an island,");
    assert_string_equal(o.beat[7].summary, "and meets a giant crab who guards a treasure");
    arena_release(&a);
}

static void assert_text(const char *s, size_t most)
{
    assert_non_null(s);
    size_t count = 0;
    for (size_t n; *s; s += n, count++) {
        n = utf8_char(s);
        assert_true(n > 0 && (unsigned char)*s >= ' ' && *s != 0x7f);
    }
    assert_true(count <= most);
}

/* A board of every page, each panel of which can be drawn and read. */
static unsigned assert_boards(const struct story_ask *ask, const struct story_outline *o, struct arena *a)
{
    unsigned said = 0;
    for (unsigned page = 0; page < ask->pages; page++) {
        struct story_board b;
        story_board_fallback(ask, o, page, a, &b);
        assert_int_equal(b.panel_count, ask->panels);
        for (unsigned i = 0; i < b.panel_count; i++) {
            const struct story_panel *p = &b.panel[i];
            assert_int_equal(p->id, i + 1);
            assert_true(story_tags_usable(p->tags) && strlen(p->tags) <= STORY_TAGS_BYTES_MAX);
            assert_int_equal(strncmp(p->tags, "masterpiece, ", 13), 0);
            assert_text(p->dialogue, STORY_DIALOGUE_MAX);
            assert_text(p->description, STORY_TEXT_MAX);
            assert_string_equal(p->speaker, *p->dialogue ? "narrator" : "");
            said += *p->dialogue != '\0';
        }
    }
    return said;
}

static void test_any_prompt(void **state)
{
    FREE_ON_EXIT char *large = rig_rows("", "Once upon a time %u there was. ", 40000, "");
    FREE_ON_EXIT char *word = calloc(1, 1 << 20), *dots = calloc(1, 1 << 20);
    memset(word, 'a', (1 << 20) - 1);
    memset(dots, '.', (1 << 20) - 1);
    const char *const prompts[] = {large,
                                   word,
                                   dots,
                                   "",
                                   " \n\t",
                                   "?",
                                   "\xff\xfe\x80",
                                   "東京に猫がいた。猫は歩いた。",
                                   "</material>```{\"beats\":[",
                                   "a\xe1\xba",
                                   "manga, black and white, text",
                                   "😀😀😀"};
    for (size_t i = 0; i < ARRAY_LEN(prompts); i++)
        for (unsigned pages = 1; pages <= 3; pages++)
            for (unsigned panels = 1; panels <= 6; panels++) {
                struct arena a;
                struct story_ask ask = {.prompt = prompts[i],
                                        .language = "",
                                        .style = "pastel",
                                        .pages = pages,
                                        .panels = panels};
                struct story_outline o;
                arena_init(&a);
                story_outline_fallback(&ask, &a, &o);
                assert_in_range(o.beat_count, 8, 12);
                for (unsigned k = 0; k < o.beat_count; k++) {
                    assert_true(o.beat[k].summary[0] && o.beat[k].summary_en[0]);
                    assert_text(o.beat[k].summary, STORY_TEXT_MAX);
                }
                assert_in_range(strlen(o.story_id), 1, STORY_SLUG_MAX);
                assert_text(o.title, STORY_TITLE_MAX);
                assert_true(assert_boards(&ask, &o, &a) > 0);
                if (pages == 1)
                    assert_boards(&ask, NULL, &a);
                arena_release(&a);
            }
}

/* What is said is said once, and beside its picture. */
static void test_narration(void **state)
{
    struct arena a;
    struct story_board b;
    arena_init(&a);
    struct story_outline o = {
        .beat = {{1, "Lan vào rừng.", "Lan enters the forest", STORY_HAPPY},
                 {2, "Trời mưa.", "It rains", STORY_SAD}},
        .beat_count = 2,
        .character = {{"Lan", "1girl, black hair"}},
        .character_count = 1,
    };
    struct story_ask ask = {.prompt = "x", .style = "", .pages = 1, .panels = 4};
    static const char *const said[] = {"Lan vào rừng.", "", "Trời mưa.", ""};
    static const char *const seen[] = {"lan enters the forest", "lan enters the forest", "it rains",
                                       "it rains"};
    story_board_fallback(&ask, &o, 0, &a, &b);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(b.panel[i].dialogue, said[i]);
        assert_non_null(strstr(b.panel[i].tags, seen[i]));
        assert_int_equal(b.panel[i].emotion, i < 2 ? STORY_HAPPY : STORY_SAD);
        assert_int_equal(strstr(b.panel[i].tags, "black hair") != NULL, i < 2);
    }
    ask.panels = 1;
    story_board_fallback(&ask, &o, 0, &a, &b);
    assert_string_equal(b.panel[0].dialogue, "Lan vào rừng. Trời mưa.");
    ask.pages = 2;
    story_board_fallback(&ask, &o, 1, &a, &b);
    assert_string_equal(b.panel[0].dialogue, "Trời mưa.");
    ask.pages = 3; /* more pages than beats */
    story_board_fallback(&ask, &o, 0, &a, &b);
    assert_string_equal(b.panel[0].dialogue, "");
    assert_non_null(strstr(b.panel[0].tags, "lan enters the forest"));
    arena_release(&a);
}

static void test_subjects(void **state)
{
    struct arena a;
    arena_init(&a);
    struct story_outline o =
        outline_of("Cô bé và con mèo đi chơi. Họ vào rừng. Trời đổ mưa trong đêm. Chó sủa.", &a);
    assert_string_equal(o.beat[0].summary_en, "1girl, cat, dog, an event of the story");
    assert_string_equal(o.beat[2].summary_en, "1girl, cat, dog, forest, an event of the story");
    assert_string_equal(o.beat[4].summary_en, "1girl, cat, dog, rain, night, an event of the story");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),         cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_long_sentence), cmocka_unit_test(test_any_prompt),
        cmocka_unit_test(test_narration),     cmocka_unit_test(test_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
