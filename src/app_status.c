#include "app_status.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "request/flights.h"
#include "request/stage.h"

enum { SHOWN_MAX = 100, LOOKING_NS_S = 5 };

struct app_status {
    pthread_mutex_t mutex;
    char *picture;     /* JSON; NULL: none yet */
    uint64_t asked_ns; /* when somebody looked last; 0: never */
};

struct app_status *app_status_new(void)
{
    struct app_status *s = NEW(struct app_status);
    pthread_mutex_init(&s->mutex, NULL);
    return s;
}

void app_status_free(struct app_status *s)
{
    if (!s)
        return;
    pthread_mutex_destroy(&s->mutex);
    free(s->picture);
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

static char *paint(struct services *svc)
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
    json_t *doc =
        json_pack("{s:I,s:I,s:I,s:o,s:o}", "open", (json_int_t)atomic_load(&svc->open), "flights",
                  (json_int_t)flights_count(svc->flights), "followers",
                  (json_int_t)flights_followers(svc->flights), "limiters", limiters, "requests", requests);
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    return text;
}

void app_status_publish(struct app_status *s, struct services *svc)
{
    uint64_t now = clock_mono_ns();
    pthread_mutex_lock(&s->mutex);
    bool looking = s->asked_ns && now - s->asked_ns < LOOKING_NS_S * NS_PER_S;
    pthread_mutex_unlock(&s->mutex);
    if (!looking)
        return;
    char *picture = paint(svc);
    pthread_mutex_lock(&s->mutex);
    char *old = s->picture;
    s->picture = picture;
    pthread_mutex_unlock(&s->mutex);
    free(old);
}

void app_status_read(struct app_status *s, struct buf *out)
{
    pthread_mutex_lock(&s->mutex);
    s->asked_ns = clock_mono_ns();
    buf_puts(out, s->picture ? s->picture : "{\"requests\":[]}");
    pthread_mutex_unlock(&s->mutex);
}
