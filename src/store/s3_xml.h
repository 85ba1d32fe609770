/* s3_xml.h: reads the two XML answers of S3 that matter here: a page of ListObjectsV2, and an Error.
 *
 * Not a general XML reader: UTF-8; elements, text, the five named entities and character numbers, comments
 * and processing instructions are understood; attributes are passed over; DOCTYPE, CDATA and name prefixes
 * are refused or not recognised. Elements it does not know are passed over. Every count and length is capped.
 * No I/O; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/macros.h"
#include "tables/error.h"

enum {
    S3_XML_BYTES_MAX = 8 << 20, /* of a whole answer: a thousand of the longest keys, escaped */
    S3_XML_OBJECTS_MAX = 1000,  /* S3 sends no more on a page */
    S3_XML_KEY_MAX = 1024,      /* bytes, here and below */
    S3_XML_ETAG_MAX = 128,
    S3_XML_TOKEN_MAX = 4096,
    S3_XML_CODE_MAX = 63,
    S3_XML_MESSAGE_MAX = 255
};

struct s3_xml_object {
    const char *key;    /* decoded (EncodingType); valid UTF-8, not empty, may hold any character but NUL */
    const char *etag;   /* without its quotes; "" if not given */
    uint64_t size;      /* bytes */
    int64_t modified_s; /* since 1970; 0: not given or not understood */
};

struct s3_xml_list {
    struct s3_xml_object *object; /* in the order of the answer */
    size_t count;
    const char *next_token; /* continuation-token of the next page; NULL: this was the last */
    struct arena arena;     /* the texts */
};

struct s3_xml_error {
    char code[S3_XML_CODE_MAX + 1];       /* "NoSuchKey" */
    char message[S3_XML_MESSAGE_MAX + 1]; /* "" if not given; cut if long; UTF-8 without control characters */
};

/* 0: *ret is to be released. STORAGE_FAILED with e filled: no such document, or one that breaks a rule: an
 * object without key or size, "truncated" without a token, a limit passed. */
int s3_xml_read_list(const void *xml, size_t size, struct s3_xml_list *ret, struct error *e) MUST_CHECK;
void s3_xml_list_release(struct s3_xml_list *list); /* accepts a zeroed or released one */

/* 0, or STORAGE_FAILED: not an Error document with a Code (a proxy's page, no body at all). */
int s3_xml_read_error(const void *xml, size_t size, struct s3_xml_error *ret) MUST_CHECK;
