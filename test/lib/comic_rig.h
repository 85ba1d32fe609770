/* comic_rig.h: comics (comic/comic.h) with a clock and lanes that go on when the test says so, the disk's
 * store with faults in front of it, and a host whose models answer by a script. All on the test's thread.
 *
 * Order: comic_rig_start, rig->says = …, comic_rig_new (several, if you like), comic_rig_begin,
 * comic_rig_run, look, comic_rig_free each, comic_rig_stop, which checks that nothing is left. libvips and
 * the fonts must be there (comic_group_start). What happens is in the log, a line each: start panel-1-2 | end
 * panel-1-2 | fail panel-1-2 REPLICATE_ERROR | cancel panel-1-2 told panel 3/12 | get story.json | head
 * page-1.png | put page-1.png | remove page-1.png */
#pragma once

#include <semaphore.h>

#include "base/buf.h"
#include "base/rng.h"
#include "comic/comic.h"
#include "comic/comic_own.h"

enum { COMIC_RIG_RUNS = 128, COMIC_RIG_COMICS = 3, COMIC_RIG_FAILS = 4 };

enum comic_picture {
    PICTURE_GOOD,
    PICTURE_TORN, /* its header can be read, its pixels cannot */
    PICTURE_CUT,  /* its end is missing */
    PICTURE_NONE  /* is no picture */
};

/* How runs of a name are answered; the first that fits counts. */
struct comic_says {
    const char *name; /* a shell pattern: "panel-1-*"; NULL: ends the list */
    unsigned nth;     /* only when it is asked for the nth time; 0: each time */
    enum err fails;
    const char *text; /* of a writer; NULL: a good one */
    enum comic_picture picture;
    unsigned ms; /* it takes; 0: some time that no other takes */
    bool deaf;   /* ends as it would have, though it was cancelled */
};

struct comic_rig;

struct comic_rig_run {
    struct comic_rig *rig;
    struct comic_run *run; /* NULL: it is over */
    struct timer timer;
    const struct comic_says *says;     /* NULL: all is well */
    char name[COMIC_RUN_NAME_MAX + 1]; /* without "-again" */
    bool again;
    enum comic_run_kind kind;
    char *prompt, *beside;
    uint32_t width, height;
    int64_t seed;
    unsigned nth, page, panels;
    bool cancelled;
};

struct comic_rig_comic {
    struct comic_rig *rig;
    struct comic_host host;
    struct comic *comic;
    unsigned done, told;
    unsigned cancel_at;     /* is cancelled while the nth news are told; 0: never */
    struct comic_news news; /* the last; preview: only whether there was one */
};

struct comic_rig {
    struct loop loop;
    uint64_t now_ns;
    struct rng rng;
    bool random; /* what goes on next; else pictures, then files, then the clock */
    struct lane *imaging, *files;
    size_t imaging_room; /* its queue's; set before comic_rig_start, like */
    unsigned threads;    /* of each lane: then they go on by themselves; 0: when they are told to */
    sem_t awake;
    bool imaging_held, files_held; /* it does nothing */
    bool stand_ins;                /* pages, covers and books are not drawn: a few bytes stand for each */
    struct store store, *disk;
    char *folder;
    const char *put_fails[COMIC_RIG_FAILS];  /* patterns of files */
    unsigned put_fails_nth[COMIC_RIG_FAILS]; /* 0: each time */
    unsigned puts[COMIC_RIG_FAILS];
    bool get_fails; /* each */
    bool blind;     /* the store cannot be read; set before comic_rig_start */
    struct comic_names names;
    bool loses;                 /* another takes over what is made */
    struct comic_config config; /* may be changed before comic_rig_new */
    struct comic_ask ask;       /* likewise; two pages with three panels */
    const struct comic_says *says;
    struct comic_rig_run run[COMIC_RIG_RUNS];
    unsigned run_count;
    struct comic_rig_comic comic[COMIC_RIG_COMICS];
    unsigned comic_count;
    struct blob *good;
    size_t blobs; /* before the first comic */
    struct buf log;
};

int comic_group_start(void **state); /* for cmocka_run_group_tests */
int comic_group_stop(void **state);

void comic_rig_start(struct comic_rig *rig); /* of a rig that is zeroed but for what is said above */
void comic_rig_stop(struct comic_rig *rig);
struct comic_rig_comic *comic_rig_new(struct comic_rig *rig);
void comic_rig_begin(struct comic_rig_comic *c);
bool comic_rig_step(struct comic_rig *rig); /* one job, or the next timer; false: there is nothing to do */
void comic_rig_run(struct comic_rig *rig);  /* until there is nothing to do; each comic has ended once */
void comic_rig_free(struct comic_rig_comic *c);
struct comic_rig_comic *comic_rig_make(struct comic_rig *rig); /* new, begin, run */

/* How many runs of that name were asked for; the nth of them (1…). */
unsigned comic_rig_asked(const struct comic_rig *rig, const char *pattern);
struct comic_rig_run *comic_rig_find(struct comic_rig *rig, const char *name, unsigned nth);
bool comic_rig_logged(const struct comic_rig *rig, const char *line);
/* Both are in the log, the first one's first time before the second one's. */
void comic_rig_order(const struct comic_rig *rig, const char *first, const char *second);
/* All names in the store, sorted, each with a blank behind it; to be freed. */
char *comic_rig_objects(const struct comic_rig *rig) MUST_CHECK;
void comic_rig_store(struct comic_rig *rig, const char *key, const char *text); /* somebody else's */
char *comic_rig_read(const struct comic_rig *rig, const char *key) MUST_CHECK;  /* NULL: it is not there */
