/* Happy path: the first question posts a message; the core takes all questions there are, paints, and tells
 * each. Failure modes: a core that is busy answers when it gets to it, like everything it does. Invariants:
 * asked is true exactly while a message is under way or the timer is armed, so there is never a second
 * message; nothing is posted once closed, as both are decided under the mutex; last is set once, when it
 * closes. */
#include "app_status.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "request/flights.h"
#include "request/stage.h"

enum { SHOWN_MAX = 100 };

struct app_status {
    struct services *svc;
    struct message mail;
    struct timer pause;
    uint64_t painted_ns; /* the core's */
    pthread_mutex_t mutex;
    struct list questions;
    bool asked;        /* the core knows that there are some */
    struct blob *last; /* not NULL: closed */
};

struct app_status *app_status_new(struct services *svc)
{
    struct app_status *s = NEW(struct app_status);
    s->svc = svc;
    list_init(&s->questions);
    pthread_mutex_init(&s->mutex, NULL);
    return s;
}

void app_status_free(struct app_status *s)
{
    if (!s)
        return;
    CHECK(list_empty(&s->questions));
    pthread_mutex_destroy(&s->mutex);
    blob_unref(s->last);
    free(s);
}

static json_t *paint_limiter(const struct limiter *l)
{
    return json_pack("{s:s,s:I,s:I,s:I}", "name", l->name, "slots", (json_int_t)l->slots, "running",
                     (json_int_t)l->running, "waiting", (json_int_t)l->waiting);
}

static json_t *paint_request(const struct request *req, uint64_t now)
{
    json_t *r = json_pack("{s:s,s:s,s:s,s:I}", "id", req->id, "feature", req->feature->name, "stage",
                          stages[req->at].name, "age_ms",
                          (json_int_t)((now - req->entered_ns[STAGE_RECEIVE]) / NS_PER_MS));
    if (req->run.total)
        json_object_set_new(r, "progress",
                            json_pack("{s:i,s:i}", "done", (int)req->run.done, "total", (int)req->run.total));
    if (!req->client)
        json_object_set_new(r, "client_left", json_true());
    return r;
}

static struct blob *paint(struct services *svc)
{
    json_t *requests = json_array(), *limiters = json_array();
    uint64_t now = loop_now_ns(svc->loop);
    unsigned shown = 0;
    LIST_FOREACH (node, &svc->live) {
        if (shown++ == SHOWN_MAX)
            break;
        json_array_append_new(requests, paint_request(CONTAINER_OF(node, struct request, node), now));
    }
    for (int c = 0; c < CLASS_COUNT; c++)
        json_array_append_new(limiters, paint_limiter(svc->class_limiter[c]));
    json_array_append_new(limiters, paint_limiter(svc->local_limiter));
    json_array_append_new(limiters, paint_limiter(svc->step_limiter));
    json_array_append_new(limiters, paint_limiter(svc->fetch_limiter));
    json_t *doc =
        json_pack("{s:I,s:I,s:I,s:o,s:o}", "open", (json_int_t)atomic_load(&svc->open), "flights",
                  (json_int_t)flights_count(svc->flights), "followers",
                  (json_int_t)flights_followers(svc->flights), "limiters", limiters, "requests", requests);
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    CHECK(text);
    return blob_take(text, strlen(text), free);
}

/* last: NULL, or what everybody is told from now on. */
static void take_questions(struct app_status *s, struct blob *last, struct list *ret)
{
    struct list *node;
    list_init(ret);
    pthread_mutex_lock(&s->mutex);
    s->asked = false;
    s->last = last;
    while ((node = list_pop_front(&s->questions)))
        list_push_back(ret, node);
    pthread_mutex_unlock(&s->mutex);
}

static void tell(struct list *questions, struct blob *picture)
{
    struct list *node;
    while ((node = list_pop_front(questions))) {
        struct status_question *q = CONTAINER_OF(node, struct status_question, node);
        q->told(q, picture);
    }
}

/* What comes after the questions have been taken gets a later picture. */
static void answer(struct app_status *s)
{
    struct list questions;
    take_questions(s, NULL, &questions);
    BLOB_ON_EXIT struct blob *picture = paint(s->svc);
    s->painted_ns = loop_now_ns(s->svc->loop);
    tell(&questions, picture);
}

static void on_pause_over(struct timer *t)
{
    answer(CONTAINER_OF(t, struct app_status, pause));
}

static void on_asked(struct message *m)
{
    struct app_status *s = CONTAINER_OF(m, struct app_status, mail);
    if (s->last) /* closed while it was under way: all have been told */
        return;
    uint64_t from = s->painted_ns + STATUS_PAUSE_MS * NS_PER_MS;
    if (s->painted_ns && loop_now_ns(s->svc->loop) < from)
        timer_arm(s->svc->loop, &s->pause, from, on_pause_over);
    else
        answer(s);
}

void app_status_ask(struct app_status *s, struct status_question *q)
{
    pthread_mutex_lock(&s->mutex);
    struct blob *last = s->last;
    if (!last) {
        list_push_back(&s->questions, &q->node);
        if (!s->asked)
            loop_post(s->svc->loop, &s->mail, on_asked);
        s->asked = true;
    }
    pthread_mutex_unlock(&s->mutex);
    if (last)
        q->told(q, last);
}

void app_status_close(struct app_status *s)
{
    struct list questions;
    if (s->last)
        return;
    timer_disarm(s->svc->loop, &s->pause);
    struct blob *picture = paint(s->svc);
    take_questions(s, picture, &questions);
    tell(&questions, picture);
}
