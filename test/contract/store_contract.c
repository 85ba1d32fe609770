#include "store_contract.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "loop/lane.h"
#include "scratch.h"
#include "small_disk.h"

/* ---- the rows ---- */

static bool disk_prepare_small(struct store_rig *rig)
{
    return small_disk_mount(rig->folder, 1 << 20);
}

static void disk_open(struct store_rig *rig)
{
    struct error e;
    assert_int_equal(store_disk_new(rig->folder, &rig->loop.loop, rig->lane, &rig->store, &e), 0);
}

static void disk_close(struct store_rig *rig)
{
    assert_int_equal(scratch_count(rig->folder, "objects/.tmp"), 0); /* nothing half-done is left */
    if (rig->small)
        small_disk_unmount(rig->folder);
}

static struct blob *disk_read(struct store_rig *rig, const char *key)
{
    int fd = -1;
    uint64_t size = 0;
    int64_t modified_s = 0;
    int r = rig->store->ops->open(rig->store, key, &fd, &size, &modified_s);
    if (r == -ERR_NOT_FOUND)
        return NULL;
    assert_int_equal(r, 0);
    char *data = mem_alloc(size);
    assert_int_equal(pread(fd, data, size, 0), (ssize_t)size);
    close(fd);
    return blob_take(data, size, free);
}

static const struct store_driver drivers[] = {
    {"disk", disk_prepare_small, disk_open, disk_close, disk_read},
};

/* ---- the rig ---- */

static const struct store_driver *current; /* the row that runs now */

static struct store_rig *rig_new(bool small)
{
    struct store_rig *rig = NEW(struct store_rig);
    rig->driver = current;
    rig->folder = scratch_new();
    rig->small = small;
    if (small && !(current->prepare_small && current->prepare_small(rig))) {
        scratch_free(rig->folder);
        free(rig);
        return NULL;
    }
    waiting_loop_init(&rig->loop);
    const struct lane_config config = {.name = "store", .threads = 2, .queue_max = 1000};
    rig->lane = lane_new(&config, &rig->loop.loop);
    current->open(rig);
    return rig;
}

static void rig_free(struct store_rig *rig)
{
    store_free(rig->store);
    lane_free(rig->lane);
    waiting_loop_release(&rig->loop);
    if (rig->driver->close)
        rig->driver->close(rig);
    scratch_free(rig->folder);
    free(rig);
}

static int set_up(void **state)
{
    *state = rig_new(false);
    return 0;
}

static int tear_down(void **state)
{
    rig_free(*state);
    assert_int_equal(blob_live_count(), 0);
    return 0;
}

static unsigned completed;

static void on_done(struct op *op)
{
    completed++;
    *(unsigned *)op->owner += 1;
}

/* A put, how often it has completed, and its bytes. */
struct
try {
    struct store_put put;
    unsigned done;
    char key[64];
};

static void try_start(struct store_rig *rig, struct try *t, struct blob *body)
{
    t->put.key = t->key;
    t->put.content_type = "image/png";
    t->put.body = body;
    t->put.op.owner = &t->done;
    t->put.err.code = ERR_GONE; /* must be cleared */
    store_put_start(rig->store, &t->put, on_done);
    assert_int_equal(t->done, 0); /* never inside its own start */
}

static int put(struct store_rig *rig, const char *key, const void *data, size_t size)
{
    struct try t = {0};
    struct blob *body = blob_copy(data, size);
    t.put.key = key;
    t.put.content_type = "image/png";
    t.put.body = body;
    t.put.op.owner = &t.done;
    store_put_start(rig->store, &t.put, on_done);
    assert_int_equal(t.done, 0);
    waiting_loop_run(&rig->loop, &t.done, 1);
    assert_int_equal(t.done, 1);
    assert_int_equal((int)t.put.err.code, -t.put.op.result);
    assert_int_equal(t.put.err.reason[0] != '\0', t.put.op.result != 0); /* a failure explains itself */
    assert_int_equal(atomic_load(&body->refs), 1);                       /* nothing was kept */
    blob_unref(body);
    return t.put.op.result;
}

static void assert_object(struct store_rig *rig, const char *key, const void *data, size_t size)
{
    BLOB_ON_EXIT struct blob *b = rig->driver->read(rig, key);
    assert_non_null(b);
    assert_int_equal(b->size, size);
    assert_memory_equal(b->data, data, size);
}

static void assert_absent(struct store_rig *rig, const char *key)
{
    BLOB_ON_EXIT struct blob *b = rig->driver->read(rig, key);
    assert_null(b);
}

/* ---- the tests ---- */

static void test_put_and_read(void **state)
{
    struct store_rig *rig = *state;
    assert_absent(rig, "clarity/2026-11-23/a.png");
    assert_int_equal(put(rig, "clarity/2026-11-23/a.png", "bytes\0more", 10), 0);
    assert_object(rig, "clarity/2026-11-23/a.png", "bytes\0more", 10);
    assert_absent(rig, "clarity/2026-11-23/b.png");
    assert_int_equal(put(rig, "top.png", "top", 3), 0);
    assert_object(rig, "top.png", "top", 3);
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 1 << 20, (5 << 20) + 7};
    struct store_rig *rig = *state;
    FREE_ON_EXIT uint8_t *data = mem_alloc((5 << 20) + 7);
    for (size_t i = 0; i < (5 << 20) + 7; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(put(rig, "sizes/object", data, sizes[i]), 0);
        assert_object(rig, "sizes/object", data, sizes[i]);
    }
}

static void test_open_tells_size_and_time(void **state)
{
    struct store_rig *rig = *state;
    if (!rig->store->ops->open)
        skip();
    int fd = -7;
    uint64_t size = 7;
    int64_t modified_s = 7;
    assert_int_equal(rig->store->ops->open(rig->store, "a/b.png", &fd, &size, &modified_s), -ERR_NOT_FOUND);
    assert_int_equal(fd, -7); /* untouched on failure */
    assert_int_equal(size, 7);
    assert_int_equal(modified_s, 7);
    assert_int_equal(put(rig, "a/b.png", "12345", 5), 0);
    assert_int_equal(rig->store->ops->open(rig->store, "a/b.png", &fd, &size, &modified_s), 0);
    assert_true(fd >= 0);
    assert_int_equal(size, 5);
    assert_in_range(modified_s, 1700000000, 5000000000);
    close(fd);
    assert_int_equal(rig->store->ops->open(rig->store, "a", &fd, &size, &modified_s), -ERR_NOT_FOUND);
}

static void test_overwrite(void **state)
{
    struct store_rig *rig = *state;
    assert_int_equal(put(rig, "k/o.png", "the first one", 13), 0);
    assert_int_equal(put(rig, "k/o.png", "two", 3), 0);
    assert_object(rig, "k/o.png", "two", 3);
}

static bool all_same(const struct blob *b, size_t sizes[2])
{
    uint8_t c = b->size ? b->data[0] : 0;
    if (b->size != sizes[c == 'b'] || (c != 'a' && c != 'b'))
        return false;
    for (size_t i = 0; i < b->size; i++)
        if (b->data[i] != c)
            return false;
    return true;
}

/* Whoever reads while an object is being replaced sees the old one or the new one. */
static void test_readers_see_whole_objects(void **state)
{
    struct store_rig *rig = *state;
    size_t sizes[2] = {700000, 300001};
    FREE_ON_EXIT char *bytes = mem_alloc(sizes[0]);
    for (unsigned round = 0; round < 12; round++) {
        struct try t = {.key = "w/o.png"};
        memset(bytes, round % 2 ? 'b' : 'a', sizes[0]);
        BLOB_ON_EXIT struct blob *body = blob_copy(bytes, sizes[round % 2]);
        try_start(rig, &t, body);
        while (t.done == 0) {
            BLOB_ON_EXIT struct blob *seen = rig->driver->read(rig, t.key);
            assert_true(seen ? all_same(seen, sizes) : round == 0);
            loop_turn(&rig->loop.loop);
        }
        assert_int_equal(t.put.op.result, 0);
        assert_object(rig, t.key, bytes, sizes[round % 2]);
    }
}

static const char *const bad_keys[] = {
    "",         "/",    "/a",          "a/",      "a//b", ".",    "..",     "../a", "a/../b",
    "a/./b",    "a/..", ".tmp/x",      "a/.b",    "a b",  "a\\b", "a\nb",   "a?b",  "a%2fb",
    "\xc3\xa4", "a:b",  "/etc/passwd", "a/b\x7f", "a*",   "~",    "a/\x01",
};

static void test_key_rules(void **state)
{
    struct store_rig *rig = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad_keys); i++) {
        assert_int_equal(put(rig, bad_keys[i], "x", 1), -ERR_INTERNAL);
        assert_int_equal(rig->store->ops->remove(rig->store, bad_keys[i]), -ERR_NOT_FOUND);
        assert_absent(rig, bad_keys[i]);
    }
    char longest[STORE_KEY_MAX + 2];
    memset(longest, 'k', sizeof(longest));
    longest[200] = longest[400] = '/';
    longest[STORE_KEY_MAX + 1] = '\0';
    assert_int_equal(put(rig, longest, "x", 1), -ERR_INTERNAL);
    longest[STORE_KEY_MAX] = '\0';
    assert_int_equal(put(rig, longest, "x", 1), 0);
    assert_object(rig, longest, "x", 1);
    assert_int_equal(put(rig, "A-Z_a.z/0-9/x.tar.gz", "y", 1), 0);
    assert_object(rig, "A-Z_a.z/0-9/x.tar.gz", "y", 1);
}

static void test_remove(void **state)
{
    struct store_rig *rig = *state;
    assert_int_equal(rig->store->ops->remove(rig->store, "r/a.png"), -ERR_NOT_FOUND);
    assert_int_equal(put(rig, "r/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "r/b.png", "b", 1), 0);
    assert_int_equal(rig->store->ops->remove(rig->store, "r/a.png"), 0);
    assert_absent(rig, "r/a.png");
    assert_object(rig, "r/b.png", "b", 1);
    assert_int_equal(rig->store->ops->remove(rig->store, "r/a.png"), -ERR_NOT_FOUND);
    assert_int_equal(rig->store->ops->remove(rig->store, "r"), -ERR_NOT_FOUND); /* no object, a folder */
    assert_object(rig, "r/b.png", "b", 1);
    assert_int_equal(put(rig, "r/a.png", "again", 5), 0);
    assert_object(rig, "r/a.png", "again", 5);
}

static void test_check(void **state)
{
    struct store_rig *rig = *state;
    struct error e = {0};
    assert_int_equal(rig->store->ops->check(rig->store, &e), 0);
}

enum { MANY = 200 };

static void test_many_at_once(void **state)
{
    struct store_rig *rig = *state;
    struct try *t = mem_zalloc(MANY * sizeof(*t));
    struct blob *body[MANY];
    completed = 0;
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(t[i].key, sizeof(t[i].key), "many/%u/%u.png", i % 7, i);
        body[i] = blob_copy(t[i].key, sizeof(t[i].key));
        try_start(rig, &t[i], body[i]);
    }
    waiting_loop_run(&rig->loop, &completed, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(t[i].done, 1);
        assert_int_equal(t[i].put.op.result, 0);
        assert_int_equal(t[i].put.err.code, ERR_NONE);
        assert_object(rig, t[i].key, t[i].key, sizeof(t[i].key));
        blob_unref(body[i]);
    }
    free(t);
}

static void test_same_key_at_once(void **state)
{
    struct store_rig *rig = *state;
    struct try t[16] = {0};
    struct blob *body[16];
    size_t sizes[2] = {200000, 100000};
    FREE_ON_EXIT char *bytes = mem_alloc(sizes[0]);
    completed = 0;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        memset(bytes, i % 2 ? 'b' : 'a', sizes[0]);
        body[i] = blob_copy(bytes, sizes[i % 2]);
        snprintf(t[i].key, sizeof(t[i].key), "same/o.png");
        try_start(rig, &t[i], body[i]);
    }
    waiting_loop_run(&rig->loop, &completed, ARRAY_LEN(t));
    BLOB_ON_EXIT struct blob *seen = rig->driver->read(rig, "same/o.png");
    assert_true(seen && all_same(seen, sizes));
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        assert_int_equal(t[i].put.op.result, 0);
        blob_unref(body[i]);
    }
}

/* Cancelled at different moments: before it runs, while it runs, after. It completes once, and what was not
 * stored cannot be seen. */
static void test_cancel(void **state)
{
    struct store_rig *rig = *state;
    struct try t[60] = {0};
    size_t size = 3 << 20;
    BLOB_ON_EXIT struct blob *body = blob_take(mem_zalloc(size), size, free);
    unsigned gone = 0;
    completed = 0;
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        snprintf(t[i].key, sizeof(t[i].key), "cancel/%u.png", i);
        try_start(rig, &t[i], body);
        if (i % 3 == 0)
            op_cancel(&t[i].put.op);
        if (i % 3 == 1 && i > 5)
            op_cancel(&t[i - 4].put.op);
        op_cancel(&t[i % 3 == 0 ? i : 0].put.op); /* twice does no harm */
        loop_turn(&rig->loop.loop);
    }
    waiting_loop_run(&rig->loop, &completed, ARRAY_LEN(t));
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        int r = t[i].put.op.result;
        assert_int_equal(t[i].done, 1);
        assert_true(r == 0 || r == -ERR_CLIENT_GONE);
        assert_int_equal((int)t[i].put.err.code, -r);
        BLOB_ON_EXIT struct blob *seen = rig->driver->read(rig, t[i].key);
        assert_int_equal(seen ? seen->size : 0, r == 0 ? size : 0);
        gone += r != 0;
    }
    assert_in_range(gone, 1, 40);
    assert_int_equal(completed, ARRAY_LEN(t));
}

static void test_full(void **state)
{
    struct store_rig *rig = rig_new(true);
    if (!rig)
        skip();
    size_t size = 2 << 20;
    FREE_ON_EXIT char *big = mem_zalloc(size);
    struct error e = {0};
    assert_int_equal(put(rig, "f/old.png", "old", 3), 0);
    assert_int_equal(put(rig, "f/big.png", big, size), -ERR_STORAGE_FULL);
    assert_int_equal(put(rig, "f/old.png", big, size), -ERR_STORAGE_FULL);
    assert_absent(rig, "f/big.png");
    assert_object(rig, "f/old.png", "old", 3);
    assert_int_equal(rig->store->ops->check(rig->store, &e), 0); /* the failed ones gave their room back */
    unsigned stored = 0;
    char key[32];
    int r;
    do
        snprintf(key, sizeof(key), "f/%u.bin", stored);
    while ((r = put(rig, key, big, 4096)) == 0 && ++stored < 1000);
    assert_int_equal(r, -ERR_STORAGE_FULL);
    assert_int_equal(rig->store->ops->check(rig->store, &e), -ERR_STORAGE_FULL);
    assert_int_equal(e.code, ERR_STORAGE_FULL);
    assert_non_null(strstr(e.reason, "full"));
    assert_int_equal(rig->store->ops->remove(rig->store, "f/0.bin"), 0);
    assert_int_equal(rig->store->ops->remove(rig->store, "f/1.bin"), 0);
    assert_int_equal(put(rig, "f/new.png", "new", 3), 0);
    rig_free(rig);
}

int store_contract_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full), /* first: it wants a process with one thread */
        cmocka_unit_test_setup_teardown(test_put_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_tells_size_and_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_overwrite, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_readers_see_whole_objects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_remove, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_same_key_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel, set_up, tear_down),
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        char name[64];
        snprintf(name, sizeof(name), "store contract: %s", drivers[i].name);
        current = &drivers[i];
        failed += _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
    }
    return failed;
}
