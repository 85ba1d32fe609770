/* packs.h: the catalogue of asset packs, made from a listing of the store. Pure: no I/O, no clock.
 *
 * A pack is what lies in <Category>/<Target>/ below the prefix: files of the known kinds, nothing deeper.
 * What limner itself stores is none: results lie in folders named like days, drawn comics as
 * comics/<story>/page-<n>.png. Packs come by category, then target (bytes), their files by name.
 * An id is category/target in lower case with dashes for what is neither letter nor digit. Where two packs
 * would have the same, the later ones get a part of the digest of their name at its end.
 *
 * Order: packs_new; packs_ref for each further holder, packs_unref by each. Immutable: any thread that holds
 * a reference may read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/macros.h"
#include "store/store.h"

enum { PACKS_VERSION = 33 /* hex, with its NUL */ };

struct packs;

struct packs *packs_new(const struct store_listing *listing, const char *prefix) MUST_CHECK;
struct packs *packs_ref(struct packs *p);
void packs_unref(struct packs *p); /* accepts NULL */

size_t packs_count(const struct packs *p);
bool packs_cut(const struct packs *p);            /* the listing was: some may be missing */
const char *packs_version(const struct packs *p); /* a digest: another one, another listing */

/* NULL: any; else as a whole, small letters and capitals alike (ASCII). */
struct packs_filter {
    const char *category, *target;
};

/* Appends the page's items, JSON objects with commas between, and returns how many packs pass the filter.
 * page: from 1. */
size_t packs_page(const struct packs *p, const struct packs_filter *filter, size_t page, size_t page_size,
                  struct buf *out);

/* Whether there is such a pack, with this file in it. */
bool packs_has(const struct packs *p, const char *id, const char *key);
