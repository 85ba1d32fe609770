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
#define PARAM_CHOICE(...)
#define PARAM_INT(...)
#define PARAM_BOOL(...)
#include "tables/features.def"
#undef FEATURE
#undef PARAM_CHOICE
#undef PARAM_INT
#undef PARAM_BOOL
    FEATURE_COUNT
};

enum param_type { PARAM_TYPE_CHOICE, PARAM_TYPE_INT, PARAM_TYPE_BOOL };

struct param_row {
    enum feature_id feature;
    enum param_type type;
    const char *name;
    const char *other_name; /* accepted as well; NULL: none */
    const char *initial;    /* default, canonical text */
    int least, most;        /* integers */
    const char *allowed;    /* choices */
    const char *about;
};

struct feature {
    enum feature_id id;
    const char *name;    /* in metrics */
    const char *command; /* on the command line */
    const char *route;
    enum class class;
    const char *model; /* what the cloud runs */
    const char *version;
    const char *prefix; /* of stored objects */
    const char *about;
    size_t side_offset;  /* of the option that bounds the longer side */
    unsigned per_minute; /* requests a caller may make */
};

enum { PARAMS_MAX = 16 };

/* The values of a feature's parameters, in row order, canonical. Text lives in the arena given to the parser.
 */
struct params {
    const struct feature *feature;
    const char *value[PARAMS_MAX];
};

extern const struct feature features[FEATURE_COUNT];

const struct feature *feature_by_route(const char *path);      /* NULL: none */
const struct feature *feature_by_command(const char *command); /* NULL: none */
const char *class_name(enum class c);
int64_t feature_max_side(const struct feature *f, const struct options *opt);

/* The feature's parameter rows; *ret_count of them. */
const struct param_row *feature_params(const struct feature *f, size_t *ret_count);

/* Order: params_init (defaults), params_set for each given field, then read. A field the feature does not
 * have, or a value out of range, fills e (VALIDATION, with the field and what is allowed). */
void params_init(struct params *p, const struct feature *f);
int params_set(struct params *p, struct arena *a, const char *name, const char *value,
               struct error *e) MUST_CHECK;
const char *params_text(const struct params *p,
                        const char *name); /* "" if the feature has none of that name */
int params_int(const struct params *p, const char *name, int otherwise);
bool params_bool(const struct params *p, const char *name);

char *params_canonical(const struct params *p, struct arena *a) MUST_CHECK; /* "scale=2;faceEnhance=false" */
