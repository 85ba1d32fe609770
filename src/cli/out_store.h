/* out_store.h: a store driver that puts results where the user wants them, for the command line.
 *
 * Order: out_store_new, app_new with it as wants.store, out_store_begin, then out_store_aim before each
 * request; store_free (the app does it) at the end. How a result gets to its
 * place: out_file.h.
 *
 * Whose put it is, its key says. Those under the aim's prefix are the request's results, and the order in
 * which they begin numbers them; those of a comic, whose pages are done in any order, have their number in
 * the key (comic_out_number), and what is not asked for (pages beside a book, the story's words) is let go.
 * Any other put is that of a step of the request (request/child.h) and is let go: the step hands its bytes to
 * the request itself, and on the command line there is no cache that would send anybody to the store for
 * them. Core thread. */
#pragma once

#include "cli/out_file.h"
#include "loop/loop.h"
#include "store/store.h"

struct store *out_store_new(void) MUST_CHECK;
void out_store_begin(struct store *s, struct loop *loop); /* where puts complete */
void out_store_aim(struct store *s, const struct out_aim *aim);
void out_store_abandon(struct store *s); /* removes half-written files; the process is about to end */
