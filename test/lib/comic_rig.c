#include "comic_rig.h"

#include <errno.h>
#include <fnmatch.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "comic_models.h"
#include "imaging/page.h"
#include "scratch.h"
#include "store/file.h"
#include "unit/imaging/samples.h"

enum { LOG_MAX = 1 << 20, FILES_ROOM = 64, PICTURE_SIDE = 48, OBJECTS_MAX = 64, TEXT_MAX = 1 << 16 };

int comic_group_start(void **state)
{
    struct error e;
    int r = imaging_group_start(state);
    return r < 0 ? r : page_fonts_start(&e);
}

int comic_group_stop(void **state)
{
    return imaging_group_stop(state);
}

/* ---- the clock ---- */

static uint64_t now_ns(struct loop *loop)
{
    const struct comic_rig *rig = loop->driver_state;
    return rig->now_ns;
}

static void wake(struct loop *loop)
{
    struct comic_rig *rig = loop->driver_state;
    sem_post(&rig->awake);
}

static const struct loop_driver driver = {.now_ns = now_ns, .wake = wake};

/* ---- the store ---- */

static const char *file_of(const char *key)
{
    const char *slash = strrchr(key, '/');
    return slash ? slash + 1 : key;
}

static bool put_is_to_fail(struct comic_rig *rig, const char *file)
{
    bool fails = false;
    for (unsigned i = 0; i < COMIC_RIG_FAILS; i++)
        if (rig->put_fails[i] && fnmatch(rig->put_fails[i], file, 0) == 0) {
            rig->puts[i]++;
            fails |= rig->put_fails_nth[i] == 0 || rig->put_fails_nth[i] == rig->puts[i];
        }
    return fails;
}

static void put(struct store *s, struct store_put *p)
{
    struct comic_rig *rig = CONTAINER_OF(s, struct comic_rig, store);
    buf_printf(&rig->log, "put %s\n", file_of(p->key));
    if (put_is_to_fail(rig, file_of(p->key)))
        store_refuse(&p->refusal, &p->op, &p->err, ERR_STORAGE_FAILED, "The store is away");
    else
        rig->disk->ops->put(rig->disk, p);
}

static void get(struct store *s, struct store_get *g)
{
    struct comic_rig *rig = CONTAINER_OF(s, struct comic_rig, store);
    buf_printf(&rig->log, "%s %s\n", g->head ? "head" : "get", file_of(g->name));
    if (rig->get_fails)
        store_refuse(&g->refusal, &g->op, &g->err, ERR_STORAGE_FAILED, "The store is away");
    else
        rig->disk->ops->get(rig->disk, g);
}

static int remove_object(struct store *s, const char *key)
{
    struct comic_rig *rig = CONTAINER_OF(s, struct comic_rig, store);
    buf_printf(&rig->log, "remove %s\n", file_of(key));
    return rig->disk->ops->remove(rig->disk, key);
}

static const struct store_ops store_ops = {
    .name = "rig",
    .put = put,
    .get = get,
    .remove = remove_object,
};

static const struct store_ops blind_ops = {.name = "rig", .put = put, .remove = remove_object};

/* ---- life ---- */

void comic_rig_start(struct comic_rig *rig)
{
    struct error e;
    sem_init(&rig->awake, 0, 0);
    loop_init(&rig->loop, &driver, rig);
    loop_own(&rig->loop);
    rig->now_ns = NS_PER_S;
    const struct lane_config imaging = {.name = "imaging",
                                        .threads = rig->threads,
                                        .queue_max = rig->imaging_room ? rig->imaging_room : FILES_ROOM};
    const struct lane_config files = {.name = "files", .threads = rig->threads, .queue_max = FILES_ROOM};
    rig->imaging = lane_new(&imaging, &rig->loop);
    rig->files = lane_new(&files, &rig->loop);
    rig->folder = scratch_new();
    assert_int_equal(store_disk_new(rig->folder, &rig->loop, rig->files, &rig->disk, &e), 0);
    rig->store = (struct store){.ops = rig->blind ? &blind_ops : &store_ops, .loop = &rig->loop};
    comic_names_init(&rig->names);
    rig->config = (struct comic_config){
        .loop = &rig->loop, .imaging = rig->imaging, .store = &rig->store, .names = &rig->names};
    rig->ask =
        (struct comic_ask){.story = {"A cat waits for the rain.", "", "anime_color", .pages = 2, .panels = 3},
                           .seed = 1000,
                           .made_by = "0123456789abcdef"};
    rig->good = sample_blob(sample_photo(PICTURE_SIDE, PICTURE_SIDE, 3), IMAGE_PNG);
    buf_init(&rig->log, LOG_MAX);
    rig->blobs = blob_live_count();
}

void comic_rig_stop(struct comic_rig *rig)
{
    while (comic_rig_step(rig))
        ;
    assert_true(list_empty(&rig->names.used));
    assert_int_equal(blob_live_count(), rig->blobs);
    for (unsigned i = 0; i < rig->run_count; i++) {
        assert_null(rig->run[i].run);
        free(rig->run[i].prompt);
        free(rig->run[i].beside);
    }
    blob_unref(rig->good);
    store_free(rig->disk);
    lane_free(rig->files);
    lane_free(rig->imaging);
    loop_release(&rig->loop);
    sem_destroy(&rig->awake);
    scratch_free(rig->folder);
    assert_false(rig->log.failed);
    buf_release(&rig->log);
}

/* ---- comics ---- */

static void comic_done(struct op *op)
{
    struct comic_rig_comic *c = op->owner;
    c->done++;
}

static int stand_in(struct comic_object *o)
{
    o->bytes = blob_copy(o->file, strlen(o->file));
    o->out.width = o->out.height = 1;
    return 0;
}

struct comic_rig_comic *comic_rig_new(struct comic_rig *rig)
{
    assert_true(rig->comic_count < COMIC_RIG_COMICS);
    struct comic_rig_comic *c = &rig->comic[rig->comic_count++];
    *c = (struct comic_rig_comic){.rig = rig};
    comic_models_init(&c->host);
    c->comic = comic_new(&rig->config, &rig->ask, &c->host);
    comic_op(c->comic)->owner = c;
    if (!rig->stand_ins)
        return c;
    c->comic->cover.render = c->comic->book.render = stand_in;
    for (unsigned i = 0; i < COMIC_PAGES_MAX; i++)
        c->comic->page[i].object.render = stand_in;
    return c;
}

void comic_rig_begin(struct comic_rig_comic *c)
{
    comic_start(c->comic, comic_done);
    assert_int_equal(c->done, 0);
}

static bool all_done(const struct comic_rig *rig)
{
    bool all = true;
    for (unsigned i = 0; i < rig->comic_count; i++)
        all &= rig->comic[i].done > 0;
    return all;
}

/* The clock runs as fast as it can; when nothing is due, until a lane has something. */
static bool step_with_threads(struct comic_rig *rig)
{
    loop_turn(&rig->loop);
    uint64_t next = loop_next_timer_ns(&rig->loop);
    if (all_done(rig))
        return false;
    if (next != UINT64_MAX)
        rig->now_ns = MAX(rig->now_ns, next);
    else if (sem_wait(&rig->awake) < 0)
        assert_int_equal(errno, EINTR);
    loop_turn(&rig->loop);
    return true;
}

bool comic_rig_step(struct comic_rig *rig)
{
    if (rig->threads > 0)
        return step_with_threads(rig);
    loop_turn(&rig->loop);
    size_t pictures = rig->imaging_held ? 0 : lane_queued(rig->imaging);
    size_t files = rig->files_held ? 0 : lane_queued(rig->files);
    uint64_t next = loop_next_timer_ns(&rig->loop);
    size_t can = pictures + files + (next != UINT64_MAX);
    if (can == 0)
        return false;
    size_t choice = rig->random ? rng_below(&rig->rng, can) : 0;
    if (choice < pictures)
        lane_run_one(rig->imaging, choice);
    else if (choice < pictures + files)
        lane_run_one(rig->files, choice - pictures);
    else
        rig->now_ns = MAX(rig->now_ns, next);
    loop_turn(&rig->loop);
    return true;
}

void comic_rig_run(struct comic_rig *rig)
{
    while (comic_rig_step(rig))
        ;
    for (unsigned i = 0; i < rig->comic_count; i++)
        assert_int_equal(rig->comic[i].done, 1);
}

void comic_rig_free(struct comic_rig_comic *c)
{
    assert_int_equal(c->done, 1);
    assert_int_equal(c->comic->busy, 0);
    comic_free(TAKE(c->comic));
}

struct comic_rig_comic *comic_rig_make(struct comic_rig *rig)
{
    struct comic_rig_comic *c = comic_rig_new(rig);
    comic_rig_begin(c);
    comic_rig_run(rig);
    return c;
}

/* ---- what has happened ---- */

unsigned comic_rig_asked(const struct comic_rig *rig, const char *pattern)
{
    unsigned n = 0;
    for (unsigned i = 0; i < rig->run_count; i++)
        n += fnmatch(pattern, rig->run[i].name, 0) == 0;
    return n;
}

struct comic_rig_run *comic_rig_find(struct comic_rig *rig, const char *name, unsigned nth)
{
    for (unsigned i = 0; i < rig->run_count; i++)
        if (strcmp(rig->run[i].name, name) == 0 && rig->run[i].nth == nth)
            return &rig->run[i];
    fail_msg("%s was not asked for %u times", name, nth);
    return NULL;
}

/* Where the whole line is, from 0; -1: it is not there. */
static ptrdiff_t place_of(const struct comic_rig *rig, const char *line)
{
    const char *text = buf_text(&rig->log);
    size_t len = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at += len)
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return at - text;
    return -1;
}

bool comic_rig_logged(const struct comic_rig *rig, const char *line)
{
    return place_of(rig, line) >= 0;
}

void comic_rig_order(const struct comic_rig *rig, const char *first, const char *second)
{
    ptrdiff_t a = place_of(rig, first), b = place_of(rig, second);
    if (a < 0 || b < 0 || a >= b)
        fail_msg("\"%s\" is not before \"%s\" in:\n%s", first, second, buf_text(&rig->log));
}

/* ---- what is in the store ---- */

static struct {
    char *name[OBJECTS_MAX];
    size_t count, skip;
} found; /* nftw has no context */

static int find(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)ftw;
    if (type != FTW_F)
        return 0;
    assert_true(found.count < OBJECTS_MAX);
    found.name[found.count++] = mem_strdup(path + found.skip);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *comic_rig_objects(const struct comic_rig *rig)
{
    BUF_ON_EXIT struct buf all;
    buf_init(&all, TEXT_MAX);
    FREE_ON_EXIT char *root = mem_printf("%s/objects", rig->folder);
    found.count = 0;
    found.skip = strlen(root) + 1;
    assert_int_equal(nftw(root, find, 16, FTW_PHYS), 0);
    qsort(found.name, found.count, sizeof(found.name[0]), by_name);
    for (size_t i = 0; i < found.count; i++) {
        buf_printf(&all, "%s ", found.name[i]);
        free(found.name[i]);
    }
    return mem_strdup(buf_text(&all));
}

void comic_rig_store(struct comic_rig *rig, const char *key, const char *text)
{
    FREE_ON_EXIT char *path = mem_printf("%s/objects/%s", rig->folder, key);
    FREE_ON_EXIT char *above = mem_strdup(path);
    *strrchr(above, '/') = '\0';
    assert_int_equal(file_make_folders(above), 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

char *comic_rig_read(const struct comic_rig *rig, const char *key)
{
    FREE_ON_EXIT char *path = mem_printf("%s/objects/%s", rig->folder, key);
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    char *text = mem_zalloc(TEXT_MAX + 1);
    size_t n = fread(text, 1, TEXT_MAX, f);
    text[n] = '\0';
    assert_int_equal(fclose(f), 0);
    return text;
}
