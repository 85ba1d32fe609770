/* blob.h: immutable, ref-counted bytes. Image bytes travel between threads and requests only as blobs.
 *
 * Order: make one (refs = 1), blob_ref for each further holder, blob_unref by each. The last unref frees the
 * memory or unmaps the file. Contents never change, so any thread that holds a reference may read.
 * blob_unref(NULL) does nothing. */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

struct blob {
    const uint8_t *data; /* never NULL; size bytes */
    size_t size;
    atomic_uint refs;
    void (*free_data)(struct blob *b); /* how the bytes are given back */
};

struct blob *blob_copy(const void *data, size_t size) MUST_CHECK;
struct blob *blob_take(void *data, size_t size,
                       void (*free_fn)(void *)) MUST_CHECK;         /* frees by free_fn(data) */
struct blob *blob_static(const void *data, size_t size) MUST_CHECK; /* data outlives the program */
int blob_map(int fd, size_t size,
             struct blob **ret) MUST_CHECK; /* maps a file, fd stays the caller's; 0 or -errno */

struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b);

static inline void cleanup_blob(struct blob **b)
{
    blob_unref(*b);
}
#define BLOB_ON_EXIT CLEANUP(cleanup_blob)

size_t blob_live_count(void); /* blobs alive in the process; tests check that it returns to zero */
