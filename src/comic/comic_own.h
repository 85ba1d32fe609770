/* comic_own.h: inside of the comic's operation. One struct, and a file for each part of its work: texts
 * (comic_texts.c), panels (comic_panels.c), what is rendered and stored (comic_objects.c, comic_pages.c), its
 * name in the store (comic_claim.c), what is told of it (comic_detail.c); comic.c holds them together. */
#pragma once

#include "base/arena.h"
#include "comic/comic.h"
#include "imaging/page.h"

/* A text that a model writes. */
struct comic_text {
    struct comic *c;
    struct comic_run run;
    unsigned page; /* 0…; of the outline COMIC_PAGES_MAX */
    char *prompt;  /* the first one */
    unsigned tries;
    bool repairs; /* it is asked to mend what it wrote: */
    struct blob *first_answer;
    enum story_source source;
};

enum panel_at { PANEL_WAITS, PANEL_RUNS, PANEL_CHECKED, PANEL_THERE, PANEL_MISSING };

struct comic_panel {
    struct comic *c;
    unsigned page, panel; /* 0… */
    enum panel_at at;
    unsigned tries;
    struct comic_run run;
    struct lane_job check; /* can it be decoded; writes what follows */
    struct image_info info;
    struct blob *preview;
    struct error err;
    struct blob *image;
};

/* What is rendered on the lane, and then stored. */
struct comic_object {
    struct comic *c;
    unsigned page;                          /* 0…, of a page */
    char file[24];                          /* "page-1.png" */
    int (*render)(struct comic_object *o);  /* on the lane: fills bytes, width, height, err */
    void (*done)(struct comic_object *o);   /* it is rendered, and waits for its name or is being stored */
    void (*failed)(struct comic_object *o); /* render has failed, with err; NULL: the whole fails */
    struct lane_job job;
    struct blob *bytes, *preview;
    struct error err;
    unsigned bad_panel;
    struct store_put put;
    struct comic_output out;
    bool wanted, waits_for_lane, ready, putting, stored;
};

struct comic_page {
    struct comic_text text;
    struct story_board board;
    bool has_board;
    struct comic_panel panel[STORY_PANELS_MAX];
    struct comic_object object;
    bool shown; /* it is rendered: its panels have gone, but for the cover's */
};

enum claim_at {
    CLAIM_NOT_YET,
    CLAIM_LOOKS_FOR_NOTE,
    CLAIM_LOOKS_FOR_PAGE,
    CLAIM_PUTS,
    CLAIM_DONE,
    CLAIM_TELLS /* the name is ours, as it was */
};

/* One name in comic_names. */
struct comic_name {
    struct list node;
    const char *id;
};

struct comic {
    struct op op;
    struct comic_config config;
    struct comic_ask ask;
    struct comic_host *host;
    struct arena arena;
    struct comic_text text; /* the outline's */
    struct story_outline outline;
    bool has_outline;
    struct comic_page page[COMIC_PAGES_MAX];
    struct comic_object cover, book;
    const char *title;
    struct timer later; /* the lane or the store was full */
    struct {
        enum claim_at at;
        struct comic_name name;
        struct store_get get;
        struct store_put put;
        struct blob *body;
        char key[STORE_KEY_MAX + 1];
        unsigned tries;
        bool stored; /* the note is ours */
        bool found;  /* it was there: an earlier process's, whose pages may be there, too */
        bool told;   /* it says all */
        bool rests;  /* the store was busy: it is asked again in a moment */
    } claim;
    unsigned busy; /* operations under way */
    unsigned steps, steps_done;
    unsigned drawn, missing; /* panels */
    bool failing;
    struct error err;
    struct comic_output output[COMIC_OUTPUTS_MAX];
    unsigned output_count;
    char *detail;
};

/* ---- comic.c ---- */

void comic_later(struct comic *c); /* what the lane or the store had no room for is begun again in a moment */

/* Each operation that was begun is counted, and when it is over this is called first. false: the comic is
 * failing, and nothing more is to be done. */
void comic_begin(struct comic *c);
bool comic_back(struct comic *c);
void comic_fail(struct comic *c,
                const struct error *e); /* the first one counts; stops all that is under way */
void comic_go_on(struct comic *c);      /* something is there: whatever can be begun is */
void comic_tell(struct comic *c, unsigned page, unsigned panel, const struct blob *preview, const char *fmt,
                ...) PRINTF(5, 6);
const struct story_outline *comic_outline(const struct comic *c); /* NULL: a comic of one page has none */
const char *comic_story_id(const struct comic *c);                /* once it is claimed */

/* ---- the parts ---- */

void comic_text_start(struct comic_text *t); /* comic_texts.c; ends in has_outline or has_board */
void comic_text_drop(struct comic_text *t);

void comic_panel_start(struct comic_panel *p); /* comic_panels.c; ends in PANEL_THERE or PANEL_MISSING */
void comic_panel_failed(struct comic_panel *p, const struct error *e);
void comic_panel_drop(struct comic_panel *p);

void comic_object_start(struct comic_object *o); /* comic_objects.c; ends in stored */
void comic_object_lane(struct comic_object *o);  /* again, as the lane was full */
void comic_object_put(struct comic_object *o);   /* if it is ready and has its name */
void comic_object_drop(struct comic_object *o);
void comic_object_remove(struct comic_object *o); /* from the store */

void comic_pages_init(struct comic *c); /* comic_pages.c */
bool comic_page_is_drawn(const struct comic_page *p);

void comic_claim_start(struct comic *c);          /* comic_claim.c */
void comic_claim_again(struct comic *c);          /* if it rests */
bool comic_claim_is_ours(const struct comic *c);  /* the story has its name */
bool comic_claim_was_ours(const struct comic *c); /* and had it in an earlier process */
void comic_claim_cancel(struct comic *c);
void comic_claim_tell(struct comic *c); /* the note in the store says all, once that is known */
void comic_claim_undo(struct comic *c);
void comic_claim_release(struct comic *c);

char *comic_detail_make(struct comic *c); /* comic_detail.c; to be freed */
