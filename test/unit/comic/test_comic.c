/* A comic whose models do what they should: what is begun when, what is asked for, and what comes out. */
#include "comic/comic.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "comic_rig.h"
#include "imaging/page.h"
#include "scratch.h"

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define JSON_HERE CLEANUP(cleanup_json) json_t *

static void is_output(const struct comic_rig *rig, const struct comic_output *o, const char *key,
                      const char *type, bool picture)
{
    FREE_ON_EXIT char *path = mem_printf("%s/objects/%s", rig->folder, key);
    assert_string_equal(o->key, key);
    assert_string_equal(o->content_type, type);
    assert_int_equal(o->width, picture ? PAGE_WIDTH : 0);
    assert_int_equal(o->height, picture ? PAGE_HEIGHT : 0);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_int_equal(ftell(f), o->bytes);
    assert_int_equal(fclose(f), 0);
}

/* ---- in which order ---- */

static const struct comic_says one_page_after_the_other[] = {
    {.name = "board-2", .ms = 5000},
    {0},
};

static void test_all_begins_as_early_as_it_can(void **state)
{
    (void)state;
    struct comic_rig rig = {.says = one_page_after_the_other};
    const struct comic_output *out;
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_op(c->comic)->result, 0);
    assert_string_equal(rig.run[0].name, "outline");
    comic_rig_order(&rig, "end outline", "start board-1");
    comic_rig_order(&rig, "start board-2", "end board-1"); /* both at once */
    comic_rig_order(&rig, "start board-2", "put story.json");
    comic_rig_order(&rig, "start panel-1-3", "end panel-1-1");
    comic_rig_order(&rig, "put page-1.png",
                    "end board-2"); /* the first page waits for nothing of the second */
    comic_rig_order(&rig, "told page 1/2", "start panel-2-1");
    comic_rig_order(&rig, "end panel-2-3", "put page-2.png");
    assert_int_equal(rig.run_count, 1 + 2 + 6);
    assert_int_equal(comic_outputs(c->comic, &out), 2);
    is_output(&rig, &out[0], "comics/the-cat/page-1.png", "image/png", true);
    is_output(&rig, &out[1], "comics/the-cat/page-2.png", "image/png", true);
    FREE_ON_EXIT char *all = comic_rig_objects(&rig);
    assert_string_equal(all,
                        "comics/the-cat/page-1.png comics/the-cat/page-2.png comics/the-cat/story.json ");
    assert_false(comic_is_degraded(c->comic));
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static void test_news_count_to_the_end(void **state)
{
    (void)state;
    struct comic_rig rig = {0};
    comic_rig_start(&rig);
    rig.ask.cover = rig.ask.bound = true;
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(c->news.total, 1 + 2 + 6 + 2 + 1 + 1);
    assert_int_equal(c->news.done, c->news.total);
    assert_int_equal(c->told, c->news.total);
    static const char *const steps[] = {"told outline",   "told storyboard 1/2", "told storyboard 2/2",
                                        "told panel 1/6", "told panel 6/6",      "told page 1/2",
                                        "told page 2/2",  "told cover",          "told book"};
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++)
        if (!comic_rig_logged(&rig, steps[i]))
            fail_msg("nobody was %s", steps[i]);
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static void test_a_single_page_has_no_outline(void **state)
{
    (void)state;
    struct comic_rig rig = {0};
    const struct comic_output *out;
    comic_rig_start(&rig);
    rig.ask.story.pages = 1;
    rig.ask.story.panels = 1;
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_op(c->comic)->result, 0);
    assert_int_equal(comic_rig_asked(&rig, "outline*"), 0);
    assert_int_equal(rig.run_count, 2);
    assert_string_equal(rig.run[0].name, "board-1");
    assert_int_equal(comic_outputs(c->comic, &out), 1);
    is_output(&rig, &out[0], "comics/a-cat-waits-for-the-rain/page-1.png", "image/png", true);
    JSON_HERE detail = json_loads(comic_detail(c->comic), 0, NULL);
    assert_string_equal(json_string_value(json_object_get(detail, "title")), "");
    assert_null(json_object_get(json_object_get(detail, "meta"), "outline"));
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* ---- what models are asked for ---- */

static void test_prompts(void **state)
{
    (void)state;
    struct comic_rig rig = {0};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    const struct comic_rig_run *outline = comic_rig_find(&rig, "outline", 1);
    const struct comic_rig_run *board = comic_rig_find(&rig, "board-2", 1);
    const struct comic_rig_run *panel = comic_rig_find(&rig, "panel-2-3", 1);
    assert_non_null(strstr(outline->prompt, rig.ask.story.prompt));
    assert_string_equal(outline->beside, story_instruction());
    assert_int_equal(outline->kind, COMIC_WRITE);
    assert_non_null(strstr(board->prompt, "page 2 of 2"));
    assert_non_null(strstr(board->prompt, "Step 9."));
    assert_int_equal(panel->kind, COMIC_DRAW);
    assert_non_null(strstr(panel->prompt, "place 2 3"));
    assert_non_null(strstr(panel->prompt, "short red hair"));
    assert_string_equal(panel->beside, story_negative());
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* Each panel is asked for in the shape of its cell, out of those that the model knows. */
static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        unsigned panels;
        uint32_t side[STORY_PANELS_MAX][2];
    } rows[] = {
        {1, {{832, 1216}}},
        {3, {{1152, 896}, {832, 1216}, {832, 1216}}},
        {4, {{832, 1216}, {832, 1216}, {832, 1216}, {832, 1216}}},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct comic_rig rig = {.stand_ins = true};
        comic_rig_start(&rig);
        rig.ask.story.pages = 1;
        rig.ask.story.panels = rows[i].panels;
        struct comic_rig_comic *c = comic_rig_make(&rig);
        for (unsigned k = 0; k < rows[i].panels; k++) {
            char name[32];
            snprintf(name, sizeof(name), "panel-1-%u", k + 1);
            const struct comic_rig_run *r = comic_rig_find(&rig, name, 1);
            if (r->width != rows[i].side[k][0] || r->height != rows[i].side[k][1])
                fail_msg("%u panels: %s is %ux%u", rows[i].panels, name, r->width, r->height);
        }
        comic_rig_free(c);
        comic_rig_stop(&rig);
    }
}

/* A process that makes it anew asks for the same, whatever comes first this time. */
static void test_the_same_is_asked_for_again(void **state)
{
    (void)state;
    struct comic_rig first = {.stand_ins = true}, second = {.stand_ins = true, .random = true};
    comic_rig_start(&first);
    comic_rig_start(&second);
    rng_seed(&second.rng, 4);
    first.ask.story.pages = second.ask.story.pages = 3;
    struct comic_rig_comic *a = comic_rig_make(&first), *b = comic_rig_make(&second);
    assert_int_equal(first.run_count, 1 + 3 + 9);
    assert_int_equal(second.run_count, first.run_count);
    for (unsigned i = 0; i < first.run_count; i++) {
        const struct comic_rig_run *x = &first.run[i], *y = comic_rig_find(&second, x->name, 1);
        assert_string_equal(x->prompt, y->prompt);
        assert_string_equal(x->beside, y->beside);
        assert_int_equal(x->seed, y->seed);
        assert_int_equal(x->width, y->width);
        for (unsigned k = 0; k < i; k++)
            assert_true(x->kind == COMIC_WRITE || x->seed != first.run[k].seed);
    }
    assert_int_equal(comic_rig_find(&first, "panel-2-3", 1)->seed, 1000 + 203);
    assert_string_equal(comic_detail(a->comic), comic_detail(b->comic));
    comic_rig_free(a);
    comic_rig_free(b);
    comic_rig_stop(&second);
    comic_rig_stop(&first);
}

static void test_seeds_stay_in_their_range(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    rig.ask.seed = INT32_MAX;
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_rig_find(&rig, "panel-1-1", 1)->seed, 100);
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* ---- what comes out ---- */

static void outputs_of(enum book_format format, const char *file, const char *type, const char *head)
{
    struct comic_rig rig = {0};
    const struct comic_output *out;
    comic_rig_start(&rig);
    rig.ask.cover = rig.ask.bound = true;
    rig.ask.format = format;
    FREE_ON_EXIT char *key = mem_printf("comics/the-cat/%s", file);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_op(c->comic)->result, 0);
    assert_int_equal(comic_outputs(c->comic, &out), 4);
    is_output(&rig, &out[0], "comics/the-cat/cover.png", "image/png", true);
    is_output(&rig, &out[1], "comics/the-cat/page-1.png", "image/png", true);
    is_output(&rig, &out[2], "comics/the-cat/page-2.png", "image/png", true);
    is_output(&rig, &out[3], key, type, false);
    FREE_ON_EXIT char *text = comic_rig_read(&rig, key);
    assert_memory_equal(text, head, strlen(head));
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static void test_a_cover_and_a_pdf(void **state)
{
    (void)state;
    outputs_of(BOOK_PDF, "book.pdf", "application/pdf", "%PDF-");
}

static void test_a_cover_and_a_cbz(void **state)
{
    (void)state;
    outputs_of(BOOK_CBZ, "book.cbz", "application/vnd.comicbook+zip", "PK\003\004");
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "(none)";
}

static void test_the_detail(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    JSON_HERE detail = json_loads(comic_detail(c->comic), 0, NULL);
    assert_string_equal(text_of(detail, "story_id"), "the-cat");
    assert_string_equal(text_of(detail, "title"), "The Cat");
    const json_t *pages = json_object_get(detail, "pages"), *meta = json_object_get(detail, "meta");
    assert_int_equal(json_array_size(pages), 2);
    const json_t *second = json_array_get(pages, 1);
    assert_int_equal(json_integer_value(json_object_get(second, "page_index")), 1);
    assert_int_equal(json_array_size(json_object_get(second, "panels")), 3);
    const json_t *panel = json_array_get(json_object_get(second, "panels"), 2);
    assert_int_equal(json_integer_value(json_object_get(panel, "id")), 3);
    assert_string_equal(text_of(panel, "dialogue"), "Line 2-3");
    assert_string_equal(text_of(panel, "speaker"), "Mira");
    assert_string_equal(text_of(panel, "emotion"), "sad");
    assert_null(json_object_get(panel, "placeholder"));
    const json_t *outline = json_object_get(meta, "outline");
    assert_string_equal(text_of(outline, "source"), "model");
    assert_int_equal(json_array_size(json_object_get(outline, "beats")), 9);
    assert_string_equal(text_of(json_array_get(json_object_get(outline, "characters"), 0), "name"), "Mira");
    const json_t *told = json_array_get(json_object_get(meta, "pages"), 1);
    assert_string_equal(text_of(told, "source"), "model");
    assert_int_equal(json_integer_value(json_object_get(told, "panel_count")), 3);
    assert_int_equal(json_array_size(json_object_get(told, "beats")), 5);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(told, "beats"), 0)), 5);
    assert_null(json_object_get(meta, "placeholders"));
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* The note in the store says in the end what is said of the comic, and who has made it. */
static void test_the_note(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    FREE_ON_EXIT char *text = comic_rig_read(&rig, "comics/the-cat/story.json");
    JSON_HERE note = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    JSON_HERE detail = json_loads(comic_detail(c->comic), 0, NULL);
    assert_string_equal(text_of(note, "made_by"), rig.ask.made_by);
    assert_int_equal(json_object_del(note, "made_by"), 0);
    assert_true(json_equal(note, detail));
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* ---- with threads ---- */

/* What the lanes read does not change under them. */
static void test_lanes_with_threads(void **state)
{
    (void)state;
    static const struct comic_says torn[] = {
        {.name = "panel-1-1", .nth = 1, .picture = PICTURE_TORN},
        {.name = "panel-2-1", .nth = 1, .picture = PICTURE_TORN},
        {0},
    };
    enum { ROUNDS = 12, CANCELLED_FROM = 2 };
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct comic_rig rig = {
            .threads = 2, .imaging_room = 1 + i % 3, .says = torn, .stand_ins = i >= CANCELLED_FROM};
        const struct comic_output *out;
        comic_rig_start(&rig);
        rig.ask.cover = rig.ask.bound = true;
        struct comic_rig_comic *c = comic_rig_new(&rig);
        c->cancel_at = i >= CANCELLED_FROM ? i : 0;
        comic_rig_begin(c);
        comic_rig_run(&rig);
        assert_int_equal(comic_op(c->comic)->result, c->cancel_at ? -ERR_CLIENT_GONE : 0);
        assert_int_equal(comic_outputs(c->comic, &out), c->cancel_at ? 0 : 4);
        FREE_ON_EXIT char *all = comic_rig_objects(&rig);
        assert_int_equal(strlen(all) > 0, c->cancel_at == 0);
        comic_rig_free(c);
        comic_rig_stop(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_begins_as_early_as_it_can),
        cmocka_unit_test(test_news_count_to_the_end),
        cmocka_unit_test(test_a_single_page_has_no_outline),
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_the_same_is_asked_for_again),
        cmocka_unit_test(test_seeds_stay_in_their_range),
        cmocka_unit_test(test_a_cover_and_a_pdf),
        cmocka_unit_test(test_a_cover_and_a_cbz),
        cmocka_unit_test(test_the_detail),
        cmocka_unit_test(test_the_note),
        cmocka_unit_test(test_lanes_with_threads),
    };
    return cmocka_run_group_tests(tests, comic_group_start, comic_group_stop);
}
