/* stage.h: what a stage is, and the table of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "request/request.h"

/* NEXT: on to the next stage. ANSWERED: it ends here with its job's answer, on to 120; the job is measured.
 * AGAIN: back to 060, for another provider or to do a step once more. WAIT: req->waiting completes later
 * (010: the body comes), then done is called. HIT: there is a result already, on to 110, by way of 100 for
 * one that leads others. FAIL: req->err is set, on to 100, which lets go of what is held.
 */
enum verdict { NEXT, WAIT, AGAIN, HIT, FAIL, ANSWERED };

/* What it means when the client leaves while the request waits in this stage. */
enum leave {
    LEAVE_STOPS,   /* nothing is paid yet: stop, unless a twin waits */
    LEAVE_ASKS,    /* stop if nothing has been paid, else finish */
    LEAVE_FINISHES /* paid: finish and remember the result */
};

struct stage {
    const char *name;
    enum verdict (*enter)(struct request *req);
    enum verdict (*done)(struct request *req); /* NULL: it never waits */
    size_t limit_offset;                       /* of the option that bounds the wait; 0: bounded elsewhere */
    bool on_core;                              /* must run on the core thread */
    enum leave leave;
    bool (*core_when)(
        const struct request *req); /* must run there for such a request; NULL: as on_core says */
};

extern const struct stage stages[STAGE_COUNT];

/* For a stage that starts an operation: remembers it and returns WAIT. on_done must be pipeline_op_done. */
enum verdict stage_wait(struct request *req, struct op *op);
void pipeline_op_done(struct op *op);

/* For what a stage waits for, if its own limit is limit_ms: a little less, so that what ends it is known by
 * its cause. */
static inline uint32_t stage_time_ms(int64_t limit_ms)
{
    return (uint32_t)(limit_ms - limit_ms / 8);
}

/* 060's, for 070: a later provider could run it as well; if so it is the next one to be asked. */
bool queue_fall_back(struct request *req);
/* 060's, for 050: the picture may be sent to a model elsewhere, now or when that works again (any thread). */
bool queue_may_send(const struct request *req);
/* 060's, for 050: would a request like this have to wait now? (core thread) Put its bytes into files, then.
 */
bool queue_goes_elsewhere(const struct request *req); /* for 045: it would run on no machine of ours */
bool queue_is_busy(const struct request *req);
/* Where the feature would run now; NULL: nowhere, and e says why. Any thread. */
struct provider *queue_provider(const struct services *svc, const struct feature *f, struct error *e);
/* For what is made ahead: where the feature would run, if nobody waits there and one more would take no more
 * than percent of the slots, or the only one; else NULL. Core thread. */
struct provider *queue_idle(const struct services *svc, const struct feature *f, unsigned percent);
void queue_let_go(struct request *req); /* of its slot, if it holds one; core thread */
void queue_put_down(struct request *req);
struct slot_asker queue_asker(const struct request *req);
/* 060's, for 040: the follower waits for what the leader waits for, who may have the follower's turn. */
void queue_lend_turn(struct request *leader, const struct request *follower);

/* 050's, for 085: the bytes of a picture and what its header says; ret is filled even if that fails. e names
 * its field. On an imaging thread. */
int prescale_probe(struct request *req, unsigned i, struct blob **ret, struct image_info *info,
                   struct error *e) MUST_CHECK;
/* 030's, for whoever asks the cache: what the key leads to and the request may be given. A new reference;
 * NULL: nothing. Any thread that owns the request. */
bool lookup_is_too_old(const struct request *req, const struct result *r); /* for what the request wishes */
struct result *lookup_result(struct request *req, const uint8_t key[static DIGEST_BYTES]) MUST_CHECK;

/* 065's, for 060: is there no room in the budgets for a run at this provider? Fills req->err. */
int budget_allows(struct request *req, const struct provider *provider) MUST_CHECK;
/* 065's, for 010: no hit can answer it, and there is no room: it needs no body. Fills req->err. */
int budget_allows_body(struct request *req) MUST_CHECK;
void budget_warn(const struct request *req, struct buf *ret); /* the value of X-Budget-Warning; empty: none */

enum verdict receive_enter(struct request *req);
enum verdict receive_done(struct request *req);
/* 020's, for 015: the text fields, which need no picture. Fills req->err. */
int validate_fields(struct request *req) MUST_CHECK;
/* Likewise, after it: how many pictures and texts a list has. Fills req->err. */
int validate_counts(struct request *req) MUST_CHECK;
/* 015's, for the driver: how often its limit, as its pictures are not all fetched at once. */
unsigned fetch_rounds(const struct request *req);

bool fetch_wanted(const struct request *req);
enum verdict fetch_enter(struct request *req);
enum verdict fetch_done(struct request *req);
enum verdict validate_enter(struct request *req);
/* 025's, for the desk: a picture was named only, and neither it nor a result is remembered. Fills req->err.
 */
bool accept_lacks_picture(struct request *req);
int receive_check_draining(struct request *req) MUST_CHECK; /* 010's, for 025: no new work. Fills req->err. */
bool accept_wanted(const struct request *req);
enum verdict accept_enter(struct request *req);
enum verdict accept_done(struct request *req);
enum verdict lookup_enter(struct request *req);
/* 040's, for 025: a picture that was only named has to be here. Fills req->err. */
enum verdict join_need_pictures(struct request *req);
enum verdict join_enter(struct request *req);
enum verdict join_done(struct request *req);
enum verdict shared_enter(struct request *req);
enum verdict shared_done(struct request *req);
enum verdict prescale_enter(struct request *req);
enum verdict prescale_done(struct request *req);
enum verdict queue_enter(struct request *req);
enum verdict queue_done(struct request *req);
enum verdict budget_enter(struct request *req);
enum verdict budget_done(struct request *req);
enum verdict intent_enter(struct request *req);
enum verdict intent_done(struct request *req);
enum verdict run_enter(struct request *req);
enum verdict run_done(struct request *req);
enum verdict read_output_enter(struct request *req);
enum verdict read_output_done(struct request *req);
enum verdict compose_enter(struct request *req);
enum verdict compose_done(struct request *req);
enum verdict store_enter(struct request *req);
enum verdict store_done(struct request *req);
enum verdict settle_enter(struct request *req);
enum verdict measure_enter(struct request *req);
enum verdict respond_enter(struct request *req);
