/* The catalogue kept fresh, over the disk store; the lane's jobs run when the test says so, so that what
 * happens meanwhile can be seen. */
#include "web/manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"
#include "store/file.h"
#include "waiting_loop.h"

enum { LANE = 10 };

struct rig {
    char *folder;
    struct waiting_loop loop;
    struct lane *lane; /* manual */
    struct store *store;
    struct options opt;
    struct manifest *manifest;
    unsigned warned;
    char warning[256];
};

static void on_warning(void *ctx, const char *what)
{
    struct rig *rig = ctx;
    rig->warned++;
    snprintf(rig->warning, sizeof(rig->warning), "%s", what);
}

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    struct error e;
    rig->folder = scratch_new();
    waiting_loop_init(&rig->loop);
    rig->lane = lane_new(&(struct lane_config){.name = "disk", .queue_max = LANE}, &rig->loop.loop);
    assert_int_equal(store_disk_new(rig->folder, &rig->loop.loop, rig->lane, &rig->store, &e), 0);
    rig->opt.packs_prefix = "";
    rig->opt.packs_ttl_ms = 3600000;
    rig->opt.packs_max_objects = 100;
    rig->opt.http_timeout_ms = 20;
    rig->manifest = manifest_new(&(struct manifest_config){.opt = &rig->opt,
                                                           .store = rig->store,
                                                           .loop = &rig->loop.loop,
                                                           .lane = rig->lane,
                                                           .warn = on_warning,
                                                           .ctx = rig});
    *state = rig;
    return 0;
}

static void run_jobs(struct rig *rig)
{
    do
        loop_turn(&rig->loop.loop);
    while (lane_run_one(rig->lane, 0));
    loop_turn(&rig->loop.loop);
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    manifest_stop(rig->manifest);
    run_jobs(rig);
    assert_false(manifest_busy(rig->manifest));
    manifest_free(rig->manifest);
    store_free(rig->store);
    lane_free(rig->lane);
    waiting_loop_release(&rig->loop);
    scratch_free(rig->folder);
    free(rig);
    return 0;
}

static void place(struct rig *rig, const char *folder, const char *file)
{
    FREE_ON_EXIT char *whole = mem_printf("%s/objects/%s", rig->folder, folder);
    FREE_ON_EXIT char *path = mem_printf("%s/%s", whole, file);
    assert_int_equal(file_make_folders(whole), 0);
    CLOSE_ON_EXIT int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
}

struct asker {
    struct manifest_wait wait;
    unsigned told;
    size_t packs; /* SIZE_MAX: none */
    struct error err;
};

static void on_ready(struct manifest_wait *w, struct packs *packs, const struct error *e)
{
    struct asker *a = CONTAINER_OF(w, struct asker, wait);
    a->told++;
    a->packs = packs ? packs_count(packs) : SIZE_MAX;
    if (!packs)
        a->err = *e;
    packs_unref(packs);
}

static void ask(struct rig *rig, struct asker *a)
{
    *a = (struct asker){.wait.ready = on_ready};
    manifest_wait(rig->manifest, &a->wait);
    assert_int_equal(a->told, 0);
    loop_turn(&rig->loop.loop);
}

/* How many packs are known; SIZE_MAX: nothing is. */
static size_t known(struct rig *rig)
{
    struct packs *p = manifest_now(rig->manifest);
    size_t count = p ? packs_count(p) : SIZE_MAX;
    packs_unref(p);
    return count;
}

static void test_the_first_wait_together(void **state)
{
    struct rig *rig = *state;
    struct asker a, b, late;
    place(rig, "A/t", "x.cube");
    assert_true(known(rig) == SIZE_MAX);
    ask(rig, &a);
    ask(rig, &b);
    assert_int_equal(lane_queued(rig->lane), 1); /* one listing for both */
    assert_int_equal(a.told + b.told, 0);
    run_jobs(rig);
    assert_int_equal(a.told, 1);
    assert_int_equal(b.told, 1);
    assert_int_equal(a.packs, 1);
    assert_int_equal(known(rig), 1);
    ask(rig, &late);
    assert_int_equal(late.packs, 1);
    assert_int_equal(lane_queued(rig->lane), 0);
}

static void test_stale_is_told_while_it_is_listed_anew(void **state)
{
    struct rig *rig = *state;
    struct asker a;
    rig->opt.packs_ttl_ms = 5;
    place(rig, "A/t", "x.cube");
    ask(rig, &a);
    run_jobs(rig);
    place(rig, "B/t", "x.cube");
    for (unsigned i = 0; i < 1000 && lane_queued(rig->lane) == 0; i++) {
        assert_int_equal(known(rig), 1); /* and wakes the listing, once it is old enough */
        usleep(1000);
        loop_turn(&rig->loop.loop);
    }
    assert_int_equal(lane_queued(rig->lane), 1);
    for (unsigned i = 0; i < 3; i++) { /* nobody begins a second one */
        assert_int_equal(known(rig), 1);
        usleep(6000);
        loop_turn(&rig->loop.loop);
    }
    assert_int_equal(lane_queued(rig->lane), 1);
    run_jobs(rig);
    assert_int_equal(known(rig), 2);
}

static void test_nobody_asks(void **state)
{
    struct rig *rig = *state;
    struct asker a;
    rig->opt.packs_ttl_ms = 1;
    ask(rig, &a);
    run_jobs(rig);
    for (unsigned i = 0; i < 5; i++) {
        usleep(3000);
        loop_turn(&rig->loop.loop);
    }
    assert_int_equal(lane_queued(rig->lane), 0);
}

static void ignore(struct op *op)
{
    (void)op;
}

static void fill_lane(struct rig *rig, struct store_get g[static LANE])
{
    for (unsigned i = 0; i < LANE; i++) {
        g[i] = (struct store_get){.name = "none", .max_bytes = 1};
        store_get_start(rig->store, &g[i], ignore);
    }
}

static void test_a_failure_leaves_what_there_was(void **state)
{
    struct rig *rig = *state;
    struct store_get g[LANE];
    struct asker a;
    rig->opt.packs_ttl_ms = 1;
    place(rig, "A/t", "x.cube");
    ask(rig, &a);
    run_jobs(rig);
    fill_lane(rig, g);
    for (unsigned i = 0; i < 1000 && rig->warned == 0; i++) {
        assert_int_equal(known(rig), 1);
        usleep(1000);
        loop_turn(&rig->loop.loop);
    }
    assert_int_equal(rig->warned, 1);
    assert_int_equal(known(rig), 1);
    ask(rig, &a);
    assert_int_equal(a.packs, 1);
    run_jobs(rig);
}

static void test_the_lane_is_full(void **state)
{
    struct rig *rig = *state;
    struct store_get g[LANE];
    struct asker a, b;
    fill_lane(rig, g);
    ask(rig, &a);
    loop_turn(&rig->loop.loop);
    assert_int_equal(a.told, 1);
    assert_true(a.packs == SIZE_MAX);
    assert_int_equal(a.err.code, ERR_QUEUE_FULL);
    assert_int_equal(rig->warned, 1);
    ask(rig, &b); /* right after a failure nothing is tried anew */
    assert_int_equal(b.told, 1);
    assert_int_equal(b.err.code, ERR_QUEUE_FULL);
    assert_int_equal(rig->warned, 1);
    run_jobs(rig);
}

static void test_a_wait_has_an_end(void **state)
{
    struct rig *rig = *state;
    struct asker a, b;
    place(rig, "A/t", "x.cube");
    ask(rig, &a);
    for (unsigned i = 0; i < 1000 && a.told == 0; i++) {
        usleep(1000);
        loop_turn(&rig->loop.loop);
    }
    assert_int_equal(a.err.code, ERR_DEADLINE);
    ask(rig, &b); /* the listing goes on */
    assert_int_equal(lane_queued(rig->lane), 1);
    run_jobs(rig);
    assert_int_equal(b.packs, 1);
    assert_int_equal(a.told, 1);
}

static void test_stop(void **state)
{
    struct rig *rig = *state;
    struct asker a, b;
    ask(rig, &a);
    b = (struct asker){.wait.ready = on_ready};
    manifest_wait(rig->manifest, &b.wait); /* still in the mail */
    assert_false(manifest_stopped(rig->manifest));
    manifest_stop(rig->manifest);
    manifest_stop(rig->manifest);
    assert_true(manifest_stopped(rig->manifest));
    assert_int_equal(a.err.code, ERR_DRAINING);
    loop_turn(&rig->loop.loop);
    assert_int_equal(b.err.code, ERR_DRAINING);
    run_jobs(rig);
    assert_false(manifest_busy(rig->manifest));
    assert_int_equal(rig->warned, 0); /* our own end is no failure */
}

static void test_stop_while_the_catalogue_is_made(void **state)
{
    struct rig *rig = *state;
    struct asker a;
    ask(rig, &a);
    assert_true(lane_run_one(rig->lane, 0)); /* the listing */
    loop_turn(&rig->loop.loop);
    assert_int_equal(lane_queued(rig->lane), 1);
    manifest_stop(rig->manifest);
    loop_turn(&rig->loop.loop);
    assert_false(manifest_busy(rig->manifest));
    assert_int_equal(a.told, 1);
}

static void test_too_many_files(void **state)
{
    struct rig *rig = *state;
    struct asker a;
    rig->opt.packs_max_objects = 1;
    place(rig, "A/t", "x.cube");
    place(rig, "B/t", "x.cube");
    ask(rig, &a);
    run_jobs(rig);
    assert_int_equal(a.packs, 1);
    assert_int_equal(rig->warned, 1);
    assert_non_null(strstr(rig->warning, "PACKS_MAX_OBJECTS"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_wait_together, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale_is_told_while_it_is_listed_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_asks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_leaves_what_there_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_lane_is_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_has_an_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_while_the_catalogue_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_files, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
