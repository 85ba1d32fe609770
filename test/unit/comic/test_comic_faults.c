/* What goes wrong with a comic: models that fail, texts and pictures that cannot be used, a store and a lane
 * that are in trouble. Either all of it is in the store in the end, or nothing. */
#include "comic/comic.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comic_rig.h"
#include "scratch.h"

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define JSON_HERE CLEANUP(cleanup_json) json_t *

#define OBJECTS "comics/the-cat/page-1.png comics/the-cat/page-2.png comics/the-cat/story.json "

/* ---- how it has ended ---- */

static void ends_well(struct comic_rig *rig, struct comic_rig_comic *c)
{
    FREE_ON_EXIT char *all = comic_rig_objects(rig);
    if (comic_op(c->comic)->result < 0)
        fail_msg("%s", comic_error(c->comic)->reason);
    assert_string_equal(all, OBJECTS);
    assert_int_equal(c->news.done, c->news.total);
}

static void ends_badly(struct comic_rig *rig, struct comic_rig_comic *c, enum err code)
{
    FREE_ON_EXIT char *all = comic_rig_objects(rig);
    const struct comic_output *out;
    assert_int_equal(comic_op(c->comic)->result, -(int)code);
    assert_int_equal(comic_error(c->comic)->code, code);
    assert_int_equal(comic_outputs(c->comic, &out), 0);
    assert_string_equal(all, "");
    assert_true(list_empty(&rig->names.used));
}

static void stop(struct comic_rig *rig, struct comic_rig_comic *c)
{
    comic_rig_free(c);
    comic_rig_stop(rig);
}

/* Made with these models, it ends so. */
static void fails(const struct comic_says *says, enum err code, const char *reason)
{
    struct comic_rig rig = {.says = says, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_badly(&rig, c, code);
    if (!strstr(comic_error(c->comic)->reason, reason))
        fail_msg("\"%s\" does not say \"%s\"", comic_error(c->comic)->reason, reason);
    stop(&rig, c);
}

/* Where the outline (page 0) or a board came from, as the detail tells it. */
static void came_from(const struct comic_rig_comic *c, unsigned page, const char *source)
{
    JSON_HERE detail = json_loads(comic_detail(c->comic), 0, NULL);
    const json_t *meta = json_object_get(detail, "meta");
    const json_t *told = page == 0 ? json_object_get(meta, "outline")
                                   : json_array_get(json_object_get(meta, "pages"), page - 1);
    assert_string_equal(json_string_value(json_object_get(told, "source")), source);
}

/* ---- texts ---- */

static const struct comic_says bad_outline[] = {{.name = "outline", .text = "Once upon a time"}, {0}};
static const struct comic_says bad_board[] = {{.name = "board-2", .text = "{\"panels\":[]}"}, {0}};
static const struct comic_says bad_outline_twice[] = {{.name = "outline*", .text = "Once upon a time"}, {0}};
static const struct comic_says bad_board_twice[] = {{.name = "board*-2", .text = "{\"panels\":7}"}, {0}};
static const struct comic_says no_repair[] = {
    {.name = "outline", .text = "Once upon a time"},
    {.name = "outline-repair", .fails = ERR_BUDGET_EXCEEDED},
    {0},
};

static void test_an_outline_is_mended(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = bad_outline, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_well(&rig, c);
    const struct comic_rig_run *first = comic_rig_find(&rig, "outline", 1);
    const struct comic_rig_run *repair = comic_rig_find(&rig, "outline-repair", 1);
    assert_ptr_equal(repair, &rig.run[1]);
    assert_non_null(strstr(repair->prompt, first->prompt));
    assert_non_null(strstr(repair->prompt, "Once upon a time"));
    assert_non_null(strstr(repair->prompt, "beats")); /* what is missing */
    came_from(c, 0, "repaired");
    came_from(c, 1, "model");
    assert_int_equal(comic_rig_asked(&rig, "outline*"), 2);
    stop(&rig, c);
}

static void test_a_board_is_mended(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = bad_board, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_well(&rig, c);
    assert_non_null(strstr(comic_rig_find(&rig, "board-repair-2", 1)->prompt, "panels"));
    assert_int_equal(comic_rig_asked(&rig, "board-repair-1"), 0);
    came_from(c, 1, "model");
    came_from(c, 2, "repaired");
    stop(&rig, c);
}

static void falls_back(const struct comic_says *says, unsigned page)
{
    struct comic_rig rig = {.says = says, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_new(&rig);
    comic_rig_begin(c);
    comic_rig_run(&rig);
    assert_int_equal(comic_op(c->comic)->result, 0);
    came_from(c, page, "fallback");
    came_from(c, 1, "model");
    assert_int_equal(comic_rig_asked(&rig, "*-repair*"), 1);
    assert_int_equal(comic_rig_asked(&rig, "panel-*"), 6);
    stop(&rig, c);
}

static void test_what_cannot_be_mended_is_made_up(void **state)
{
    (void)state;
    falls_back(bad_outline_twice, 0);
    falls_back(bad_board_twice, 2);
    falls_back(no_repair, 0);
}

#define BEAT(n)       "{\"id\":" n ",\"summary\":\"It rains.\",\"summary_en\":\"It rains.\"}"
#define SHORT_OUTLINE "{\"title\":\"Rain\",\"beats\":[" BEAT("1") "," BEAT("2") "," BEAT("3") "]}"
#define SHORT_BOARD   "{\"panels\":[{\"prompt_tags\":\"rain, street\",\"dialogue\":\"At last\"}]}"

static const struct comic_says short_outline[] = {{.name = "outline*", .text = SHORT_OUTLINE}, {0}};
static const struct comic_says short_outline_once[] = {
    {.name = "outline", .text = SHORT_OUTLINE},
    {.name = "outline-repair", .fails = ERR_UPSTREAM},
    {0},
};
static const struct comic_says short_board[] = {{.name = "board*-2", .text = SHORT_BOARD}, {0}};

/* Three beats are too few, unless there is no better answer: the second one, or else the first. */
static void test_what_can_be_used_is_kept(void **state)
{
    (void)state;
    static const struct comic_says *const outlines[] = {short_outline, short_outline_once};
    for (unsigned i = 0; i < ARRAY_LEN(outlines); i++) {
        struct comic_rig rig = {.says = outlines[i], .stand_ins = true};
        comic_rig_start(&rig);
        struct comic_rig_comic *c = comic_rig_make(&rig);
        JSON_HERE detail = json_loads(comic_detail(c->comic), 0, NULL);
        const json_t *outline = json_object_get(json_object_get(detail, "meta"), "outline");
        assert_int_equal(json_array_size(json_object_get(outline, "beats")), 3);
        assert_string_equal(json_string_value(json_object_get(detail, "title")), "Rain");
        came_from(c, 0, "repaired");
        stop(&rig, c);
    }
    struct comic_rig rig = {.says = short_board, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_well(&rig, c);
    came_from(c, 2, "fallback");
    assert_non_null(strstr(comic_detail(c->comic), "\"dialogue\":\"At last\""));
    assert_non_null(strstr(comic_rig_find(&rig, "panel-2-1", 1)->prompt, "rain, street"));
    stop(&rig, c);
}

static const struct comic_says writer_fails_once[] = {
    {.name = "outline", .nth = 1, .fails = ERR_UPSTREAM},
    {.name = "board-1", .nth = 1, .fails = ERR_UPSTREAM},
    {0},
};
static const struct comic_says no_outline[] = {{.name = "outline", .fails = ERR_UPSTREAM}, {0}};
static const struct comic_says no_board[] = {{.name = "board-2", .fails = ERR_UPSTREAM, .ms = 8000}, {0}};
static const struct comic_says filtered[] = {{.name = "outline", .fails = ERR_CONTENT_FILTERED}, {0}};

static void test_a_writer_is_asked_twice(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = writer_fails_once, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_well(&rig, c);
    assert_int_equal(comic_rig_asked(&rig, "outline"), 2);
    assert_int_equal(comic_rig_asked(&rig, "board-1"), 2);
    assert_string_equal(comic_rig_find(&rig, "outline", 1)->prompt,
                        comic_rig_find(&rig, "outline", 2)->prompt);
    came_from(c, 0, "model");
    stop(&rig, c);
    fails(no_outline, ERR_UPSTREAM, "The model says no");
    fails(filtered, ERR_CONTENT_FILTERED, "The model says no");
}

/* The first page is stored by then. */
static void test_without_a_board_nothing_stays(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = no_board, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    comic_rig_order(&rig, "put page-1.png", "fail board-2 REPLICATE_ERROR");
    assert_true(comic_rig_logged(&rig, "remove page-1.png"));
    assert_true(comic_rig_logged(&rig, "remove story.json"));
    assert_int_equal(comic_rig_asked(&rig, "board-2"), 2);
    ends_badly(&rig, c, ERR_UPSTREAM);
    stop(&rig, c);
}

/* ---- panels ---- */

static void is_drawn_again(struct comic_rig *rig, unsigned times)
{
    const struct comic_rig_run *first = comic_rig_find(rig, "panel-1-2", 1);
    const struct comic_rig_run *second = comic_rig_find(rig, "panel-1-2", 2);
    assert_true(!first->again && second->again);
    assert_int_equal(first->seed, 1000 + 102);
    assert_int_equal(second->seed, 1000 + 102 + 7919);
    assert_string_equal(first->prompt, second->prompt);
    assert_int_equal(comic_rig_asked(rig, "panel-*"), 6 + times - 1);
}

static void draws_again(const struct comic_says *says)
{
    struct comic_rig rig = {.says = says, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_well(&rig, c);
    is_drawn_again(&rig, 2);
    assert_false(comic_is_degraded(c->comic));
    stop(&rig, c);
}

static void test_a_panel_is_drawn_again(void **state)
{
    (void)state;
    static const struct comic_says failed[] = {{.name = "panel-1-2", .nth = 1, .fails = ERR_UPSTREAM}, {0}};
    static const struct comic_says refused[] = {
        {.name = "panel-1-2", .nth = 1, .fails = ERR_CONTENT_FILTERED}, {0}};
    static const struct comic_says none[] = {{.name = "panel-1-2", .nth = 1, .picture = PICTURE_NONE}, {0}};
    static const struct comic_says torn[] = {{.name = "panel-1-2", .nth = 1, .picture = PICTURE_TORN}, {0}};
    static const struct comic_says cut[] = {{.name = "panel-1-2", .nth = 1, .picture = PICTURE_CUT}, {0}};
    draws_again(failed);
    draws_again(refused);
    draws_again(none);
    draws_again(torn);
    draws_again(cut);
}

static const struct comic_says no_panel[] = {{.name = "panel-2-2", .fails = ERR_UPSTREAM, .ms = 5000}, {0}};

static void test_without_a_panel_nothing_stays(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = no_panel, .stand_ins = true};
    comic_rig_start(&rig);
    rig.ask.cover = true;
    struct comic_rig_comic *c = comic_rig_make(&rig);
    comic_rig_order(&rig, "put page-1.png", "fail panel-2-2 REPLICATE_ERROR");
    comic_rig_order(&rig, "put cover.png", "remove cover.png");
    assert_int_equal(comic_rig_asked(&rig, "panel-2-2"), 2);
    ends_badly(&rig, c, ERR_UPSTREAM);
    assert_string_equal(comic_error(c->comic)->reason,
                        "Panel 2 of page 2 could not be drawn: The model says no");
    stop(&rig, c);
}

static void test_without_a_panel_there_is_an_empty_field(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = no_panel};
    comic_rig_start(&rig);
    rig.config.partial = true;
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_well(&rig, c);
    assert_true(comic_is_degraded(c->comic));
    assert_int_equal(comic_rig_asked(&rig, "panel-2-2"), 2);
    JSON_HERE detail = json_loads(comic_detail(c->comic), 0, NULL);
    const json_t *page = json_array_get(json_object_get(detail, "pages"), 1);
    const json_t *panels = json_object_get(page, "panels");
    assert_true(json_is_true(json_object_get(json_array_get(panels, 1), "placeholder")));
    assert_null(json_object_get(json_array_get(panels, 0), "placeholder"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(detail, "meta"), "placeholders")), 1);
    stop(&rig, c);
}

/* With the cover on it. */
static void test_without_the_first_panel_there_is_a_cover(void **state)
{
    (void)state;
    static const struct comic_says none[] = {{.name = "panel-1-1", .fails = ERR_UPSTREAM}, {0}};
    struct comic_rig rig = {.says = none};
    const struct comic_output *out;
    comic_rig_start(&rig);
    rig.config.partial = rig.ask.cover = true;
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_op(c->comic)->result, 0);
    assert_int_equal(comic_outputs(c->comic, &out), 3);
    assert_string_equal(out[0].key, "comics/the-cat/cover.png");
    stop(&rig, c);
}

/* What is no fault of a model: another run would fare no better. */
static void test_what_fails_at_once(void **state)
{
    (void)state;
    static const enum err codes[] = {ERR_BUDGET_EXCEEDED, ERR_QUEUE_FULL, ERR_DEADLINE};
    static const char *const names[] = {"outline", "board-1", "panel-1-3"};
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++)
        for (unsigned k = 0; k < ARRAY_LEN(names); k++) {
            const struct comic_says says[] = {{.name = names[k], .fails = codes[i], .ms = 3000}, {0}};
            struct comic_rig rig = {.says = says, .stand_ins = true};
            comic_rig_start(&rig);
            rig.config.partial = true;
            struct comic_rig_comic *c = comic_rig_make(&rig);
            ends_badly(&rig, c, codes[i]);
            assert_string_equal(comic_error(c->comic)->reason, "The model says no");
            assert_int_equal(comic_rig_asked(&rig, names[k]), 1);
            stop(&rig, c);
        }
}

/* ---- the lane ---- */

static int nothing(struct lane_job *job)
{
    (void)job;
    return 0;
}

static void no_matter(struct op *op)
{
    (void)op;
}

/* Nothing is rendered for three seconds: the one place is taken. */
static struct comic_rig_comic *make_with_a_full_lane(struct comic_rig *rig, bool cover)
{
    static struct lane_job other;
    rig->imaging_room = 1;
    rig->imaging_held = true;
    comic_rig_start(rig);
    rig->ask.cover = cover;
    other = (struct lane_job){0};
    assert_int_equal(lane_submit(rig->imaging, &other, nothing, no_matter), 0);
    struct comic_rig_comic *c = comic_rig_new(rig);
    comic_rig_begin(c);
    uint64_t until = rig->now_ns + 3 * NS_PER_S;
    while (rig->now_ns < until)
        assert_true(comic_rig_step(rig));
    assert_true(comic_rig_logged(rig, "told panel 6/6"));
    assert_false(comic_rig_logged(rig, "told page 1/2"));
    rig->imaging_held = false;
    comic_rig_run(rig);
    return c;
}

static void test_a_full_lane(void **state)
{
    (void)state;
    struct comic_rig rig = {0};
    struct comic_rig_comic *c = make_with_a_full_lane(&rig, false);
    ends_well(&rig, c);
    stop(&rig, c);
}

/* Nobody had the time to look at the picture; the page finds out. */
static void test_a_full_lane_and_a_torn_picture(void **state)
{
    (void)state;
    static const struct comic_says torn[] = {{.name = "panel-1-2", .nth = 1, .picture = PICTURE_TORN}, {0}};
    struct comic_rig rig = {.says = torn};
    struct comic_rig_comic *c = make_with_a_full_lane(&rig, false);
    ends_well(&rig, c);
    is_drawn_again(&rig, 2);
    assert_false(comic_is_degraded(c->comic));
    stop(&rig, c);
}

/* The same, and the cover has it as well. */
static void test_a_full_lane_and_a_torn_first_picture(void **state)
{
    (void)state;
    static const struct comic_says torn[] = {{.name = "panel-1-1", .nth = 1, .picture = PICTURE_TORN}, {0}};
    struct comic_rig rig = {.says = torn};
    const struct comic_output *out;
    struct comic_rig_comic *c = make_with_a_full_lane(&rig, true);
    if (comic_op(c->comic)->result < 0)
        fail_msg("%s", comic_error(c->comic)->reason);
    assert_int_equal(comic_outputs(c->comic, &out), 3);
    assert_int_equal(comic_rig_asked(&rig, "panel-1-1"), 2);
    comic_rig_order(&rig, "told page 2/2", "told cover"); /* it has the second picture */
    stop(&rig, c);
}

/* It has no pixels at all, and no better one comes. */
static void test_a_full_lane_and_no_picture(void **state)
{
    (void)state;
    static const struct comic_says none[] = {{.name = "panel-1-2", .picture = PICTURE_NONE}, {0}};
    struct comic_rig rig = {.says = none, .imaging_room = 1, .imaging_held = true};
    struct lane_job other = {0};
    comic_rig_start(&rig);
    assert_int_equal(lane_submit(rig.imaging, &other, nothing, no_matter), 0);
    struct comic_rig_comic *c = comic_rig_new(&rig);
    comic_rig_begin(c);
    while (c->done == 0)
        assert_true(comic_rig_step(&rig));
    rig.imaging_held = false;
    comic_rig_run(&rig);
    ends_badly(&rig, c, ERR_UPSTREAM);
    assert_non_null(
        strstr(comic_error(c->comic)->reason, "Panel 2 of page 1 could not be drawn: The picture"));
    stop(&rig, c);
}

/* ---- the store ---- */

static void test_a_page_that_cannot_be_stored(void **state)
{
    (void)state;
    static const char *const files[] = {"page-2.png", "cover.png", "book.pdf", "story.json", "page-1.png"};
    for (unsigned i = 0; i < ARRAY_LEN(files); i++) {
        struct comic_rig rig = {.put_fails = {files[i]}, .stand_ins = true};
        comic_rig_start(&rig);
        rig.ask.cover = rig.ask.bound = true;
        struct comic_rig_comic *c = comic_rig_make(&rig);
        ends_badly(&rig, c, ERR_STORAGE_FAILED);
        assert_string_equal(comic_error(c->comic)->reason, "The store is away");
        if (i == 0) {
            assert_true(comic_rig_logged(&rig, "remove page-1.png"));
            assert_true(comic_rig_logged(&rig, "remove cover.png"));
            assert_true(comic_rig_logged(&rig, "remove story.json"));
        }
        stop(&rig, c);
    }
}

/* The second time it is put, with all that is said. */
static void test_a_note_that_cannot_be_told(void **state)
{
    (void)state;
    struct comic_rig rig = {.put_fails = {"story.json"}, .put_fails_nth = {2}, .stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    ends_badly(&rig, c, ERR_STORAGE_FAILED);
    assert_int_equal(rig.puts[0], 2);
    stop(&rig, c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_outline_is_mended),
        cmocka_unit_test(test_a_board_is_mended),
        cmocka_unit_test(test_what_cannot_be_mended_is_made_up),
        cmocka_unit_test(test_what_can_be_used_is_kept),
        cmocka_unit_test(test_a_writer_is_asked_twice),
        cmocka_unit_test(test_without_a_board_nothing_stays),
        cmocka_unit_test(test_a_panel_is_drawn_again),
        cmocka_unit_test(test_without_a_panel_nothing_stays),
        cmocka_unit_test(test_without_a_panel_there_is_an_empty_field),
        cmocka_unit_test(test_without_the_first_panel_there_is_a_cover),
        cmocka_unit_test(test_what_fails_at_once),
        cmocka_unit_test(test_a_full_lane),
        cmocka_unit_test(test_a_full_lane_and_a_torn_picture),
        cmocka_unit_test(test_a_full_lane_and_a_torn_first_picture),
        cmocka_unit_test(test_a_full_lane_and_no_picture),
        cmocka_unit_test(test_a_page_that_cannot_be_stored),
        cmocka_unit_test(test_a_note_that_cannot_be_told),
    };
    return cmocka_run_group_tests(tests, comic_group_start, comic_group_stop);
}
