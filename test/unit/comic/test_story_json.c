#include <stdlib.h>

#include "base/mem.h"
#include "story_rig.h"

/* Asserts what comes first that has "x", written compactly; NULL: nothing, and why. */
static void assert_first(const char *answer, size_t size, const char *object, const char *wrong)
{
    struct arena a;
    struct story_json j;
    struct error e = {0};
    arena_init(&a);
    assert_int_equal(story_json_init(&j, answer, size, &a, &e), 0);
    JSON_ON_EXIT json_t *found = story_json_next(&j, "x");
    FREE_ON_EXIT char *text = found ? json_dumps(found, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    if (object)
        assert_string_equal(text ? text : j.wrong, object);
    else
        assert_null(text);
    if (wrong)
        assert_string_equal(j.wrong ? j.wrong : "nothing", wrong);
    arena_release(&a);
}

static void test_found(void **state)
{
    static const struct {
        const char *answer, *object;
    } known[] = {
        {"{\"x\":1}", "{\"x\":1.0}"},
        {"```json\n{\"x\":\"a\"}\n```", "{\"x\":\"a\"}"},
        {"Sure! Here it is:\n{\"x\":\"a\"} Have {fun}", "{\"x\":\"a\"}"},
        {"\xef\xbb\xbf{\"x\":true}", "{\"x\":true}"},
        {"[{\"x\":1}]", "{\"x\":1.0}"},
        {"{\"y\":1}{\"x\":2}", "{\"x\":2.0}"},
        {"{\"x\":1}{\"x\":2}", "{\"x\":1.0}"},
        {"{\"outline\":{\"x\":1}}", "{\"x\":1.0}"},
        {"Use {braces} and { \"odd\" quotes, then {\"x\":1}", "{\"x\":1.0}"},
        {"{\"x\":[1,2,],}", "{\"x\":[1.0,2.0]}"},
        {"{\"x\": [1 , /* two */ 2, // three\n],\n}", "{\"x\":[1.0,2.0]}"},
        {"{\"x\":\"a // no comment /* either */\"}", "{\"x\":\"a // no comment /* either */\"}"},
        {"{\"x\":\"a\nb\tc\x01\"}", "{\"x\":\"a b c \"}"},
        {"{\"x\":\"it\\'s \\d\"}", "{\"x\":\"it's d\"}"},
        {"{\"x\":\"\\u1ebf \\ud83d\\ude00\"}", "{\"x\":\"ế 😀\"}"},
        {"{\"x\":\"\\ud83d|\\ude00|\\u0000\"}", "{\"x\":\"\xef\xbf\xbd|\xef\xbf\xbd|\xef\xbf\xbd\"}"},
        {"{“x”: “said “no” to me”}", "{\"x\":\"said “no” to me\"}"},
        {"{“x”: “a \"b\" c”}", "{\"x\":\"a \\\"b\\\" c\"}"},
        {"{\"x\":\"“quoted”\"}", "{\"x\":\"“quoted”\"}"},
        {"{\"x\":\"}]}\"}", "{\"x\":\"}]}\"}"},
        {"{\"x\":1,\"x\":2}", "{\"x\":2.0}"},
        {"{\"x\":null}", "{\"x\":null}"},
        {"{\"x\":10000000000000000000000}", "{\"x\":1e22}"},
        {"{\"x\":{}}", "{\"x\":{}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_first(known[i].answer, strlen(known[i].answer), known[i].object, NULL);
}

static void test_not_found(void **state)
{
    static const struct {
        const char *answer, *wrong;
    } known[] = {
        {"", "nothing"},
        {"no object at all", "nothing"},
        {"[1,2,3]", "nothing"},
        {"{\"y\":1}", "nothing"},
        {"{\"a\":{\"b\":{\"x\":1}}}", "nothing"}, /* one object around it is understood, two are not */
        {"{'x': 1}", "it is not JSON"},
        {"{x: 1}", "it is not JSON"},
        {"{\"x\" 1}", "it is not JSON"},
        {"{\"x\":1 2}", "it is not JSON"},
        {"{\"x\":[1,,2]}", "it is not JSON"},
        {"{\"x\":01}", "it is not JSON"},
        {"{\"x\":1e999}", "it is not JSON"},
        {"{\"x\":\"a\"b\"}", "it is not JSON"},
        {"{\"x\":\"\\u12\"}", "it is not JSON"},
        {"{\"x\":[1}", "its brackets do not match"},
        {"{\"x\":[1", "it ends in the middle"},
        {"{\"x\":\"a\\", "it ends in the middle"},
        {"{\"x\":\"a", "it ends in the middle"},
        {"{\"x\": /* ", "it ends in the middle"},
        {"{", "it ends in the middle"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_first(known[i].answer, strlen(known[i].answer), NULL, known[i].wrong);
}

static void test_cut(void **state)
{
    static const char whole[] = "{\"x\":[{\"a\":\"1\"},{\"a\":\"2\"},{\"a\":\"3\"}],\"y\":[{\"b\":\"}\"}]}";
    static const struct {
        size_t bytes;
        const char *object;
    } known[] = {
        {6, NULL},
        {14, NULL},
        {15, "{\"x\":[{\"a\":\"1\"}]}"},
        {24, "{\"x\":[{\"a\":\"1\"}]}"},
        {25, "{\"x\":[{\"a\":\"1\"},{\"a\":\"2\"}]}"},
        {sizeof(whole) - 6, "{\"x\":[{\"a\":\"1\"},{\"a\":\"2\"},{\"a\":\"3\"}]}"},
        {sizeof(whole) - 2, "{\"x\":[{\"a\":\"1\"},{\"a\":\"2\"},{\"a\":\"3\"}],\"y\":[{\"b\":\"}\"}]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        assert_first(whole, known[i].bytes, known[i].object,
                     known[i].object ? NULL : "it ends in the middle");
}

/* Each cut of an answer gives nothing or what is whole, and reads no byte behind it. */
static void test_every_cut(void **state)
{
    FREE_ON_EXIT char *answer = rig_fixture("outline.txt");
    size_t size = strlen(answer);
    for (size_t n = 0; n < size; n++) {
        struct arena a;
        struct story_json j;
        struct error e = {0};
        arena_init(&a);
        FREE_ON_EXIT char *part = mem_alloc(n + 1);
        memcpy(part, answer, n);
        assert_int_equal(story_json_init(&j, part, n, &a, &e), 0); /* also inside of a letter */
        JSON_ON_EXIT json_t *found = story_json_next(&j, "beats");
        size_t beats = json_array_size(json_object_get(found, "beats"));
        assert_true(!found || (beats >= 1 && beats <= 9));
        assert_true(beats == 9 || n < size - 10);
        arena_release(&a);
    }
}

static void test_depth(void **state)
{
    for (unsigned depth = STORY_DEPTH_MAX - 1; depth <= STORY_DEPTH_MAX + 1; depth++) {
        BUF_ON_EXIT struct buf b;
        buf_init(&b, RIG_ROOM);
        buf_puts(&b, "{\"x\":");
        for (unsigned i = 1; i < depth; i++)
            buf_puts(&b, "[");
        for (unsigned i = 1; i < depth; i++)
            buf_puts(&b, "]");
        buf_puts(&b, "}");
        if (depth <= STORY_DEPTH_MAX)
            assert_first(b.data, b.len, buf_text(&b), NULL);
        else
            assert_first(b.data, b.len, NULL, "it is nested too deeply");
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"{\"x\":\"\xff\"}", "\xc0\x80{\"x\":1}", "{\"x\":\"\xed\xa0\x80\"}",
                                      "{\"x\":\"a\xe1\"}"};
    struct arena a;
    struct story_json j;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error e = {0};
        assert_int_equal(story_json_init(&j, bad[i], strlen(bad[i]), &a, &e), -ERR_UPSTREAM);
        assert_string_equal(e.reason, "The answer is not UTF-8");
    }
    struct error e = {0};
    FREE_ON_EXIT char *large = mem_alloc(1 << 20);
    memset(large, '{', 1 << 20);
    assert_int_equal(story_json_init(&j, large, 1 << 20, &a, &e), -ERR_UPSTREAM);
    assert_string_equal(e.reason, "The answer has more than 262144 bytes");
    assert_int_equal(story_json_init(&j, large, STORY_ANSWER_MAX, &a, &e), 0);
    assert_null(story_json_next(&j, "x"));
    assert_int_equal(j.tries, 32);
    arena_release(&a);
}

static void test_nul(void **state)
{
    assert_first("\0{\"x\":\"a\0b\"}\0", 13, "{\"x\":\"a b\"}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),     cmocka_unit_test(test_not_found), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_every_cut), cmocka_unit_test(test_depth),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
