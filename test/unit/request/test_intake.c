#include "request/intake.h"

#include <string.h>

#include "config/config.h"
#include "request/pictures.h"
#include "request/request_json.h"
#include "request/stage.h"
#include "scratch.h"

#define DIGEST_TEXT "sha256:4047a661edd82a97e7e735c51298a08945afeb162d87d4bd1318985849cbd478"

static struct config config;
static struct services svc;

static int set_up(void **state)
{
    struct error e;
    int r = config_load(&config, NULL, &e);
    svc = (struct services){.opt = &config.opt, .fetch = (struct http_client_pool *)(void *)&svc};
    return r;
}

static int tear_down(void **state)
{
    config_release(&config);
    return 0;
}

/* Nothing of it but the arena is to be freed. */
static void begin(struct request *req, enum feature_id id)
{
    *req = (struct request){.svc = &svc, .feature = &features[id]};
}

static int from_json(struct request *req, const char *text)
{
    BUF_ON_EXIT struct buf body;
    int64_t fields = 0;
    buf_init(&body, 1 << 20);
    assert_int_equal(buf_puts(&body, text), 0);
    return intake_json(req, &body, &fields);
}

static void refused(struct request *req, int r, const char *field, const char *why)
{
    assert_int_equal(r, -ERR_VALIDATION);
    assert_string_equal(req->err.field, field);
    if (!strstr(req->err.reason, why))
        fail_msg("\"%s\" does not say \"%s\"", req->err.reason, why);
    arena_release(&req->arena);
}

static void sets(const struct request *req, const char *name, const char *canonical)
{
    assert_string_equal(params_text(&req->validate.params, name), canonical);
}

/* ---- lists of texts ---- */

static void test_lists_in_json(void **state)
{
    struct request req;
    begin(&req, FEATURE_COMIC_PHOTOS);
    assert_int_equal(from_json(&req, "{\"dialogues\":[\"Xin chào\",null,\"\\ud83d\\ude00\",\" \"],"
                                     "\"captions\":\"one\\ntwo\",\"speakers\":[],\"userId\":[1,{}]}"),
                     0);
    assert_int_equal(validate_fields(&req), 0);
    sets(&req, "dialogues", "[\"Xin chào\",\"\",\"😀\"]");
    sets(&req, "captions", "[\"one\",\"two\"]");
    sets(&req, "speakers", "[]");
    sets(&req, "emotions", "[]");
    arena_release(&req.arena);
    static const char *const wrong[] = {"{\"dialogues\":[1]}", "{\"dialogues\":[[\"a\"]]}",
                                        "{\"dialogues\":[true]}"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        begin(&req, FEATURE_COMIC_PHOTOS);
        refused(&req, from_json(&req, wrong[i]), "dialogues", "Item 1 of the list is no text");
    }
    begin(&req, FEATURE_COMIC_PHOTOS);
    refused(&req, from_json(&req, "{\"title\":[\"a\"]}"), "title", "A text");
    begin(&req, FEATURE_COMIC_PHOTOS);
    refused(&req, from_json(&req, "{\"dialogues\":{\"a\":\"b\"}}"), "dialogues", "A text");
}

/* One field with all of them, or each in a field of its own. */
static void test_lists_in_forms(void **state)
{
    struct request req;
    begin(&req, FEATURE_COMIC_PHOTOS);
    assert_int_equal(intake_text(&req, "dialogues", "[\"a\", \"b\"]"), 0);
    assert_int_equal(intake_text(&req, "speakers", "Anna"), 0);
    assert_int_equal(intake_text(&req, "speakers[]", ""), 0);
    assert_int_equal(intake_text(&req, "speakers", "[Bob]\nthe builder"), 0);
    assert_int_equal(intake_text(&req, "captions", "[sighs]\r\n\r\nlater"), 0);
    assert_int_equal(intake_text(&req, "emotions", ""), 0);
    assert_int_equal(validate_fields(&req), 0);
    sets(&req, "dialogues", "[\"a\",\"b\"]");
    sets(&req, "speakers", "[\"Anna\",\"\",\"[Bob]\\u000athe builder\"]");
    sets(&req, "captions", "[\"[sighs]\",\"\",\"later\"]");
    sets(&req, "emotions", "[]");
    arena_release(&req.arena);
    begin(&req, FEATURE_COMIC_PHOTOS);
    assert_int_equal(intake_text(&req, "dialogues", "[\"a\","), 0);
    refused(&req, validate_fields(&req), "dialogues", "a JSON array");
    begin(&req, FEATURE_COMIC_PHOTOS);
    for (int i = 0; i < 13; i++)
        assert_int_equal(intake_text(&req, "dialogues", "x"), 0);
    refused(&req, validate_fields(&req), "dialogues", "at most 12 texts");
}

/* ---- lists of pictures ---- */

/* The order in which they came, however they came, is theirs. */
static void test_pictures_keep_their_order(void **state)
{
    struct request req, again;
    begin(&req, FEATURE_COMIC_PHOTOS);
    assert_int_equal(from_json(&req, "{\"photos_url\":[\"https://a.example/1\",\"\",\"https://a.example/2\"],"
                                     "\"photos_digest\":\"" DIGEST_TEXT "\"}"),
                     0);
    assert_int_equal(intake_text(&req, "photos_url[]", "[\"https://a.example/4\"]"), 0);
    assert_int_equal(take_digests(&req), 0);
    assert_int_equal(take_addresses(&req), 0);
    assert_null(req.receive.fields);
    assert_int_equal(pictures_given(&req), 4);
    assert_string_equal(req.receive.url[0], "https://a.example/1");
    assert_string_equal(req.receive.url[1], "https://a.example/2");
    assert_non_null(req.receive.digest[2]);
    assert_string_equal(req.receive.url[3], "https://a.example/4");
    assert_string_equal(req.receive.url_field[3], "photos_url[]");
    BUF_ON_EXIT struct buf text;
    buf_init(&text, REQUEST_JSON_MAX);
    req.validate.digest[2] = req.receive.digest[2];
    assert_int_equal(request_to_json(&req, &text), 0);
    begin(&again, FEATURE_COMIC_PHOTOS);
    assert_int_equal(request_from_json(&again, buf_text(&text), &again.err), 0);
    assert_int_equal(pictures_given(&again), 4);
    assert_string_equal(again.receive.url[3], "https://a.example/4");
    assert_memory_equal(again.receive.digest[2], req.receive.digest[2], DIGEST_BYTES);
    arena_release(&req.arena);
    arena_release(&again.arena);
}

static void test_pictures_that_are_none(void **state)
{
    struct request req;
    begin(&req, FEATURE_COMIC_PHOTOS);
    refused(&req, from_json(&req, "{\"photos_url\":[\"https://a.example/1\",7]}"), "photos_url",
            "Item 2 of the list is no text");
    begin(&req, FEATURE_COMIC_PHOTOS);
    refused(&req, intake_text(&req, "photos_digest", "4047"), "photos_digest", "sha256:");
    begin(&req, FEATURE_COMIC_PHOTOS);
    refused(&req, intake_text(&req, "photos_url", "[\"https://a.example/1\""), "photos_url", "JSON array");
    begin(&req, FEATURE_COMIC_PHOTOS);
    for (int i = 0; i < 12; i++)
        assert_int_equal(intake_text(&req, "photos_url", "https://a.example/1"), 0);
    refused(&req, intake_text(&req, "photos_digest", DIGEST_TEXT), "photos", "At most 12");
    svc.fetch = NULL;
    begin(&req, FEATURE_COMIC_PHOTOS);
    refused(&req, intake_text(&req, "photos_url", "https://a.example/1"), "photos_url", "not fetched");
    svc.fetch = (struct http_client_pool *)(void *)&svc;
}

/* Each row has one: a second one is refused, as ever. */
static void test_one_picture_a_row(void **state)
{
    struct request req;
    unsigned i;
    begin(&req, FEATURE_REPLACE_BG);
    assert_int_equal(intake_text(&req, "bg_url", "https://a.example/1"), 0);
    assert_int_equal(take_addresses(&req), 0);
    assert_string_equal(req.receive.url[1], "https://a.example/1");
    assert_int_equal(picture_place(&req, 0, &i), 0);
    assert_int_equal(i, 0);
    refused(&req, picture_place(&req, 1, &i), "bg", "more than one");
}

/* ---- how long a field may be ---- */

static void test_room(void **state)
{
    assert_int_equal(intake_field_bytes(&features[FEATURE_COMIC], "prompt"), 4 * 4000);
    assert_int_equal(intake_field_bytes(&features[FEATURE_RELIGHT], "prompt"), FIELD_MAX_BYTES);
    assert_int_equal(intake_field_bytes(&features[FEATURE_COMIC], "userId"), FIELD_MAX_BYTES);
    struct request req;
    char text[20100] = "{\"prompt\":\"";
    memset(text + strlen(text), 'x', 20000);
    memcpy(text + 20011, "\"}", 3);
    begin(&req, FEATURE_COMIC);
    refused(&req, from_json(&req, text), "prompt", "from 5 to 4000 characters");
}

/* ---- how many ---- */

static int count(struct request *req, struct field_count *c, const char *name, unsigned times)
{
    int r = 0;
    for (unsigned i = 0; i < times && r == 0; i++)
        r = intake_count(req, c, name);
    return r;
}

static void test_lists_count_once(void **state)
{
    struct request req;
    struct field_count c = {0};
    begin(&req, FEATURE_COMIC_PHOTOS);
    assert_int_equal(count(&req, &c, "photos", 6), 0);
    assert_int_equal(count(&req, &c, "photo7", 1), 0);
    assert_int_equal(count(&req, &c, "photos_url", 5), 0);
    assert_int_equal(count(&req, &c, "dialogues", 6), 0);
    assert_int_equal(count(&req, &c, "dialogues[]", 6), 0);
    assert_int_equal(count(&req, &c, "captions", 12), 0);
    assert_int_equal(c.fields, 3);
    assert_int_equal(count(&req, &c, "style", 2), 0);
    assert_int_equal(c.fields, 5);
    /* What is beyond the list is a field each, so that there is an end to it. */
    assert_int_equal(count(&req, &c, "photos_digest", 2), 0);
    assert_int_equal(count(&req, &c, "captions", 3), 0);
    assert_int_equal(c.fields, 10);
    refused(&req, count(&req, &c, "photos", 23), "", "more than 32 fields");
}

static void test_single_pictures_count(void **state)
{
    struct request req;
    struct field_count c = {0};
    begin(&req, FEATURE_REPLACE_BG);
    assert_int_equal(count(&req, &c, "fg", 16), 0);
    assert_int_equal(count(&req, &c, "fg_url", 16), 0);
    refused(&req, count(&req, &c, "bg", 1), "", "more than 32 fields");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_in_json),
        cmocka_unit_test(test_lists_in_forms),
        cmocka_unit_test(test_pictures_keep_their_order),
        cmocka_unit_test(test_pictures_that_are_none),
        cmocka_unit_test(test_one_picture_a_row),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_lists_count_once),
        cmocka_unit_test(test_single_pictures_count),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
