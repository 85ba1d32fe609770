/* comic_files.h: the files of a comic on the command line: the photos and texts that it is made of, and what
 * -o asks for. Blocking; one thread. Errors: VALIDATION with what is wrong, in words for the user. */
#pragma once

#include "imaging/imaging.h"

struct comic_photos {
    char **path;
    size_t count;
};

/* The pictures in a folder, not in those below it, no hidden ones, in the order in which people number them
 * (comic_name_order). There must be least…most of them. */
int comic_photos_read(const char *folder, size_t least, size_t most, struct comic_photos *ret,
                      struct error *e) MUST_CHECK;
void comic_photos_release(struct comic_photos *photos); /* accepts zeroed */

/* photo2 before photo10, Photo3 between them: digits count as numbers, letters in any case. Names that differ
 * only in case or zeros are in the order of their bytes, so no two names are equal. <0, 0, >0 as strcmp. */
int comic_name_order(const char *a, const char *b);

struct comic_lines {
    char **text; /* "": an empty line */
    size_t count;
};

/* A text file in UTF-8 ("-": standard input), a text on each line, at most so many of so many characters.
 * Empty lines at its end do not count; one that is otherwise empty has no lines. */
int comic_lines_read(const char *path, size_t most, size_t most_characters, struct comic_lines *ret,
                     struct error *e) MUST_CHECK;
void comic_lines_release(struct comic_lines *lines); /* accepts zeroed */

/* What is made, as far as it decides how many files there are. */
struct comic_parts {
    unsigned pages;
    bool cover;
};

/* Where a comic goes. */
struct comic_out {
    const char *format;   /* of the request: "png", "pdf", "cbz"; static text */
    enum image_type type; /* of pages; IMAGE_UNKNOWN: it is one file, and that goes to path */
    char *path;           /* pages: a pattern for out_path (out_file.h) */
    char *cover;          /* where the cover goes; NULL: there is none, or it is in the file */
    unsigned count;       /* results: the pages, and behind them the cover; or the one file */
};

/* By the extension of output: a .pdf or .cbz is one file; .png, .jpg and .webp are pages (story-1.png …, and
 * story-cover.png); anything without is a folder of pages, page-1.png … and cover.png. format: what was said
 * beside it; "": nothing. It decides for standard output ("-") and for a folder (comic.pdf in it); otherwise
 * both must agree. Nothing is written. */
int comic_out_find(const char *output, const char *format, const struct comic_parts *parts,
                   struct comic_out *ret, struct error *e) MUST_CHECK;
/* VALIDATION: its pages would go into the folder of the photos, where the next run would take them for photos
 * and -f could write over one. A book may. */
int comic_out_check_place(const struct comic_out *out, const char *photos, struct error *e) MUST_CHECK;
/* Which result, from 1, an object in the store is, by its key: comics/{story_id}/page-2.png, cover.png,
 * book.pdf; 0: none. */
unsigned comic_out_number(const struct comic_out *out, const char *key);
/* VALIDATION: these bytes are no file of that format. Looks at their beginning only. */
int comic_book_check(const struct comic_out *out, const struct blob *bytes, struct error *e) MUST_CHECK;
void comic_out_release(struct comic_out *out); /* accepts zeroed */
