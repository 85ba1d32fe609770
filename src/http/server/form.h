/* form.h: what form.c shows to its tests and its fuzzer: a form without an exchange. One owner, one thread.
 */
#pragma once

#include "http/server/http.h"

enum {
    FORM_NAME_MAX = 128,     /* bytes of a field's name; longer is malformed */
    FORM_FILENAME_MAX = 255, /* of a file name; longer is cut */
    FORM_TYPE_MAX = 127,     /* of a part's Content-Type; longer is cut */
    FORM_BOUNDARY_MAX = 70,  /* RFC 2046 */
    FORM_LINE_MAX = 4096,    /* of a part's header line; longer is malformed */
    FORM_LINES_MAX = 16,     /* header lines a part */
};

/* As form_new, for the value of a Content-Type header; NULL for NULL. */
struct form *form_new_type(const char *content_type, form_part_fn *part, void *ctx) MUST_CHECK;

/* The parameter's value out of a header such as `form-data; name="a"`, unquoted, cut to room - 1 bytes.
 * False: not there. *ret_cut (may be NULL): the value was longer. */
bool header_param(const char *header, const char *param, char *ret, size_t room, bool *ret_cut);
