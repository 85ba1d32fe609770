#include "web/packs.h"

#include <ctype.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/mem.h"

enum { SUFFIX_BYTES = 4 };

struct file {
    const struct store_object *object; /* of the listing */
    const char *category, *target;
};

struct pack {
    const char *id, *category, *target;
    const char *json;       /* the whole item, made once */
    const char *const *key; /* of its files */
    size_t key_count;
};

struct packs {
    atomic_uint refs;
    struct arena arena; /* all texts */
    struct pack *pack;
    size_t count;
    bool cut;
    char version[PACKS_VERSION];
};

/* ---- which objects belong ---- */

static bool is_known_kind(const char *file)
{
    static const char *const kinds[] = {"xmp", "cube", "png",  "jpg", "jpeg", "webp",
                                        "bmp", "tif",  "tiff", "gif", "zip"};
    const char *dot = strrchr(file, '.');
    for (size_t i = 0; dot && i < ARRAY_LEN(kinds); i++)
        if (strcasecmp(dot + 1, kinds[i]) == 0)
            return true;
    return false;
}

/* comics/<story>/page-<n>.png */
static bool is_drawn_page(const char *category, const char *file)
{
    if (strcmp(category, "comics") != 0 || strncmp(file, "page-", 5) != 0)
        return false;
    size_t digits = strspn(file + 5, "0123456789");
    return digits > 0 && strcmp(file + 5 + digits, ".png") == 0;
}

/* Category, target and file of a name; false: it is not of three parts, or belongs to no pack. */
static bool read_name(struct arena *a, const struct store_object *o, const char *prefix, struct file *ret)
{
    size_t skip = strlen(prefix);
    if (strncmp(o->name, prefix, skip) != 0 || store_name_day(o->name))
        return false;
    const char *category = o->name + skip;
    const char *target = strchr(category, '/');
    const char *file = target ? strchr(target + 1, '/') : NULL;
    if (!file || strchr(file + 1, '/') || !is_known_kind(file + 1))
        return false;
    ret->object = o;
    ret->category = arena_strndup(a, category, (size_t)(target - category));
    ret->target = arena_strndup(a, target + 1, (size_t)(file - target) - 1);
    return !is_drawn_page(ret->category, file + 1);
}

static int compare_files(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    int r = strcmp(x->category, y->category);
    if (r == 0)
        r = strcmp(x->target, y->target);
    return r ? r : strcmp(x->object->name, y->object->name);
}

static bool same_pack(const struct file *a, const struct file *b)
{
    return strcmp(a->category, b->category) == 0 && strcmp(a->target, b->target) == 0;
}

/* ---- ids ---- */

/* "Film Look!" is "film-look"; letters beyond ASCII stay. */
static void add_slug(struct buf *out, const char *text)
{
    bool dash = false, any = false;
    for (const char *p = text; *p; p++) {
        bool letter = isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80;
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p | 0x20) : *p;
        if (letter && dash && any)
            buf_puts(out, "-");
        if (letter)
            buf_append(out, &c, 1);
        any |= letter;
        dash = !letter;
    }
    if (!any)
        buf_puts(out, "-");
}

static const char *make_id(struct arena *a, const struct pack *p)
{
    BUF_ON_EXIT struct buf id;
    buf_init(&id, 2 * STORE_NAME_MAX);
    add_slug(&id, p->category);
    buf_puts(&id, "/");
    add_slug(&id, p->target);
    return arena_strdup(a, buf_text(&id));
}

static const char *longer_id(struct arena *a, const struct pack *p)
{
    uint8_t sum[DIGEST_BYTES];
    char hex[2 * SUFFIX_BYTES + 1];
    FREE_ON_EXIT char *name = mem_printf("%s/%s", p->category, p->target);
    digest_of(name, strlen(name), sum);
    hex_encode(sum, SUFFIX_BYTES, hex);
    return arena_printf(a, "%s-%s", p->id, hex);
}

static int by_id(const void *a, const void *b)
{
    const struct pack *x = *(struct pack *const *)a, *y = *(struct pack *const *)b;
    int r = strcmp(x->id, y->id);
    return r ? r : (x > y) - (x < y);
}

static void set_ids(struct packs *p)
{
    struct pack **order = mem_alloc((p->count + 1) * sizeof(*order));
    for (size_t i = 0; i < p->count; i++) {
        order[i] = &p->pack[i];
        p->pack[i].id = make_id(&p->arena, &p->pack[i]);
    }
    qsort(order, p->count, sizeof(struct pack *), by_id);
    const char *last = "";
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(order[i]->id, last) == 0)
            order[i]->id = longer_id(&p->arena, order[i]);
        else
            last = order[i]->id;
    }
    free(order);
}

/* ---- items ---- */

static const char *make_title(struct arena *a, const char *target)
{
    char *title = arena_strdup(a, target);
    for (char *p = title; *p; p++)
        if (*p == '_' || *p == '-')
            *p = ' ';
    return title;
}

static const char *make_json(struct arena *a, const struct pack *p, const struct file *file)
{
    json_t *files = json_array();
    for (size_t i = 0; i < p->key_count; i++) {
        const struct store_object *o = file[i].object;
        json_array_append_new(files,
                              json_pack("{s:s,s:I,s:s,s:s}", "key", o->name, "size", (json_int_t)o->size,
                                        "etag", o->etag, "content_type", store_content_type(o->name)));
    }
    json_t *item =
        json_pack("{s:s,s:s,s:s,s:s,s:o,s:I}", "id", p->id, "title", make_title(a, p->target), "category",
                  p->category, "target", p->target, "files", files, "count", (json_int_t)p->key_count);
    CHECK(item);
    char *text = json_dumps(item, JSON_COMPACT);
    json_decref(item);
    CHECK(text);
    const char *kept = arena_strdup(a, text);
    free(text);
    return kept;
}

static void set_keys(struct packs *p, struct pack *pack, const struct file *file)
{
    const char **key = arena_alloc(&p->arena, pack->key_count * sizeof(*key));
    for (size_t i = 0; i < pack->key_count; i++)
        key[i] = arena_strdup(&p->arena, file[i].object->name);
    pack->key = key;
}

/* file: sorted, and grouped by that. */
static void group(struct packs *p, const struct file *file, size_t count)
{
    p->pack = mem_zalloc((count + 1) * sizeof(*p->pack));
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || !same_pack(&file[i], &file[i - 1]))
            p->pack[p->count++] = (struct pack){.category = file[i].category, .target = file[i].target};
        p->pack[p->count - 1].key_count++;
    }
    set_ids(p);
    for (size_t i = 0; i < p->count; i++) {
        set_keys(p, &p->pack[i], file);
        p->pack[i].json = make_json(&p->arena, &p->pack[i], file);
        file += p->pack[i].key_count;
    }
}

static void set_version(struct packs *p, const struct file *file, size_t count)
{
    struct digest d;
    uint8_t sum[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1];
    digest_init(&d);
    for (size_t i = 0; i < count; i++) {
        const struct store_object *o = file[i].object;
        digest_update(&d, o->name, strlen(o->name) + 1);
        digest_update(&d, o->etag, strlen(o->etag) + 1);
        digest_update(&d, &o->size, sizeof(o->size));
    }
    digest_final(&d, sum);
    hex_encode(sum, sizeof(sum), hex);
    memcpy(p->version, hex, PACKS_VERSION - 1);
}

struct packs *packs_new(const struct store_listing *listing, const char *prefix)
{
    struct packs *p = NEW(struct packs);
    struct file *file = mem_alloc((listing->count + 1) * sizeof(*file));
    size_t count = 0;
    atomic_init(&p->refs, 1);
    arena_init(&p->arena);
    p->cut = listing->cut;
    for (size_t i = 0; i < listing->count; i++)
        count += read_name(&p->arena, &listing->object[i], prefix, &file[count]);
    qsort(file, count, sizeof(*file), compare_files);
    group(p, file, count);
    set_version(p, file, count);
    free(file);
    return p;
}

struct packs *packs_ref(struct packs *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void packs_unref(struct packs *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
        return;
    arena_release(&p->arena);
    free(p->pack);
    free(p);
}

/* ---- reading ---- */

size_t packs_count(const struct packs *p)
{
    return p->count;
}

bool packs_cut(const struct packs *p)
{
    return p->cut;
}

const char *packs_version(const struct packs *p)
{
    return p->version;
}

static bool passes(const struct pack *p, const struct packs_filter *f)
{
    return (!f->category || strcasecmp(f->category, p->category) == 0) &&
           (!f->target || strcasecmp(f->target, p->target) == 0);
}

size_t packs_page(const struct packs *p, const struct packs_filter *filter, size_t page, size_t page_size,
                  struct buf *out)
{
    size_t total = 0, shown = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (!passes(&p->pack[i], filter) || total++ / page_size != page - 1)
            continue;
        buf_puts(out, shown++ ? "," : "");
        buf_puts(out, p->pack[i].json);
    }
    return total;
}

bool packs_has(const struct packs *p, const char *id, const char *key)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct pack *pack = &p->pack[i];
        for (size_t k = 0; k < pack->key_count && strcmp(pack->id, id) == 0; k++)
            if (strcmp(pack->key[k], key) == 0)
                return true;
    }
    return false;
}
