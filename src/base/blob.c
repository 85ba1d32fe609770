#include "base/blob.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/mem.h"

static atomic_size_t live;

struct taken_blob {
    struct blob blob;
    void (*free_fn)(void *);
};

static void free_nothing(struct blob *b)
{
    (void)b;
}

static void free_taken(struct blob *b)
{
    struct taken_blob *t = CONTAINER_OF(b, struct taken_blob, blob);
    t->free_fn((void *)(uintptr_t)b->data);
}

static void free_mapped(struct blob *b)
{
    munmap((void *)(uintptr_t)b->data, b->size);
}

static struct blob *init(struct blob *b, const void *data, size_t size, void (*free_data)(struct blob *))
{
    b->data = data;
    b->size = size;
    b->free_data = free_data;
    atomic_init(&b->refs, 1);
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return b;
}

struct blob *blob_copy(const void *data, size_t size)
{
    struct blob *b = mem_alloc(sizeof(*b) + size);
    if (size > 0)
        memcpy(b + 1, data, size);
    return init(b, b + 1, size, free_nothing);
}

struct blob *blob_take(void *data, size_t size, void (*free_fn)(void *))
{
    struct taken_blob *t = mem_alloc(sizeof(*t));
    t->free_fn = free_fn;
    return init(&t->blob, data ? data : (void *)t, size, data ? free_taken : free_nothing);
}

struct blob *blob_static(const void *data, size_t size)
{
    return init(mem_alloc(sizeof(struct blob)), data, size, free_nothing);
}

int blob_map(int fd, size_t size, struct blob **ret)
{
    if (size == 0)
        return -EINVAL;
    void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    *ret = init(mem_alloc(sizeof(struct blob)), p, size, free_mapped);
    return 0;
}

struct blob *blob_ref(struct blob *b)
{
    unsigned before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    CHECK(before > 0);
    return b;
}

void blob_unref(struct blob *b)
{
    if (!b)
        return;
    unsigned before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1) {
        b->free_data(b);
        free(b);
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    }
}

size_t blob_live_count(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}
