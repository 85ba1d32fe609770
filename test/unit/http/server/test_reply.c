/* Replies: error shapes, headers, the bytes written by our own hand. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <setjmp.h>

#include <cmocka.h>
#include <jansson.h>

#include "http/server/reply.h"

static const struct reply_about plain = {.request_id = "r1", .cors_origins = "*"};

static json_t *body_json(const struct reply *r)
{
    json_t *j = json_loadb((const char *)r->body->data, r->body->size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(j);
    return j;
}

static const char *text_at(json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "(none)";
}

static const char *header(const struct reply *r, const char *name)
{
    for (unsigned i = 0; i < r->header_count; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return NULL;
}

static void test_validation_error(void **state)
{
    struct error e = {0};
    error_set_field(&e, ERR_VALIDATION, "scale", "must be 2 or 4");
    struct reply *r = reply_error(NULL, "r1", &e);
    json_t *j = body_json(r);
    json_t *error = json_object_get(j, "error");
    json_t *detail = json_array_get(json_object_get(error, "details"), 0);
    assert_int_equal(reply_status(r), 400);
    assert_string_equal(header(r, "Content-Type"), "application/json; charset=utf-8");
    assert_string_equal(header(r, "Cache-Control"), "no-store");
    assert_null(header(r, "Retry-After"));
    assert_string_equal(text_at(j, "request_id"), "r1");
    assert_string_equal(text_at(j, "status"), "error");
    assert_int_equal(json_object_size(j), 3);
    assert_string_equal(text_at(error, "code"), "VALIDATION_ERROR");
    assert_string_equal(text_at(error, "message"), "Invalid input");
    assert_int_equal(json_array_size(json_object_get(error, "details")), 1);
    assert_string_equal(text_at(detail, "field"), "scale");
    assert_string_equal(text_at(detail, "message"), "must be 2 or 4");
    json_decref(j);
    reply_free(r);
}

static void test_validation_without_field(void **state)
{
    struct error e = {0};
    error_set(&e, ERR_VALIDATION, "A Host header is required");
    struct reply *r = reply_error(NULL, "r1", &e);
    json_t *j = body_json(r);
    json_t *detail = json_array_get(json_object_get(json_object_get(j, "error"), "details"), 0);
    assert_int_equal(json_object_size(detail), 1);
    assert_string_equal(text_at(detail, "message"), "A Host header is required");
    json_decref(j);
    reply_free(r);
}

/* Whoever is told to come back is told when, and whoever needs a key is told of which kind. */
static void test_headers_that_errors_owe(void **state)
{
    for (enum err code = ERR_NONE + 1; code < ERR_COUNT; code++) {
        struct error e = {0};
        error_set(&e, code, "%s", "");
        struct reply *r = reply_error(NULL, NULL, &e);
        int status = err_row(code)->status;
        assert_int_equal(header(r, "Retry-After") != NULL, status == 429 || status == 503);
        assert_int_equal(header(r, "WWW-Authenticate") != NULL, status == 401);
        reply_free(r);
    }
}

static void test_other_errors(void **state)
{
    for (enum err code = ERR_NONE + 1; code < ERR_COUNT; code++) {
        struct error e = {0};
        error_set(&e, code, "%s", "");
        e.retry_after_s = 7;
        struct reply *r = reply_error(NULL, NULL, &e);
        json_t *j = body_json(r);
        json_t *error = json_object_get(j, "error");
        assert_int_equal(reply_status(r), err_row(code)->status);
        assert_string_equal(text_at(error, "code"), err_row(code)->code);
        assert_string_equal(text_at(error, "message"), err_row(code)->message);
        assert_null(json_object_get(error, "details"));
        assert_string_equal(header(r, "Retry-After"), "7");
        json_decref(j);
        reply_free(r);
    }
}

static void test_what_clients_send_stays_json(void **state)
{
    struct error e = {0};
    e.code = ERR_VALIDATION; /* as if nobody had cleaned it before */
    strcpy(e.field, "\xff\xfe\"\n");
    strcpy(e.reason, "no field \xc3(\x01\x7f");
    struct reply *r = reply_error(NULL, "id\"", &e);
    json_t *j = body_json(r);
    json_t *detail = json_array_get(json_object_get(json_object_get(j, "error"), "details"), 0);
    assert_string_equal(text_at(detail, "field"), "?\?\"\n");
    assert_string_equal(text_at(j, "request_id"), "id\"");
    json_decref(j);
    reply_free(r);
}

static void test_headers_cannot_be_injected(void **state)
{
    struct reply *r = reply_new(200);
    reply_header(r, "X-One", "%s", "a\r\nX-Two: b");
    reply_header(r, "X-Three", "%s", "a\nb");
    reply_header(r, "X-Four", "%d", 4);
    assert_int_equal(r->header_count, 1);
    assert_string_equal(header(r, "X-Four"), "4");
    reply_free(r);
    reply_free(NULL);
}

static char *wire(const struct reply *r, const struct reply_about *about)
{
    struct buf b;
    buf_init(&b, REPLY_WIRE_MAX);
    assert_int_equal(reply_wire(r, about, &b), 0);
    return b.data;
}

static void test_wire(void **state)
{
    struct reply *r = reply_new(413);
    reply_text(r, "{\"a\":1}", "application/json");
    struct reply_about about = plain;
    about.close = true;
    FREE_ON_EXIT char *text = wire(r, &about);
    assert_ptr_equal(strstr(text, "HTTP/1.1 413 "), text);
    assert_non_null(strstr(text, "\r\nx-request-id: r1\r\n"));
    assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
    assert_non_null(strstr(text, "\r\nContent-Length: 7\r\n\r\n{\"a\":1}"));
    about.head = true;
    FREE_ON_EXIT char *head = wire(r, &about);
    assert_string_equal(head + strlen(head) - 23, "\r\nContent-Length: 7\r\n\r\n");
    reply_free(r);
}

static void test_wire_has_a_cap(void **state)
{
    static const char large[REPLY_WIRE_MAX] = {0};
    struct reply *r = reply_new(200);
    BLOB_ON_EXIT struct blob *b = blob_static(large, sizeof(large));
    reply_body(r, b, "text/plain");
    BUF_ON_EXIT struct buf out;
    buf_init(&out, REPLY_WIRE_MAX);
    assert_true(reply_wire(r, &plain, &out) < 0);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    reply_last_words(pair[0], r, &plain); /* nothing rather than half an answer */
    char c;
    assert_int_equal(recv(pair[1], &c, 1, MSG_DONTWAIT), -1);
    close(pair[0]);
    close(pair[1]);
    reply_free(r);
}

static void test_cors(void **state)
{
    assert_true(cors_allows("*", "https://any.example"));
    assert_false(cors_allows("", "https://any.example"));
    assert_true(cors_allows("https://a.example,https://b.example", "https://b.example"));
    assert_true(cors_allows(" https://a.example , https://b.example ", "HTTPS://A.example"));
    assert_false(cors_allows("https://a.example", "https://a.example.evil.example"));
    assert_false(cors_allows("https://a.example.org", "https://a.example"));
    assert_false(cors_allows("https://a.example", ""));
    assert_true(cors_allows("https://a.example/, https://b.example/", "https://a.example"));
    assert_false(cors_allows("/", ""));

    struct reply *r = reply_new(204);
    struct reply_about about = {.request_id = "r", .cors_origins = "", .origin = "https://a.example"};
    FREE_ON_EXIT char *none = wire(r, &about);
    assert_null(strstr(none, "Access-Control"));
    assert_null(strstr(none, "Vary"));
    reply_free(r);
}

static void test_files_are_owned(void **state)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct reply *r = reply_new(200);
    reply_file(r, ends[0], 10, 20, "image/png");
    assert_int_equal(reply_bytes(r), 20);
    reply_free(r);
    char c;
    assert_int_equal(read(ends[0], &c, 1), -1); /* it was closed */
    close(ends[1]);
}

static int no_blobs_left(void **state)
{
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validation_error),
        cmocka_unit_test(test_validation_without_field),
        cmocka_unit_test(test_other_errors),
        cmocka_unit_test(test_headers_that_errors_owe),
        cmocka_unit_test(test_what_clients_send_stays_json),
        cmocka_unit_test(test_headers_cannot_be_injected),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_wire_has_a_cap),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_files_are_owned),
    };
    return cmocka_run_group_tests(tests, NULL, no_blobs_left);
}
