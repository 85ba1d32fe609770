#include "predict/output_walk.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/mem.h"
#include "imaging/imaging.h"

struct walk {
    const struct output_limits *limits;
    struct output_list *list;
    struct buf text; /* pieces not yet made an item */
    size_t bytes;    /* taken so far */
    struct error *e;
};

static int too_large(struct walk *w)
{
    return error_set(w->e, ERR_UPSTREAM, "The model's output is too large");
}

static struct output_item *add(struct walk *w, enum output_kind kind)
{
    if (w->list->count == w->limits->items_max) {
        w->list->left_out++;
        return NULL;
    }
    struct output_item *item = &w->list->item[w->list->count++];
    *item = (struct output_item){.kind = kind};
    return item;
}

static void flush_text(struct walk *w)
{
    if (w->text.len == 0)
        return;
    struct output_item *item = add(w, OUTPUT_TEXT);
    if (item)
        item->text = mem_strdup(buf_text(&w->text));
    buf_release(&w->text);
}

static int count_bytes(struct walk *w, size_t n)
{
    size_t most = w->list->count + w->list->left_out > 0 ? w->limits->total_max : w->limits->bytes_max;
    if (n > most || w->bytes > most - n)
        return too_large(w);
    w->bytes += n;
    return 0;
}

static bool is_url(const char *s, size_t len)
{
    size_t scheme = strncasecmp(s, "https://", 8) == 0 ? 8 : strncasecmp(s, "http://", 7) == 0 ? 7 : 0;
    if (scheme == 0 || len == scheme || len > OUTPUT_URL_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    return true;
}

/* What is no escape stays as it is. ret has room for len bytes; how many there are. */
static size_t percent_decode(const char *s, size_t len, char *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '%' && i + 2 < len && hex_digit(s[i + 1]) >= 0 && hex_digit(s[i + 2]) >= 0) {
            ret[n++] = (char)(hex_digit(s[i + 1]) * 16 + hex_digit(s[i + 2]));
            i += 2;
        } else {
            ret[n++] = s[i];
        }
    }
    return n;
}

static bool ends_in_base64(const char *head, size_t len)
{
    return len >= 7 && strncasecmp(head + len - 7, ";base64", 7) == 0;
}

/* "data:image/png;base64,…": what follows "data:"; comma is inside it. */
static int add_data(struct walk *w, const char *head, size_t len, const char *comma)
{
    size_t head_len = (size_t)(comma - head), raw_len = len - head_len - 1;
    bool base64 = ends_in_base64(head, head_len) || (head_len == 6 && strncasecmp(head, "base64", 6) == 0);
    if (raw_len / 4 > w->limits->bytes_max) /* longer than the largest, even if all of it were escapes */
        return too_large(w);
    FREE_ON_EXIT char *plain = mem_alloc(raw_len + 1);
    size_t plain_len = percent_decode(comma + 1, raw_len, plain);
    FREE_ON_EXIT char *decoded = mem_alloc(plain_len + 1);
    ssize_t decoded_len = -1;
    /* Some servers forget to say base64. */
    if (base64 || image_sniff(plain, plain_len) == IMAGE_UNKNOWN)
        decoded_len = base64_decode(plain, plain_len, decoded);
    if (base64 && decoded_len < 0)
        return error_set(w->e, ERR_UPSTREAM, "The model's output holds a data URI that cannot be decoded");
    bool use = base64 || (decoded_len > 0 && image_sniff(decoded, (size_t)decoded_len) != IMAGE_UNKNOWN);
    size_t size = use ? (size_t)decoded_len : plain_len;
    if (size == 0)
        return 0;
    int r = count_bytes(w, size);
    if (r < 0)
        return r;
    struct output_item *item = add(w, OUTPUT_BYTES);
    if (!item)
        return 0;
    item->bytes = blob_copy(use ? decoded : plain, size);
    if (!item->bytes) {
        w->list->count--;
        return error_set(w->e, ERR_INTERNAL, "%s", "");
    }
    size_t mime_len = MIN(head_len, strcspn(head, ";,"));
    if (memchr(head, '/', mime_len) && mime_len < sizeof(item->mime))
        for (size_t i = 0; i < mime_len; i++)
            item->mime[i] = (char)(isgraph((unsigned char)head[i]) ? tolower((unsigned char)head[i]) : '?');
    return 0;
}

static int add_string(struct walk *w, const json_t *string)
{
    const char *s = json_string_value(string);
    size_t len = json_string_length(string);
    if (!w->limits->concatenate && is_url(s, len)) {
        flush_text(w);
        int r = count_bytes(w, len);
        struct output_item *item = r < 0 ? NULL : add(w, OUTPUT_URL);
        if (item)
            item->text = mem_strdup(s);
        return r;
    }
    if (!w->limits->concatenate && strncasecmp(s, "data:", 5) == 0 && memchr(s, ',', len)) {
        flush_text(w);
        return add_data(w, s + 5, len - 5, strchr(s, ','));
    }
    int r = count_bytes(w, len);
    if (r == 0 && buf_append(&w->text, s, len) < 0)
        r = too_large(w);
    return r;
}

static int visit(struct walk *w, const json_t *j, unsigned depth)
{
    if (depth > OUTPUT_DEPTH_MAX)
        return error_set(w->e, ERR_UPSTREAM, "The model's output is nested too deep");
    int r = 0;
    if (json_is_string(j))
        return add_string(w, j);
    if (json_is_array(j)) {
        for (size_t i = 0; i < json_array_size(j) && r == 0; i++)
            r = visit(w, json_array_get(j, i), depth + 1);
    } else if (json_is_object(j)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)j, key, value)
        {
            r = visit(w, value, depth + 1);
            if (!w->limits->concatenate)
                flush_text(w);
            if (r < 0)
                break;
        }
    }
    return r;
}

int output_walk(const json_t *output, const struct output_limits *limits, struct output_list *ret,
                struct error *e)
{
    CHECK(limits->items_max >= 1 && limits->items_max <= OUTPUT_ITEMS_MAX);
    FREE_ON_EXIT struct output_list *list = NEW(struct output_list);
    struct walk w = {.limits = limits, .list = list, .e = e};
    buf_init(&w.text, limits->bytes_max);
    int r = visit(&w, output, 0);
    if (r == 0)
        flush_text(&w);
    buf_release(&w.text);
    if (r < 0) {
        output_list_release(list);
        return r;
    }
    *ret = *list;
    return 0;
}

void output_list_release(struct output_list *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        free(list->item[i].text);
        blob_unref(list->item[i].bytes);
    }
    *list = (struct output_list){0};
}
