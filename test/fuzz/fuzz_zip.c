/* The reader of archives: src/jobs/zip.c over libarchive's zip reader.
 *
 * cc -fsanitize=fuzzer,address,undefined: the input is an archive as uploaded. No seeds are needed: the
 * mutator begins with a small archive of a picture and a text.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/utf8.h"
#include "jobs/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

enum { PICTURES_MAX = 8, PICTURE_MAX = 4096, BLOCK = 256 << 10 /* comes at once before it is counted */ };

static int count(void *ctx, const void *data, size_t size, struct error *e)
{
    size_t *all = ctx;
    *all += size;
    CHECK(size == 0 || data);
    return 0;
}

static void check_name(const char *name)
{
    CHECK(strlen(name) <= ZIP_NAME_MAX && *name != '/' && !strstr(name, "/../"));
    for (const char *at = name; *at;) {
        size_t n = utf8_char(at);
        CHECK(n > 0 && (unsigned char)*at >= 0x20);
        at += n;
    }
}

static void read_all(struct zip *z, const struct zip_list *l)
{
    for (size_t i = l->count; i-- > 0;) { /* backwards, so that it begins anew each time */
        struct error e;
        size_t size = 0;
        int r = zip_read(z, l->picture[i].at, count, &size, &e);
        CHECK(size <= PICTURE_MAX + BLOCK && (r < 0 || size <= PICTURE_MAX));
        check_name(l->picture[i].name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct zip_limits limits = {PICTURES_MAX, PICTURE_MAX};
    struct blob *b =
        blob_copy(data, size); /* a block of exactly this size, so that one byte too far is seen */
    struct error e;
    struct zip *z = NULL;
    struct zip_list l = {0};
    if (zip_open(b, &limits, &z, &e) == 0 && zip_list(z, &l, &e) == 0) {
        CHECK(l.count > 0 && l.count <= PICTURES_MAX);
        read_all(z, &l);
    }
    zip_list_release(&l);
    zip_free(z);
    blob_unref(b);
    return 0;
}

static const char start[] =
    "\x50\x4b\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00\x21\x5c\x8f\xef\x85\xb7\x14\x00\x00\x00\x14\x00"
    "\x00\x00\x07\x00\x00\x00\x61\x2f\x31\x2e\x70\x6e\x67\xeb\x0c\xf0\x73\xe7\xe5\x92\xe2\x62\x60\x60"
    "\xe0\xf5\xf4\x70\x09\x32\x00\x02\x00\x50\x4b\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x21\x5c\xc7"
    "\xa7\x8b\x3b\x04\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x62\x2e\x74\x78\x74\x74\x65\x78\x74"
    "\x50\x4b\x03\x04\x14\x00\x00\x00\x08\x00\x00\x00\x21\x5c\xd1\x00\x3a\x5e\x0b\x00\x00\x00\x30\x01"
    "\x00\x00\x05\x00\x00\x00\x63\x2e\x6a\x70\x67\xfb\x7f\xe3\xff\x03\x83\x51\x40\x34\x00\x00\x50\x4b"
    "\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00\x00\x00\x21\x5c\x8f\xef\x85\xb7\x14\x00\x00\x00\x14\x00"
    "\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00\x61\x2f\x31\x2e"
    "\x70\x6e\x67\x50\x4b\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00\x00\x00\x21\x5c\xc7\xa7\x8b\x3b\x04"
    "\x00\x00\x00\x04\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\x39\x00\x00"
    "\x00\x62\x2e\x74\x78\x74\x50\x4b\x01\x02\x14\x03\x14\x00\x00\x00\x08\x00\x00\x00\x21\x5c\xd1\x00"
    "\x3a\x5e\x0b\x00\x00\x00\x30\x01\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01"
    "\x60\x00\x00\x00\x63\x2e\x6a\x70\x67\x50\x4b\x05\x06\x00\x00\x00\x00\x03\x00\x03\x00\x9b\x00\x00"
    "\x00\x8e\x00\x00\x00\x00\x00";

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if ((seed % 16 == 0 || size < sizeof(start) - 1) && sizeof(start) - 1 <= max_size) {
        memcpy(data, start, sizeof(start) - 1);
        size = sizeof(start) - 1;
    }
    return size;
}
