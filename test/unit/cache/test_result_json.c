#include "cache/result_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"

static struct result *full(void)
{
    struct result *r = result_new();
    r->output_count = 2;
    r->output[0] = (struct result_output){mem_strdup("clarity/2026-11-23/a.jpg"), mem_strdup("image/jpeg"),
                                          123456, 4000, 3000};
    r->output[1] = (struct result_output){mem_strdup("b \"quoted\" ü.png"), mem_strdup("image/png"), 0, 0, 0};
    r->model = mem_strdup("nightmareai/real-esrgan");
    r->version = mem_strdup("f121d640");
    r->ran_on = mem_strdup("local");
    r->network = mem_strdup("x4plus");
    r->reason = mem_strdup("fits 20 s");
    r->detail = mem_strdup("{\"title\":\"Cô bé \\\"và\\\" Rồng\"}");
    r->degraded = true;
    r->prescaled = true;
    r->original_width = 8000;
    r->original_height = 6000;
    r->prescaled_width = 1600;
    r->prescaled_height = UINT32_MAX;
    r->run_ns = 123456789012345;
    r->made_ms = 1764000000123;
    r->keep_ms = 300000;
    return r;
}

static struct result *there_and_back(const struct result *r)
{
    BUF_ON_EXIT struct buf json;
    buf_init(&json, RESULT_JSON_MAX);
    assert_int_equal(result_to_json(r, &json), 0);
    return result_from_json(json.data, json.len);
}

static void test_everything_comes_back(void **state)
{
    struct result *a = full(), *b = there_and_back(a);
    assert_non_null(b);
    assert_int_equal(b->output_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_string_equal(b->output[i].key, a->output[i].key);
        assert_string_equal(b->output[i].content_type, a->output[i].content_type);
        assert_int_equal(b->output[i].bytes, a->output[i].bytes);
        assert_int_equal(b->output[i].width, a->output[i].width);
        assert_int_equal(b->output[i].height, a->output[i].height);
    }
    assert_string_equal(b->model, a->model);
    assert_string_equal(b->version, a->version);
    assert_string_equal(b->ran_on, a->ran_on);
    assert_string_equal(b->network, a->network);
    assert_string_equal(b->reason, a->reason);
    assert_string_equal(b->detail, a->detail);
    assert_true(b->degraded && b->prescaled);
    assert_int_equal(b->original_width, a->original_width);
    assert_int_equal(b->original_height, a->original_height);
    assert_int_equal(b->prescaled_width, a->prescaled_width);
    assert_int_equal(b->prescaled_height, a->prescaled_height);
    assert_int_equal(b->run_ns, a->run_ns);
    assert_int_equal(b->made_ms, a->made_ms);
    assert_int_equal(b->keep_ms, a->keep_ms);
    result_unref(a);
    result_unref(b);
}

static void test_what_may_be_missing(void **state)
{
    struct result *a = full();
    free(TAKE(a->version));
    free(TAKE(a->network));
    free(TAKE(a->reason));
    free(TAKE(a->detail));
    struct result *b = there_and_back(a);
    assert_non_null(b);
    assert_null(b->version);
    assert_null(b->network);
    assert_null(b->reason);
    assert_null(b->detail);
    result_unref(a);
    result_unref(b);
}

/* A comic's: as many texts as there can be, as long as they can be. */
static void test_the_longest_detail(void **state)
{
    enum {
        TEXTS = 12 + 2 * 12 + 6,
        CHARACTERS = 300,
        SHORT = 12 * 2 + 6,
        SHORT_CHARACTERS = 70,
        ROOM = 1 << 17
    };
    static const char *const characters[] = {"\\\"", "龍", "\xf0\x9f\x90\x89"};
    for (size_t k = 0; k < ARRAY_LEN(characters); k++) {
        struct result *a = full();
        BUF_ON_EXIT struct buf text;
        buf_init(&text, ROOM);
        buf_puts(&text, "[");
        for (unsigned i = 0; i < TEXTS + SHORT; i++) {
            buf_puts(&text, i > 0 ? ",{\"description\":\"" : "{\"description\":\"");
            for (unsigned n = 0; n < (i < TEXTS ? CHARACTERS : SHORT_CHARACTERS); n++)
                buf_puts(&text, characters[k]);
            buf_puts(&text, "\"}");
        }
        buf_puts(&text, "]");
        assert_false(text.failed);
        free(a->detail);
        a->detail = mem_strdup(buf_text(&text));
        struct result *b = there_and_back(a);
        assert_non_null(b);
        assert_string_equal(b->detail, a->detail);
        result_unref(a);
        result_unref(b);
    }
}

static void test_too_long(void **state)
{
    struct result *r = full();
    BUF_ON_EXIT struct buf json;
    buf_init(&json, 100);
    assert_int_equal(result_to_json(r, &json), -EMSGSIZE);
    result_unref(r);
}

#define OUTPUT "{\"key\":\"k\",\"type\":\"t\",\"bytes\":1,\"width\":2,\"height\":3}"
#define REST                                                                                                 \
    "\"model\":\"m\",\"ran_on\":\"r\",\"degraded\":false,\"prescaled\":false,\"original\":[1,2],"            \
    "\"scaled\":[3,4],\"run_ns\":5,\"made_ms\":6,\"keep_ms\":7}"

static void test_unreadable_is_nothing(void **state)
{
    static const char good[] = "{\"v\":1,\"outputs\":[" OUTPUT "]," REST;
    static const char *const bad[] = {
        "",
        "x",
        "null",
        "[]",
        "{}",
        "\xff\xfe",
        "{\"v\":1}",
        "{\"v\":0,\"outputs\":[" OUTPUT "]," REST,
        "{\"v\":2,\"outputs\":[" OUTPUT "]," REST,
        "{\"v\":\"1\",\"outputs\":[" OUTPUT "]," REST,
        "{\"v\":1,\"outputs\":[]," REST,
        "{\"v\":1,\"outputs\":7," REST,
        "{\"v\":1,\"outputs\":[" OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT
        "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "," OUTPUT "]," REST,
        "{\"v\":1,\"outputs\":[{\"key\":\"\",\"type\":\"t\",\"bytes\":1,\"width\":2,\"height\":3}]," REST,
        "{\"v\":1,\"outputs\":[{\"key\":7,\"type\":\"t\",\"bytes\":1,\"width\":2,\"height\":3}]," REST,
        "{\"v\":1,\"outputs\":[{\"key\":\"k\",\"type\":\"t\",\"bytes\":-1,\"width\":2,\"height\":3}]," REST,
        "{\"v\":1,\"outputs\":[{\"key\":\"k\",\"type\":\"t\",\"bytes\":1,\"width\":4294967296,\"height\":3}"
        "]," REST,
        "{\"v\":1,\"outputs\":[{\"key\":\"k\",\"type\":\"t\",\"bytes\":1.5,\"width\":2,\"height\":3}]," REST,
        "{\"v\":1,\"outputs\":[" OUTPUT "],\"model\":\"m\"}",
        "{\"v\":1,\"v\":1,\"outputs\":[" OUTPUT "]," REST,
        "{\"v\":1,\"outputs\":[" OUTPUT "]," REST "trailing",
    };
    struct result *r = result_from_json(good, strlen(good));
    assert_non_null(r);
    result_unref(r);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (result_from_json(bad[i], strlen(bad[i])))
            fail_msg("taken: %s", bad[i]);
    for (size_t cut = 0; cut < strlen(good); cut++) /* what was cut short on its way */
        assert_null(result_from_json(good, cut));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_comes_back), cmocka_unit_test(test_what_may_be_missing),
        cmocka_unit_test(test_the_longest_detail),    cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_unreadable_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
