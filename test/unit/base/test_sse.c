#include "base/sse.h"

#include <errno.h>
#include <string.h>

#include "scratch.h"

/* Events as text: "type|data;". */
static void note(void *ctx, const struct sse_event *event)
{
    assert_int_equal(event->data[event->size], 0);
    buf_printf(ctx, "%s|%.*s;", event->type, (int)event->size, event->data);
}

/* The same whole, and cut at every place, and byte by byte. */
static void reads(const char *stream, size_t size, const char *events, const char *last_id)
{
    for (size_t cut = 0; cut <= size + 1; cut++) {
        BUF_ON_EXIT struct buf seen;
        struct sse s;
        buf_init(&seen, 4096);
        sse_init(&s, 256, note, &seen);
        if (cut <= size) {
            assert_int_equal(sse_read(&s, stream, cut), 0);
            assert_int_equal(sse_read(&s, stream + cut, size - cut), 0);
        }
        for (size_t i = 0; cut > size && i < size; i++)
            assert_int_equal(sse_read(&s, stream + i, 1), 0);
        assert_string_equal(buf_text(&seen), events);
        assert_string_equal(s.last_id, last_id);
        sse_release(&s);
    }
}
#define READS(stream, events, last_id) reads("" stream, sizeof(stream) - 1, events, last_id)

static void test_events(void **state)
{
    READS("", "", "");
    READS("data: a\n\n", "message|a;", "");
    READS("data:a\n\ndata:  b\n\n", "message|a;message| b;", "");
    READS("event: output\nid: 1690212292:0\ndata: one\ndata: two\n\n", "output|one\ntwo;", "1690212292:0");
    READS("data\n\ndata:\ndata:\n\n", "message|;message|\n;", "");
    READS("event: done\ndata: {}\n\n", "done|{};", "");
    READS("data: not whole\n", "", "");
    READS("event: named\n\ndata: x\n\n", "message|x;", ""); /* without data it is no event */
    READS("nonsense\nfoo: bar\ndata: x\n\n", "message|x;", "");
}

static void test_line_ends(void **state)
{
    READS("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "message|a;message|b;message|c;", "");
    READS("data: a\r\ndata: b\r\r\ndata: c\n\r", "message|a\nb;message|c;", "");
}

static void test_comments(void **state)
{
    READS(": hi\ndata: a\n\n", "|hi;message|a;", "");
    READS(":408: 408 Request Timeout\n\n", "|408: 408 Request Timeout;", "");
    READS(":\n\n", "|;", "");
}

static void test_characters(void **state)
{
    READS("data: \xe1\xba\xbf\xf0\x9f\x98\x80\n\n", "message|\xe1\xba\xbf\xf0\x9f\x98\x80;", "");
    READS("\xEF\xBB\xBF"
          "data: a\n\n\xEF\xBB\xBF"
          "data: b\n\n",
          "message|a;", ""); /* a mark at the very beginning only */
}

static void test_ids(void **state)
{
    READS("id: 1\ndata: a\n\ndata: b\n\n", "message|a;message|b;", "1");
    READS("id: 1\ndata: a\n\nid\ndata: b\n\n", "message|a;message|b;", "");
    READS("id: 1\n\nid: 2\ndata: cut", "", "1"); /* the second is not whole */
    READS("id: 1\n\nid: 2\0\n\n", "", "1");
}

static void test_another_connection(void **state)
{
    static const char first[] = "id: 7\ndata: a\n\nid: 8\ndata: ha", second[] = "data: b\n\n";
    BUF_ON_EXIT struct buf seen;
    struct sse s;
    buf_init(&seen, 4096);
    sse_init(&s, 256, note, &seen);
    assert_int_equal(sse_read(&s, first, strlen(first)), 0);
    sse_restart(&s);
    assert_string_equal(s.last_id, "7");
    assert_int_equal(sse_read(&s, second, strlen(second)), 0);
    assert_string_equal(buf_text(&seen), "message|a;message|b;");
    assert_string_equal(s.last_id, "7");
    sse_release(&s);
}

static int64_t retry_of(const char *stream)
{
    BUF_ON_EXIT struct buf seen;
    struct sse s;
    buf_init(&seen, 4096);
    sse_init(&s, 256, note, &seen);
    assert_int_equal(sse_read(&s, stream, strlen(stream)), 0);
    sse_release(&s);
    return s.retry_ms;
}

static void test_retry(void **state)
{
    assert_int_equal(retry_of("retry: 1500\n"), 1500);
    assert_int_equal(retry_of("retry: 1500\nretry: soon\nretry:\nretry: -1\n"), 1500);
    assert_int_equal(retry_of("retry: 99999999999999999999\n"), -1);
    assert_int_equal(retry_of("data: x\n\n"), -1);
}

static void too_long(const char *line, unsigned times)
{
    BUF_ON_EXIT struct buf seen;
    struct sse s;
    int r = 0;
    buf_init(&seen, 4096);
    sse_init(&s, 64, note, &seen);
    for (unsigned i = 0; i < times; i++)
        r = sse_read(&s, line, strlen(line));
    assert_int_equal(r, -EMSGSIZE);
    assert_string_equal(buf_text(&seen), "");
    sse_release(&s);
}

static void test_an_event_is_bounded(void **state)
{
    too_long("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 3); /* one line */
    too_long("data: xxxxxxxxxxxxxxxxxx\n", 4);     /* many short ones */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),   cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_comments), cmocka_unit_test(test_characters),
        cmocka_unit_test(test_ids),      cmocka_unit_test(test_another_connection),
        cmocka_unit_test(test_retry),    cmocka_unit_test(test_an_event_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
