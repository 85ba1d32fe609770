#include "predict/output_walk.h"

#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "imaging/imaging.h"
#include "predict/replicate_json.h"
#include "scratch.h"

#define PNG64 "iVBORw0KGgoAAAANSUhEUg==" /* a PNG's first 16 bytes */

static const struct output_limits limits = {
    .items_max = OUTPUT_ITEMS_MAX, .bytes_max = 10000, .total_max = 10000};

static int try_walk(const char *text, const struct output_limits *l, struct output_list *ret, struct error *e)
{
    JSON_ON_EXIT json_t *j = replicate_json_read(text, strlen(text));
    assert_non_null(j);
    return output_walk(j, l, ret, e);
}

static struct output_list walk(const char *text)
{
    struct output_list list;
    struct error e;
    assert_int_equal(try_walk(text, &limits, &list, &e), 0);
    return list;
}

/* Each item as "u:…", "t:…" or "b:<mime>:<size>", with a blank between. */
static void check_walk(const char *text, const char *expected)
{
    struct output_list list = walk(text);
    char seen[1000] = "";
    for (unsigned i = 0; i < list.count; i++) {
        const struct output_item *item = &list.item[i];
        size_t n = strlen(seen);
        if (item->kind == OUTPUT_BYTES)
            snprintf(seen + n, sizeof(seen) - n, "%sb:%s:%zu", n ? " " : "", item->mime, item->bytes->size);
        else
            snprintf(seen + n, sizeof(seen) - n, "%s%c:%s", n ? " " : "",
                     item->kind == OUTPUT_URL ? 'u' : 't', item->text);
    }
    output_list_release(&list);
    assert_string_equal(seen, expected);
}

static void test_shapes(void **state)
{
    check_walk("null", "");
    check_walk("[]", "");
    check_walk("[null,7,true,\"\"]", "");
    check_walk("\"https://h/a.png\"", "u:https://h/a.png");
    check_walk("\"HTTP://h/a\"", "u:HTTP://h/a");
    check_walk("[\"https://h/a\",null,\"https://h/b\"]", "u:https://h/a u:https://h/b");
    check_walk("{\"z\":{\"url\":\"https://h/a\"},\"a\":[{\"file\":[\"https://h/b\"]}],\"n\":1}",
               "u:https://h/a u:https://h/b");
    check_walk("[\"a \",\"cat\",\"https://h/a\",\"!\"]", "t:a cat u:https://h/a t:!");
    check_walk("{\"a\":\"one\",\"b\":\"two\"}", "t:one t:two");
    check_walk("\"https://h/a b\"", "t:https://h/a b");
    check_walk("\"https://\"", "t:https://");
    check_walk("\"ftp://h/a\"", "t:ftp://h/a");
    check_walk("\"https://good\\u0000.evil\"", "t:https://good\xef\xbf\xbd.evil");
    check_walk("\"data: here\"", "t:data: here");
}

static void test_concatenate(void **state)
{
    struct output_limits l = {.items_max = 1, .bytes_max = 100, .total_max = 100, .concatenate = true};
    struct output_list list;
    struct error e;
    assert_int_equal(try_walk("[\"see \",\"https://h\",[\"/a\"],\" data:,x\"]", &l, &list, &e), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.item[0].text, "see https://h/a data:,x");
    output_list_release(&list);
}

static void test_data_uris(void **state)
{
    check_walk("\"data:image/PNG;base64," PNG64 "\"", "b:image/png:16");
    check_walk("\"data:None;base64," PNG64 "\"", "b::16");
    check_walk("\"data:;base64," PNG64 "\"", "b::16");
    check_walk("\"data:base64," PNG64 "\"", "b::16");
    check_walk("\"data:image/png," PNG64 "\"", "b:image/png:16"); /* forgot to say base64 */
    check_walk("\"data:image/png;x=1;BASE64,iVBORw0KGgoAAAANSUhEUg\"", "b:image/png:16"); /* no padding */
    check_walk("\"data:image/png;base64,iVBORw0KGgo%41AAANSUhEUg%3D%3d\"", "b:image/png:16");
    check_walk("\"data:image/png;base64,iVBORw0K\\nGgoAAAANSUhEUg==\\n\"", "b:image/png:16");
    check_walk("\"data:text/plain,hello%20you%2\"", "b:text/plain:11");
    check_walk("\"data:,\"", "");
    check_walk("[\"data:image/png;base64," PNG64 "\",\"https://h/a\"]", "b:image/png:16 u:https://h/a");
    struct output_list list = walk("\"data:application/octet-stream;base64,_-8\"");
    assert_memory_equal(list.item[0].bytes->data, "\xff\xef", 2);
    output_list_release(&list);
    list = walk("\"DATA:image/png,%89PNG%0d%0a%1a%0a\\u0000\"");
    assert_int_equal(image_sniff(list.item[0].bytes->data, 8), IMAGE_PNG);
    output_list_release(&list);
    static const char *const bad[] = {"\"data:image/png;base64,a\"", "\"data:image/png;base64,aa*a\"",
                                      "\"data:image/png;base64,aa=a\"",
                                      "[\"https://h/a\",\"data:;base64,====\"]"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct error e = {0};
        list.count = 77;
        assert_int_equal(try_walk(bad[i], &limits, &list, &e), -ERR_UPSTREAM);
        assert_int_equal(list.count, 77);
    }
}

static void test_caps(void **state)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 100000);
    for (int i = 0; i < 300; i++)
        buf_printf(&text, "%s\"https://h/%d\"", i ? "," : "[", i);
    buf_puts(&text, "]");
    struct output_list list;
    struct error e;
    assert_int_equal(try_walk(buf_text(&text), &limits, &list, &e), 0);
    assert_int_equal(list.count, OUTPUT_ITEMS_MAX);
    assert_int_equal(list.left_out, 300 - OUTPUT_ITEMS_MAX);
    assert_string_equal(list.item[63].text, "https://h/63");
    output_list_release(&list);
    struct output_limits small = {.items_max = 3, .bytes_max = 32, .total_max = 31};
    static const char *const two = "[\"data:;base64," PNG64 "\",\"data:;base64," PNG64 "\"]";
    assert_int_equal(try_walk(two, &small, &list, &e), -ERR_UPSTREAM);
    small.total_max = 32;
    assert_int_equal(try_walk(two, &small, &list, &e), 0);
    output_list_release(&list);
    small.bytes_max = 15; /* one of them */
    assert_int_equal(try_walk(two, &small, &list, &e), -ERR_UPSTREAM);
    small.bytes_max = 16;
    assert_int_equal(try_walk(two, &small, &list, &e), 0);
    output_list_release(&list);
    small.total_max = 4; /* only where there are several */
    assert_int_equal(try_walk("\"data:;base64," PNG64 "\"", &small, &list, &e), 0);
    output_list_release(&list);
    small.bytes_max = 4;
    assert_int_equal(try_walk("[\"abc\",\"de\"]", &small, &list, &e), -ERR_UPSTREAM);
    assert_int_equal(try_walk("\"https://h/a\"", &small, &list, &e), -ERR_UPSTREAM);
    /* depth 0 is the output itself */
    for (int extra = 0; extra < 2; extra++) {
        FREE_ON_EXIT char *deep = mem_zalloc(2 * OUTPUT_DEPTH_MAX + 10);
        size_t n = (size_t)(OUTPUT_DEPTH_MAX + extra);
        memset(deep, '[', n);
        memcpy(deep + n, "\"x\"", 3);
        memset(deep + n + 3, ']', n);
        int r = try_walk(deep, &limits, &list, &e);
        assert_int_equal(r, extra ? -ERR_UPSTREAM : 0);
        if (r == 0)
            output_list_release(&list);
    }
}

static void test_no_leaks(void **state)
{
    assert_int_equal(blob_live_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes), cmocka_unit_test(test_concatenate), cmocka_unit_test(test_data_uris),
        cmocka_unit_test(test_caps),   cmocka_unit_test(test_no_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
