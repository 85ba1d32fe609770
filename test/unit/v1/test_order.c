#include "v1/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct order *read_order(const struct order_ask *ask, const char *text)
{
    struct order *o = NULL;
    struct error e;
    BLOB_ON_EXIT struct blob *body = blob_copy(text, strlen(text));
    return order_read(ask, body, &o, &e) == 0 ? o : NULL;
}

static const struct order_ask by_version = {.kind = ORDER_VERSION};
static const struct order_ask by_model = {.kind = ORDER_MODEL, .owner = "o", .name = "n"};

static bool same(const struct order_ask *a, const char *x, const struct order_ask *b, const char *y)
{
    struct order *one = read_order(a, x), *two = read_order(b, y);
    assert_true(one->shares && two->shares);
    bool equal = memcmp(one->key, two->key, DIGEST_BYTES) == 0;
    order_free(one);
    order_free(two);
    return equal;
}

static void test_what_is_the_same(void **state)
{
    const char *text = "{\"version\":\"v\",\"input\":{\"a\":1,\"b\":[0.1,\"x\"]}}";
    assert_true(same(&by_version, text, &by_version,
                     " { \"input\": {\"b\":[0.10,\"\\u0078\"],\"a\":1} ,\"version\":\"v\"}"));
    assert_false(
        same(&by_version, text, &by_version, "{\"version\":\"v\",\"input\":{\"a\":1,\"b\":[0.1,\"y\"]}}"));
    assert_false(
        same(&by_version, text, &by_version, "{\"version\":\"w\",\"input\":{\"a\":1,\"b\":[0.1,\"x\"]}}"));
    assert_false(same(&by_version, "{\"version\":\"v\",\"input\":{\"seed\":9007199254740993}}", &by_version,
                      "{\"version\":\"v\",\"input\":{\"seed\":9007199254740992}}"));
    assert_false(same(&by_version, "{\"input\":{}}", &by_model, "{\"input\":{}}"));
    const struct order_ask tenant = {.kind = ORDER_MODEL, .owner = "o", .name = "n", .tenant = "a"};
    assert_false(same(&tenant, "{\"input\":{}}", &by_model, "{\"input\":{}}"));
}

static void test_what_is_not_shared(void **state)
{
    static const char *const texts[] = {"{\"input\":{},\"stream\":true}",
                                        "{\"input\":{},\"webhook\":\"https://w\"}",
                                        "{\"input\":{},\"odd\":1}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct order *o = read_order(&by_model, texts[i]);
        assert_false(o->shares);
        order_free(o);
    }
    struct order_ask ask = by_model;
    ask.cache_control = "no-store";
    struct order *o = read_order(&ask, "{\"input\":{}}");
    assert_false(o->shares);
    order_free(o);
    ask.cache_control = "no-cache";
    o = read_order(&ask, "{\"input\":{},\"stream\":false,\"webhook\":null}");
    assert_true(o->shares && o->renews);
    order_free(o);
}

static void test_targets(void **state)
{
    static const struct {
        const char *said, *model, *version;
    } rows[] = {{"abc", "", "abc"}, {"o/n:abc", "o/n", "abc"}, {"o/n", "o/n", ""}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        snprintf(text, sizeof(text), "{\"version\":\"%s\",\"input\":{}}", rows[i].said);
        struct order *o = read_order(&by_version, text);
        assert_string_equal(o->path, "/predictions");
        assert_string_equal(o->model, rows[i].model);
        assert_string_equal(o->version, rows[i].version);
        order_free(o);
    }
    const struct order_ask deployment = {.kind = ORDER_DEPLOYMENT, .owner = "o", .name = "d"};
    struct order *o = read_order(&deployment, "{}");
    assert_string_equal(o->path, "/deployments/o/d/predictions");
    assert_string_equal(o->deployment, "o/d");
    assert_memory_equal(o->input, "{}", o->input_size);
    order_free(o);
}

static void test_prefer(void **state)
{
    static const struct {
        const char *said;
        unsigned wait_s;
    } rows[] = {{NULL, 0},       {"wait", 60},         {"wait=7", 7}, {"wait=0", 1},
                {"wait=99", 60}, {"respond-async", 0}, {"wait=x", 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct order_ask ask = by_model;
        ask.prefer = rows[i].said;
        struct order *o = read_order(&ask, "{\"input\":{\"a\":2}}");
        assert_int_equal(o->wait_s, rows[i].wait_s);
        assert_memory_equal(o->input, "{\"a\":2}", o->input_size);
        order_free(o);
    }
}

static void test_no_object(void **state)
{
    static const char *const texts[] = {"", "[]", "7", "{\"input\":", "{\"input\":{}} x"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_null(read_order(&by_model, texts[i]));
    assert_int_equal(blob_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_the_same), cmocka_unit_test(test_what_is_not_shared),
        cmocka_unit_test(test_targets),          cmocka_unit_test(test_prefer),
        cmocka_unit_test(test_no_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
