#include "store_contract.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"
#include "store_rig.h"

static const struct store_driver *current; /* the row that runs now */

static int set_up(void **state)
{
    *state = store_rig_new(current, false);
    return 0;
}

static int tear_down(void **state)
{
    store_rig_free(*state);
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
    store_rig_run(rig, &t.done, 1);
    assert_int_equal(t.done, 1);
    assert_int_equal((int)t.put.err.code, -t.put.op.result);
    assert_int_equal(t.put.err.reason[0] != '\0', t.put.op.result != 0); /* a failure explains itself */
    assert_int_equal(atomic_load(&body->refs), 1);                       /* nothing was kept */
    blob_unref(body);
    return t.put.op.result;
}

static void get(struct store_rig *rig, struct store_get *g, const char *name, uint64_t max_bytes, bool head)
{
    unsigned done = 0;
    *g = (struct store_get){.name = name, .max_bytes = max_bytes};
    g->op.owner = &done;
    (head ? store_head_start : store_get_start)(rig->store, g, on_done);
    assert_int_equal(done, 0); /* never inside its own start */
    store_rig_run(rig, &done, 1);
    assert_int_equal(done, 1);
    assert_int_equal((int)g->err.code, -g->op.result);
    assert_int_equal(g->err.reason[0] != '\0', g->op.result != 0);
    assert_int_equal(g->body != NULL, g->op.result == 0 && !head);
}

/* The object as readers see it now; NULL: there is none. */
static struct blob *read_object(struct store_rig *rig, const char *key)
{
    struct store_get g;
    get(rig, &g, key, 64 << 20, false);
    assert_true(g.op.result == 0 || g.op.result == -ERR_NOT_FOUND);
    return g.body;
}

static void assert_object(struct store_rig *rig, const char *key, const void *data, size_t size)
{
    BLOB_ON_EXIT struct blob *b = read_object(rig, key);
    assert_non_null(b);
    assert_int_equal(b->size, size);
    assert_memory_equal(b->data, data, size);
}

static void assert_absent(struct store_rig *rig, const char *key)
{
    BLOB_ON_EXIT struct blob *b = read_object(rig, key);
    assert_null(b);
}

/* Over a network a removal takes a moment. */
static void assert_vanishes(struct store_rig *rig, const char *key)
{
    uint64_t until = clock_mono_ns() + (rig->driver->remove_tells ? 0 : 20 * NS_PER_S);
    for (;;) {
        BLOB_ON_EXIT struct blob *b = read_object(rig, key);
        if (!b)
            return;
        assert_true(clock_mono_ns() < until);
        store_rig_run_for(rig, 10);
    }
}

static void remove_object(struct store_rig *rig, const char *key, int expected)
{
    int r = rig->store->ops->remove(rig->store, key);
    assert_int_equal(r, rig->driver->remove_tells ? expected : 0);
    assert_vanishes(rig, key);
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
    struct store_info info = {.size = 7};
    assert_int_equal(rig->store->ops->open(rig->store, "a/b.png", &fd, &info), -ERR_NOT_FOUND);
    assert_int_equal(fd, -7); /* untouched on failure */
    assert_int_equal(info.size, 7);
    assert_int_equal(put(rig, "a/b.png", "12345", 5), 0);
    assert_int_equal(rig->store->ops->open(rig->store, "a/b.png", &fd, &info), 0);
    assert_true(fd >= 0);
    assert_int_equal(info.size, 5);
    assert_in_range(info.modified_s, 1700000000, 5000000000);
    assert_string_equal(info.content_type, "image/png");
    assert_true(info.etag[0] != '\0');
    close(fd);
    assert_int_equal(rig->store->ops->open(rig->store, "a", &fd, &info), -ERR_NOT_FOUND);
}

static void test_get_and_head(void **state)
{
    struct store_rig *rig = *state;
    struct store_get g, h;
    get(rig, &g, "g/a.png", 100, false);
    assert_int_equal(g.op.result, -ERR_NOT_FOUND);
    get(rig, &h, "g/a.png", 0, true);
    assert_int_equal(h.op.result, -ERR_NOT_FOUND);
    assert_int_equal(put(rig, "g/a.png", "12345", 5), 0);
    get(rig, &h, "g/a.png", 0, true);
    assert_int_equal(h.op.result, 0);
    assert_int_equal(h.info.size, 5);
    assert_string_equal(h.info.content_type, "image/png");
    assert_in_range(h.info.modified_s, 1700000000, 5000000000);
    assert_true(h.info.etag[0] && !strchr(h.info.etag, '"'));
    get(rig, &g, "g/a.png", 5, false);
    assert_int_equal(g.op.result, 0);
    assert_memory_equal(&g.info, &h.info, sizeof(g.info));
    assert_int_equal(g.body->size, 5);
    assert_memory_equal(g.body->data, "12345", 5);
    blob_unref(g.body);
    get(rig, &g, "g/a.png", 4, false);
    assert_int_equal(g.op.result, -ERR_PAYLOAD_TOO_LARGE);
    get(rig, &g, "g", 4, false); /* no object, a folder */
    assert_int_equal(g.op.result, -ERR_NOT_FOUND);
    assert_int_equal(put(rig, "g/a.png", "54321", 5), 0);
    get(rig, &g, "g/a.png", 0, true);
    assert_string_not_equal(g.info.etag, h.info.etag); /* it tells the one from the other */
}

static void test_large_object_is_refused_early(void **state)
{
    struct store_rig *rig = *state;
    struct store_get g;
    size_t size = 3 << 20;
    FREE_ON_EXIT char *data = mem_zalloc(size);
    assert_int_equal(put(rig, "g/large.png", data, size), 0);
    get(rig, &g, "g/large.png", size - 1, false);
    assert_int_equal(g.op.result, -ERR_PAYLOAD_TOO_LARGE);
    get(rig, &g, "g/large.png", size, false);
    assert_int_equal(g.op.result, 0);
    blob_unref(g.body);
}

/* ---- listing ---- */

static void list(struct store_rig *rig, struct store_list *l)
{
    unsigned done = 0;
    l->op.owner = &done;
    store_list_start(rig->store, l, on_done);
    assert_int_equal(done, 0);
    store_rig_run(rig, &done, 1);
    assert_int_equal((int)l->err.code, -l->op.result);
    assert_int_equal(l->err.reason[0] != '\0', l->op.result != 0);
}

/* What is there but the driver's own probe, as one text. */
static void assert_list(struct store_rig *rig, const char *prefix, size_t most, bool skip_dated,
                        const char *names, bool cut)
{
    struct store_list l = {.prefix = prefix, .objects_max = most, .skip_dated = skip_dated};
    BUF_ON_EXIT struct buf text;
    buf_init(&text, 1 << 20);
    list(rig, &l);
    assert_int_equal(l.op.result, 0);
    for (size_t i = 0; i < l.listing.count; i++)
        if (strcmp(l.listing.object[i].name, "limner-check") != 0)
            buf_printf(&text, "%s\n", l.listing.object[i].name);
    assert_string_equal(buf_text(&text), names);
    assert_int_equal(l.listing.cut, cut);
    store_listing_release(&l.listing);
}

static void test_list(void **state)
{
    struct store_rig *rig = *state;
    assert_list(rig, "", 100, false, "", false);
    assert_int_equal(put(rig, "b/2.png", "22", 2), 0);
    assert_int_equal(put(rig, "b/10.png", "1010", 4), 0);
    assert_int_equal(put(rig, "b-a/1.png", "", 0), 0);
    assert_int_equal(put(rig, "B/x/y/z.cube", "z", 1), 0);
    assert_int_equal(put(rig, "top", "t", 1), 0);
    /* by bytes of the whole name: capitals first, and "-" before "/" */
    assert_list(rig, "", 100, false, "B/x/y/z.cube\nb-a/1.png\nb/10.png\nb/2.png\ntop\n", false);
    assert_list(rig, "b", 100, false, "b-a/1.png\nb/10.png\nb/2.png\n", false);
    assert_list(rig, "b/", 100, false, "b/10.png\nb/2.png\n", false);
    assert_list(rig, "b/2", 100, false, "b/2.png\n", false);
    assert_list(rig, "b/2.png", 100, false, "b/2.png\n", false);
    assert_list(rig, "b/2.png/", 100, false, "", false);
    assert_list(rig, "nothing/", 100, false, "", false);
    assert_list(rig, "b/", 1, false, "b/10.png\n", true);
    assert_list(rig, "b/", 2, false, "b/10.png\nb/2.png\n", false);
    struct store_list l = {.prefix = "../", .objects_max = 10};
    list(rig, &l);
    assert_int_equal(l.op.result, -ERR_NOT_FOUND);
    assert_int_equal(l.listing.count, 0);
}

static void test_list_tells_what_head_tells(void **state)
{
    struct store_rig *rig = *state;
    struct store_get h;
    struct store_list l = {.prefix = "k/", .objects_max = 10};
    assert_int_equal(put(rig, "k/o.png", "12345", 5), 0);
    get(rig, &h, "k/o.png", 0, true);
    list(rig, &l);
    assert_int_equal(l.listing.count, 1);
    assert_int_equal(l.listing.object[0].size, 5);
    assert_string_equal(l.listing.object[0].etag, h.info.etag);
    assert_int_equal(l.listing.object[0].modified_s, h.info.modified_s);
    store_listing_release(&l.listing);
}

static void test_list_without_results(void **state)
{
    struct store_rig *rig = *state;
    assert_int_equal(put(rig, "clarity/2026-11-23/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "enhance/real-esrgan/2026-11-23/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "clarity/2026-11-2/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "clarity/2026-11-234/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "clarity/warm/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "2026-11-23", "a", 1), 0); /* no folder */
    assert_list(rig, "", 100, true,
                "2026-11-23\nclarity/2026-11-2/a.png\nclarity/2026-11-234/a.png\nclarity/warm/a.png\n",
                false);
}

/* What others have put there. */
static void test_odd_names(void **state)
{
    static const char *const names[] = {"Màu ấm/Đẹp & mới/a+b #1 100%.xmp", "a b/c?d=e;f/\\g\"h'<i>.cube",
                                        "p/%2e%2E%2f/+", "z/\u20ac/~!@$^*()[]{}|,:"};
    struct store_rig *rig = *state;
    BUF_ON_EXIT struct buf all;
    buf_init(&all, 4096);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        rig->driver->place(rig, names[i], names[i]);
        buf_printf(&all, "%s\n", names[i]);
        assert_object(rig, names[i], names[i], strlen(names[i]));
    }
    rig->driver->place(rig, "p/.hidden/x", "x");
    rig->driver->place(rig, "p/.x", "x");
    assert_absent(rig, "p/.x");
    assert_list(rig, "", 100, false, buf_text(&all), false);
    assert_list(rig, "Màu ấm/Đ", 100, false, "Màu ấm/Đẹp & mới/a+b #1 100%.xmp\n", false);
    assert_list(rig, "p/%2e", 100, false, "p/%2e%2E%2f/+\n", false);
}

static void test_cancelled_reads(void **state)
{
    struct store_rig *rig = *state;
    unsigned done = 0;
    assert_int_equal(put(rig, "k/o.png", "12345", 5), 0);
    struct store_get g = {.name = "k/o.png", .max_bytes = 100};
    struct store_list l = {.prefix = "", .objects_max = 100};
    g.op.owner = l.op.owner = &done;
    store_get_start(rig->store, &g, on_done);
    store_list_start(rig->store, &l, on_done);
    op_cancel(&g.op);
    op_cancel(&l.op);
    op_cancel(&g.op);
    assert_int_equal(done, 0);
    store_rig_run(rig, &done, 2);
    store_rig_run_for(rig, 20);
    assert_int_equal(done, 2);
    assert_true(g.op.result == 0 || g.op.result == -ERR_CLIENT_GONE);
    assert_int_equal((int)g.err.code, -g.op.result);
    assert_int_equal((int)l.err.code, -l.op.result);
    assert_int_equal(g.body != NULL, g.op.result == 0);
    blob_unref(g.body);
    store_listing_release(&l.listing);
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
            BLOB_ON_EXIT struct blob *seen = read_object(rig, t.key);
            assert_true(seen ? all_same(seen, sizes) : round == 0);
            store_rig_run_for(rig, 1);
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
    remove_object(rig, "r/a.png", -ERR_NOT_FOUND);
    assert_int_equal(put(rig, "r/a.png", "a", 1), 0);
    assert_int_equal(put(rig, "r/b.png", "b", 1), 0);
    remove_object(rig, "r/a.png", 0);
    assert_object(rig, "r/b.png", "b", 1);
    remove_object(rig, "r/a.png", -ERR_NOT_FOUND);
    remove_object(rig, "r", -ERR_NOT_FOUND); /* no object, a folder */
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
    store_rig_run(rig, &completed, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(t[i].done, 1);
        assert_int_equal(t[i].put.op.result, 0);
        assert_int_equal(t[i].put.err.code, ERR_NONE);
        assert_object(rig, t[i].key, t[i].key, sizeof(t[i].key));
        blob_unref(body[i]);
    }
    free(t);
}

enum { PAGES = 1003 };

/* More than S3 tells on one page. */
static void test_list_of_many(void **state)
{
    struct store_rig *rig = *state;
    struct try *t = mem_zalloc(PAGES * sizeof(*t));
    BLOB_ON_EXIT struct blob *body = blob_copy("x", 1);
    completed = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        snprintf(t[i].key, sizeof(t[i].key), "pages/%04u.png", i);
        try_start(rig, &t[i], body);
    }
    store_rig_run(rig, &completed, PAGES);
    struct store_list l = {.prefix = "pages/", .objects_max = 5000};
    list(rig, &l);
    assert_int_equal(l.op.result, 0);
    assert_int_equal(l.listing.count, PAGES);
    assert_false(l.listing.cut);
    for (unsigned i = 0; i < PAGES; i++)
        assert_string_equal(l.listing.object[i].name, t[i].key);
    store_listing_release(&l.listing);
    l = (struct store_list){.prefix = "pages/", .objects_max = PAGES - 1};
    list(rig, &l);
    assert_int_equal(l.listing.count, PAGES - 1);
    assert_true(l.listing.cut);
    store_listing_release(&l.listing);
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
    store_rig_run(rig, &completed, ARRAY_LEN(t));
    BLOB_ON_EXIT struct blob *seen = read_object(rig, "same/o.png");
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
        store_rig_run_for(rig, 1);
    }
    store_rig_run(rig, &completed, ARRAY_LEN(t));
    for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
        int r = t[i].put.op.result;
        assert_int_equal(t[i].done, 1);
        assert_true(r == 0 || r == -ERR_CLIENT_GONE);
        assert_int_equal((int)t[i].put.err.code, -r);
        if (r < 0) {
            assert_vanishes(rig, t[i].key);
        } else {
            BLOB_ON_EXIT struct blob *seen = read_object(rig, t[i].key);
            assert_true(seen && seen->size == size);
        }
        gone += r != 0;
    }
    assert_in_range(gone, 1, 40);
}

static void test_full(void **state)
{
    struct store_rig *rig = store_rig_new(current, true);
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
    store_rig_free(rig);
}

int store_contract_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full), /* first: it wants a process with one thread */
        cmocka_unit_test_setup_teardown(test_put_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_tells_size_and_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_get_and_head, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_object_is_refused_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_tells_what_head_tells, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_without_results, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancelled_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_of_many, set_up, tear_down),
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
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < store_driver_count; i++) {
        char name[64];
        current = &store_drivers[i];
        snprintf(name, sizeof(name), "store contract: %s", current->name);
        if (current->begin && !current->begin()) {
            print_message("%s: not here (tools/deps --dev)\n", name);
            continue;
        }
        failed += _cmocka_run_group_tests(name, tests, ARRAY_LEN(tests), NULL, NULL);
        if (current->end)
            current->end();
    }
    return failed;
}
