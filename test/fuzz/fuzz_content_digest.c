/* fuzz_content_digest.c: the Content-Digest parser on any text. clang -fsanitize=fuzzer,address,undefined.
 *
 * What it finds is found again with another algorithm around it; without one, the result is left alone. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "request/content_digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FREE_ON_EXIT char *text = mem_zalloc(size + 1);
    memcpy(text, data, size);
    uint8_t a[DIGEST_BYTES] = {1, 2, 3}, b[DIGEST_BYTES] = {0};
    int r = content_digest_parse(text, a);
    CHECK(r == 0 || r == 1 || r < 0);
    FREE_ON_EXIT char *more = mem_printf("md5=:AAAA:,%s,sha-512=:AAAA:", text);
    int again = content_digest_parse(more, b);
    CHECK(again == r);
    CHECK(r != 0 || memcmp(a, b, DIGEST_BYTES) == 0);
    return 0;
}
