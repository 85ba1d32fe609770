/* GET /api/jobs/{id}/events: server-sent events, from Last-Event-ID on.
 *
 * Happy path: the core finds the job, answers with a stream, sends what has happened since, and each event as
 * it comes; the last one ends it. Failure modes: a reader that does not keep up is told so and let go; one
 * that has left is noticed by the next event or ping; a job that is in the journal only is told as it ended.
 * Invariants: a reader lives from the answer until its connection's end has come to the core; it listens to
 * its job until it has been ended. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sse_out.h"
#include "http/server/stream.h"
#include "jobs/pages.h"
#include "jobs/seek.h"

enum { EVENT_SLACK = 64 << 10, PING_S = 15, STALL_MS = 30000, PIECE_MAX = JOB_EVENT_BYTES_MAX + 1024 };

struct reader {
    struct list node; /* among all */
    struct job_seek seek;
    struct exchange *x; /* until it is answered */
    struct job_path path;
    uint64_t after;
    struct message mail;
    struct stream *stream;
    struct job_listener listener;
    struct timer ping;
    bool ended;
};

static void reader_free(struct reader *r)
{
    r->seek.jobs->reading -= list_linked(&r->node);
    list_remove(&r->node);
    job_seek_release(&r->seek);
    stream_unref(r->stream);
    free(r);
}

/* ---- sending ---- */

static void end(struct reader *r, const char *last)
{
    if (r->ended)
        return;
    r->ended = true;
    job_events_leave(&r->listener);
    timer_disarm(r->seek.jobs->svc->loop, &r->ping);
    BLOB_ON_EXIT struct blob *piece = last ? blob_static(last, strlen(last)) : NULL;
    stream_end(r->stream, piece);
}

static void send_piece(struct reader *r, struct blob *piece)
{
    int result = stream_send(r->stream, piece);
    if (result == -ERR_OVERLOADED)
        end(r, "event: error\ndata: {\"code\":\"TOO_SLOW\",\"message\":\"You read too slowly\"}\n\n");
    else if (result < 0)
        end(r, NULL);
}

static void ping(struct timer *t)
{
    struct reader *r = CONTAINER_OF(t, struct reader, ping);
    struct loop *loop = r->seek.jobs->svc->loop;
    BLOB_ON_EXIT struct blob *piece = blob_static(": ping\n\n", 8);
    timer_arm(loop, t, loop_now_ns(loop) + PING_S * NS_PER_S, ping);
    send_piece(r, piece);
}

static struct blob *piece_of(const struct job_event *e)
{
    char id[24];
    BUF_ON_EXIT struct buf text;
    buf_init(&text, PIECE_MAX);
    snprintf(id, sizeof(id), "%" PRIu64, e->id);
    int fits = sse_write(&text, id, e->name, (const char *)e->json->data, e->json->size);
    CHECK(fits == 0); /* an event is bounded by far less (events.c) */
    return buf_take_blob(&text);
}

static void told(struct job_listener *l, const struct job_event *event)
{
    struct reader *r = CONTAINER_OF(l, struct reader, listener);
    BLOB_ON_EXIT struct blob *piece = piece_of(event);
    if (r->ended)
        return;
    send_piece(r, piece);
    if (job_event_is_last(event))
        end(r, NULL);
}

/* ---- beginning ---- */

static void on_closed_core(struct message *m)
{
    struct reader *r = CONTAINER_OF(m, struct reader, mail);
    end(r, NULL);
    reader_free(r);
}

static void on_closed(void *ctx)
{
    struct reader *r = ctx;
    loop_post(r->seek.jobs->svc->loop, &r->mail, on_closed_core);
}

static void answer_stream(struct reader *r, const struct job *job)
{
    const struct options *opt = r->seek.jobs->svc->opt;
    r->stream = stream_new(&(struct stream_config){
        .max_bytes = (size_t)opt->stream_queue_bytes + EVENT_SLACK + 2 * job_events_bytes(&job->events),
        .stall_ms = STALL_MS,
        .closed = on_closed,
        .ctx = r});
    struct reply *reply = stream_reply(r->stream, "text/event-stream; charset=utf-8");
    reply_header(reply, "Cache-Control", "no-store");
    reply_header(reply, "X-Accel-Buffering", "no"); /* nginx would keep them */
    list_push_back(&r->seek.jobs->readers, &r->node);
    r->seek.jobs->reading++;
    exchange_answer_suspended(TAKE(r->x), reply);
}

static void refuse(struct reader *r, enum err code, const char *why)
{
    struct error e;
    error_set(&e, code, "%s", why);
    exchange_answer_suspended(r->x, reply_error(r->x, NULL, &e));
    reader_free(r);
}

static void follow(struct reader *r, struct job *job)
{
    struct loop *loop = r->seek.jobs->svc->loop;
    answer_stream(r, job); /* what is replayed has room */
    job_events_replay(&job->events, r->after, &r->listener);
    if (job_is_over(job) || r->seek.jobs->stopped)
        end(r, NULL);
    if (r->ended)
        return;
    job_events_listen(&job->events, &r->listener);
    timer_arm(loop, &r->ping, loop_now_ns(loop) + PING_S * NS_PER_S, ping);
}

/* It cannot be shown: answers that. */
static bool refused(struct reader *r, const struct job *job)
{
    const char *why;
    enum err code = job_seek_refusal(&r->seek, job, &why);
    if (code != ERR_NONE)
        refuse(r, code, why);
    return code != ERR_NONE;
}

/* What is over and out of memory has one event left: how it ended. */
static void read_over(struct op *op)
{
    struct reader *r = CONTAINER_OF(op, struct reader, seek.read.op);
    struct job *copy = r->seek.copy;
    if (refused(r, copy))
        return;
    r->after = 0;
    job_events_add(copy, job_is_over(copy) ? job_state_name(copy) : "progress");
    follow(r, copy);
    end(r, NULL); /* one that another gateway works on: its reader comes back */
}

static void on_core(struct message *m)
{
    struct reader *r = CONTAINER_OF(m, struct reader, mail);
    struct job *job = job_find(r->seek.jobs, r->path.id);
    if (!job)
        job_seek_row(&r->seek, r->path.id, read_over);
    else if (!refused(r, job))
        follow(r, job);
}

void job_events_page(struct jobs *j, struct exchange *x, const struct job_path *path, const char *who)
{
    struct reader *r = NEW(struct reader);
    const char *after = exchange_header(x, "Last-Event-ID");
    if (!after)
        after = exchange_query(x, "last_event_id");
    r->seek.jobs = j;
    r->x = x;
    r->path = *path;
    r->seek.who = who ? mem_strdup(who) : NULL;
    r->after = after ? strtoull(after, NULL, 10) : 0;
    r->listener.told = told;
    exchange_suspend(x);
    loop_post(j->svc->loop, &r->mail, on_core);
}

void job_readers_stop(struct jobs *j)
{
    LIST_FOREACH_SAFE (node, &j->readers) {
        end(CONTAINER_OF(node, struct reader, node),
            "event: error\ndata: {\"code\":\"DRAINING\",\"message\":\"The server is shutting down; come "
            "back\"}\n\n");
    }
}
