/* A story's name in the store: comics/{story_id}/, which nobody else's pages may be in.
 *
 * Happy path: the slug is not in use in this process, there is neither a first page nor a note in the store;
 * the note (story.json, with who makes it) is put, and the name is ours. All that goes on while panels are
 * drawn. Once all storyboards are known the note is put again with all that is said in the story. Failure
 * modes: the name is taken: the next one has a suffix, which follows from who makes it; a note of the same
 * maker is an earlier process's, whose pages are replaced, or removed if this one fails. Two gateways that
 * look in the same tenth of a second for the same name may both get it: then both notes and pages are the
 * later one's. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/digest.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "comic/comic_own.h"

#define NOTE "story.json"

enum { NOTE_MAX = 1 << 20, TRIES = 8, SUFFIX = 6 };

void comic_names_init(struct comic_names *n)
{
    list_init(&n->used);
}

static void look(struct comic *c);

static bool in_use(const struct comic *c, const char *id)
{
    LIST_FOREACH (node, &c->config.names->used)
        if (strcmp(CONTAINER_OF(node, struct comic_name, node)->id, id) == 0)
            return true;
    return false;
}

/* The slug itself, then with hexadecimal digits that follow from who makes it and how often was tried. */
static const char *candidate(struct comic *c, const char *slug, unsigned tries)
{
    uint8_t sum[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    if (tries == 0)
        return arena_strdup(&c->arena, slug);
    const char *seed = arena_printf(&c->arena, "%s %u", c->ask.made_by, tries);
    digest_of(seed, strlen(seed), sum);
    hex_encode(sum, sizeof(sum), hex);
    return arena_printf(&c->arena, "%s-%.*s", slug, SUFFIX, hex);
}

static void take_next(struct comic *c)
{
    const char *slug = c->has_outline ? c->outline.story_id : story_slug(c->ask.story.prompt, &c->arena);
    struct error e;
    list_remove(&c->claim.name.node);
    do {
        c->claim.name.id = c->claim.tries < TRIES ? candidate(c, slug, c->claim.tries) : NULL;
        c->claim.tries++;
    } while (c->claim.name.id && in_use(c, c->claim.name.id));
    if (!c->claim.name.id) {
        error_set(&e, ERR_STORAGE_FAILED, "No name for the story is free");
        comic_fail(c, &e);
        return;
    }
    list_push_back(&c->config.names->used, &c->claim.name.node);
    look(c);
}

/* Much was paid for, or will be: a store that is busy is asked again. */
static bool rests(struct comic *c, int result)
{
    c->claim.rests = result == -ERR_QUEUE_FULL;
    if (c->claim.rests)
        comic_later(c);
    return c->claim.rests;
}

static void note_put(struct op *op);

static void put_again(struct comic *c)
{
    c->claim.put = (struct store_put){.key = c->claim.key,
                                      .content_type = "application/json",
                                      .body = c->claim.body,
                                      .limit_ms = c->config.store_limit_ms};
    comic_begin(c);
    store_put_start(c->config.store, &c->claim.put, note_put);
}

static void put_note(struct comic *c, struct buf *text)
{
    blob_unref(c->claim.body);
    c->claim.body = buf_take_blob(text);
    put_again(c);
}

static void note_put(struct op *op)
{
    struct comic *c = CONTAINER_OF(op, struct comic, claim.put.op);
    c->claim.stored |= op->result == 0;
    if (!comic_back(c) || rests(c, op->result))
        return;
    if (op->result < 0) {
        const struct error e = c->claim.put.err;
        comic_fail(c, &e);
        return;
    }
    c->claim.told = c->claim.at == CLAIM_TELLS;
    c->claim.at = CLAIM_DONE;
    comic_go_on(c);
}

static void claim(struct comic *c)
{
    struct buf text;
    buf_init(&text, NOTE_MAX);
    json_out_begin(&text, '{');
    json_out_text(&text, "story_id", c->claim.name.id);
    json_out_text(&text, "made_by", c->ask.made_by);
    json_out_end(&text, '}');
    c->claim.at = CLAIM_PUTS;
    snprintf(c->claim.key, sizeof(c->claim.key), "comics/%.200s/%s", c->claim.name.id, NOTE);
    put_note(c, &text);
}

void comic_claim_tell(struct comic *c)
{
    bool known = c->claim.at == CLAIM_DONE && !c->claim.told;
    for (unsigned i = 0; i < c->ask.story.pages; i++)
        known &= c->page[i].has_board;
    if (!known)
        return;
    struct buf text;
    buf_init(&text, NOTE_MAX);
    FREE_ON_EXIT char *detail = comic_detail_make(c);
    buf_printf(&text, "{\"made_by\":\"%s\",%s", c->ask.made_by, detail + 1);
    c->claim.at = CLAIM_TELLS;
    put_note(c, &text);
}

/* ---- is it free ---- */

static void look_for(struct comic *c, const char *file, enum claim_at at);

static bool is_ours(const struct comic *c, const struct blob *note)
{
    size_t len = strlen(c->ask.made_by);
    return len > 0 && note && memmem(note->data, note->size, c->ask.made_by, len);
}

/* Older programs have put pages there without a note. */
static void judge(struct comic *c, int result, const struct blob *note)
{
    const struct error e = c->claim.get.err;
    c->claim.found = c->claim.stored = result == 0 && is_ours(c, note);
    if (result == -ERR_NOT_FOUND && c->claim.at == CLAIM_LOOKS_FOR_NOTE)
        look_for(c, "page-1.png", CLAIM_LOOKS_FOR_PAGE);
    else if (result == -ERR_NOT_FOUND || c->claim.found)
        claim(c);
    else if (result == 0 || result == -ERR_PAYLOAD_TOO_LARGE)
        take_next(c);
    else
        comic_fail(c, &e);
}

static void looked(struct op *op)
{
    struct comic *c = CONTAINER_OF(op, struct comic, claim.get.op);
    BLOB_ON_EXIT struct blob *note = TAKE(c->claim.get.body);
    if (comic_back(c) && !rests(c, op->result))
        judge(c, op->result, note);
}

static void look_for(struct comic *c, const char *file, enum claim_at at)
{
    snprintf(c->claim.key, sizeof(c->claim.key), "comics/%.200s/%s", c->claim.name.id, file);
    c->claim.get = (struct store_get){.name = c->claim.key, .max_bytes = NOTE_MAX};
    c->claim.at = at;
    comic_begin(c);
    if (at == CLAIM_LOOKS_FOR_NOTE)
        store_get_start(c->config.store, &c->claim.get, looked);
    else
        store_head_start(c->config.store, &c->claim.get, looked);
}

static void look(struct comic *c)
{
    if (c->config.store->ops->get)
        look_for(c, NOTE, CLAIM_LOOKS_FOR_NOTE);
    else
        claim(c); /* it cannot be read: it is the caller's own */
}

/* ---- from outside ---- */

bool comic_claim_is_ours(const struct comic *c)
{
    return c->claim.at == CLAIM_DONE || c->claim.at == CLAIM_TELLS;
}

bool comic_claim_was_ours(const struct comic *c)
{
    return c->claim.found;
}

void comic_claim_start(struct comic *c)
{
    take_next(c);
}

static void start_again(struct comic *c)
{
    c->claim.get.err = c->claim.put.err = (struct error){0};
    if (c->claim.at == CLAIM_PUTS || c->claim.at == CLAIM_TELLS)
        put_again(c);
    else
        look_for(c, c->claim.at == CLAIM_LOOKS_FOR_NOTE ? NOTE : "page-1.png", c->claim.at);
}

void comic_claim_again(struct comic *c)
{
    if (!c->claim.rests)
        return;
    c->claim.rests = false;
    start_again(c);
}

void comic_claim_cancel(struct comic *c)
{
    op_cancel(&c->claim.get.op);
    op_cancel(&c->claim.put.op);
}

void comic_claim_undo(struct comic *c)
{
    struct store *store = c->config.store;
    int r = c->claim.stored ? store->ops->remove(store, c->claim.key) : 0;
    (void)r; /* best effort: an unlisted object harms nobody */
    c->claim.stored = false;
}

void comic_claim_release(struct comic *c)
{
    list_remove(&c->claim.name.node);
    blob_unref(TAKE(c->claim.body));
}
