#include "predict/replicate_stream.h"

#include <string.h>

#include "base/utf8.h"
#include "predict/replicate_json.h"

void replicate_stream_init(struct replicate_stream *s, size_t text_max)
{
    *s = (struct replicate_stream){0};
    buf_init(&s->text, text_max);
}

void replicate_stream_release(struct replicate_stream *s)
{
    buf_release(&s->text);
}

static bool take_output(struct replicate_stream *s, const struct sse_event *event)
{
    s->pieces++;
    s->cut |= buf_append(&s->text, event->data, event->size) < 0;
    return false;
}

/* More may come, `done` at least; only it ends the stream. */
static bool take_error(struct replicate_stream *s, const struct sse_event *event)
{
    JSON_ON_EXIT json_t *said = replicate_json_read(event->data, event->size);
    const char *detail = replicate_json_text(said, "detail");
    error_set(&s->err, ERR_UPSTREAM, "%s", *detail ? detail : event->data);
    utf8_clean(s->err.reason);
    return false;
}

static bool take_done(struct replicate_stream *s, const struct sse_event *event)
{
    JSON_ON_EXIT json_t *said = replicate_json_read(event->data, event->size);
    const char *why = replicate_json_text(said, "reason");
    bool failed = strcmp(why, "error") == 0 || s->err.code != ERR_NONE;
    s->end = strcmp(why, "canceled") == 0 ? REPLICATE_STREAM_CANCELED
             : failed                     ? REPLICATE_STREAM_FAILED
                                          : REPLICATE_STREAM_DONE;
    return true;
}

bool replicate_stream_event(struct replicate_stream *s, const struct sse_event *event)
{
    static const struct {
        const char *type;
        bool (*take)(struct replicate_stream *s, const struct sse_event *event);
    } rows[] = {{"output", take_output}, {"error", take_error}, {"done", take_done}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strcmp(event->type, rows[i].type) == 0)
            return rows[i].take(s, event);
    return false; /* logs, comments, and what may be added one day */
}
