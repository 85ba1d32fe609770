/* key.h: the name of a result: a SHA-256 over all that decides it. */
#pragma once

#include "request/request.h"

/* After the pictures' digests and the parameters are set. */
void request_key(struct request *req, uint8_t ret[static DIGEST_BYTES]);
/* The same for a picture that goes by what is to be seen on it: pixels is image_fingerprint's. */
void request_pixel_key(struct request *req, const uint8_t pixels[static DIGEST_BYTES],
                       uint8_t ret[static DIGEST_BYTES]);
