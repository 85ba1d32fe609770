/* A story's name in the store, and what is left of one that was not finished. */
#include "comic/comic.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "comic_rig.h"
#include "scratch.h"

#define NOTE(maker) "{\"story_id\":\"the-cat\",\"made_by\":\"" maker "\"}"

static struct comic_rig_comic *make(struct comic_rig *rig)
{
    struct comic_rig_comic *c = comic_rig_make(rig);
    if (comic_op(c->comic)->result < 0)
        fail_msg("%s", comic_error(c->comic)->reason);
    return c;
}

/* "the-cat-" and six digits that follow from who makes it, and how often was tried. */
static char *suffixed(const char *made_by, unsigned tries)
{
    uint8_t sum[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    FREE_ON_EXIT char *seed = mem_printf("%s %u", made_by, tries);
    digest_of(seed, strlen(seed), sum);
    hex_encode(sum, sizeof(sum), hex);
    return mem_printf("the-cat-%.6s", hex);
}

/* Where the first page is: "comics/{name}/page-1.png". */
static void is_named(const struct comic_rig_comic *c, const char *name)
{
    const struct comic_output *out;
    FREE_ON_EXIT char *key = mem_printf("comics/%s/page-1.png", name);
    assert_int_equal(comic_outputs(c->comic, &out), 2);
    assert_string_equal(out[0].key, key);
    FREE_ON_EXIT char *said = mem_printf("{\"story_id\":\"%s\",", name);
    assert_memory_equal(comic_detail(c->comic), said, strlen(said));
}

static void gets_a_suffix(const char *key, const char *text)
{
    FREE_ON_EXIT char *one = suffixed("maker-one", 1);
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    comic_rig_store(&rig, key, text);
    rig.ask.made_by = "maker-one";
    struct comic_rig_comic *c = make(&rig);
    is_named(c, one);
    FREE_ON_EXIT char *still = comic_rig_read(&rig, key);
    assert_string_equal(still, text);
    struct comic_rig_comic *again =
        make(&rig); /* the same maker: the same name, though pages are there now */
    is_named(again, one);
    FREE_ON_EXIT char *other = suffixed("maker-two", 1);
    rig.ask.made_by = "maker-two";
    struct comic_rig_comic *second = make(&rig);
    is_named(second, other);
    assert_string_not_equal(one, other);
    comic_rig_free(c);
    comic_rig_free(again);
    comic_rig_free(second);
    comic_rig_stop(&rig);
}

static void test_somebody_elses_story(void **state)
{
    (void)state;
    gets_a_suffix("comics/the-cat/story.json", NOTE("somebody else"));
}

static void test_a_page_of_an_older_program(void **state)
{
    (void)state;
    gets_a_suffix("comics/the-cat/page-1.png", "a picture");
}

/* A note that is larger than any of ours is somebody else's. */
static void test_a_note_that_is_too_large(void **state)
{
    (void)state;
    enum { LARGE = 1100000 };
    FREE_ON_EXIT char *name = suffixed("maker-one", 1);
    FREE_ON_EXIT char *note = mem_zalloc(LARGE + 1);
    memset(note, ' ', LARGE);
    memcpy(note, "maker-one", strlen("maker-one"));
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    comic_rig_store(&rig, "comics/the-cat/story.json", note);
    rig.ask.made_by = "maker-one";
    struct comic_rig_comic *c = make(&rig);
    is_named(c, name);
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static void test_our_own_story(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    comic_rig_store(&rig, "comics/the-cat/story.json", NOTE("maker-one"));
    comic_rig_store(&rig, "comics/the-cat/page-1.png", "an earlier process's");
    rig.ask.made_by = "maker-one";
    struct comic_rig_comic *c = make(&rig);
    is_named(c, "the-cat");
    FREE_ON_EXIT char *page = comic_rig_read(&rig, "comics/the-cat/page-1.png");
    assert_string_equal(page, "page-1.png");
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* Without a maker's name no note is one's own. */
static void test_a_story_of_nobody(void **state)
{
    (void)state;
    FREE_ON_EXIT char *name = suffixed("", 1);
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    comic_rig_store(&rig, "comics/the-cat/story.json", NOTE(""));
    rig.ask.made_by = "";
    struct comic_rig_comic *c = make(&rig);
    is_named(c, name);
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static void test_no_name_is_free(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    comic_rig_store(&rig, "comics/the-cat/story.json", NOTE("somebody else"));
    for (unsigned i = 1; i < 10; i++) {
        FREE_ON_EXIT char *name = suffixed(rig.ask.made_by, i);
        FREE_ON_EXIT char *key = mem_printf("comics/%s/page-1.png", name);
        comic_rig_store(&rig, key, "somebody else's");
    }
    FREE_ON_EXIT char *before = comic_rig_objects(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_op(c->comic)->result, -ERR_STORAGE_FAILED);
    FREE_ON_EXIT char *after = comic_rig_objects(&rig);
    assert_string_equal(before, after);
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

/* Both at once, in one process: neither has anything in the store when the other one looks. */
static void test_two_of_one_name(void **state)
{
    (void)state;
    static const struct comic_says as_fast[] = {{.name = "*", .ms = 100}, {0}};
    struct comic_rig rig = {.stand_ins = true, .says = as_fast};
    comic_rig_start(&rig);
    rig.ask.made_by = "maker-one";
    struct comic_rig_comic *a = comic_rig_new(&rig);
    rig.ask.made_by = "maker-two";
    struct comic_rig_comic *b = comic_rig_new(&rig);
    FREE_ON_EXIT char *other = suffixed("maker-two", 1);
    comic_rig_begin(a);
    comic_rig_begin(b);
    comic_rig_run(&rig);
    assert_int_equal(comic_op(a->comic)->result, 0);
    assert_int_equal(comic_op(b->comic)->result, 0);
    is_named(a, "the-cat");
    is_named(b, other);
    comic_rig_free(a);
    comic_rig_free(b);
    comic_rig_stop(&rig);
}

/* Objects that cannot be looked for belong to who has asked. */
static void test_a_store_that_cannot_be_read(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true, .blind = true};
    comic_rig_start(&rig);
    comic_rig_store(&rig, "comics/the-cat/page-1.png", "the caller's own");
    struct comic_rig_comic *c = make(&rig);
    is_named(c, "the-cat");
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static void test_a_store_that_is_away(void **state)
{
    (void)state;
    struct comic_rig rig = {.stand_ins = true, .get_fails = true};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_make(&rig);
    assert_int_equal(comic_op(c->comic)->result, -ERR_STORAGE_FAILED);
    assert_string_equal(comic_error(c->comic)->reason, "The store is away");
    FREE_ON_EXIT char *all = comic_rig_objects(&rig);
    assert_string_equal(all, "");
    comic_rig_free(c);
    comic_rig_stop(&rig);
}

static const struct comic_says no_second_page[] = {
    {.name = "panel-2-1", .fails = ERR_BUDGET_EXCEEDED, .ms = 9000},
    {0},
};

/* The name has this note, and this file beside it, when a comic is made that fails with its second page. */
static void fails_there(struct comic_rig *rig, const char *note, const char *file, const char *left)
{
    rig->stand_ins = true;
    rig->says = no_second_page;
    comic_rig_start(rig);
    comic_rig_store(rig, "comics/the-cat/story.json", note);
    comic_rig_store(rig, file, "there before");
    rig->ask.made_by = "maker-one";
    struct comic_rig_comic *c = comic_rig_make(rig);
    assert_int_equal(comic_op(c->comic)->result, -ERR_BUDGET_EXCEEDED);
    FREE_ON_EXIT char *all = comic_rig_objects(rig);
    assert_string_equal(all, left);
    comic_rig_free(c);
    comic_rig_stop(rig);
}

static const char page_and_note[] = "comics/the-cat/page-1.png comics/the-cat/story.json ";

/* An earlier process had stored some of it, and got no further. */
static void test_what_an_earlier_process_left_goes_too(void **state)
{
    (void)state;
    fails_there(&(struct comic_rig){0}, NOTE("maker-one"), "comics/the-cat/page-2.png", "");
}

/* Another gateway went on with it meanwhile: what there is may be its. */
static void test_who_has_lost_it_removes_nothing(void **state)
{
    (void)state;
    fails_there(&(struct comic_rig){.loses = true}, NOTE("maker-one"), "comics/the-cat/page-1.png",
                page_and_note);
}

static void test_what_others_have_stays(void **state)
{
    (void)state;
    fails_there(&(struct comic_rig){0}, NOTE("somebody else"), "comics/the-cat/page-1.png", page_and_note);
}

/* ---- cancelled ---- */

static void nothing_is_left(struct comic_rig *rig, const struct comic_rig_comic *c)
{
    FREE_ON_EXIT char *all = comic_rig_objects(rig);
    assert_int_equal(comic_op(c->comic)->result, -ERR_CLIENT_GONE);
    assert_string_equal(all, "");
    assert_true(list_empty(&rig->names.used));
}

/* After so many events; false: it was over by then. */
static bool cancelled_after(unsigned events, bool deaf)
{
    static const struct comic_says all_deaf[] = {{.name = "*", .deaf = true}, {0}};
    struct comic_rig rig = {.stand_ins = true, .says = deaf ? all_deaf : NULL};
    comic_rig_start(&rig);
    rig.ask.cover = rig.ask.bound = true;
    struct comic_rig_comic *c = comic_rig_new(&rig);
    comic_rig_begin(c);
    for (unsigned i = 0; i < events && c->done == 0; i++)
        comic_rig_step(&rig);
    bool over = c->done > 0;
    unsigned asked = rig.run_count, under_way = 0, cancelled = 0;
    for (unsigned i = 0; i < asked; i++)
        under_way += rig.run[i].run != NULL;
    op_cancel(comic_op(c->comic));
    op_cancel(comic_op(c->comic)); /* once more changes nothing */
    comic_rig_run(&rig);
    assert_int_equal(rig.run_count, asked); /* nothing is begun any more */
    for (unsigned i = 0; i < asked; i++)
        cancelled += rig.run[i].cancelled;
    assert_int_equal(cancelled, under_way);
    if (over)
        assert_int_equal(comic_op(c->comic)->result, 0);
    else
        nothing_is_left(&rig, c);
    comic_rig_free(c);
    comic_rig_stop(&rig);
    return !over;
}

static void test_cancelled_at_any_time(void **state)
{
    (void)state;
    unsigned events = 0;
    while (cancelled_after(events, false) && cancelled_after(events, true))
        events++;
    assert_int_equal(events, 9 + 6 + 2 + 2 + 8); /* runs, pictures, pages, cover and book, files */
}

/* The store does nothing from that event on: nobody waits for it. */
static bool cancelled_while_the_store_hangs(unsigned events)
{
    struct comic_rig rig = {.stand_ins = true};
    comic_rig_start(&rig);
    rig.ask.cover = rig.ask.bound = true;
    struct comic_rig_comic *c = comic_rig_new(&rig);
    comic_rig_begin(c);
    for (unsigned i = 0; i < events; i++)
        comic_rig_step(&rig);
    rig.files_held = true;
    while (comic_rig_step(&rig))
        ;
    bool hangs = c->done == 0;
    op_cancel(comic_op(c->comic));
    loop_turn(&rig.loop);
    assert_int_equal(c->done, 1);
    assert_int_equal(lane_queued(rig.files), 0);
    if (hangs)
        nothing_is_left(&rig, c);
    comic_rig_free(c);
    comic_rig_stop(&rig);
    return hangs;
}

static void test_cancelled_while_the_store_hangs(void **state)
{
    (void)state;
    unsigned events = 0;
    while (cancelled_while_the_store_hangs(events))
        events++;
    assert_int_equal(events, 9 + 6 + 2 + 2 + 8);
}

/* From within the comic's own call to its host. */
static void test_cancelled_while_it_tells(void **state)
{
    (void)state;
    unsigned news = 1;
    for (bool over = false; !over; news++) {
        struct comic_rig rig = {.stand_ins = true};
        comic_rig_start(&rig);
        rig.ask.cover = rig.ask.bound = true;
        struct comic_rig_comic *c = comic_rig_new(&rig);
        c->cancel_at = news;
        comic_rig_begin(c);
        comic_rig_run(&rig);
        over = c->told < news;
        if (over)
            assert_int_equal(comic_op(c->comic)->result, 0);
        else
            nothing_is_left(&rig, c);
        comic_rig_free(c);
        comic_rig_stop(&rig);
    }
    assert_int_equal(news - 2, 1 + 2 + 6 + 2 + 2);
}

static void test_never_begun(void **state)
{
    (void)state;
    struct comic_rig rig = {0};
    comic_rig_start(&rig);
    struct comic_rig_comic *c = comic_rig_new(&rig);
    comic_free(TAKE(c->comic));
    comic_free(NULL);
    comic_rig_stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_somebody_elses_story),
        cmocka_unit_test(test_a_page_of_an_older_program),
        cmocka_unit_test(test_a_note_that_is_too_large),
        cmocka_unit_test(test_our_own_story),
        cmocka_unit_test(test_a_story_of_nobody),
        cmocka_unit_test(test_no_name_is_free),
        cmocka_unit_test(test_two_of_one_name),
        cmocka_unit_test(test_a_store_that_cannot_be_read),
        cmocka_unit_test(test_a_store_that_is_away),
        cmocka_unit_test(test_what_an_earlier_process_left_goes_too),
        cmocka_unit_test(test_what_others_have_stays),
        cmocka_unit_test(test_who_has_lost_it_removes_nothing),
        cmocka_unit_test(test_cancelled_at_any_time),
        cmocka_unit_test(test_cancelled_while_the_store_hangs),
        cmocka_unit_test(test_cancelled_while_it_tells),
        cmocka_unit_test(test_never_begun),
    };
    return cmocka_run_group_tests(tests, comic_group_start, comic_group_stop);
}
