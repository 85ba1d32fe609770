/* fuzz_v1.c: creates and predictions of Replicate's own API, on any bytes. clang
 * -fsanitize=fuzzer,address,undefined.
 *
 * What is accepted must be taken apart where it really ends, and what is shown must be JSON with our id and
 * all the rest as it was. */
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "predict/replicate_json.h"
#include "v1/document.h"
#include "v1/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct v1_view ours = {
    .id = "ours", .base = "http://h", .status = "failed", .error = "\"\n", .ended_ms = 1};

static void check_shown(const json_t *said, const struct buf *shown)
{
    JSON_ON_EXIT json_t *now = json_loadb(shown->data, shown->len, 0, NULL);
    const char *key;
    json_t *value;
    CHECK(json_is_object(now));
    CHECK(strcmp(replicate_json_text(now, "id"), "ours") == 0);
    CHECK(strcmp(replicate_json_text(now, "status"), "failed") == 0);
    CHECK(json_is_object(json_object_get(now, "urls")));
    json_object_foreach((json_t *)(uintptr_t)said, key, value)
    {
        static const char *const mine[] = {"id", "urls", "status", "error", "completed_at"};
        bool kept = true;
        for (size_t i = 0; i < ARRAY_LEN(mine); i++)
            kept &= strcmp(key, mine[i]) != 0;
        CHECK(!kept || json_equal(value, json_object_get(now, key)));
    }
}

static void try_document(const uint8_t *data, size_t size)
{
    BLOB_ON_EXIT struct blob *text = replicate_json_mended(data, size);
    if (!text)
        return;
    struct v1_view v = ours;
    BUF_ON_EXIT struct buf shown;
    buf_init(&shown, 8 * size + 4096);
    v.said = (const char *)text->data;
    v.said_size = text->size;
    int r = v1_document(&v, &shown);
    /* A key that is written with escapes is not told from ours by its text. */
    bool plain = !memchr(text->data, '\\', text->size);
    JSON_ON_EXIT json_t *said = json_loadb(v.said, v.said_size, 0, NULL);
    if (json_is_object(said) && plain) {
        CHECK(r == 0);
        check_shown(said, &shown);
    }
}

static void try_order(const uint8_t *data, size_t size)
{
    const struct order_ask ask = {.kind = data[0] % 3, .owner = "o", .name = "n", .prefer = "wait"};
    BLOB_ON_EXIT struct blob *body = blob_copy(data + 1, size - 1);
    struct order *o = NULL;
    struct error e;
    if (order_read(&ask, body, &o, &e) < 0)
        return;
    JSON_ON_EXIT json_t *input = json_loadb(o->input, o->input_size, JSON_DECODE_ANY, NULL);
    CHECK(input && o->path[0] == '/');
    order_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    try_order(data, size);
    try_document(data, size);
    return 0;
}
