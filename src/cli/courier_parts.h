/* courier_parts.h: what the files of courier.h have in common. Private to them. */
#pragma once

#include <jansson.h>

#include "cache/cache.h"
#include "cli/courier.h"
#include "cli/errands.h"
#include "cli/feature_form.h"
#include "cli/out_file.h"
#include "loop/lane.h"

enum { COURIER_KEY_MAX = 96, COURIER_ID_MAX = 64, COURIER_WORD_MAX = 32 };

enum courier_step { COURIER_SUBMIT, COURIER_WAIT, COURIER_FETCH, COURIER_STEPS };

struct courier_size {
    uint32_t width, height; /* 0: not known */
};

/* A lane's picture. */
struct courier_picture {
    struct errand *errand;
    const struct input *input;
    struct out_aim aim;
    enum courier_step step;
    unsigned number; /* in the key, from 0 */
    struct feature_form form;
    char *url; /* of the call */
    char key[COURIER_KEY_MAX];

    /* what the gateway says of the job */
    char id[COURIER_ID_MAX];      /* "": there is none */
    bool replayed;                /* it was there before */
    char stage[COURIER_WORD_MAX]; /* a plain word */
    char told[COURIER_WORD_MAX];  /* more of it, likewise: "panel 5/12"; "": it does not say */
    int percent;                  /* negative: not known */
    double left_s;                /* likewise */
    json_t *result;               /* {"data","meta"}; NULL: none yet */
    double cost_usd;

    /* its results */
    unsigned count, at; /* how many there are; the one that comes next, from 0 */
    unsigned pages;     /* of a comic that is one file */
    struct courier_size original, size[RESULT_OUTPUTS_MAX];
    struct blob *bytes; /* while they are written */
    struct out_file file;
    struct lane_job write;
    struct error write_err;
};

struct courier {
    const struct courier_config *config;
    const struct courier_voice *voice;
    FILE *lines;
    bool utf8; /* of lines */
    struct lane *lane;
    size_t completed, skipped, failed;
    struct courier_picture picture[ERRANDS_AT_ONCE_MAX];
    struct errands errands;
};

static inline struct courier *courier_of(const struct courier_picture *p)
{
    return p->errand->all->config.ctx;
}

static inline const char *courier_text(const json_t *in, const char *name)
{
    const char *s = json_string_value(json_object_get(in, name));
    return s ? s : "";
}

/* ---- a picture's way: courier.c ---- */

void courier_set_url(struct courier_picture *p, char *url); /* of the next call; url becomes the picture's */
/* The call's url is the picture's. */
void courier_ask(struct courier_picture *p, enum courier_step step, struct http_call *call,
                 uint32_t after_ms);
/* A job that was over before is of no use: another one, with the next number. */
void courier_submit_again(struct courier_picture *p);
void courier_fail(struct courier_picture *p, const char *code, const char *why); /* it is over */
void courier_refused(struct courier_picture *p);                                 /* likewise, by the answer */

/* ---- its end: courier_results.c ---- */

void courier_take_result(struct courier_picture *p, json_t *result); /* {"data","meta"}, borrowed */
void courier_fetched(struct courier_picture *p);
void courier_remove_written(struct courier_picture *p); /* all of the results, or none */

/* ---- how it is told: courier_lines.c for people, courier_json.c ---- */

struct courier_voice {
    void (*submitted)(const struct courier_picture *p);
    void (*progress)(const struct courier_picture *p);
    void (*completed)(const struct courier_picture *p);
    void (*skipped)(const struct courier_picture *p);
    /* code: of tables/errors.def; NULL: it has none */
    void (*failed)(const struct courier_picture *p, const char *code, const char *why);
    void (*end)(const struct courier *r);
};

extern const struct courier_voice courier_lines, courier_json;
