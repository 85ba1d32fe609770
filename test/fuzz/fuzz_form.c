/* fuzz_form.c: the form parser on any bytes. clang -fsanitize=fuzzer,address,undefined.
 *
 * First byte: how the body is cut; then the Content-Type up to a line end; then the body. What comes out must
 * be in order, bounded, no larger than what went in, and the same however the body is cut. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/server/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct out {
    uint64_t hash;
    size_t bytes;
    size_t next_offset;
};

static void mix(struct out *o, const void *data, size_t size)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++)
        o->hash = (o->hash ^ p[i]) * 1099511628211ull;
}

static bool on_part(void *ctx, const char *name, const char *filename, const char *type, const void *data,
                    size_t offset, size_t size)
{
    struct out *o = ctx;
    CHECK(name && strlen(name) <= FORM_NAME_MAX);
    CHECK(!filename || strlen(filename) <= FORM_FILENAME_MAX);
    CHECK(!type || strlen(type) <= FORM_TYPE_MAX);
    if (offset == 0) {
        mix(o, name, strlen(name) + 1);
        if (filename)
            mix(o, filename, strlen(filename) + 1);
        if (type)
            mix(o, type, strlen(type) + 1);
        o->next_offset = 0;
    }
    CHECK(offset == o->next_offset);
    mix(o, data, size);
    o->next_offset += size;
    o->bytes += size;
    return true;
}

static int parse(const char *type, const uint8_t *body, size_t size, size_t step, struct out *o)
{
    *o = (struct out){.hash = 14695981039346656037ull};
    struct form *f = form_new_type(type, on_part, o);
    if (!f)
        return 1;
    int r = 0;
    for (size_t at = 0; r == 0 && at < size; at += step) {
        size_t n = MIN(step, size - at);
        uint8_t *piece = mem_alloc(n); /* so that a step beyond its end is seen */
        memcpy(piece, body + at, n);
        r = form_feed(f, piece, n);
        free(piece);
    }
    if (r == 0)
        r = form_finish(f);
    form_free(f);
    CHECK(o->bytes <= size);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    if (!end)
        return 0;
    size_t step = (size_t)data[0] % 40 + 1;
    char *type = mem_zalloc((size_t)(end - data));
    memcpy(type, data + 1, (size_t)(end - data) - 1);
    const uint8_t *body = end + 1;
    size_t body_size = size - (size_t)(body - data);
    struct out whole, cut;
    int a = parse(type, body, body_size, body_size + 1, &whole);
    int b = parse(type, body, body_size, step, &cut);
    CHECK(a == b);
    CHECK(a != 0 || whole.hash == cut.hash);
    free(type);
    return 0;
}
