/* fuzz_cache_control.c: the Cache-Control parser on any text. clang -fsanitize=fuzzer,address,undefined.
 *
 * What is refused leaves the wish as it was; what is taken is taken again with another element before and
 * behind, and can only become stricter by it. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "request/cache_control.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = mem_zalloc(size + 1);
    memcpy(text, data, size);
    struct cache_wish a = {.max_age_s = 5}, b = {0};
    int r = cache_control_parse(text, &a);
    CHECK(r == 0 || (a.max_age_s == 5 && !a.no_cache && !a.no_store && !a.limited));
    FREE_ON_EXIT char *more = mem_printf("max-age=3,%s,no-cache", text);
    int again = cache_control_parse(more, &b);
    CHECK(r < 0 || again == 0);
    if (again == 0) {
        CHECK(b.no_cache && b.limited && b.max_age_s <= 3);
        CHECK(r < 0 || b.no_store == a.no_store);
    }
    free(text);
    return 0;
}
