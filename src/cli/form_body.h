/* form_body.h: a multipart/form-data body, as a browser would send it. Order: form_begin, texts and files in
 * any order, form_end. One owner. */
#pragma once

#include "base/blob.h"
#include "base/buf.h"
#include "base/rng.h"

struct form_body {
    struct buf bytes;
    char boundary[UUID_TEXT];
};

void form_begin(struct form_body *form, size_t most); /* bytes of all that is put, and 1 kB for each part */
void form_text(struct form_body *form, const char *name, const char *value);
void form_file(struct form_body *form, const char *name, const struct blob *bytes);
/* type: room for the Content-Type that goes with it. */
enum { FORM_TYPE_MAX = 96 };
struct blob *form_end(struct form_body *form, char type[static FORM_TYPE_MAX]) MUST_CHECK;
