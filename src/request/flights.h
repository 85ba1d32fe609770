/* flights.h: which keys are being worked on, by whom, and who waits for the same.
 *
 * The first request with a key leads; later ones follow: they drop their upload and wait. A leader that
 * succeeds gives all followers its result. One that fails for a reason that lies in the upload, or after a
 * model ran or may have run for it, gives them its error: asking again is theirs to decide, as it may cost
 * again. One that fails before that hands the work to the oldest follower, at most TWIN_HANDOVERS times a
 * flight. A leader that stops because its client has left always
 * hands it on. Core thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macros.h"
#include "request/request.h"

struct flights;

struct flights *flights_new(void) MUST_CHECK;
void flights_free(struct flights *f); /* must be empty */
uint64_t flights_count(const struct flights *f);
uint64_t flights_followers(const struct flights *f); /* waiting now */

/* Joins req to its key's flight: true when it leads (then the flight holds a reference to its upload), false
 * when it follows (then op completes with 0 and settle.result set, 1: it leads now, or a negative error). */
bool flights_join(struct flights *f, struct request *req, op_done_fn *on_done) MUST_CHECK;
bool flights_running(const struct flights *f, const uint8_t key[static DIGEST_BYTES]); /* somebody leads */
bool flight_has_followers(const struct flight *flight);
struct request *flight_leader(const struct flight *flight);
/* New references, for one that leads now. */
void flight_bodies(struct flight *flight, struct body *ret[static IMAGES_MAX]);

/* The leader is over. result NULL: it failed with e. */
void flights_settle(struct flights *f, struct request *leader, struct result *result, const struct error *e);
