/* Listing the bucket: ListObjectsV2, page after page on one call, until the last or until there is enough.
 *
 * Failure modes: a page that cannot be had or read fails the listing; so do a page that would begin where
 * another one has begun, and too many pages that bring nothing, as a server that goes round in circles would
 * otherwise be asked for ever.
 * What lies in folders named like days is jumped over, if that was asked for: once a page ends in one, the
 * next page is asked for from behind all of them ("clarity/20:" sorts behind clarity/2026-11-23/… and before
 * what begins with a letter), so that a bucket with a million results costs a handful of pages. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/s3_call.h"

enum { IDLE_PAGES_MAX = 100 }; /* that bring nothing */

struct s3_list {
    struct s3_call call;
    struct store_list *list;
    size_t room, idle_pages;
    char **seen; /* where the pages after the first begin: tokens, and names that were jumped to */
    size_t seen_count;
    bool jumped; /* the last of these is a name */
};

/* ---- the query ---- */

static void add_query(struct s3_call *c, const char *name, const char *value)
{
    c->query[c->query_count++] = (struct sigv4_pair){name, value};
}

static void ask_page(struct s3_list *w)
{
    struct s3_call *c = &w->call;
    c->query_count = 0;
    patience_begin(&c->patience, c->s3->retries, loop_now_ns(c->s3->store.loop), 0);
    add_query(c, "list-type", "2");
    add_query(c, "encoding-type", "url");
    if (*w->list->prefix)
        add_query(c, "prefix", w->list->prefix);
    if (w->seen_count > 0)
        add_query(c, w->jumped ? "start-after" : "continuation-token", w->seen[w->seen_count - 1]);
    s3_call_send(c);
}

/* ---- one page ---- */

static void add_object(struct s3_list *w, const struct s3_xml_object *o)
{
    struct store_listing *l = &w->list->listing;
    if (l->count == w->room) {
        w->room = w->room ? 2 * w->room : 256;
        l->object = mem_realloc(l->object, w->room * sizeof(*l->object));
    }
    l->object[l->count++] = (struct store_object){.name = arena_strdup(&l->arena, o->key),
                                                  .etag = arena_strdup(&l->arena, o->etag),
                                                  .size = o->size,
                                                  .modified_s = o->modified_s};
}

/* True when there are more than were asked for. */
static bool take_page(struct s3_list *w, const struct s3_xml_list *page)
{
    struct store_list *l = w->list;
    size_t before = l->listing.count;
    for (size_t i = 0; i < page->count; i++) {
        const char *key = page->object[i].key;
        if (!store_name_valid(key) || (l->skip_dated && store_name_day(key)))
            continue;
        if (l->listing.count == l->objects_max)
            return true;
        add_object(w, &page->object[i]);
    }
    w->idle_pages += l->listing.count == before;
    return false;
}

/* What sorts behind all of the days among which the page ended; NULL: it did not. */
static char *behind_days(const struct s3_xml_list *page)
{
    const char *last = page->count ? page->object[page->count - 1].key : "";
    const char *day = store_name_day(last);
    return day ? mem_printf("%.*s:", (int)(day - last) + 2, last) : NULL;
}

/* Once only; each is a place in the listing. */
static int remember(struct s3_list *w, const char *place)
{
    bool again = w->idle_pages > IDLE_PAGES_MAX;
    for (size_t i = 0; i < w->seen_count; i++)
        again |= strcmp(w->seen[i], place) == 0;
    if (again)
        return error_set(&w->call.err, ERR_STORAGE_FAILED, "%.64s lists the bucket \"%.64s\" without an end",
                         w->call.s3->host, w->call.s3->bucket);
    w->seen = mem_realloc(w->seen, (w->seen_count + 1) * sizeof(*w->seen));
    w->seen[w->seen_count++] = mem_strdup(place);
    return 0;
}

/* 0: it was the last one; 1: there is a next one to be asked for; negative: call.err is filled. */
static int read_page(struct s3_list *w)
{
    struct s3_xml_list page;
    struct http_call *http = &w->call.http;
    int r = s3_xml_read_list(http->answer.data, http->answer.len, &page, &w->call.err);
    if (r < 0)
        return r;
    w->list->listing.cut = take_page(w, &page);
    if (page.next_token && !w->list->listing.cut) {
        char *behind = w->list->skip_dated ? behind_days(&page) : NULL;
        r = remember(w, behind ? behind : page.next_token);
        w->jumped = behind != NULL;
        free(behind);
        r = r < 0 ? r : 1;
    }
    s3_xml_list_release(&page);
    return r;
}

/* ---- the operation ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct store_object *)a)->name, ((const struct store_object *)b)->name);
}

static void finish(struct s3_list *w, int r)
{
    struct store_list *l = w->list;
    if (r < 0) {
        r = s3_call_tell(&w->call, r, "The store could not be listed", &l->err);
        store_listing_release(&l->listing);
    } else if (l->listing.count > 0) {
        qsort(l->listing.object, l->listing.count, sizeof(*l->listing.object), by_name);
    }
    for (size_t i = 0; i < w->seen_count; i++)
        free(w->seen[i]);
    free(w->seen);
    l->driver_state = NULL;
    s3_call_release(&w->call);
    free(w);
    op_complete(&l->op, r);
}

static void page_done(struct s3_call *c, int r)
{
    struct s3_list *w = CONTAINER_OF(c, struct s3_list, call);
    if (r == 0)
        r = read_page(w);
    if (r > 0)
        ask_page(w);
    else
        finish(w, r);
}

static void cancel_list(struct op *op)
{
    struct store_list *l = CONTAINER_OF(op, struct store_list, op);
    struct s3_list *w = l->driver_state;
    s3_call_cancel(&w->call);
}

void s3_list(struct store *s, struct store_list *l)
{
    struct s3_list *w = NEW(struct s3_list);
    s3_call_init(&w->call, s3_of(s), "GET", NULL, page_done);
    w->list = l;
    w->call.answer_max_bytes = S3_XML_BYTES_MAX;
    l->driver_state = w;
    l->op.cancel = cancel_list;
    ask_page(w);
}
