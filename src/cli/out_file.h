/* out_file.h: one result on its way to where the user wants it.
 *
 * Order: out_file_init, out_file_write, out_file_release. A result is written to a hidden file beside its
 * place and renamed when it is whole and on the disk; so whatever happens, there is the old file, the new one
 * or none. Folders are made when they are missing. What is no regular file (standard output, a device, a
 * pipe) is written to directly, and takes one result only. A picture of another type than the aim's is
 * converted. Any thread; writing blocks, so it is a job of a lane. */
#pragma once

#include "cli/comic_files.h"
#include "imaging/imaging.h"
#include "loop/lane.h"

/* Texts are the caller's, for as long as it is used. */
struct out_aim {
    const char *path;     /* "-": standard output */
    const char *prefix;   /* of the keys of the request's results */
    enum image_type type; /* what the bytes must be; IMAGE_UNKNOWN: no picture, and written as it is */
    int quality;          /* of JPEG and WebP, when they must be converted */
    unsigned count;       /* how many results are asked for */
    const struct comic_out *comic; /* what they are parts of; NULL: of none */
};

/* Where result number n (from 1) goes: out.jpg; out-1.jpg, out-2.jpg … when several are asked for. A comic's
 * cover is the last one, and has a place of its own. */
char *out_path(const struct out_aim *aim, unsigned n) MUST_CHECK;
bool out_is_stream(const char *path); /* standard output, or anything else that is no file */
/* How many of the results are there, and, if some are, the number of one. */
unsigned out_count_there(const struct out_aim *aim, unsigned *ret_one);
/* For people: a path; and the first result's, with the last one's if there are several. */
char *out_shown(const char *path, bool utf8) MUST_CHECK;
char *out_shown_all(const struct out_aim *aim, bool utf8) MUST_CHECK;

struct out_file {
    char *path;  /* as the user said it, with the number */
    char *place; /* the same through links; NULL: a stream */
    char *temp;  /* the hidden file beside it */
    enum image_type type;
    int quality;
};

void out_file_init(struct out_file *w, const struct out_aim *aim, unsigned n);
void out_file_release(struct out_file *w); /* accepts a zeroed one */
/* CLIENT_GONE: job was cancelled; else why it could not be written. Nothing half-written stays. */
int out_file_write(const struct out_file *w, struct blob *body, const struct lane_job *job,
                   struct error *e) MUST_CHECK;
void out_file_abandon(const struct out_file *w); /* while it is written and the process is about to end */
