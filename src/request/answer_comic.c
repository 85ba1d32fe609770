#include "request/answer_comic.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json_out.h"
#include "base/mem.h"
#include "tables/features.h"

static void cleanup_json(json_t **j)
{
    json_decref(*j);
}

static json_t *detail_of(const struct result *r)
{
    json_t *detail = json_loads(r->detail, 0, NULL);
    return detail ? detail : json_object(); /* of a newer gateway's making, perhaps */
}

const struct result_output *answer_comic_part(const struct result *r, const char *name)
{
    size_t len = strlen(name);
    for (unsigned i = 0; i < r->output_count; i++) {
        const char *slash = strrchr(r->output[i].key, '/');
        const char *file = slash ? slash + 1 : r->output[i].key;
        if (strncmp(file, name, len) == 0 && file[len] == '.')
            return &r->output[i];
    }
    return NULL;
}

const struct result_output *answer_comic_page(const struct result *r, unsigned page)
{
    char name[24];
    snprintf(name, sizeof(name), "page-%u", page + 1);
    return answer_comic_part(r, name);
}

static void put_json(struct buf *b, const char *key, const json_t *value)
{
    FREE_ON_EXIT char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (!text)
        return;
    json_out_key(b, key);
    buf_puts(b, text);
}

static const char *text_of(const json_t *detail, const char *name)
{
    const char *text = json_string_value(json_object_get(detail, name));
    return text ? text : "";
}

static void put_page(struct buf *b, const struct services *svc, const json_t *page,
                     const struct result_output *out, const struct answer_links *how, const char *base_url)
{
    json_out_begin(b, '{');
    put_json(b, "page_index", json_object_get(page, "page_index"));
    answer_picture(b, svc, out->key, ANSWER_PAGE, how, base_url);
    json_out_int(b, "width", out->width);
    json_out_int(b, "height", out->height);
    put_json(b, "panels", json_object_get(page, "panels"));
    json_out_end(b, '}');
}

void answer_comic_members(struct buf *b, const struct services *svc, const struct result *r,
                          const struct answer_links *how, const char *base_url)
{
    CLEANUP(cleanup_json) json_t *detail = detail_of(r);
    const json_t *page, *pages = json_object_get(detail, "pages");
    size_t i;
    json_out_text(b, "story_id", text_of(detail, "story_id"));
    if (*text_of(detail, "title"))
        json_out_text(b, "title", text_of(detail, "title"));
    const struct result_output *first = answer_comic_page(r, 0);
    if (r->feature == FEATURE_COMIC + 1 && first)
        answer_link(b, svc, first->key, "page_url", how, base_url);
    json_out_key(b, "pages");
    json_out_begin(b, '[');
    json_array_foreach(pages, i, page)
    {
        const struct result_output *out = answer_comic_page(r, (unsigned)i);
        if (out)
            put_page(b, svc, page, out, how, base_url);
    }
    json_out_end(b, ']');
}

static void put_part(struct buf *b, const struct services *svc, const struct result_output *out,
                     const char *name, const struct answer_links *how, const char *base_url)
{
    if (!out)
        return;
    json_out_key(b, name);
    json_out_begin(b, '{');
    answer_picture(b, svc, out->key, ANSWER_COMIC, how, base_url);
    json_out_text(b, "content_type", out->content_type);
    json_out_int(b, "bytes", (int64_t)out->bytes);
    json_out_end(b, '}');
}

void answer_comic_data(struct buf *b, const struct services *svc, const struct result *r,
                       const struct answer_links *how, const char *base_url)
{
    put_part(b, svc, answer_comic_part(r, "cover"), "cover", how, base_url);
    put_part(b, svc, answer_comic_part(r, "book"), "document", how, base_url);
}

void answer_comic_meta(struct buf *b, const struct result *r)
{
    CLEANUP(cleanup_json) json_t *detail = detail_of(r);
    const char *key;
    json_t *value;
    json_out_text(b, "story_id", text_of(detail, "story_id"));
    const json_t *first = json_array_get(json_object_get(detail, "pages"), 0);
    if (r->feature == FEATURE_COMIC + 1)
        put_json(b, "panels", json_object_get(first, "panels"));
    json_object_foreach(json_object_get(detail, "meta"), key, value)
    {
        put_json(b, key, value);
    }
}
