#include "base/sse_out.h"

#include <errno.h>
#include <string.h>

#include "base/sse.h"
#include "scratch.h"

static void writes(const char *id, const char *type, const char *data, size_t size, const char *text)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(sse_write(&b, id, type, data, size), 0);
    assert_string_equal(buf_text(&b), text);
}
#define WRITES(id, type, data, text) writes(id, type, "" data, sizeof(data) - 1, text)

static void test_events(void **state)
{
    WRITES(NULL, NULL, "a", "data: a\n\n");
    WRITES("7", "progress", "{\"percent\":3}", "id: 7\nevent: progress\ndata: {\"percent\":3}\n\n");
    WRITES(NULL, "empty", "", "event: empty\ndata: \n\n");
    WRITES(NULL, NULL, "a\nb", "data: a\ndata: b\n\n");
    WRITES(NULL, NULL, "a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n");
    WRITES(NULL, NULL, "a\r", "data: a\ndata: \n\n");
    WRITES(NULL, NULL, "id: 1", "data: id: 1\n\n");
}

static void test_comment(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 16);
    assert_int_equal(sse_write_comment(&b, "ping"), 0);
    assert_string_equal(buf_text(&b), ": ping\n\n");
    assert_int_equal(sse_write_comment(&b, "another ping"), -EMSGSIZE);
    assert_string_equal(buf_text(&b), ": ping\n\n");
}

static void test_all_or_nothing(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 40);
    assert_int_equal(sse_write(&b, "1", "a", "data", 4), 0);
    size_t before = b.len;
    assert_int_equal(sse_write(&b, "2", "a", "too much of it", 14), -EMSGSIZE);
    assert_int_equal(b.len, before);
    assert_int_equal(b.data[before], 0);
    assert_false(b.failed);
    assert_int_equal(sse_write(&b, NULL, NULL, "b", 1), 0);
    b.failed = true; /* by somebody before: it stays so */
    assert_int_equal(sse_write(&b, NULL, NULL, "", 0), -EMSGSIZE);
    assert_true(b.failed);
}

static void note(void *ctx, const struct sse_event *event)
{
    buf_printf(ctx, "%s|%s;", event->type, event->data);
}

/* What is written here is read there. */
static void test_both_ways(void **state)
{
    BUF_ON_EXIT struct buf b, seen;
    struct sse s;
    buf_init(&b, 4096);
    buf_init(&seen, 4096);
    sse_init(&s, 256, note, &seen);
    assert_int_equal(sse_write(&b, "41", "log", "two\nlines\n", 10), 0);
    assert_int_equal(sse_write_comment(&b, "ping"), 0);
    assert_int_equal(sse_write(&b, "42", NULL, "", 0), 0);
    assert_int_equal(sse_read(&s, b.data, b.len), 0);
    assert_string_equal(buf_text(&seen), "log|two\nlines\n;|ping;message|;");
    assert_string_equal(s.last_id, "42");
    sse_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_comment),
        cmocka_unit_test(test_all_or_nothing),
        cmocka_unit_test(test_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
