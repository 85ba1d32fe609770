/* The form parser: every body is fed whole, and again cut at every place. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/server/form.h"

#define CRLF       "\r\n"
#define TYPE       "multipart/form-data; boundary=BND"
#define PART(name) "--BND" CRLF "Content-Disposition: form-data; name=\"" name "\"" CRLF CRLF
#define END        CRLF "--BND--" CRLF

struct seen {
    struct buf text; /* name[filename|type]=value; … */
    size_t fields;
    size_t next_offset;
    size_t stop_after; /* fields; 0: never */
};

static bool on_part(void *ctx, const char *name, const char *filename, const char *type, const void *data,
                    size_t offset, size_t size)
{
    struct seen *s = ctx;
    if (offset == 0) {
        s->fields++;
        if (s->stop_after && s->fields > s->stop_after)
            return false;
        buf_printf(&s->text, "%s%s", s->fields > 1 ? "; " : "", name);
        if (filename || type)
            buf_printf(&s->text, "[%s|%s]", filename ? filename : "", type ? type : "");
        buf_puts(&s->text, "=");
        s->next_offset = 0;
    }
    assert_int_equal(offset, s->next_offset);
    s->next_offset += size;
    buf_append(&s->text, data, size);
    return true;
}

/* 0 and what was seen, or the error. */
static int parse(const char *type, const char *body, size_t size, size_t cut, size_t step, struct seen *s)
{
    *s = (struct seen){0};
    buf_init(&s->text, 1 << 20);
    struct form *f = form_new_type(type, on_part, s);
    assert_non_null(f);
    int r = cut ? form_feed(f, body, cut) : 0;
    for (size_t at = cut; r == 0 && at < size; at += step)
        r = form_feed(f, body + at, MIN(step, size - at));
    if (r == 0)
        r = form_finish(f);
    form_free(f);
    return r;
}

static void expect(const char *type, const char *body, size_t size, int want, const char *text)
{
    for (size_t cut = 0; cut <= size; cut++) {
        for (size_t step = 1; step <= size + 1; step += size + !size) { /* the rest byte by byte, and whole */
            struct seen s;
            int r = parse(type, body, size, cut, step, &s);
            if (r != want || (want == 0 && strcmp(buf_text(&s.text), text) != 0))
                fail_msg("cut at %zu, step %zu: %d \"%s\", not \"%s\"", cut, step, r, buf_text(&s.text),
                         text);
            buf_release(&s.text);
        }
    }
}

#define GOOD(type, body, text) expect(type, body, sizeof(body) - 1, 0, text)
#define BAD(type, body)        expect(type, body, sizeof(body) - 1, -ERR_VALIDATION, "(an error)")

static void test_fields(void **state)
{
    GOOD(TYPE, PART("a") "1" CRLF PART("b") "two words" END, "a=1; b=two words");
    GOOD(TYPE,
         "--BND" CRLF "content-type: image/jpeg" CRLF
         "CONTENT-DISPOSITION:form-data;filename=\"x.jpg\";name=image" CRLF CRLF "data" END,
         "image[x.jpg|image/jpeg]=data");
    GOOD(TYPE, PART("empty") END, "empty=");
    GOOD(TYPE, PART("empty") CRLF PART("more") "x" END, "empty=; more=x");
    GOOD(TYPE, "--BND--" CRLF, "");
    GOOD(TYPE, PART("a") "1" CRLF "--BND--", "a=1"); /* no line end behind the last delimiter */
}

static void test_data_like_a_delimiter(void **state)
{
    GOOD(TYPE, PART("a") CRLF "--BN" CRLF "--BNX" CRLF CRLF "--" CRLF "-" CRLF END,
         "a=" CRLF "--BN" CRLF "--BNX" CRLF CRLF "--" CRLF "-" CRLF);
    GOOD(TYPE, PART("a") "\r\r\n\r\r\n--\r\n--B\r\n--BN\r" END, "a=\r\r\n\r\r\n--\r\n--B\r\n--BN\r");
    GOOD(TYPE, PART("a") "--BND--" END, "a=--BND--"); /* not at a line's beginning */
    GOOD(TYPE, PART("a") "\n--BND" END, "a=\n--BND");
}

static void test_around_the_form(void **state)
{
    GOOD(TYPE, "preamble" CRLF "more --BND" CRLF PART("a") "1" END, "a=1");
    GOOD(TYPE, PART("a") "1" END "epilogue" CRLF "--BND" CRLF "x", "a=1");
    GOOD(TYPE, "--BND  \t" CRLF "Content-Disposition: form-data; name=\"a\"" CRLF CRLF "1" END, "a=1");
}

static void test_names(void **state)
{
    GOOD(TYPE, PART("sc\\\"a\\\\le") "1" END, "sc\"a\\le=1");
    GOOD(TYPE,
         "--BND" CRLF "Content-Disposition: form-data; filename=\"a; name=evil\"; name=\"good\"" CRLF CRLF
         "1" END,
         "good[a; name=evil|]=1");
    GOOD(TYPE,
         "--BND" CRLF "Content-Disposition: form-data; name=\"i\"; filename=\"C:\\dir\\a.jpg\"" CRLF CRLF
         "1" END,
         "i[C:\\dir\\a.jpg|]=1");
    GOOD(TYPE,
         "--BND" CRLF "Content-Disposition: form-data; name=\"i\"; filename*=UTF-8''%c3" CRLF CRLF "1" END,
         "i[UTF-8''%c3|]=1");
    GOOD("Multipart/Form-Data; charset=utf-8; boundary=\"B N;D\"; x=y",
         "--B N;D" CRLF "Content-Disposition: form-data; name=\"a\"" CRLF CRLF "1" CRLF "--B N;D--", "a=1");
}

static void test_malformed(void **state)
{
    BAD(TYPE, "");
    BAD(TYPE, "nothing of the kind");
    BAD(TYPE, PART("a") "1");
    BAD(TYPE, PART("a") "1" CRLF "--BND");
    BAD(TYPE, PART("a") "1" CRLF "--BND-");
    BAD(TYPE, PART("a") "1" CRLF "--BND-x");
    BAD(TYPE, PART("a") "1" CRLF "--BNDx" CRLF);
    BAD(TYPE, PART("a") "1" CRLF "--BND\rx");
    BAD(TYPE, "--BND" CRLF "Content-Type: text/plain" CRLF CRLF "1" END); /* no name */
    BAD(TYPE, "--BND" CRLF "Content-Disposition: form-data" CRLF CRLF "1" END);
    BAD(TYPE, "--BND" CRLF "Content-Disposition: attachment; name=\"a\"" CRLF CRLF "1" END);
    BAD(TYPE, "--BND" CRLF "Content-Disposition: form-data; name=\"a\0b\"" CRLF CRLF "1" END);
    BAD(TYPE, "--BND" CRLF CRLF "1" END);
}

static void expect_made(const char *disposition, size_t length, int want, size_t filename_length)
{
    FREE_ON_EXIT char *value = mem_alloc(length + 1);
    memset(value, 'n', length);
    value[length] = '\0';
    FREE_ON_EXIT char *line = mem_printf(
        "--BND\r\nContent-Disposition: form-data; %s\"%s\"\r\n\r\n1\r\n--BND--", disposition, value);
    struct seen s;
    assert_int_equal(parse(TYPE, line, strlen(line), 0, strlen(line), &s), want);
    if (want == 0 && filename_length)
        assert_int_equal(strcspn(strchr(buf_text(&s.text), '[') + 1, "|"), filename_length);
    buf_release(&s.text);
}

static void test_lengths(void **state)
{
    expect_made("name=", FORM_NAME_MAX, 0, 0);
    expect_made("name=", FORM_NAME_MAX + 1, -ERR_VALIDATION, 0);
    expect_made("name=\"a\"; filename=", 255, 0, 255);
    expect_made("name=\"a\"; filename=", 3000, 0, 255);             /* cut */
    expect_made("name=\"a\"; filename=", 5000, -ERR_VALIDATION, 0); /* the line is too long */
    expect_made("name=\"a\"; filename=", 1 << 20, -ERR_VALIDATION, 0);
    struct buf many;
    buf_init(&many, 1 << 16);
    buf_puts(&many, "--BND\r\n");
    for (int i = 0; i < 20; i++)
        buf_printf(&many, "X-%d: y\r\n", i);
    buf_puts(&many, "Content-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--BND--");
    struct seen s;
    assert_int_equal(parse(TYPE, many.data, many.len, 0, many.len, &s), -ERR_VALIDATION);
    buf_release(&s.text);
    buf_release(&many);
}

static void test_ten_thousand_fields(void **state)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "--BND\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n%d\r\n", i);
    buf_puts(&b, "--BND--");
    struct seen s;
    assert_int_equal(parse(TYPE, b.data, b.len, 0, 4096, &s), 0);
    assert_int_equal(s.fields, 10000);
    buf_release(&s.text);

    s = (struct seen){.stop_after = 32};
    buf_init(&s.text, 1 << 20);
    struct form *f = form_new_type(TYPE, on_part, &s);
    assert_int_equal(form_feed(f, b.data, b.len), -ERR_VALIDATION);
    assert_int_equal(s.fields, 33);
    assert_int_equal(form_feed(f, b.data, b.len), -ERR_VALIDATION); /* and it stays so */
    assert_int_equal(s.fields, 33);
    assert_int_equal(form_finish(f), -ERR_VALIDATION);
    form_free(f);
    buf_release(&s.text);
}

/* Random binary data comes out as it went in, whatever the pieces. */
static void test_binary(void **state)
{
    enum { N = 300000 };
    BUF_ON_EXIT struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, PART("image"));
    size_t from = b.len;
    uint64_t x = 88172645463325252ull;
    for (int i = 0; i < N; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        const char few[] = "\r\n-BND";
        char c = x % 3 ? (char)(x >> 20) : few[(x >> 20) % 6]; /* rich in what could be a delimiter */
        buf_append(&b, &c, 1);
    }
    buf_puts(&b, END);
    for (size_t step = 1; step < 70000; step = step * 3 + 1) {
        struct seen s;
        assert_int_equal(parse(TYPE, b.data, b.len, 0, step, &s), 0);
        assert_int_equal(s.text.len, strlen("image=") + N);
        assert_memory_equal(s.text.data + strlen("image="), b.data + from, N);
        buf_release(&s.text);
    }
}

#define URL "application/x-www-form-urlencoded"

static void test_urlencoded(void **state)
{
    GOOD(URL, "a=1&b=two+words&c=%41%2b%zz&d", "a=1; b=two words; c=A+%zz; d=");
    GOOD(URL "; charset=UTF-8", "%61+b=1=2", "a b=1=2");
    GOOD(URL, "", "");
    GOOD(URL, "&&a=&", "a=");
    GOOD(URL, "a=%&b=%4&c=%4g%", "a=%; b=%4; c=%4g%");
    GOOD(URL, "a%=1&b%4=2", "a%=1; b%4=2");
    GOOD(URL, "a=%%41", "a=%A");
    BAD(URL, "a%00b=1");
    FREE_ON_EXIT char *name = mem_alloc(400);
    memset(name, 'n', 400);
    struct seen s;
    assert_int_equal(parse(URL, name, FORM_NAME_MAX, 0, 1, &s), 0);
    buf_release(&s.text);
    assert_int_equal(parse(URL, name, FORM_NAME_MAX + 1, 0, 1, &s), -ERR_VALIDATION);
    buf_release(&s.text);
    FREE_ON_EXIT char *value = mem_alloc(100002);
    memset(value, 'v', 100002);
    memcpy(value, "a=", 2);
    assert_int_equal(parse(URL, value, 100002, 0, 777, &s), 0);
    assert_int_equal(s.text.len, 100002);
    assert_memory_equal(s.text.data, value, 100002);
    buf_release(&s.text);
}

static void test_types(void **state)
{
    static const char *const none[] = {
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; xboundary=a",
        "multipart/form-data2; boundary=a",
        "image/jpeg",
        "",
    };
    char long_type[160] = "multipart/form-data; boundary=";
    size_t start = strlen(long_type);
    memset(long_type + start, 'a', FORM_BOUNDARY_MAX + 1);
    assert_null(form_new_type(long_type, on_part, NULL));
    long_type[start + FORM_BOUNDARY_MAX] = '\0';
    struct form *f = form_new_type(long_type, on_part, NULL);
    assert_non_null(f);
    form_free(f);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_null(form_new_type(none[i], on_part, NULL));
    assert_null(form_new_type(NULL, on_part, NULL));
    form_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_data_like_a_delimiter),
        cmocka_unit_test(test_around_the_form),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_ten_thousand_fields),
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_urlencoded),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
