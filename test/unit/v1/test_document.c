#include "v1/document.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char shown[4096];

static int show(const struct v1_view *v)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, sizeof(shown) - 1);
    int r = v1_document(v, &b);
    snprintf(shown, sizeof(shown), "%.*s", (int)b.len, buf_text(&b));
    return r;
}

static struct v1_view said(const char *text)
{
    return (struct v1_view){.id = "ours", .base = "http://h", .said = text, .said_size = strlen(text)};
}

#define URLS                                                                                                 \
    "\"urls\":{\"get\":\"http://h/v1/predictions/ours\",\"cancel\":\"http://h/v1/predictions/ours/cancel\"," \
    "\"web\":\"http://h/v1/predictions/ours\""

static void test_as_it_was_said(void **state)
{
    struct v1_view v =
        said("{\"id\":\"theirs\", \"input\":{\"n\":1.50},\"status\":\"succeeded\",\"urls\":{\"get\":"
             "\"x\",\"stream\":\"http://s/1\"},\"more\":[ 1 ]}");
    assert_int_equal(show(&v), 0);
    assert_string_equal(
        shown, "{\"id\":\"ours\",\"input\":{\"n\":1.50},\"status\":\"succeeded\",\"more\":[ 1 ]," URLS
               ",\"stream\":\"http://s/1\"}}");
    v.own_stream = true;
    assert_int_equal(show(&v), 0);
    assert_non_null(strstr(shown, ",\"stream\":\"http://h/v1/streams/ours\"}}"));
}

static void test_another_end(void **state)
{
    struct v1_view v =
        said("{\"id\":\"theirs\",\"status\":\"aborted\",\"error\":null,\"completed_at\":null}");
    v.status = "canceled";
    v.error = "gone \"away\"";
    v.ended_ms = 1767323045678;
    assert_int_equal(show(&v), 0);
    assert_string_equal(shown, "{\"id\":\"ours\",\"status\":\"canceled\",\"error\":\"gone \\\"away\\\"\","
                               "\"completed_at\":\"2026-01-02T03:04:05.678Z\"," URLS "}}");
}

static void test_before_anything_was_said(void **state)
{
    const struct v1_view v = {.id = "ours",
                              .base = "http://h",
                              .model = "o/n",
                              .version = "",
                              .input = "{ }",
                              .input_size = 3,
                              .created_ms = 1767323045000};
    assert_int_equal(show(&v), 0);
    assert_string_equal(shown,
                        "{\"id\":\"ours\",\"model\":\"o/n\",\"version\":\"hidden\",\"input\":{ "
                        "},\"logs\":\"\",\"output\":null,"
                        "\"data_removed\":false,\"source\":\"api\",\"error\":null,\"status\":\"starting\","
                        "\"created_at\":\"2026-01-02T03:04:05.000Z\"," URLS "}}");
}

static void test_unreadable(void **state)
{
    const struct v1_view v = said("{\"id\":\"theirs\",");
    assert_int_equal(show(&v), -EINVAL);
    assert_string_equal(shown, "");
}

static void test_pages(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1000);
    const char *page =
        "{\"next\":\"https://api/v1/models?cursor=a\",\"previous\":null,\"results\":[{\"next\":1}]}";
    assert_int_equal(v1_pages(page, strlen(page), "https://api/v1", "http://h", &b), 0);
    assert_string_equal(
        buf_text(&b),
        "{\"next\":\"http://h/v1/models?cursor=a\",\"previous\":null,\"results\":[{\"next\":1}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_it_was_said),
        cmocka_unit_test(test_another_end),
        cmocka_unit_test(test_before_anything_was_said),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
