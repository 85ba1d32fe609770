#include <stdlib.h>

#include "story_rig.h"

#define REQUIRED                                                                                             \
    "masterpiece, best quality, anime style, vibrant colors, high quality, detailed background, no text, "   \
    "no speech bubble, anime coloring, clean cel shading, "

static const struct story_outline outline = {
    .story_id = "lan",
    .title = "Lan",
    .beat = {{1, "Lan vào rừng.", "Lan enters the forest.", STORY_HAPPY},
             {2, "Trời mưa.", "It rains.", STORY_SAD},
             {3, "Lan về nhà.", "Lan goes home.", STORY_NEUTRAL}},
    .beat_count = 3,
    .character = {{"Lan", "1girl, short black hair, yellow raincoat"},
                  {"Bông", "small green dragon, amber eyes"}},
    .character_count = 2,
};

struct rig {
    struct arena a;
    struct error e;
    struct story_ask ask;
    struct story_board b;
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    r->ask = rig_ask;
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    arena_release(&r->a);
    free(r);
    return 0;
}

static int take_of(struct rig *r, const struct story_outline *o, const char *answer)
{
    r->e = (struct error){0};
    r->b = (struct story_board){.panel_count = 77};
    int code = story_board_read(&r->ask, o, 0, answer, strlen(answer), &r->a, &r->b, &r->e);
    assert_true(code == 0 || r->b.panel_count == 77);
    return code;
}

static int take(struct rig *r, const char *answer)
{
    return take_of(r, &outline, answer);
}

static void test_recorded(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *description, *tags, *dialogue, *speaker;
        enum story_emotion emotion;
    } known[] = {
        {"Lan đứng giữa rừng, lắng nghe.",
         REQUIRED
         "1girl, solo, short black hair, yellow raincoat, listening, wide shot, forest, morning mist",
         "Ai đang khóc vậy nhỉ?", "Lan", STORY_SURPRISED},
        {"Bông nấp sau gốc cây.",
         REQUIRED "small green dragon, amber eyes, dragon, hiding behind tree, teary eyes", "", "",
         STORY_SAD},
        {"Lan chìa tay ra.",
         REQUIRED "1girl, short black hair, yellow raincoat, small green dragon, amber eyes, reaching out, "
                  "close-up, smile",
         "Đừng sợ, mình là Lan. Mình sẽ giúp cậu tìm mẹ, dù phải đi đến tận…", "Lan", STORY_HAPPY},
        {"Hai bạn nhìn về phía núi.",
         REQUIRED "1girl, short black hair, yellow raincoat, small green dragon, amber eyes, from behind, "
                  "mountain, sunrise",
         "Và thế là họ lên đường.", "narrator", STORY_NEUTRAL},
    };
    FREE_ON_EXIT char *answer = rig_fixture("board.txt");
    assert_int_equal(take(r, answer), 0);
    assert_int_equal(r->b.panel_count, 4);
    for (unsigned i = 0; i < ARRAY_LEN(known); i++) {
        const struct story_panel *p = &r->b.panel[i];
        assert_int_equal(p->id, i + 1);
        assert_string_equal(p->description, known[i].description);
        assert_string_equal(p->tags, known[i].tags);
        assert_string_equal(p->dialogue, known[i].dialogue);
        assert_string_equal(p->speaker, known[i].speaker);
        assert_int_equal(p->emotion, known[i].emotion);
    }
}

static void test_counts(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *six = rig_rows("{\"panels\":[", "{\"prompt_tags\":\"tree %u\"}", 6, "]}");
    for (unsigned wanted = 1; wanted <= 6; wanted++) {
        r->ask.panels = wanted;
        assert_int_equal(take(r, six), 0);
        assert_int_equal(r->b.panel_count, wanted);
        assert_int_equal(r->b.panel[wanted - 1].id, wanted);
    }
    FREE_ON_EXIT char *five = rig_rows("{\"panels\":[", "{\"prompt_tags\":\"tree %u\"}", 5, ",{\"id\":6}]}");
    assert_int_equal(take(r, five), -ERR_UPSTREAM);
    assert_string_equal(
        r->e.reason, "\"panels\" has 5 that can be used, 6 are needed; panels 6: \"prompt_tags\" is missing");
}

static void test_tags_that_cannot_be_drawn(void **state)
{
    struct rig *r = *state;
    r->ask.panels = 2;
    static const char answer[] =
        "{\"panels\":[{\"prompt_tags\":\"tree\"},{\"prompt_tags\":\"cô bé, masterpiece, manga, no text\"}]}";
    assert_int_equal(take(r, answer), -ERR_UPSTREAM);
    assert_string_equal(r->e.reason, "1 of 2 panels have prompt_tags in English that can be drawn");
}

static void test_language(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *language, *dialogue;
        int code;
    } known[] = {
        {"vi", "Who is crying over there?", -ERR_UPSTREAM},
        {"vi-VN", "Who is crying over there?", -ERR_UPSTREAM},
        {"ja", "Who is crying over there?", -ERR_UPSTREAM},
        {"vi", "Ai đang khóc vậy?", 0},
        {"vi", "Lan! Lan!", 0}, /* too little to tell */
        {"vi", "", 0},
        {"en", "Who is crying over there?", 0},
        {"", "Who is crying over there?", -ERR_UPSTREAM}, /* the prompt is in Vietnamese */
        {"xx", "Who is crying over there?", 0},
    };
    r->ask.panels = 1;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        BUF_ON_EXIT struct buf b;
        buf_init(&b, RIG_ROOM);
        buf_printf(&b, "{\"panels\":[{\"prompt_tags\":\"tree\",\"dialogue\":\"%s\"}]}", known[i].dialogue);
        r->ask.language = known[i].language;
        assert_int_equal(take(r, buf_text(&b)), known[i].code);
        if (known[i].code < 0) {
            assert_non_null(strstr(r->e.reason, "the dialogue is not in "));
            struct story_board b2;
            assert_int_equal(story_board_salvage(&r->ask, &outline, 0, buf_text(&b), b.len, &r->a, &b2),
                             STORY_REPAIRED);
            assert_string_equal(b2.panel[0].dialogue, known[i].dialogue);
        }
    }
}

/* A board without an outline brings its characters along. */
static void test_alone(void **state)
{
    struct rig *r = *state;
    r->ask.panels = 1;
    r->ask.style = "chibi";
    static const char answer[] = "{\"characters\":[{\"name\":\"Minh\",\"tags\":[\"1boy\",\"blue "
                                 "cap\"]},{\"name\":\"An\",\"tags\":\"1boy, scarf\"}],"
                                 "\"panels\":[{\"description\":\"Minh và An ăn kem. Anh An "
                                 "cười.\",\"prompt_tags\":\"1boy, 2boys, eating ice cream\"}]}";
    assert_int_equal(take_of(r, NULL, answer), 0);
    assert_string_equal(
        r->b.panel[0].tags,
        "masterpiece, best quality, anime style, vibrant colors, high quality, detailed background, no "
        "text, no speech bubble, chibi, super deformed, cute proportions, 2boys, blue cap, scarf, eating "
        "ice cream");
}

static void test_texts(void **state)
{
    struct rig *r = *state;
    r->ask.panels = 1;
    static const char answer[] =
        "{\"panels\":[{\"prompt_tags\":\"tree\",\"dialogue\":\"<i>Chào</i>\\u0000 \\u001b[31mbạn\\u2028 "
        "\\ud83d\\ude00\","
        "\"speaker\":\"Người lạ\\n(nhỏ)\",\"description\":{\"a\":1},\"emotion\":\"SUY NGHĨ\"}]}";
    assert_int_equal(take(r, answer), 0);
    assert_string_equal(r->b.panel[0].dialogue, "<i>Chào</i> [31mbạn 😀");
    assert_string_equal(r->b.panel[0].speaker, "Người lạ (nhỏ)");
    assert_string_equal(r->b.panel[0].description, "");
    assert_int_equal(r->b.panel[0].emotion, STORY_THINKING);
}

static void test_cut(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_fixture("board.txt");
    strstr(answer, "Và thế")[2] = '\0';
    r->ask.panels = 3;
    assert_int_equal(take(r, answer), 0);
    r->ask.panels = 4;
    assert_int_equal(take(r, answer), -ERR_UPSTREAM);
    assert_string_equal(r->e.reason,
                        "The answer ends in the middle: \"panels\" has 3 that can be used, 4 are needed");
    struct story_board made, saved;
    story_board_fallback(&r->ask, &outline, 0, &r->a, &made);
    assert_int_equal(story_board_salvage(&r->ask, &outline, 0, answer, strlen(answer), &r->a, &saved),
                     STORY_FALLBACK);
    assert_int_equal(saved.panel_count, 4);
    assert_string_equal(saved.panel[0].dialogue, "Ai đang khóc vậy nhỉ?");
    assert_string_equal(saved.panel[3].tags, made.panel[3].tags);
    assert_string_equal(saved.panel[3].dialogue, made.panel[3].dialogue);
}

/* Each answer that is no board gives the whole fallback. */
static void test_nothing_to_save(void **state)
{
    struct rig *r = *state;
    static const char *const answers[] = {
        "",     "sorry", "{}",  "{\"panels\":[]}", "{\"panels\":[{\"prompt_tags\":\"manga\"}]}",
        "\xff", "[]",    "null"};
    struct story_board made, saved;
    story_board_fallback(&r->ask, &outline, 1, &r->a, &made);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        assert_int_equal(take(r, answers[i]), -ERR_UPSTREAM);
        assert_int_equal(
            story_board_salvage(&r->ask, &outline, 1, answers[i], strlen(answers[i]), &r->a, &saved),
            STORY_FALLBACK);
        for (unsigned k = 0; k < 4; k++)
            assert_string_equal(saved.panel[k].tags, made.panel[k].tags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tags_that_cannot_be_drawn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_language, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_to_save, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
