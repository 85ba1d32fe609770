/* fuzz_output_walk.c: a model's output of any shape. clang -fsanitize=fuzzer,address,undefined. The first
 * byte chooses the limits, the rest is the JSON. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/blob.h"
#include "base/check.h"
#include "predict/output_walk.h"
#include "predict/replicate_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct output_list *list, const struct output_limits *limits)
{
    size_t bytes = 0;
    CHECK(list->count <= limits->items_max);
    CHECK(list->left_out == 0 || list->count == limits->items_max);
    for (unsigned i = 0; i < list->count; i++) {
        const struct output_item *item = &list->item[i];
        CHECK((item->kind == OUTPUT_BYTES) == (item->bytes != NULL));
        CHECK((item->kind == OUTPUT_BYTES) == (item->text == NULL));
        CHECK(!limits->concatenate || item->kind == OUTPUT_TEXT);
        bytes += item->bytes ? item->bytes->size : strlen(item->text);
        CHECK(item->kind != OUTPUT_URL || strncasecmp(item->text, "http", 4) == 0);
    }
    CHECK(bytes <= MAX(limits->bytes_max, limits->total_max));
    CHECK(list->count < 2 || limits->concatenate || bytes <= limits->total_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    JSON_ON_EXIT json_t *j = replicate_json_read(data + 1, size - 1);
    struct output_limits limits = {.items_max = 1 + data[0] % OUTPUT_ITEMS_MAX,
                                   .bytes_max = data[0] & 64 ? 100 : 100000,
                                   .total_max = data[0] & 32 ? 1000 : 50,
                                   .concatenate = data[0] & 128};
    struct output_list list = {0};
    struct error e = {0};
    int r = output_walk(j, &limits, &list, &e);
    if (r == 0)
        check_list(&list, &limits);
    else
        CHECK(r == -ERR_UPSTREAM && e.code == ERR_UPSTREAM && list.count == 0);
    output_list_release(&list);
    CHECK(blob_live_count() == 0);
    return 0;
}
