#include "history/batch.h"

#include <string.h>

#include "tables/error.h"

/* What older programs have left is read, too. */
enum { FORMAT_TIMES = 1, FORMAT_MONEY = 2, FORMAT = FORMAT_MONEY };

static void put_text(struct buf *out, const char *text)
{
    wire_put_bytes(out, text, strlen(text));
}

void batch_begin(struct buf *out, const struct batch_head *head)
{
    wire_put(out, FORMAT);
    put_text(out, head->source);
    wire_put(out, head->number);
    wire_put(out, (uint64_t)head->at);
}

void batch_put(struct buf *out, const struct batch_row *row)
{
    put_text(out, row->feature);
    put_text(out, row->provider);
    put_text(out, row->outcome);
    wire_put(out, row->requests);
    wire_put(out, row->latency_us);
    wire_put(out, row->provider_us);
    wire_put_bytes(out, row->latency, row->latency_size);
    wire_put_bytes(out, row->overhead, row->overhead_size);
    wire_put_bytes(out, row->provided, row->provided_size);
    wire_put(out, row->cost_nano);
    wire_put(out, row->saved_nano);
}

static void get_text(struct wire *w, char *ret, size_t room)
{
    size_t size;
    const uint8_t *text = wire_get_bytes(w, &size);
    if (size >= room)
        w->failed = true;
    size = MIN(size, room - 1);
    if (size)
        memcpy(ret, text, size);
    ret[size] = '\0';
}

int batch_read(struct batch_reader *r, const void *bytes, size_t size)
{
    r->wire = (struct wire){bytes, (const uint8_t *)bytes + size, false};
    r->format = wire_get(&r->wire);
    if (r->format < FORMAT_TIMES || r->format > FORMAT)
        return -ERR_INTERNAL;
    get_text(&r->wire, r->head.source, sizeof(r->head.source));
    r->head.number = wire_get(&r->wire);
    r->head.at = (int64_t)wire_get(&r->wire);
    return r->wire.failed ? -ERR_INTERNAL : 0;
}

int batch_next(struct batch_reader *r, struct batch_row *ret)
{
    struct wire *w = &r->wire;
    if (!w->failed && w->at == w->end)
        return 0;
    get_text(w, ret->feature, sizeof(ret->feature));
    get_text(w, ret->provider, sizeof(ret->provider));
    get_text(w, ret->outcome, sizeof(ret->outcome));
    ret->requests = wire_get(w);
    ret->latency_us = wire_get(w);
    ret->provider_us = wire_get(w);
    ret->latency = wire_get_bytes(w, &ret->latency_size);
    ret->overhead = wire_get_bytes(w, &ret->overhead_size);
    ret->provided = wire_get_bytes(w, &ret->provided_size);
    ret->cost_nano = r->format >= FORMAT_MONEY ? wire_get(w) : 0;
    ret->saved_nano = r->format >= FORMAT_MONEY ? wire_get(w) : 0;
    return w->failed ? -ERR_INTERNAL : 1;
}
