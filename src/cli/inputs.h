/* inputs.h: what the user named, made into a list of pictures and of the paths their results go to.
 *
 * Folders are walked (sorted, no hidden entries, no links to folders, not into the output folder) and
 * mirrored below the output folder; with several inputs each folder keeps its own name there. A result's name
 * has the extension of its type; two results that would get the same name get -2, -3 … Blocking; one thread.
 *
 * The type of a result is what the output's extension says; without one it is `usual`; without that, a JPEG
 * stays a JPEG and anything else becomes a PNG. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/blob.h"
#include "base/macros.h"
#include "imaging/imaging.h"
#include "tables/error.h"

struct input {
    char *path;           /* "-": standard input */
    char *output;         /* "-": standard output; NULL: there is a problem, or nothing is written */
    enum image_type type; /* of the result */
    struct blob *bytes; /* of pipes, which can be read only once; NULL: a file, read it when its turn comes */
    bool unread;        /* there is nothing to read: path only says what is asked for */
    char *problem;      /* why it cannot be done; NULL: it can */
};

struct inputs {
    struct input *item;
    size_t count, room;
};

struct inputs_wanted {
    const char *const *path; /* what the user named */
    size_t count;
    const char *output;    /* NULL: nothing is written */
    enum image_type usual; /* of results whose place does not say; IMAGE_UNKNOWN: the picture's own */
    bool several;          /* of each picture: its output is then a pattern (out_store.h), and no stream */
};

/* VALIDATION: the arguments do not go together (usage); INTERNAL: the output place cannot be written to. */
int inputs_expand(const struct inputs_wanted *wanted, struct inputs *ret, struct error *e) MUST_CHECK;
/* One that is not read, and is called so. path, output: copied. INTERNAL: the output place cannot be written
 * to. */
int inputs_unread(const char *name, const char *output, enum image_type type, struct inputs *ret,
                  struct error *e) MUST_CHECK;
void inputs_release(struct inputs *in);

/* The whole of a file; VALIDATION with what is wrong. */
int input_read(const struct input *in, struct blob **ret, struct error *e) MUST_CHECK;
int input_read_path(const char *path, struct blob **ret, struct error *e) MUST_CHECK;

/* A path for people: clean text, as text_clean makes it; "standard input". */
char *input_shown_name(const char *path, bool utf8) MUST_CHECK;

const char *input_extension_of(const char *path); /* "jpg"; "" for none, and for .hidden */
/* What a path's extension says; IMAGE_UNKNOWN for any other and for none. */
enum image_type input_type_of_name(const char *path);
