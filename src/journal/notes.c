#include "journal/notes.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

static const char *id_of(const struct journal_item *item)
{
    if (item->kind == ITEM_NOTE)
        return CONTAINER_OF((struct journal_item *)(uintptr_t)item, struct journal_note, item)->id;
    CHECK(item->kind == ITEM_INSERT || item->kind == ITEM_INTENT);
    return CONTAINER_OF((struct journal_item *)(uintptr_t)item, struct journal_write, item)->row->id;
}

struct journal_note *note_new(const char *id)
{
    struct journal_note *n = NEW(struct journal_note);
    CHECK(strlen(id) <= JOURNAL_ID_MAX);
    snprintf(n->id, sizeof(n->id), "%s", id);
    n->item.kind = ITEM_NOTE;
    n->state = n->started_ms = n->ended_ms = n->cost_nano = n->callback_due_ms = -1;
    return n;
}

void note_free(struct journal_note *n)
{
    free(n->prediction);
    free(n->input_url);
    free(n->result);
    free(n->error);
    free(n->callback_log);
    free(n);
}

static void put_text(char **at, char **later)
{
    if (!*later)
        return;
    free(*at);
    *at = TAKE(*later);
}

static void put_number(int64_t *at, int64_t later)
{
    *at = later >= 0 ? later : *at;
}

void note_merge(struct journal_note *n, struct journal_note *later)
{
    n->remove |= later->remove;
    n->drop_steps |= later->drop_steps;
    if (n->started_ms < 0) /* it began once */
        n->started_ms = later->started_ms;
    put_number(&n->state, later->state);
    put_number(&n->ended_ms, later->ended_ms);
    put_number(&n->cost_nano, later->cost_nano);
    put_text(&n->prediction, &later->prediction);
    put_text(&n->input_url, &later->input_url);
    put_text(&n->result, &later->result);
    put_text(&n->error, &later->error);
    put_number(&n->callback_due_ms, later->callback_due_ms);
    put_text(&n->callback_log, &later->callback_log);
}

/* ---- the map ---- */

static unsigned bucket_of(const char *id)
{
    uint32_t hash = hash_text(id); /* ids are random, or a caller's that hurts only itself */
    return (hash ^ hash >> 16) % NOTES_BUCKETS;
}

void notes_init(struct notes *m)
{
    for (unsigned i = 0; i < NOTES_BUCKETS; i++)
        list_init(&m->bucket[i]);
}

void notes_add(struct notes *m, struct journal_item *item)
{
    list_push_front(&m->bucket[bucket_of(id_of(item))], &item->by_id);
}

void notes_add_first(struct notes *m, struct journal_item *item)
{
    list_push_back(&m->bucket[bucket_of(id_of(item))], &item->by_id);
}

void notes_drop(struct journal_item *item)
{
    list_remove(&item->by_id);
}

struct journal_item *notes_newest(const struct notes *m, const char *id)
{
    const struct list *head = &m->bucket[bucket_of(id)];
    for (struct list *node = head->next; node != head; node = node->next) {
        struct journal_item *item = CONTAINER_OF(node, struct journal_item, by_id);
        if (strcmp(id_of(item), id) == 0)
            return item;
    }
    return NULL;
}

struct journal_item *notes_oldest(const struct notes *m, const char *id)
{
    const struct list *head = &m->bucket[bucket_of(id)];
    for (struct list *node = head->prev; node != head; node = node->prev) {
        struct journal_item *item = CONTAINER_OF(node, struct journal_item, by_id);
        if (strcmp(id_of(item), id) == 0)
            return item;
    }
    return NULL;
}
