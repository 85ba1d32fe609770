/* comic.h: a story told as a comic: outline, storyboards, panels, pages, storage, as one operation.
 *
 * Model runs are asked for through a host, one for each text and each panel; how many go on at once, what
 * they cost and where they run is the host's matter. Everything is begun as early as it can be: storyboards
 * as soon as the outline is there, a page's panels as soon as its storyboard is, a page is rendered and
 * stored while others are still drawn. Whatever fails the whole removes what was stored of it.
 *
 * Order: comic_new, comic_start, wait for comic_op, read, comic_free. Cancelling the op stops it; what was
 * stored is removed. Core thread; pictures are worked on by the imaging lane. Errors: those of the run that
 * failed, UPSTREAM where a model gave what cannot be used, or the store's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/list.h"
#include "base/macros.h"
#include "comic/book.h"
#include "comic/story.h"
#include "loop/lane.h"
#include "loop/loop.h"
#include "loop/op.h"
#include "store/store.h"
#include "tables/error.h"

enum { COMIC_PAGES_MAX = 3, COMIC_OUTPUTS_MAX = COMIC_PAGES_MAX + 2, COMIC_RUN_NAME_MAX = 47 };

enum comic_run_kind { COMIC_WRITE, COMIC_DRAW };

/* One run of a model, asked of the host. */
struct comic_run {
    struct op op; /* begun by the host; may be cancelled */
    /* in */
    enum comic_run_kind kind;
    char name[COMIC_RUN_NAME_MAX + 1]; /* "outline", "board-1", "panel-1-4-again": no other of this comic has
                                          it, and it has the same when a next process makes the comic anew */
    const char *prompt;
    const char *beside;     /* the instruction, or what is to be avoided */
    uint32_t width, height; /* of a panel, and */
    int64_t seed;
    /* out */
    struct blob *bytes; /* the comic's reference: a text, or a picture in whatever type */
    struct error err;
    void *state; /* the host's */
};

struct comic_news {
    char step[40];              /* "panel 5/12" */
    unsigned done, total;       /* of all steps */
    unsigned page, panel;       /* 1…; 0: of none */
    const struct blob *preview; /* a small picture of it; NULL: none */
};

struct comic_host {
    void (*start)(struct comic_host *h, struct comic_run *run, op_done_fn *on_done);
    void (*told)(struct comic_host *h, const struct comic_news *news);
    /* The story is still this maker's, for certain: else what is stored may be another's, and stays. */
    bool (*owns)(struct comic_host *h);
};

/* The names of stories that are being made in this process. */
struct comic_names {
    struct list used;
};

struct comic_config {
    struct loop *loop;
    struct lane *imaging;
    struct store *store;
    struct comic_names *names;
    uint32_t store_limit_ms; /* a put is tried again for so long: much was paid for it */
    bool partial;            /* a panel that cannot be drawn becomes an empty field; else the whole fails */
};

struct comic_ask {
    struct story_ask story; /* texts live as long as the comic */
    int64_t seed;           /* of the first panel; the others' follow from it */
    bool cover;
    bool bound; /* into one file, too: */
    enum book_format format;
    const char *made_by; /* names who makes it: the same when a next process makes it anew */
};

struct comic_output {
    char key[STORE_KEY_MAX + 1]; /* comics/{story_id}/page-1.png; cover.png; book.pdf */
    const char *content_type;
    uint64_t bytes;
    uint32_t width, height; /* 0: it is no picture */
};

struct comic;

void comic_names_init(struct comic_names *n);

/* Borrows all of config, ask and host. */
struct comic *comic_new(const struct comic_config *config, const struct comic_ask *ask,
                        struct comic_host *host) MUST_CHECK;
void comic_start(struct comic *c, op_done_fn *on_done);
struct op *comic_op(struct comic *c);
const struct error *comic_error(const struct comic *c);
bool comic_is_degraded(const struct comic *c); /* a panel is missing */
/* After success: the cover if there is one, the pages, the book if there is one. */
unsigned comic_outputs(const struct comic *c, const struct comic_output **ret);
/* After success:
 * {"story_id","title","pages":[{"page_index","panels":[{"id","dialogue","speaker","emotion"}]}], "meta":{…}}
 * for the answer; as long as the comic. */
const char *comic_detail(const struct comic *c);
void comic_free(struct comic *c); /* accepts NULL; not while it runs */
