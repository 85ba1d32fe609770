/* What is remembered: records by id, runs by key, and which go when there is no room.
 *
 * Invariants: a record has a run, and a run that is over has a record, or is freed; a run found by its key is
 * under way, or good; only records of runs that are over are forgotten, so nobody waits for one. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "v1/inside.h"

void v1_records_init(struct v1 *v)
{
    uint32_t size = 64;
    while (size < (uint64_t)v->config.opt->v1_keep_max)
        size *= 2;
    v->mask = size - 1;
    v->name = mem_zalloc(size * sizeof(struct v1_name *));
    v->key = mem_zalloc(size * sizeof(struct v1_run *));
    list_init(&v->records);
    list_init(&v->over);
    list_init(&v->relays);
}

void v1_records_release(struct v1 *v)
{
    while (!list_empty(&v->records))
        v1_record_free(CONTAINER_OF(v->records.next, struct v1_record, by_age));
    free(v->name);
    free(v->key);
}

/* ---- names ---- */

static void add_name(struct v1 *v, struct v1_name *n, struct v1_record *r)
{
    struct v1_name **place = &v->name[hash_text(n->id) & v->mask];
    n->record = r;
    n->next = *place;
    *place = n;
}

static void remove_name(struct v1 *v, struct v1_name *n)
{
    if (!n->record)
        return;
    struct v1_name **at = &v->name[hash_text(n->id) & v->mask];
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    n->record = NULL;
}

static const struct v1_name *find_name(const struct v1 *v, const char *id)
{
    const struct v1_name *n = v->name[hash_text(id) & v->mask];
    while (n && strcmp(n->id, id) != 0)
        n = n->next;
    return n;
}

/* As Replicate's look; nobody can guess one. */
static void make_id(char ret[static V1_ID_CHARS + 1])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t random[V1_ID_CHARS];
    rng_bytes(random, sizeof(random));
    for (unsigned i = 0; i < V1_ID_CHARS; i++)
        ret[i] = letters[random[i] % 32];
    ret[V1_ID_CHARS] = '\0';
}

void v1_record_name(struct v1_record *r)
{
    struct v1 *v = r->run->v1;
    if (r->name.id[0])
        return;
    const char *theirs = r->run->id;
    if (*theirs && !r->alias.id[0] && !find_name(v, theirs))
        memcpy(r->name.id, theirs, sizeof(r->name.id));
    else
        make_id(r->name.id);
    add_name(v, &r->name, r);
}

void v1_record_alias(struct v1_record *r, const char *id)
{
    struct v1 *v = r->run->v1;
    remove_name(v, &r->alias);
    r->alias.id[0] = '\0';
    if (strcmp(r->name.id, id) == 0 || find_name(v, id))
        return;
    memcpy(r->alias.id, id, strlen(id) + 1);
    add_name(v, &r->alias, r);
}

struct v1_record *v1_record_find(const struct v1 *v, const char *id)
{
    const struct v1_name *n = find_name(v, id);
    return n ? n->record : NULL;
}

bool v1_record_belongs(const struct v1_record *r, const char *tenant)
{
    return !tenant || (r->tenant && strcmp(tenant, r->tenant) == 0);
}

/* ---- records ---- */

struct v1_record *v1_record_new(struct v1_run *run, const char *tenant)
{
    struct v1 *v = run->v1;
    struct v1_record *r = NEW(struct v1_record);
    r->run = run;
    r->tenant = tenant;
    r->created_ms = (int64_t)clock_wall_ms();
    list_push_back(&v->records, &r->by_age);
    list_push_back(&run->records, &r->of_run);
    if (run->at == V1_OVER)
        list_push_back(&v->over, &r->over);
    v->record_count++;
    return r;
}

void v1_record_free(struct v1_record *r)
{
    struct v1_run *run = r->run;
    struct v1 *v = run->v1;
    remove_name(v, &r->name);
    remove_name(v, &r->alias);
    list_remove(&r->by_age);
    list_remove(&r->over);
    list_remove(&r->of_run);
    v->record_count--;
    free(r);
    if (list_empty(&run->records) && run->at == V1_OVER && !run->settling)
        v1_run_free(run);
}

void v1_records_over(struct v1_run *run)
{
    LIST_FOREACH (node, &run->records) {
        struct v1_record *r = CONTAINER_OF(node, struct v1_record, of_run);
        if (!list_linked(&r->over))
            list_push_back(&run->v1->over, &r->over);
    }
}

bool v1_make_room(struct v1 *v, uint64_t bytes)
{
    const struct options *opt = v->config.opt;
    uint64_t most = (uint64_t)opt->v1_memory_mb << 20;
    while (v->record_count >= (uint64_t)opt->v1_keep_max || v->bytes + bytes > most) {
        if (list_empty(&v->over))
            return false;
        v1_record_free(CONTAINER_OF(v->over.next, struct v1_record, over));
    }
    return true;
}

/* ---- runs ---- */

static struct v1_run **place_of(const struct v1 *v, const uint8_t key[static DIGEST_BYTES])
{
    uint32_t h;
    memcpy(&h, key, sizeof(h));
    return &v->key[h & v->mask];
}

void v1_run_key(struct v1_run *run)
{
    struct v1_run **place = place_of(run->v1, run->order->key);
    CHECK(!run->keyed);
    run->keyed = true;
    run->next_key = *place;
    *place = run;
}

void v1_run_unkey(struct v1_run *run)
{
    if (!run->keyed)
        return;
    struct v1_run **at = place_of(run->v1, run->order->key);
    while (*at != run)
        at = &(*at)->next_key;
    *at = run->next_key;
    run->keyed = false;
}

struct v1_run *v1_run_find(const struct v1 *v, const uint8_t key[static DIGEST_BYTES])
{
    struct v1_run *run = *place_of(v, key);
    while (run && memcmp(run->order->key, key, DIGEST_BYTES) != 0)
        run = run->next_key;
    return run;
}

void v1_run_holds(struct v1_run *run, uint64_t bytes)
{
    run->v1->bytes += bytes - run->bytes;
    run->bytes = bytes;
}
