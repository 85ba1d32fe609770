/* What is told of a batch. */
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "jobs/batch_own.h"

enum { REFUSED_SHOWN = 20 };

static unsigned counted(const struct batch *b, enum item_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->count; i++)
        n += b->item[i].state == state;
    return n;
}

static unsigned refused_items(const struct batch *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->count; i++)
        n += b->item[i].refused != ERR_NONE;
    return n;
}

json_t *job_batch_entries(const struct job *job)
{
    json_t *doc = json_loads(job->request, 0, NULL);
    json_t *entries = json_incref(json_object_get(doc, "entries"));
    json_decref(doc);
    return entries;
}

const char *job_batch_name(const json_t *entries, int64_t index)
{
    if (index < 0)
        return NULL;
    return json_string_value(json_object_get(json_array_get(entries, (size_t)index), "name"));
}

static void put_refused(struct buf *out, const struct batch *b, unsigned i)
{
    const char *name = b->zip ? job_batch_name(b->items, i) : NULL;
    json_out_begin(out, '{');
    json_out_int(out, "index", i);
    if (name)
        json_out_text(out, "name", name);
    json_out_text(out, "code", err_row(b->item[i].refused)->code);
    json_out_text(out, "message", err_row(b->item[i].refused)->message);
    json_out_end(out, '}');
}

static void put_counts(struct buf *out, const struct batch *b)
{
    json_out_int(out, "total", b->count);
    json_out_int(out, "completed", counted(b, ITEM_COMPLETED));
    json_out_int(out, "failed", counted(b, ITEM_FAILED));
    json_out_int(out, "canceled", counted(b, ITEM_CANCELED));
    if (b->zip)
        json_out_int(out, "passed_over", b->passed_over);
    json_out_int(out, "refused_total", refused_items(b));
    json_out_key(out, "refused"); /* the first of them */
    json_out_begin(out, '[');
    for (unsigned i = 0, shown = 0; i < b->count && shown < REFUSED_SHOWN; i++) {
        if (b->item[i].refused == ERR_NONE)
            continue;
        shown++;
        put_refused(out, b, i);
    }
    json_out_end(out, ']');
}

void job_batch_counts_json(const struct job *job, struct buf *ret)
{
    json_out_begin(ret, '{');
    put_counts(ret, job->batch);
    json_out_end(ret, '}');
}

void job_batch_put(struct buf *out, const struct job *job)
{
    json_out_key(out, "batch");
    if (!job->batch) { /* over, and read from the journal */
        buf_puts(out, job->outcome.meta ? job->outcome.meta : "{}");
        return;
    }
    job_batch_counts_json(job, out);
}
