/* intake.h: inside of 010. What a request says, apart from how its bytes come. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "request/request.h"

struct json_t;

enum { FIELD_MAX_BYTES = 8192 }; /* of a text of which no more is known */

/* Of the route's field of that name: enough for the longest text that its row allows. */
size_t intake_field_bytes(const struct feature *f, const char *name);
int intake_refuse_long(struct request *req, const char *name); /* it is longer; fills req->err */

/* What came so far. The pictures of a list are one field, and so are the texts of one, as long as they are no
 * more than its row takes. */
struct field_count {
    int64_t fields;
    unsigned of_list[PARAMS_MAX + 1]; /* by the parameter's row; the last: pictures */
};

/* One more of that name. Fills req->err: there are more than FORM_FIELDS_MAX. */
int intake_count(struct request *req, struct field_count *c, const char *name) MUST_CHECK;

/* A text that came: it becomes a field; an address or a digest of a list of pictures takes its place there,
 * or several do, if it is a JSON array of them. Fills req->err: there are too many pictures, or it is none.
 */
int intake_text(struct request *req, const char *name, const char *value) MUST_CHECK;

/* A JSON object: texts, numbers and truth values become fields, null nothing; of a list, an array of texts
 * does. What a field that is not the route's holds is left out. Adds to *fields. Fills
 * req->err: the feature's refusal. */
int intake_json(struct request *req, const struct buf *text, int64_t *fields) MUST_CHECK;

/* One of them. 0, or as intake_json. */
int intake_value(struct request *req, const char *name, const struct json_t *value) MUST_CHECK;

/* Fields that hold the digest of a picture that came before leave the list for receive.digest. Before
 * take_addresses. Fills req->err: it is none, or the picture came as well. */
int take_digests(struct request *req) MUST_CHECK;

/* Fields that hold a picture's address leave the list of fields for receive.url. Fills req->err: a picture
 * and its address both came, or an address twice, or there is nothing to fetch with. */
int take_addresses(struct request *req) MUST_CHECK;
