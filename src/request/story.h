/* story.h: inside of 070. A feature whose work is a story: the comic's operation, with a request of its own
 * (child.h) for each run of a model, so that queues, slots, budgets, providers and the journal see these like
 * any other. Core thread. */
#pragma once

#include "base/buf.h"
#include "request/request.h"

struct story;

/* 060's: both models can run now, somewhere, and the budgets allow for all of it. Else req->err says what to
 * set up, or when to come back. */
int story_check(struct request *req) MUST_CHECK;

struct op *story_start(struct request *req, op_done_fn *on_done); /* fills run.story */
int story_result(struct request *req); /* after its op: the op's result, with req->err filled */
void story_fill(const struct request *req, struct result *r);
/* What is told of it now, as members of a JSON object that is open: "step", and during the news of a panel or
 * page its place and preview. */
/* The same step, alone: "panel 5/12"; "" before the first. Until the next news. */
const char *story_step(const struct story *s);
void story_put_news(const struct story *s, struct buf *b);
bool story_is_billed(const struct story *s); /* a run of it was paid for, or may have been; accepts NULL */
void story_free(struct story *s);            /* accepts NULL */
