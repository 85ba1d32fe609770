/* features.h: what an app can ask for, as data. Rows: features.def. Read only, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/macros.h"
#include "tables/error.h"
#include "tables/options.h"

enum class { CLASS_LIGHT, CLASS_HEAVY, CLASS_COMIC, CLASS_COUNT };

enum feature_id {
#define FEATURE(id, ...) FEATURE_##id,
#include "tables/features.def"
    FEATURE_COUNT,
    FEATURE_NONE = FEATURE_COUNT
};

enum param_type {
    PARAM_TYPE_CHOICE,
    PARAM_TYPE_LENIENT, /* a choice; what is not allowed counts as the default */
    PARAM_TYPE_INT,
    PARAM_TYPE_NUM, /* with decimals */
    PARAM_TYPE_BOOL,
    PARAM_TYPE_TEXT,
    PARAM_TYPE_LIST /* of texts; its canonical text is a JSON array */
};

struct param_row {
    enum feature_id feature;
    enum param_type type;
    const char *name;
    const char *other_name; /* accepted as well; NULL: none */
    const char *initial;    /* default, canonical text; NULL: must be given */
    int least, most;        /* numbers; characters of a text, least 0: any; most of each text of a list */
    int step;               /* whole numbers: a multiple of it */
    const char *allowed;    /* choices */
    const char *about;
    bool link_only; /* changes the answer's links, not the result */
    int items;      /* most texts of a list */
};

struct image_row {
    enum feature_id feature;
    const char *field;     /* the file's; its address comes in <field>_url */
    const char *other_url; /* another name for that; NULL: none */
    const char *when;      /* needed when this parameter has this value, "mode=replace"; NULL: always */
    const char *without;   /* "mode=remove": what a command takes for granted when neither is given */
    enum err missing;      /* the error when it is not there */
    const char *about;
    unsigned least, most; /* how many of them; most > 1: a list, and the feature has no other row */
};

enum keep { KEEP_ALWAYS, KEEP_SEEDED, KEEP_NEVER };

enum work { WORK_MODEL, WORK_WRITER, WORK_COMPOSE, WORK_STORY, WORK_PHOTOS };

struct feature {
    enum feature_id id;
    const char *name;    /* in metrics */
    const char *command; /* on the command line; "": not there */
    const char *route;   /* "": only other features ask for it */
    enum class class;
    const char *model; /* what the cloud runs */
    const char *version;
    const char *takes;  /* types of picture that it reads, by their extensions: "jpg|png" */
    const char *prefix; /* of stored objects; {name} is a parameter's value */
    const char *about;
    size_t side_offset;   /* of the option that bounds the longer side */
    unsigned per_minute;  /* requests a caller may make */
    enum keep keep;       /* which results are remembered and shared */
    enum err refusal;     /* of a bad field */
    enum work work;       /* how it is done */
    enum feature_id step; /* what it composes, or who draws for it; FEATURE_NONE: it runs a model itself */
};

enum { PARAMS_MAX = 16, IMAGES_MAX = 12 };

/* The values of a feature's parameters, in row order, canonical. Text lives in the arena given to the parser.
 */
struct params {
    const struct feature *feature;
    const char *value[PARAMS_MAX];
};

extern const struct feature *const features; /* FEATURE_COUNT rows, by id */

/* Another model for a feature: "owner/name", or with ":version"; "": the row's own. At the start, before
 * other threads and before a provider is made. VALIDATION: it is no such name; the error's field is the
 * option. */
int feature_set_model(enum feature_id id, const char *model, const char *option, struct error *e) MUST_CHECK;

bool route_is(const char *route, const char *path);            /* also with one slash at its end */
const struct feature *feature_by_route(const char *path);      /* NULL: none */
const struct feature *feature_by_command(const char *command); /* NULL: none */
const struct feature *feature_by_name(const char *name);       /* NULL: none, or name is NULL */
/* What a feature that runs a model is called where models are set up: as on the command line (one that
 * composes another's result stands for that other), else as in /metrics; "": it runs none itself. */
const char *feature_model_name(const struct feature *f);
const char *class_name(enum class c);
bool feature_takes(const struct feature *f, const char *extension); /* its model reads such a picture */
int64_t feature_max_side(const struct feature *f, const struct options *opt);

/* The feature's parameter rows, and its picture rows; *ret_count of them. */
const struct param_row *feature_params(const struct feature *f, size_t *ret_count);
const struct image_row *feature_images(const struct feature *f, size_t *ret_count);

/* A feature's pictures have numbers: of a list the order in which they came, else those of the rows. */
unsigned feature_pictures(const struct feature *f);                           /* how many at most */
const struct image_row *feature_picture(const struct feature *f, unsigned i); /* the row of one of them */
const struct image_row *feature_picture_list(const struct feature *f);        /* NULL: it has no list */

/* What is wrong with picture i: the error gets its field, and of a list says which one it is. */
void feature_blame_picture(const struct feature *f, unsigned i, struct error *e);

/* The words of a choice as a list for people, "jpg, jpeg, png"; as much of it as fits. */
void param_choices(const struct param_row *row, char *ret, size_t size);
bool feature_has_field(const struct feature *f,
                       const char *name); /* a parameter, or a picture's address or digest */
int feature_file_of(const struct feature *f, const char *name);    /* of which row a file is; -1: of none */
int feature_address_of(const struct feature *f, const char *name); /* likewise an address, */
int feature_digest_of(const struct feature *f, const char *name);  /* a digest */
/* The row of a parameter by either name, a list's also with [] behind it; NULL: there is none. */
const struct param_row *feature_param(const struct feature *f, const char *name);

/* Order: params_init (defaults), params_set for each given field, params_check, then read. A field the
 * feature does not have is passed over, unless it is a slip of one that it has (field_name.h); that, or a
 * value out of range, fills e (the feature's refusal, with the field and what is allowed). */
void params_init(struct params *p, const struct feature *f);
int params_set(struct params *p, struct arena *a, const char *name, const char *value,
               struct error *e) MUST_CHECK;
/* Of a list whose texts came one by one; the name is the list's. */
int params_set_items(struct params *p, struct arena *a, const char *name, const char *const *item,
                     size_t count, struct error *e) MUST_CHECK;
int params_check(const struct params *p, struct error *e) MUST_CHECK; /* all that must be given is there */
const char *params_text(const struct params *p,
                        const char *name); /* "" if the feature has none of that name */
int params_int(const struct params *p, const char *name, int otherwise);
bool params_bool(const struct params *p, const char *name);

double params_num(const struct params *p, const char *name, double otherwise);
/* The texts of a list, in the arena; ones that are not there are "". *ret_count: as many as are. */
const char **params_list(const struct params *p, const char *name, struct arena *a,
                         size_t *ret_count) MUST_CHECK;

char *params_canonical(const struct params *p, struct arena *a) MUST_CHECK; /* "scale=2;faceEnhance=false" */
bool params_match(const struct params *p, const char *when);                /* "mode=replace"; NULL: true */
bool params_keep(const struct params *p); /* the result may be remembered and shared */

/* The feature's prefix with the parameters in their places. */
char *params_prefix(const struct params *p, struct arena *a) MUST_CHECK;
