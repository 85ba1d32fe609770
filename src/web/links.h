/* links.h: where clients reach what is stored. Any thread. */
#pragma once

#include "base/buf.h"
#include "http/server/http.h"
#include "store/store.h"
#include "tables/options.h"

enum { LINK_MAX = 8192 };

/* Appends where the client reaches this server, without a slash at the end: PUBLIC_BASE_URL, else the
 * request's Host, else nothing. */
void link_base(const struct exchange *x, const struct options *opt, struct buf *ret);

/* Appends the address of an object: the bucket's, signed to work for so long or (0) unsigned; or our own,
 * below base, which always is signed. name: valid; ret: with room for LINK_MAX. */
void link_make(struct store *store, const struct signer *signer, const char *name, unsigned expires_s,
               const char *base, struct buf *ret);
