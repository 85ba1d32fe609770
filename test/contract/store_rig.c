#include "store_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/lane.h"
#include "moto.h"
#include "scratch.h"
#include "small_disk.h"
#include "store/file.h"

/* ---- disk ---- */

static bool disk_prepare_small(struct store_rig *rig)
{
    return small_disk_mount(rig->folder, 1 << 20);
}

static void disk_open(struct store_rig *rig)
{
    struct error e;
    struct loop *loop = loop_uv_loop(rig->uv);
    assert_int_equal(store_disk_new(rig->folder, loop, rig->lane, &rig->store, &e), 0);
}

static void disk_close(struct store_rig *rig)
{
    assert_int_equal(scratch_count(rig->folder, "objects/.tmp"), 0); /* nothing half-done is left */
    if (rig->small)
        small_disk_unmount(rig->folder);
}

static void disk_place(struct store_rig *rig, const char *name, const char *text)
{
    FREE_ON_EXIT char *path = mem_printf("%s/objects/%s", rig->folder, name);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folders(path), 0);
    *slash = '/';
    CLOSE_ON_EXIT int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(file_write(fd, text, strlen(text), 0), 0);
}

/* ---- S3 ---- */

static void s3_open(struct store_rig *rig)
{
    static unsigned nth;
    struct error e = {0};
    snprintf(rig->bucket, sizeof(rig->bucket), "contract-%u", ++nth);
    moto_bucket(rig->bucket);
    const struct s3_config config = {.endpoint = moto_url(),
                                     .bucket = rig->bucket,
                                     .access_key = "key",
                                     .secret = "secret",
                                     .region = "auto",
                                     .ca_file = "",
                                     .retries = 2,
                                     .timeout_ms = 30000};
    if (store_s3_new(&config, rig->uv, rig->lane, &rig->store, &e) < 0)
        fail_msg("%s", e.reason);
}

static void s3_place(struct store_rig *rig, const char *name, const char *text)
{
    moto_place(rig->bucket, name, text, strlen(text));
}

const struct store_driver store_drivers[] = {
    {"disk", NULL, NULL, disk_prepare_small, disk_open, disk_close, disk_place, true},
    {"s3", moto_start, moto_stop, NULL, s3_open, NULL, s3_place, false},
};
const unsigned store_driver_count = ARRAY_LEN(store_drivers);

/* ---- the rig ---- */

struct store_rig *store_rig_new(const struct store_driver *driver, bool small)
{
    struct store_rig *rig = NEW(struct store_rig);
    rig->driver = driver;
    rig->folder = scratch_new();
    rig->small = small;
    if (small && !(driver->prepare_small && driver->prepare_small(rig))) {
        scratch_free(rig->folder);
        free(rig);
        return NULL;
    }
    rig->uv = loop_uv_new();
    const struct lane_config config = {.name = "store", .threads = 2, .queue_max = 2000};
    rig->lane = lane_new(&config, loop_uv_loop(rig->uv));
    driver->open(rig);
    return rig;
}

void store_rig_free(struct store_rig *rig)
{
    lane_free(rig->lane);
    store_free(rig->store);
    loop_uv_free(rig->uv);
    if (rig->driver->close)
        rig->driver->close(rig);
    scratch_free(rig->folder);
    free(rig);
}

static void look(struct timer *t)
{
    struct store_rig *rig = CONTAINER_OF(t, struct store_rig, look);
    struct loop *loop = loop_uv_loop(rig->uv);
    uint64_t now = loop_now_ns(loop);
    if (now >= rig->until_ns || (rig->count && *rig->count >= rig->target))
        loop_uv_stop(rig->uv);
    else
        timer_arm(loop, t, now + NS_PER_MS / 2, look);
}

static void run(struct store_rig *rig, uint64_t for_ms)
{
    struct loop *loop = loop_uv_loop(rig->uv);
    rig->until_ns = loop_now_ns(loop) + for_ms * NS_PER_MS;
    timer_arm(loop, &rig->look, loop_now_ns(loop), look);
    loop_uv_run(rig->uv);
}

void store_rig_run(struct store_rig *rig, const unsigned *count, unsigned target)
{
    rig->count = count;
    rig->target = target;
    run(rig, 60000);
    assert_true(*count >= target);
}

void store_rig_run_for(struct store_rig *rig, unsigned ms)
{
    rig->count = NULL;
    run(rig, ms);
}
