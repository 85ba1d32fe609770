/* GET /ws: one connection for the events of many jobs.
 *
 * A client sends {"type":"subscribe","job_id":…,"after"?:n}, "unsubscribe" or "cancel" with a job_id, or
 * "ping"; it gets the events as /api/jobs/{id}/events tells them,
 * {"type":"subscribed"|"unsubscribed"|"pong"}, and
 * {"type":"error","code","message","job_id"?} for what cannot be done; the connection goes on then. A job
 * that is over and out of memory is NOT_FOUND here: its status has an address of its own. Invariants: a
 * subscription is in its socket's list and listens to its job, until the job is over or it is ended. Core
 * thread, but for jobs_socket. */
#include "jobs/socket.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "jobs/pages.h"

enum { SUBSCRIPTIONS_MAX = 256, WORDS_MAX = 4096, MESSAGE_MAX = 4096, PING_S = 15, RATE = 300 };

struct socket {
    struct jobs *jobs;
    struct websocket *ws;
    struct list subscriptions;
    unsigned count;
};

struct subscription {
    struct list node;
    struct socket *socket;
    char job_id[UUID_TEXT];
    struct job_listener listener;
};

/* ---- what is sent ---- */

static void say(struct socket *s, const char *type, const char *job_id, const struct error *e)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, WORDS_MAX);
    json_out_begin(&text, '{');
    json_out_text(&text, "type", type);
    if (e) {
        json_out_text(&text, "code", err_row(e->code)->code);
        json_out_text(&text, "message", *e->reason ? e->reason : err_row(e->code)->message);
    }
    if (job_id)
        json_out_text(&text, "job_id", job_id);
    json_out_end(&text, '}');
    websocket_send(s->ws, buf_text(&text), text.len);
}

static void refuse(struct socket *s, const char *job_id, enum err code, const char *why)
{
    struct error e;
    error_set(&e, code, "%s", why);
    say(s, "error", job_id, &e);
}

static void end(struct subscription *sub)
{
    job_events_leave(&sub->listener);
    list_remove(&sub->node);
    sub->socket->count--;
    free(sub);
}

static void told(struct job_listener *l, const struct job_event *event)
{
    struct subscription *sub = CONTAINER_OF(l, struct subscription, listener);
    websocket_send(sub->socket->ws, (const char *)event->json->data, event->json->size);
    if (job_event_is_last(event))
        job_events_leave(l); /* the job need not be kept for it */
}

/* ---- what comes ---- */

static struct subscription *find(const struct socket *s, const char *job_id)
{
    LIST_FOREACH (node, &s->subscriptions) {
        struct subscription *sub = CONTAINER_OF(node, struct subscription, node);
        if (strcmp(sub->job_id, job_id) == 0)
            return sub;
    }
    return NULL;
}

static void subscribe(struct socket *s, struct job *job, const json_t *message)
{
    json_int_t after = json_integer_value(json_object_get(message, "after"));
    if (find(s, job->id))
        return;
    if (s->count == SUBSCRIPTIONS_MAX) {
        refuse(s, job->id, ERR_OVERLOADED, "There are too many subscriptions on this connection");
        return;
    }
    struct subscription *sub = NEW(struct subscription);
    sub->socket = s;
    memcpy(sub->job_id, job->id, sizeof(sub->job_id));
    sub->listener.told = told;
    list_push_back(&s->subscriptions, &sub->node);
    s->count++;
    say(s, "subscribed", job->id, NULL);
    job_events_replay(&job->events, after > 0 ? (uint64_t)after : 0, &sub->listener);
    if (!job_is_over(job))
        job_events_listen(&job->events, &sub->listener);
}

static void unsubscribe(struct socket *s, struct job *job, const json_t *message)
{
    struct subscription *sub = find(s, job->id);
    (void)message;
    if (sub)
        end(sub);
    say(s, "unsubscribed", job->id, NULL);
}

static void cancel(struct socket *s, struct job *job, const json_t *message)
{
    (void)s, (void)message;
    job_cancel(job);
}

static const struct {
    const char *type;
    void (*act)(struct socket *s, struct job *job, const json_t *message);
} acts[] = {{"subscribe", subscribe}, {"unsubscribe", unsubscribe}, {"cancel", cancel}};

static void obey(struct socket *s, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *id = json_string_value(json_object_get(message, "job_id"));
    if (type && strcmp(type, "ping") == 0) {
        say(s, "pong", NULL, NULL);
        return;
    }
    for (size_t i = 0; type && id && i < ARRAY_LEN(acts); i++) {
        if (strcmp(acts[i].type, type) != 0)
            continue;
        struct job *job = job_find(s->jobs, id);
        if (job && job_is_for(job, websocket_who(s->ws)))
            acts[i].act(s, job, message);
        else
            refuse(s, id, ERR_NOT_FOUND, "There is no such job under way");
        return;
    }
    refuse(s, NULL, ERR_VALIDATION,
           "Expected is a JSON object with a type (subscribe, unsubscribe or cancel) and a job_id");
}

static void opened(void *ctx, struct websocket *w)
{
    struct socket *s = NEW(struct socket);
    s->jobs = ctx;
    s->ws = w;
    list_init(&s->subscriptions);
    websocket_set_state(w, s);
}

static void text(void *ctx, struct websocket *w, const char *words, size_t size)
{
    (void)ctx;
    json_t *message = json_loadb(words, size, JSON_REJECT_DUPLICATES, NULL);
    obey(websocket_state(w), message);
    json_decref(message);
}

static void closed(void *ctx, struct websocket *w)
{
    struct socket *s = websocket_state(w);
    (void)ctx;
    LIST_FOREACH_SAFE (node, &s->subscriptions) {
        end(CONTAINER_OF(node, struct subscription, node));
    }
    free(s);
}

void jobs_socket(void *jobs, struct exchange *x, const char *who)
{
    struct jobs *j = jobs;
    websocket_accept(j->sockets, x, who);
}

struct websockets *jobs_sockets_new(struct jobs *j)
{
    const struct options *opt = j->svc->opt;
    return websockets_new(&(struct websockets_config){
        .uv = j->svc->uv,
        .origins = opt->cors_origins,
        .message_max = MESSAGE_MAX,
        .queue_max = (size_t)opt->stream_queue_bytes,
        .rate = RATE,
        .ping_s = PING_S,
        .connections_max = (unsigned)opt->websockets_max,
        .opened = opened,
        .text = text,
        .closed = closed,
        .ctx = j,
    });
}
