#include "store/body.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "scratch.h"
#include "small_disk.h"

enum { MEMORY_MAX = 4 << 20, SPOOL_ABOVE = 1 << 20 };

struct rig {
    char *folder;
    struct spool *spool;
};

static struct rig *rig_new(uint64_t memory_max, uint64_t spool_above)
{
    struct rig *rig = NEW(struct rig);
    struct error e;
    rig->folder = scratch_new();
    assert_int_equal(spool_new(rig->folder, memory_max, spool_above, &rig->spool, &e), 0);
    return rig;
}

static void rig_free(struct rig *rig)
{
    assert_int_equal(spool_memory_bytes(rig->spool), 0);
    assert_int_equal(scratch_count(rig->folder, "spool"), 0); /* bodies in files have no names */
    spool_free(rig->spool);
    scratch_free(rig->folder);
    free(rig);
    assert_int_equal(blob_live_count(), 0);
}

static int set_up(void **state)
{
    *state = rig_new(MEMORY_MAX, SPOOL_ABOVE);
    return 0;
}

static int tear_down(void **state)
{
    rig_free(*state);
    return 0;
}

static uint8_t *noise(size_t size)
{
    struct rng r;
    rng_seed(&r, size);
    uint8_t *data = mem_alloc(size + 8);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t n = rng_next(&r);
        memcpy(data + i, &n, 8);
    }
    return data;
}

static void append(struct body *b, const void *data, size_t size, size_t chunk)
{
    struct error e;
    for (size_t at = 0; at < size; at += chunk)
        assert_int_equal(body_append(b, (const char *)data + at, MIN(chunk, size - at), &e), 0);
}

static void assert_bytes(struct body *b, const void *data, size_t size)
{
    struct error e;
    BLOB_ON_EXIT struct blob *blob = NULL;
    uint8_t sum[DIGEST_BYTES];
    assert_int_equal(body_blob(b, &blob, &e), 0);
    assert_int_equal(body_size(b), size);
    assert_int_equal(blob->size, size);
    assert_memory_equal(blob->data, data, size);
    digest_of(data, size, sum);
    assert_memory_equal(body_digest(b), sum, DIGEST_BYTES);
}

/* Every size around each limit, known and unknown and wrongly announced, in chunks of several sizes. */
static void test_sizes_and_chunks(void **state)
{
    static const size_t sizes[] = {0,      1,      16384,           16385,       65471,           65472,
                                   65473,  65536,  136000,          262079,      262080,          262081,
                                   262144, 300000, SPOOL_ABOVE - 1, SPOOL_ABOVE, SPOOL_ABOVE + 1, 2 << 20};
    static const size_t chunks[] = {997, 32768, 4 << 20};
    struct rig *rig = *state;
    FREE_ON_EXIT uint8_t *data = noise(2 << 20);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t expected[] = {0, sizes[i], sizes[i] / 3, sizes[i] + 300};
        for (size_t k = 0; k < ARRAY_LEN(expected) * ARRAY_LEN(chunks); k++) {
            size_t expect = expected[k % ARRAY_LEN(expected)];
            struct body *b = body_new(rig->spool, expect);
            append(b, data, sizes[i], chunks[k / ARRAY_LEN(expected)]);
            body_finish(b);
            assert_int_equal(body_in_memory(b), sizes[i] == 0 || MAX(sizes[i], expect) <= SPOOL_ABOVE);
            assert_bytes(b, data, sizes[i]);
            body_unref(b);
            assert_int_equal(spool_memory_bytes(rig->spool), 0);
        }
    }
}

static void test_memory_is_what_is_needed(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT uint8_t *data = noise(136000);
    struct body *b = body_new(rig->spool, 136300);
    assert_int_equal(spool_memory_bytes(rig->spool), 0); /* nothing before the first byte */
    append(b, data, 1, 1);
    assert_in_range(spool_memory_bytes(rig->spool), 136300, 136300 + 4096);
    append(b, data + 1, 136000 - 1, 50000);
    assert_in_range(spool_memory_bytes(rig->spool), 136300, 136300 + 4096);
    body_finish(b);
    body_unref(b);
    b = body_new(rig->spool, 0); /* not told how much: at most twice */
    append(b, data, 100000, 1000);
    assert_in_range(spool_memory_bytes(rig->spool), 100000, 200000);
    body_unref(b);                     /* given up in the middle */
    b = body_new(rig->spool, 2 << 20); /* announced as large: in a file from the first byte */
    append(b, data, 1, 1);
    assert_false(body_in_memory(b));
    assert_int_equal(spool_memory_bytes(rig->spool), 0);
    body_unref(b);
}

static void test_account_is_bounded(void **state)
{
    struct rig *rig = *state;
    FREE_ON_EXIT uint8_t *data = noise(900000);
    struct body *b[8];
    unsigned in_memory = 0;
    for (unsigned i = 0; i < ARRAY_LEN(b); i++) {
        b[i] = body_new(rig->spool, 900000);
        append(b[i], data, 900000, 100000);
        in_memory += body_in_memory(b[i]);
        assert_true(spool_memory_bytes(rig->spool) <= MEMORY_MAX);
    }
    assert_int_equal(in_memory, MEMORY_MAX / 900000);
    for (unsigned i = 0; i < ARRAY_LEN(b); i++) {
        body_finish(b[i]);
        assert_bytes(b[i], data, 900000);
        body_unref(b[i]);
    }
    struct body *again = body_new(rig->spool, 900000); /* there is room again */
    append(again, data, 900000, 900000);
    assert_true(body_in_memory(again));
    body_unref(again);
}

/* Growing past what is left moves what came so far to a file. */
static void test_account_full_in_the_middle(void **state)
{
    struct rig *rig = rig_new(100000, SPOOL_ABOVE);
    FREE_ON_EXIT uint8_t *data = noise(90000);
    struct body *b = body_new(rig->spool, 0);
    append(b, data, 30000, 1000);
    assert_true(body_in_memory(b));
    append(b, data + 30000, 60000, 1000);
    assert_false(body_in_memory(b));
    assert_int_equal(spool_memory_bytes(rig->spool), 0);
    body_finish(b);
    assert_bytes(b, data, 90000);
    body_unref(b);
    rig_free(rig);
}

static void test_spool_and_blobs_handed_out(void **state)
{
    struct rig *rig = *state;
    struct error e;
    FREE_ON_EXIT uint8_t *data = noise(136000);
    struct body *b = body_new(rig->spool, 136000);
    append(b, data, 136000, 8192);
    body_finish(b);
    struct blob *before = NULL, *after = NULL;
    assert_int_equal(body_blob(b, &before, &e), 0);
    assert_int_equal(body_spool(b, &e), 0);
    assert_false(body_in_memory(b));
    assert_memory_equal(before->data, data, 136000); /* still valid, and still accounted for */
    assert_in_range(spool_memory_bytes(rig->spool), 136000, 140000);
    blob_unref(before);
    assert_int_equal(spool_memory_bytes(rig->spool), 0);
    assert_bytes(b, data, 136000);
    assert_int_equal(body_spool(b, &e), 0); /* again: nothing to do */
    assert_int_equal(body_blob(b, &after, &e), 0);
    body_unref(b);
    assert_memory_equal(after->data, data, 136000); /* the map outlives the body */
    blob_unref(after);
}

static void test_spool_while_growing(void **state)
{
    struct rig *rig = *state;
    struct error e;
    FREE_ON_EXIT uint8_t *data = noise(50000);
    struct body *b = body_new(rig->spool, 50000);
    assert_int_equal(body_spool(b, &e), 0); /* still empty */
    append(b, data, 20000, 5000);
    struct body *c = body_new(rig->spool, 50000);
    append(c, data, 20000, 5000);
    assert_true(body_in_memory(c));
    assert_int_equal(body_spool(c, &e), 0);
    append(b, data + 20000, 30000, 5000);
    append(c, data + 20000, 30000, 5000);
    body_finish(b);
    body_finish(c);
    assert_bytes(b, data, 50000);
    assert_bytes(c, data, 50000);
    body_unref(b);
    body_unref(c);
}

static void test_empty(void **state)
{
    struct rig *rig = *state;
    struct error e;
    struct body *b = body_new(rig->spool, 0);
    body_finish(b);
    assert_bytes(b, "", 0);
    assert_int_equal(body_spool(b, &e), 0);
    assert_bytes(b, "", 0);
    body_unref(b);
    body_unref(NULL);
}

static void test_from_blob(void **state)
{
    struct rig *rig = *state;
    struct error e;
    struct blob *given = blob_copy("some picture", 12);
    struct body *b = body_from_blob(rig->spool, given);
    blob_unref(given);
    assert_true(body_in_memory(b));
    assert_int_equal(spool_memory_bytes(rig->spool), 12);
    assert_bytes(b, "some picture", 12);
    assert_int_equal(body_spool(b, &e), 0);
    assert_int_equal(spool_memory_bytes(rig->spool), 0);
    assert_bytes(b, "some picture", 12);
    body_unref(b);
    struct blob *large = blob_take(mem_zalloc(MEMORY_MAX + 1), MEMORY_MAX + 1, free);
    b = body_from_blob(rig->spool, large); /* it exists: counted, not refused */
    blob_unref(large);
    assert_int_equal(spool_memory_bytes(rig->spool), MEMORY_MAX + 1);
    struct body *next = body_new(rig->spool, 10);
    append(next, "0123456789", 10, 10);
    assert_false(body_in_memory(next)); /* new ones make way */
    body_unref(next);
    body_unref(b);
}

static int count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

enum { WAITING = 500 };

/* What waits for a slot must cost next to nothing: a descriptor and a few hundred bytes. */
static void test_waiting_is_cheap(void **state)
{
    struct rig *rig = *state;
    struct error e;
    FREE_ON_EXIT uint8_t *data = noise(136000);
    struct body *b[WAITING];
    int fds = count_fds();
    size_t before = mallinfo2().uordblks;
    for (unsigned i = 0; i < WAITING; i++) {
        b[i] = body_new(rig->spool, 136000);
        append(b[i], data, 136000, 32768);
        body_finish(b[i]);
        assert_int_equal(body_spool(b[i], &e), 0);
    }
    size_t each = (mallinfo2().uordblks - before) / WAITING;
    assert_int_equal(count_fds() - fds, WAITING);
    assert_true(each < 300);
    assert_int_equal(spool_memory_bytes(rig->spool), 0);
    for (unsigned i = 0; i < WAITING; i++)
        body_unref(b[i]);
    assert_int_equal(count_fds(), fds);
}

static void test_disk_full(void **state)
{
    char *folder = scratch_new();
    if (!small_disk_mount(folder, 256 << 10)) {
        scratch_free(folder);
        skip();
    }
    struct spool *s;
    struct error e;
    FREE_ON_EXIT uint8_t *data = noise(600000);
    assert_int_equal(spool_new(folder, MEMORY_MAX, 500000, &s, &e), 0);
    struct body *b = body_new(s, 0);
    append(b, data, 400000, 10000);
    assert_true(body_in_memory(b));
    assert_int_equal(body_append(b, data + 400000, 200000, &e), -ERR_STORAGE_FULL); /* 600,000: to a file */
    assert_int_equal(e.code, ERR_STORAGE_FULL);
    assert_int_equal(body_size(b), 400000); /* as it was, and usable */
    append(b, data + 400000, 100000, 10000);
    body_finish(b);
    assert_int_equal(body_spool(b, &e), -ERR_STORAGE_FULL);
    assert_true(body_in_memory(b));
    assert_bytes(b, data, 500000);
    body_unref(b);
    b = body_new(s, 600000); /* in a file from the start */
    append(b, data, 200000, 10000);
    assert_int_equal(body_append(b, data + 200000, 100000, &e), -ERR_STORAGE_FULL);
    assert_int_equal(body_size(b), 200000);
    append(b, data + 200000, 10000, 10000); /* a smaller one still fits behind what is there */
    body_finish(b);
    assert_bytes(b, data, 210000);
    body_unref(b);
    assert_int_equal(spool_memory_bytes(s), 0);
    spool_free(s);
    small_disk_unmount(folder);
    scratch_free(folder);
}

static void test_new_explains_itself(void **state)
{
    struct spool *s = NULL;
    struct error e;
    assert_int_equal(spool_new("/dev/null/x", 1, 1, &s, &e), -ERR_INTERNAL);
    assert_null(s);
    assert_non_null(strstr(e.reason, "/dev/null/x/spool"));
    spool_free(NULL);
}

/* ---- threads: bodies made, shared and dropped at once ---- */

enum { THREADS = 4, ROUNDS = 400 };

struct shared {
    struct rig *rig;
    const uint8_t *data;
    struct body *common;
};

static void *hammer(void *arg)
{
    struct shared *s = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct error e;
        struct body *mine = body_ref(s->common);
        struct body *b = body_new(s->rig->spool, i % 3 ? 136000 : 0);
        append(b, s->data, 70000 + i, 20000);
        body_finish(b);
        struct blob *blob = NULL;
        assert_int_equal(body_blob(b, &blob, &e), 0);
        body_unref(b);
        assert_memory_equal(blob->data, s->data, 70000 + i);
        blob_unref(blob);
        body_unref(mine);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct shared s = {.rig = *state};
    FREE_ON_EXIT uint8_t *data = noise(136000);
    s.data = data;
    s.common = body_new(s.rig->spool, 1000);
    append(s.common, data, 1000, 1000);
    body_finish(s.common);
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, hammer, &s), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_bytes(s.common, data, 1000);
    body_unref(s.common);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disk_full), /* first: it wants a process with one thread */
        cmocka_unit_test_setup_teardown(test_sizes_and_chunks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_is_what_is_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_account_is_bounded, set_up, tear_down),
        cmocka_unit_test(test_account_full_in_the_middle),
        cmocka_unit_test_setup_teardown(test_spool_and_blobs_handed_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spool_while_growing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_from_blob, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_is_cheap, set_up, tear_down),
        cmocka_unit_test(test_new_explains_itself),
        cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
