/* access.h: who may ask, by API key.
 *
 * Order: access_new at start, access_check for each request, access_free. A key comes in x-api-key or as
 * Authorization: Bearer. Only digests are kept and compared, so neither memory nor time tells a key. Any
 * thread after access_new. */
#pragma once

#include "base/macros.h"
#include "http/server/http.h"
#include "tables/error.h"

struct access;

/* keys: "key,name:key,…"; without a name the tenant is called by its place, "key-1". "": everybody may ask.
 * VALIDATION: a key is shorter than 16 characters, or a name or a key comes twice. */
int access_new(const char *keys, struct access **ret, struct error *e) MUST_CHECK;
void access_free(struct access *a); /* accepts NULL */

const char *access_name(const struct access *a,
                        unsigned i); /* of the key at this place; NULL: there is none */

/* 0, with the tenant's name (NULL: there are no keys); UNAUTHORIZED. a NULL: everybody may ask. */
int access_check(const struct access *a, const struct exchange *x, const char **ret_tenant,
                 struct error *e) MUST_CHECK;

/* The same by the two header values; NULL: not there. For tests. */
int access_check_key(const struct access *a, const char *api_key, const char *authorization,
                     const char **ret_tenant, struct error *e) MUST_CHECK;
