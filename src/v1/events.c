/* The events of a prediction, handed on as they come.
 *
 * Happy path: a reader is given what the server's stream says, event by event, until it says done. Where the
 * prediction is over, or was remembered, all its events come at once, made from its output. Failure modes:
 * the server's stream breaks: another connection goes on behind its last event (event_stream.h), and where
 * that fails too the reader is told; a reader that is too slow is told that, and cut; one that leaves stops
 * it. Invariants: a relay lives until its stream upstream has ended and its reader's connection is over; only
 * one that is not `ended` sends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "http/client/event_stream.h"
#include "http/server/stream.h"
#include "predict/replicate_json.h"
#include "v1/inside.h"

enum {
    EVENT_MAX = 16 << 20,
    EVENTS_MAX = 256 << 20, /* of one whose output is known: that was bounded already */
    TIMEOUT_MS = 86400000,
    IDLE_MS = 120000,
    RETRIES = 3,
    DETAIL_MAX = 4096
};

struct relay {
    struct list node; /* in v1.relays */
    struct v1 *v1;
    char *url;
    struct event_stream from;
    struct stream *to;
    struct message mail; /* that the reader's connection is over */
    bool ended, gone;
};

/* ---- what is sent ---- */

static void put_event(struct buf *b, const char *id, const char *type, const char *data)
{
    if (*id)
        buf_printf(b, "id: %s\n", id);
    buf_printf(b, "event: %s\ndata: ", type);
    for (const char *at = data; *at;) {
        size_t line = strcspn(at, "\n");
        buf_append(b, at, line);
        at += line;
        if (*at) {
            buf_puts(b, "\ndata: ");
            at++;
        }
    }
    buf_puts(b, "\n\n");
}

static void put_failure(struct buf *b, const char *why)
{
    BUF_ON_EXIT struct buf detail;
    buf_init(&detail, DETAIL_MAX);
    json_out_begin(&detail, '{');
    json_out_text(&detail, "detail", why);
    json_out_end(&detail, '}');
    put_event(b, "e:0", "error", buf_text(&detail));
    put_event(b, "e:1", "done", "{\"reason\":\"error\"}");
}

/* ---- of one that is over ---- */

static void put_output(struct buf *b, unsigned n, const json_t *piece)
{
    char id[24];
    snprintf(id, sizeof(id), "%u:0", n);
    if (json_is_string(piece))
        put_event(b, id, "output", json_string_value(piece));
}

static void put_all(struct buf *b, const struct v1_run *run)
{
    JSON_ON_EXIT json_t *said = run->said ? replicate_json_read(run->said->data, run->said->size) : NULL;
    const json_t *output = json_object_get(said, "output");
    put_output(b, 0, output);
    for (size_t i = 0; i < json_array_size(output); i++)
        put_output(b, (unsigned)i, json_array_get(output, i));
    if (run->status == REPLICATE_CANCELED || run->err.code == ERR_CLIENT_GONE)
        put_event(b, "e:1", "done", "{\"reason\":\"canceled\"}");
    else if (run->status != REPLICATE_SUCCEEDED)
        put_failure(b, *run->err.reason ? run->err.reason : err_row(run->err.code)->message);
    else
        put_event(b, "e:1", "done", "{}");
}

static void answer_all(struct exchange *x, const struct v1_run *run)
{
    BUF_ON_EXIT struct buf events;
    buf_init(&events, EVENTS_MAX);
    put_all(&events, run);
    BLOB_ON_EXIT struct blob *body = buf_take_blob(&events);
    struct reply *r = reply_new(200);
    reply_body(r, body, "text/event-stream");
    reply_header(r, "Cache-Control", "no-store");
    exchange_answer_suspended(x, r);
}

/* ---- of one that runs ---- */

static void free_if_over(struct relay *r)
{
    if (!r->ended || !r->gone)
        return;
    list_remove(&r->node);
    stream_unref(r->to);
    free(r->url);
    free(r);
}

static void end(struct relay *r, const char *why)
{
    BUF_ON_EXIT struct buf last;
    buf_init(&last, DETAIL_MAX);
    if (why)
        put_failure(&last, why);
    BLOB_ON_EXIT struct blob *piece = why ? buf_take_blob(&last) : NULL;
    r->ended = true;
    if (!r->gone)
        stream_end(r->to, piece);
    free_if_over(r);
}

/* true: nothing more is to come. */
static bool on_event(struct event_stream *s, const struct sse_event *event)
{
    struct relay *r = CONTAINER_OF(s, struct relay, from);
    if (!*event->type)
        return false; /* a comment */
    BUF_ON_EXIT struct buf piece;
    buf_init(&piece, (size_t)EVENT_MAX * 2);
    put_event(&piece, s->sse.last_id, event->type, event->data);
    BLOB_ON_EXIT struct blob *bytes = buf_take_blob(&piece);
    bool sent = r->gone || stream_send(r->to, bytes) == 0;
    return !sent || strcmp(event->type, "done") == 0;
}

static void upstream_over(struct op *op)
{
    struct relay *r = CONTAINER_OF(op, struct relay, from.op);
    int result = op->result;
    event_stream_release(&r->from);
    end(r, result < 0 ? "The stream of events ended before the prediction did" : NULL);
}

static void reader_gone(struct message *m)
{
    struct relay *r = CONTAINER_OF(m, struct relay, mail);
    r->gone = true;
    if (r->ended)
        free_if_over(r);
    else
        op_cancel(&r->from.op);
}

static void on_closed(void *ctx)
{
    struct relay *r = ctx;
    loop_post(r->v1->config.loop, &r->mail, reader_gone);
}

static void relay(struct exchange *x, struct v1_run *run)
{
    struct v1 *v = run->v1;
    const struct options *opt = v->config.opt;
    struct relay *r = NEW(struct relay);
    r->v1 = v;
    r->url = mem_strdup(run->stream_url);
    r->to = stream_new(
        &(struct stream_config){.max_bytes = (size_t)opt->stream_queue_bytes, .closed = on_closed, .ctx = r});
    r->from = (struct event_stream){.url = r->url,
                                    .on_event = on_event,
                                    .event_max = EVENT_MAX,
                                    .timeout_ms = TIMEOUT_MS,
                                    .idle_ms = IDLE_MS,
                                    .retries = RETRIES};
    list_push_back(&v->relays, &r->node);
    struct reply *reply = stream_reply(r->to, "text/event-stream");
    reply_header(reply, "Cache-Control", "no-store");
    exchange_answer_suspended(x, reply);
    event_stream_start(v->config.pool, v->config.loop, &r->from, upstream_over);
}

void v1_answer_stream(struct exchange *x, struct v1_record *r)
{
    struct v1_run *run = r->run;
    struct error e;
    if (run->at == V1_OVER) {
        answer_all(x, run);
    } else if (run->stream_url) {
        relay(x, run);
    } else {
        error_set(&e, ERR_NOT_FOUND, "This prediction has no events");
        v1_answer_error(x, &e);
    }
}

void v1_end_relays(struct v1 *v)
{
    LIST_FOREACH_SAFE (node, &v->relays) {
        op_cancel(&CONTAINER_OF(node, struct relay, node)->from.op);
    }
}
