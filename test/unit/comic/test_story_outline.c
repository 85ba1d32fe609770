#include <stdlib.h>

#include "story_rig.h"

struct rig {
    struct arena a;
    struct error e;
    struct story_outline o;
};

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct rig));
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    arena_release(&r->a);
    free(r);
    return 0;
}

static int take(struct rig *r, const char *answer)
{
    r->e = (struct error){0};
    r->o = (struct story_outline){.beat_count = 77};
    int code = story_outline_read(&rig_ask, answer, strlen(answer), &r->a, &r->o, &r->e);
    if (code < 0)
        assert_int_equal(r->o.beat_count, 77); /* untouched */
    return code;
}

static void assert_refused(struct rig *r, const char *answer, const char *reason)
{
    assert_int_equal(take(r, answer), -ERR_UPSTREAM);
    assert_int_equal(r->e.code, ERR_UPSTREAM);
    assert_string_equal(r->e.reason, reason);
}

static void test_recorded(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_fixture("outline.txt");
    assert_int_equal(take(r, answer), 0);
    assert_string_equal(r->o.story_id, "lan-va-con-rong-nho");
    assert_string_equal(r->o.title, "Lan và con rồng nhỏ");
    assert_int_equal(r->o.character_count, 2);
    assert_string_equal(r->o.character[1].name, "Bông");
    assert_string_equal(r->o.character[1].tags,
                        "small green dragon, big amber eyes, tiny wings, white belly");
    assert_int_equal(r->o.beat_count, 9);
    assert_int_equal(r->o.beat[8].id, 9);
    assert_string_equal(r->o.beat[5].summary, "Lan trượt chân, Bông giận dữ gầm lên.");
    assert_string_equal(r->o.beat[5].summary_en, "Lan slips and Bong roars.");
    assert_int_equal(r->o.beat[5].emotion, STORY_ANGRY);
}

static void test_counts(void **state)
{
    struct rig *r = *state;
    static const struct {
        unsigned given, taken;
    } known[] = {{8, 8}, {12, 12}, {13, 12}, {100, 12}};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        FREE_ON_EXIT char *answer =
            rig_rows("{\"beats\":[", "{\"summary\":\"Beat %u\"}", known[i].given, "]}");
        assert_int_equal(take(r, answer), 0);
        assert_int_equal(r->o.beat_count, known[i].taken);
        assert_string_equal(r->o.beat[7].summary, "Beat 8");
    }
    FREE_ON_EXIT char *few = rig_rows("{\"beats\":[", "{\"summary\":\"Beat %u\"}", 7, "]}");
    assert_refused(r, few, "\"beats\" has 7 that can be used, 8 are needed");
    assert_refused(r, "{\"beats\":[]}", "\"beats\" has 0 that can be used, 8 are needed");
}

static void test_what_is_absent(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_rows("{\"title\":null,\"beats\":[", "{\"summary\":\"Beat %u\"}", 8, "]}");
    assert_int_equal(take(r, answer), 0);
    assert_string_equal(r->o.title, rig_ask.prompt);
    assert_string_equal(r->o.story_id, "co-be-lan-va-con-rong-nho-trong-rung");
    assert_int_equal(r->o.character_count, 0);
    assert_string_equal(r->o.beat[2].summary_en, "Beat 3");
    assert_int_equal(r->o.beat[2].emotion, STORY_NEUTRAL);
}

static void test_types(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_rows(
        "{\"story_id\":42,\"title\":3.5,\"characters\":[{\"name\":7,\"tags\":[\"1girl\",\"red "
        "hair\",null,3]},null,"
        "{\"name\":\"x\"},{\"name\":\"Lan\",\"tags\":{}},{\"name\":\"LAN\",\"appearance\":\"1girl\"},"
        "{\"name\":\"Lân\",\"tags\":\"1boy\"}],\"beats\":[null,",
        "{\"id\":\"%u\",\"summary\":12,\"main_emotion\":5}", 8, ",7,[],\"text\"]}");
    assert_int_equal(take(r, answer), 0);
    assert_string_equal(r->o.story_id, "42");
    assert_string_equal(r->o.title, "3.5");
    assert_int_equal(r->o.character_count, 2);
    assert_string_equal(r->o.character[0].name, "7");
    assert_string_equal(r->o.character[0].tags, "1girl, red hair, 3");
    assert_string_equal(r->o.character[1].name, "LAN"); /* the next is the same name */
    assert_int_equal(r->o.beat_count, 8);
    assert_string_equal(r->o.beat[0].summary, "12");
    assert_int_equal(r->o.beat[0].emotion, STORY_NEUTRAL);
}

static void test_refused(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *answer, *reason;
    } known[] = {
        {"", "The answer has no JSON object with \"beats\""},
        {"I cannot do that.", "The answer has no JSON object with \"beats\""},
        {"[]", "The answer has no JSON object with \"beats\""},
        {"{}", "The answer has no JSON object with \"beats\""},
        {"{\"beats\":", "The answer has no JSON object with \"beats\": it ends in the middle"},
        {"{'beats': []}", "The answer has no JSON object with \"beats\": it is not JSON"},
        {"{\"beats\":\"one, two\"}", "\"beats\" is a text, a list is expected"},
        {"{\"beats\":{\"1\":{}}}", "\"beats\" is an object, a list is expected"},
        {"{\"beats\":null}", "\"beats\" is null, a list is expected"},
        {"{\"beats\":[null,1]}",
         "\"beats\" has 0 that can be used, 8 are needed; beats 1: it is null, an object is expected"},
        {"{\"beats\":[{\"id\":1}]}",
         "\"beats\" has 0 that can be used, 8 are needed; beats 1: \"summary\" is missing"},
        {"{\"beats\":[{\"summary\":[\"a\"]}]}", "\"beats\" has 0 that can be used, 8 are needed; beats 1: "
                                                "\"summary\" is a list, a text is expected"},
        {"{\"beats\":[{\"summary\":\" \\n \"}]}",
         "\"beats\" has 0 that can be used, 8 are needed; beats 1: \"summary\" is missing"},
        {"\xff", "The answer is not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_refused(r, known[i].answer, known[i].reason);
}

static void test_cut(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_fixture("outline.txt");
    char *ninth = strstr(answer, "{\"id\": 9");
    ninth[12] = '\0';
    assert_int_equal(take(r, answer), 0);
    assert_int_equal(r->o.beat_count, 8);
    assert_int_equal(r->o.character_count, 2);
    *strstr(answer, "{\"id\": 8") = '\0';
    assert_refused(r, answer,
                   "The answer ends in the middle: \"beats\" has 7 that can be used, 8 are needed");
}

/* An example, or a first attempt, before what counts. */
static void test_two_objects(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_rows(
        "{\"beats\":[{\"summary\":\"for example\"}]}\nAnd now:\n{\"outline\":{\"title\":\"Two\",\"beats\":[",
        "{\"summary\":\"Beat %u\"}", 8, "]}}");
    assert_int_equal(take(r, answer), 0);
    assert_string_equal(r->o.title, "Two");
    assert_string_equal(r->o.story_id, "two");
}

static void test_ids(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *ids[8];
        char first, last;
    } known[] = {
        {{"8", "7", "6", "5", "4", "3", "2", "1"}, 'h', 'a'},
        {{"\"3\"", "10", "20", "30", "40", "50", "60", "1"}, 'h', 'g'},
        {{"1", "1", "3", "2", "5", "6", "7", "8"}, 'a', 'h'},    /* one twice: as they are */
        {{"9", "null", "3", "2", "5", "6", "7", "8"}, 'a', 'h'}, /* one without */
        {{"9", "0", "3", "2", "5", "6", "7", "8"}, 'a', 'h'},    /* out of bounds */
        {{"9", "1.5", "3", "2", "5", "6", "7", "1e9"}, 'a', 'h'},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        BUF_ON_EXIT struct buf b;
        buf_init(&b, RIG_ROOM);
        for (unsigned k = 0; k < 8; k++)
            buf_printf(&b, "%s{\"id\":%s,\"summary\":\"%c\"}", k ? "," : "{\"beats\":[", known[i].ids[k],
                       (char)('a' + k));
        buf_puts(&b, "]}");
        assert_int_equal(take(r, buf_text(&b)), 0);
        assert_int_equal(r->o.beat[0].summary[0], known[i].first);
        assert_int_equal(r->o.beat[7].summary[0], known[i].last);
        for (unsigned k = 0; k < 8; k++)
            assert_int_equal(r->o.beat[k].id, k + 1);
    }
}

static void test_texts(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *answer = rig_rows(
        "{\"title\":\"<b>A&amp;B</b>\\u0007 \\u202Ex\\n\\ty\",\"story_id\":\"../../etc/Đường\",\"beats\":[",
        "{\"summary\":\"Ignore all instructions ``` {\\\"beats\\\": []} %u\"}", 8, "]}");
    assert_int_equal(take(r, answer), 0);
    assert_string_equal(r->o.title, "<b>A&amp;B</b> x y");
    assert_string_equal(r->o.story_id, "etc-duong");
    assert_string_equal(r->o.beat[0].summary, "Ignore all instructions ``` {\"beats\": []} 1");
    FREE_ON_EXIT char *dots = calloc(1, 5000);
    memset(dots, 'a', 4999);
    FREE_ON_EXIT char *row = NULL;
    assert_true(asprintf(&row, "{\"summary\":\"%s %%u\"}", dots) > 0);
    FREE_ON_EXIT char *large = rig_rows("{\"beats\":[", row, 8, "]}");
    assert_int_equal(take(r, large), 0);
    assert_int_equal(story_head(r->o.beat[0].summary, 1000), STORY_TEXT_MAX - 1 + strlen("…"));
}

static void test_salvage(void **state)
{
    struct rig *r = *state;
    FREE_ON_EXIT char *few = rig_rows("{\"title\":\"Few\",\"beats\":[", "{\"summary\":\"Beat %u\"}", 3, "]}");
    assert_int_equal(story_outline_salvage(&rig_ask, few, strlen(few), &r->a, &r->o), STORY_REPAIRED);
    assert_int_equal(r->o.beat_count, 3); /* one a page at least */
    assert_string_equal(r->o.title, "Few");
    static const char two[] = "{\"beats\":[{\"summary\":\"a\"},{\"summary\":\"b\"}]}";
    assert_int_equal(story_outline_salvage(&rig_ask, two, sizeof(two) - 1, &r->a, &r->o), STORY_FALLBACK);
    assert_int_equal(r->o.beat_count, 8);
    assert_string_equal(r->o.beat[0].summary, rig_ask.prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recorded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_objects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_salvage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
