#include "jobs/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "jobs/job.h"

enum { ROOM_FIRST = 8 };

bool job_event_is_last(const struct job_event *event)
{
    static const char *const last[] = {"completed", "failed", "canceled"};
    for (size_t i = 0; i < ARRAY_LEN(last); i++)
        if (strcmp(event->name, last[i]) == 0)
            return true;
    return false;
}

void job_events_init(struct job_events *e)
{
    list_init(&e->listeners);
    e->next_id = 1;
}

void job_events_release(struct job_events *e)
{
    for (unsigned i = 0; i < e->count; i++)
        blob_unref(e->ring[(e->first + i) % e->room].json);
    free(e->ring);
}

/* It grows to JOB_EVENTS_MAX, and goes round from then on; before that, first is 0. */
static struct job_event *place(struct job_events *e)
{
    if (e->count == e->room && e->room < JOB_EVENTS_MAX) {
        e->room = e->room ? e->room * 2 : ROOM_FIRST;
        e->ring = mem_realloc(e->ring, e->room * sizeof(*e->ring));
    }
    if (e->count < e->room)
        return &e->ring[(e->first + e->count++) % e->room];
    struct job_event *oldest = &e->ring[e->first];
    e->first = (e->first + 1) % e->room;
    blob_unref(oldest->json);
    return oldest;
}

/* There are many on the way: they say what changes. The last one says all. */
static void put_data(struct buf *b, const struct job *job)
{
    if (job_is_over(job)) {
        job_put(b, job, job->base_url);
        return;
    }
    json_out_begin(b, '{');
    json_out_text(b, "state", job_state_name(job));
    job_put_progress(b, job);
    json_out_end(b, '}');
}

static struct blob *envelope(const struct job *job, uint64_t id, const char *name)
{
    BUF_ON_EXIT struct buf text;
    buf_init(&text, JOB_EVENT_BYTES_MAX);
    json_out_begin(&text, '{');
    json_out_int(&text, "id", (int64_t)id);
    json_out_text(&text, "event", name);
    json_out_text(&text, "job_id", job->id);
    json_out_int(&text, "time_ms", (int64_t)clock_wall_ms());
    json_out_key(&text, "data");
    put_data(&text, job);
    json_out_end(&text, '}');
    return buf_take_blob(&text);
}

void job_events_add(struct job *job, const char *name)
{
    struct job_events *e = &job->events;
    struct job_event event = {e->next_id++, name, NULL};
    event.json = envelope(job, event.id, name);
    *place(e) = event;
    LIST_FOREACH_SAFE (node, &e->listeners) {
        struct job_listener *l = CONTAINER_OF(node, struct job_listener, node);
        l->told(l, &event);
    }
}

void job_events_replay(const struct job_events *e, uint64_t after, struct job_listener *l)
{
    /* It counted in an earlier process, of which nothing is left but the end. */
    if (after >= e->next_id || (e->count == 1 && job_event_is_last(&e->ring[e->first])))
        after = 0;
    for (unsigned i = 0; i < e->count; i++) {
        const struct job_event *event = &e->ring[(e->first + i) % e->room];
        if (event->id > after)
            l->told(l, event);
    }
}

size_t job_events_bytes(const struct job_events *e)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < e->count; i++)
        bytes += e->ring[(e->first + i) % e->room].json->size;
    return bytes;
}

void job_events_listen(struct job_events *e, struct job_listener *l)
{
    list_push_back(&e->listeners, &l->node);
}

void job_events_leave(struct job_listener *l)
{
    list_remove(&l->node);
}
