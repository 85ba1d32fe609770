/* events.h: what has happened to a job, for those who listen and for those who come back.
 *
 * The last JOB_EVENTS_MAX events of a job are kept, with numbers from 1. A listener is told each new one;
 * job_events_replay tells it those after a number first. Events are immutable blobs of JSON, {"id","event",
 * "job_id","time_ms","data"}, shared by all listeners. Core thread. */
#pragma once

#include <stdint.h>

#include "base/blob.h"
#include "base/buf.h"
#include "base/list.h"

enum { JOB_EVENTS_MAX = 1024, JOB_EVENT_BYTES_MAX = 512 << 10 };

struct job;

struct job_event {
    uint64_t id;
    const char *name; /* static: "queued", "started", "progress", "completed", "failed", "canceled" */
    struct blob *json;
};

struct job_listener {
    struct list node;
    void (*told)(struct job_listener *l, const struct job_event *event); /* may not let go of the listener */
};

struct job_events {
    struct job_event *ring;
    unsigned room, count, first;
    uint64_t next_id;
    struct list listeners;
};

bool job_event_is_last(const struct job_event *event); /* the job is over with it */
void job_events_init(struct job_events *e);
void job_events_release(struct job_events *e); /* nobody listens any more */
/* What the job says of itself now is the event: while it goes on, its state and progress; of the last one,
 * all. */
void job_events_add(struct job *job, const char *name);
void job_events_replay(const struct job_events *e, uint64_t after, struct job_listener *l);
size_t job_events_bytes(const struct job_events *e); /* of all that are kept */
void job_events_listen(struct job_events *e, struct job_listener *l);
void job_events_leave(struct job_listener *l); /* accepts one that does not listen */
