/* The walk over an upload's structure: src/imaging/sniff.c and scan.c, which need no library.
 *
 * cc -fsanitize=fuzzer,address,undefined: the input is a file as uploaded. No seeds are
 * needed: the mutator begins with tiny files of the four types.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "imaging/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A block of exactly this size, so that one byte too far is seen. */
    uint8_t *exact = malloc(size + !size);
    if (size > 0)
        memcpy(exact, data, size);
    const char *foreign = sniff_foreign(exact, size);
    CHECK(!foreign || foreign[0] == 'a');
    enum image_type type = image_sniff(exact, size);
    if (type != IMAGE_UNKNOWN) {
        struct image_scan scan;
        enum scan_fault fault = scan_image(type, exact, size, &scan);
        if (fault == SCAN_WHOLE) {
            CHECK(scan.width > 0 && scan.height > 0);
            CHECK(scan.passes > 0 || type != IMAGE_JPEG);
        }
    }
    free(exact);
    return 0;
}

/* Most random starts are no image at all: begin with one of the four. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const struct {
        const char *bytes;
        size_t size;
    } starts[] = {
        {"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\0\xff\xd9", 28},
        {"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\0\0\0\0\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\0"
         "\0\0\0",
         57},
        {"RIFF\x1a\0\0\0WEBPVP8L\x05\0\0\0\x2f\0\0\0\0\0VP8X\x0a\0\0\0", 34},
        {"\0\0\0\x0c"
         "ftypavif\0\0\0\x2cmeta\0\0\0\0\0\0\0\x24iprp\0\0\0\x1cipco\0\0\0\x14ispe\0\0\0\0\0\0\0\1\0\0\0\1",
         56},
    };
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 16 == 0 || image_sniff(data, size) == IMAGE_UNKNOWN) {
        size_t i = seed / 16 % (sizeof(starts) / sizeof(starts[0]));
        size_t length = starts[i].size < max_size ? starts[i].size : max_size;
        if (seed % 16 && length > 12)
            length = 12;
        memcpy(data, starts[i].bytes, length);
        if (size < length)
            size = length;
    }
    return size;
}
