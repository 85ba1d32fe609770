/* xml.h: cuts a small XML document that lies in memory into opening tags, closing tags and text, and checks
 * that they fit together. For s3_xml.h, which says what is understood and what is refused.
 *
 * Order: xml_reader_init, then xml_next until XML_DONE or XML_BAD. Nothing is allocated; the document stays
 * the caller's and must outlive the reader. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { XML_NAME_MAX = 64, XML_DEPTH_MAX = 8 }; /* longer names, and what does not fit path, are XML_BAD */

enum xml_token {
    XML_BAD,
    XML_OPEN,  /* path ends with the element opened */
    XML_CLOSE, /* path ends with the element closed; an empty tag gives XML_OPEN and XML_CLOSE */
    XML_TEXT,  /* text, undecoded; several for one element if a comment parts it */
    XML_DONE   /* the root was closed, and only spaces and comments followed */
};

struct xml_reader {
    const char *text; /* of XML_TEXT, into the document */
    size_t text_size;
    char path[XML_DEPTH_MAX * (XML_NAME_MAX + 1) + 1]; /* "/Error/Code"; "" outside of the root */
    /* the reader's own */
    const char *at, *end;
    size_t path_len;
    bool close_now; /* an empty tag was read: its XML_CLOSE comes next */
    bool pop;       /* the last token was XML_CLOSE: its name leaves the path now */
    bool root_seen;
};

void xml_reader_init(struct xml_reader *x, const char *xml, size_t size);
enum xml_token xml_next(struct xml_reader *x);
