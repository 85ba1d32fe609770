/* How a picture that is too large for the input gets to the model, and that nothing of it is left behind. */
#include <stdio.h>

#include "base/mem.h"
#include "replicate_rig.h"
#include "store/store.h"

enum { LARGE = 300000 };

#define FILE_AT(expires)                                                                                     \
    "{\"id\":\"f1\",\"urls\":{\"get\":\"$/files/f1\"},\"expires_at\":\"" expires "\",\"size\":300000}"
#define SEND_FILE   "POST /v1/files\n"
#define DELETE_FILE "DELETE /v1/files/f1\n"

static void make_large(struct rig *g)
{
    char *data = mem_alloc(LARGE);
    memset(data, 'x', LARGE);
    memcpy(data, "\xff\xd8\xff", 3);
    memcpy(data + 1000, "\r\n--boundary--\r\n", 16);
    blob_unref(g->r.p.input);
    g->r.p.input = blob_take(data, LARGE, free);
}

static void test_files_api(void **state)
{
    OPEN(g, A(201, FILE_AT("2999-01-02T03:04:05.678Z")), A(201, SUCCEEDED), A(204, ""));
    make_large(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    while (atomic_load(&g.api.asked) < 3)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, SEND_FILE CREATE DELETE_FILE);
    const char *type = strstr(g.api.head[0], "Content-Type: multipart/form-data; boundary=");
    assert_non_null(type);
    char boundary[64];
    assert_int_equal(sscanf(type, "Content-Type: multipart/form-data; boundary=%63[0-9a-f-]", boundary), 1);
    const char *body = g.api.body[0];
    FREE_ON_EXIT char *head =
        mem_printf("--%s\r\nContent-Disposition: form-data; name=\"content\"; filename=\"picture.jpg\"\r\n"
                   "Content-Type: image/jpeg\r\n\r\n",
                   boundary);
    FREE_ON_EXIT char *tail = mem_printf("\r\n--%s\r\nContent-Disposition: form-data; name=\"metadata\"\r\n"
                                         "Content-Type: application/json\r\n\r\n{}\r\n--%s--\r\n",
                                         boundary, boundary);
    assert_memory_equal(body, head, strlen(head));
    assert_memory_equal(body + strlen(head), g.r.p.input->data, LARGE);
    assert_string_equal(body + strlen(head) + LARGE, tail);
    FREE_ON_EXIT char *image = mem_printf("\"image\":\"%s/files/f1\"", g.api.base_url);
    assert_non_null(strstr(g.api.body[1], image));
    rig_close(&g);
}

static void test_expired(void **state) /* case 26: by the time of another try the file is gone */
{
    OPEN(g, A(201, FILE_AT("2001-01-02T03:04:05Z")), {.status = 429, .headers = "Retry-After: 0\r\n"},
         A(201, FILE_AT("2999-01-02T03:04:05Z")), A(201, SUCCEEDED), A(204, ""));
    make_large(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    while (atomic_load(&g.api.asked) < 5)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, SEND_FILE CREATE SEND_FILE CREATE DELETE_FILE); /* a fresh one is believed once */
    rig_close(&g);
}

static void test_too_large_inline(void **state)
{
    OPEN(g, A(413, "<html>"), A(201, FILE_AT("2999-01-02T03:04:05Z")), A(413, "<html>"), A(204, ""));
    assert_int_equal(provider_rig_run(&g.r), -ERR_PAYLOAD_TOO_LARGE);
    while (atomic_load(&g.api.asked) < 4)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, CREATE SEND_FILE CREATE DELETE_FILE);
    rig_close(&g);
}

static void test_file_refused(void **state)
{
    OPEN(g, A(500, ""), A(201, "{\"id\":\"f1\"}"));
    make_large(&g);
    assert_int_equal(provider_rig_run(&g.r), -ERR_UPSTREAM);
    assert_false(g.r.p.paid);
    check_log(&g, SEND_FILE SEND_FILE);
    rig_close(&g);
}

static void test_left_while_deleting(void **state) /* the program ends before the file is deleted */
{
    OPEN(g, A(201, FILE_AT("2999-01-02T03:04:05Z")), A(201, SUCCEEDED),
         {.status = 204, .body = "", .act = API_HOLD});
    make_large(&g);
    assert_int_equal(provider_rig_run(&g.r), 0);
    rig_close(&g);
}

/* ---- a store that the world can read ---- */

struct fake_store {
    struct store store;
    const char *base;
    int put_result;
    char put_key[STORE_KEY_MAX + 1], removed[STORE_KEY_MAX + 1];
    unsigned expires_s;
};

static void fake_put(struct store *s, struct store_put *p)
{
    struct fake_store *f = CONTAINER_OF(s, struct fake_store, store);
    snprintf(f->put_key, sizeof(f->put_key), "%s", p->key);
    assert_string_equal(p->content_type, "image/jpeg");
    assert_int_equal(p->body->size, LARGE);
    op_complete(&p->op, f->put_result);
}

static int fake_remove(struct store *s, const char *key)
{
    struct fake_store *f = CONTAINER_OF(s, struct fake_store, store);
    snprintf(f->removed, sizeof(f->removed), "%s", key);
    return 0;
}

static int fake_link(struct store *s, const char *key, unsigned expires_s, struct buf *ret)
{
    struct fake_store *f = CONTAINER_OF(s, struct fake_store, store);
    f->expires_s = expires_s;
    return buf_printf(ret, "%s/%s?signed", f->base, key);
}

static const struct store_ops fake_ops = {
    .name = "fake", .put = fake_put, .remove = fake_remove, .link = fake_link};

static void rig_store(struct rig *g, struct fake_store *f, const char *base, int put_result)
{
    *f = (struct fake_store){.store = {&fake_ops, client_rig_loop(&g->r.client)}, .base = base};
    f->put_result = put_result;
    provider_free(g->r.provider);
    g->r.store = &f->store;
    provider_rig_open(&g->r, provider_replicate_new);
    make_large(g);
}

static void test_own_store(void **state)
{
    OPEN(g, A(201, SUCCEEDED));
    struct fake_store f;
    rig_store(&g, &f, "https://bucket.example", 0);
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, CREATE);
    assert_memory_equal(f.put_key, "inputs/20", 9);
    assert_string_equal(f.put_key + strlen(f.put_key) - 4, ".jpg");
    assert_string_equal(f.removed, f.put_key);
    assert_in_range(f.expires_s, 650, 660); /* as long as anybody waits, and a minute */
    FREE_ON_EXIT char *image = mem_printf("\"image\":\"https://bucket.example/%s?signed\"", f.put_key);
    assert_non_null(strstr(g.api.body[0], image));
    rig_close(&g);
}

static void test_store_fails(void **state)
{
    OPEN(g, A(201, FILE_AT("2999-01-02T03:04:05Z")), A(201, SUCCEEDED), A(204, ""));
    struct fake_store f;
    rig_store(&g, &f, "https://bucket.example", -ERR_UPSTREAM);
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_string_equal(f.removed, "");
    while (atomic_load(&g.api.asked) < 3)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, SEND_FILE CREATE DELETE_FILE);
    rig_close(&g);
}

static void test_private_store(void **state) /* plain http: nobody outside can be expected to read it */
{
    OPEN(g, A(201, FILE_AT("2999-01-02T03:04:05Z")), A(201, SUCCEEDED), A(204, ""));
    struct fake_store f;
    rig_store(&g, &f, "http://minio:9000", 0);
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_string_equal(f.put_key, "");
    while (atomic_load(&g.api.asked) < 3)
        provider_rig_turn_ms(&g.r, 5);
    check_log(&g, SEND_FILE CREATE DELETE_FILE);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_api),           cmocka_unit_test(test_expired),
        cmocka_unit_test(test_too_large_inline),    cmocka_unit_test(test_file_refused),
        cmocka_unit_test(test_left_while_deleting), cmocka_unit_test(test_own_store),
        cmocka_unit_test(test_store_fails),         cmocka_unit_test(test_private_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
