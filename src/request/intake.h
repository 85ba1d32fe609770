/* intake.h: inside of 010. What a request says, apart from how its bytes come. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"
#include "request/request.h"

struct json_t;

enum { FIELD_MAX_BYTES = 8192 }; /* of a text */

/* A JSON object: texts, numbers and truth values become fields, null nothing. What a field that is not
 * the route's holds is left out. Adds to *fields. Fills
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
