/* models.h: the networks limner knows, as data. Rows: tables/models.def. Read only, any thread. */
#pragma once

#include "base/macros.h"
#include "tables/error.h"

enum model_id {
#define MODEL(id, ...) MODEL_##id,
#include "tables/models.def"
#undef MODEL
    MODEL_COUNT,
    MODEL_BEST = MODEL_X4PLUS,
    MODEL_FAST = MODEL_ANIMEVIDEO
};

/* What a network is for. */
enum model_kind { MODEL_UPSCALE, MODEL_CUT_OUT, MODEL_FACES };

struct model {
    const char *name;
    const char *file;
    const char *sha256; /* of the file, 64 characters */
    const char *license;
    const char *use;
    enum model_kind kind;
    unsigned side; /* of the one size of picture it takes; 0: any size */
    struct {
        unsigned factor;     /* output side / input side */
        unsigned tile;       /* longest side of a tile, input pixels */
        unsigned overlap;    /* least overlap of neighbouring tiles, input pixels */
        unsigned fixed_from; /* pixels; see models.def */
        unsigned cost;       /* time per pixel / that of MODEL_FAST */
        unsigned rank;       /* 1 best; 0 never chosen by itself */
    } upscale;               /* zeroed in another kind */
    struct {
        unsigned stride[2];  /* input pixels between places where it looks, finest first; 0: no more */
        unsigned anchors[2]; /* faces it tells of at each such place */
    } faces;                 /* zeroed in another kind */
};

extern const struct model models[MODEL_COUNT];

/* Is the file at path the very file of row id? 0, or PROVIDER_UNAVAILABLE with the file and what to do. Reads
 * the whole file. */
int model_verify(enum model_id id, const char *path, struct error *e) MUST_CHECK;
