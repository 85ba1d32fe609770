#include "v1/order.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "predict/replicate_json.h"
#include "request/cache_control.h"
#include "v1/members.h"

/* Raised when the meaning of a key changes. */
#define KEY_FORMAT "limner-v1-1"

enum { NAME_MAX_BYTES = 256 };

void order_free(struct order *o)
{
    if (!o)
        return;
    blob_unref(o->body);
    free(o->path);
    free(o->model);
    free(o->version);
    free(o->deployment);
    free(o);
}

static void set(char **field, char *text)
{
    free(*field);
    *field = text;
}

/* "wait" or "wait=7"; what else Prefer may hold is nothing to us. */
static unsigned wait_of(const char *prefer)
{
    if (!prefer || strncasecmp(prefer, "wait", 4) != 0)
        return 0;
    if (prefer[4] == '\0')
        return V1_WAIT_MAX_S;
    if (prefer[4] != '=' || !isdigit((unsigned char)prefer[5]))
        return 0;
    unsigned long s = strtoul(prefer + 5, NULL, 10);
    return (unsigned)MIN(MAX(s, 1ul), (unsigned long)V1_WAIT_MAX_S);
}

/* "owner/name:version" and "owner/name" name a model too. */
static void take_version(struct order *o, const char *text)
{
    const char *colon = strrchr(text, ':'), *slash = strchr(text, '/');
    if (colon && slash) {
        set(&o->model, mem_printf("%.*s", (int)MIN(colon - text, (ptrdiff_t)NAME_MAX_BYTES), text));
        set(&o->version, mem_printf("%.*s", NAME_MAX_BYTES, colon + 1));
    } else {
        set(slash ? &o->model : &o->version, mem_printf("%.*s", NAME_MAX_BYTES, text));
    }
}

static void take_target(struct order *o, const struct order_ask *ask)
{
    o->model = mem_strdup("");
    o->version = mem_strdup("");
    o->deployment = mem_strdup("");
    if (ask->kind == ORDER_MODEL)
        set(&o->model, mem_printf("%s/%s", ask->owner, ask->name));
    if (ask->kind == ORDER_DEPLOYMENT)
        set(&o->deployment, mem_printf("%s/%s", ask->owner, ask->name));
    switch (ask->kind) {
    case ORDER_VERSION:
        o->path = mem_strdup("/predictions");
        return;
    case ORDER_MODEL:
        o->path = mem_printf("/models/%s/predictions", o->model);
        return;
    case ORDER_DEPLOYMENT:
        o->path = mem_printf("/deployments/%s/predictions", o->deployment);
        return;
    }
}

/* Is there anything in it that the key does not tell? */
static bool is_plain(const json_t *body)
{
    static const char *const known[] = {"input", "version", "webhook", "webhook_events_filter", "stream"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && strcmp(key, known[i]) != 0)
            i++;
        if (i == ARRAY_LEN(known))
            return false;
    }
    return true;
}

static void add(struct digest *d, const char *text)
{
    digest_update(d, text, strlen(text) + 1);
}

static int add_dumped(const char *text, size_t size, void *digest)
{
    digest_update(digest, text, size);
    return 0;
}

static void make_key(struct order *o, const struct order_ask *ask, const json_t *body)
{
    struct digest d;
    digest_init(&d);
    add(&d, KEY_FORMAT);
    add(&d, ask->tenant ? ask->tenant : "");
    add(&d, o->path);
    add(&d, replicate_json_text(body, "version"));
    json_dump_callback(json_object_get(body, "input"), add_dumped, &d,
                       JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    digest_final(&d, o->key);
}

static void take_wishes(struct order *o, const struct order_ask *ask, const json_t *body)
{
    struct cache_wish wish = {0};
    int r = ask->cache_control ? cache_control_parse(ask->cache_control, &wish) : 0;
    (void)r; /* one that cannot be read is as good as none */
    o->wait_s = wait_of(ask->prefer);
    snprintf(o->cancel_after, sizeof(o->cancel_after), "%s", ask->cancel_after ? ask->cancel_after : "");
    o->streams = json_is_true(json_object_get(body, "stream"));
    const json_t *webhook = json_object_get(body, "webhook");
    o->hooked = webhook && !json_is_null(webhook);
    o->shares = !o->streams && !o->hooked && !wish.no_store && is_plain(body);
    o->renews = wish.no_cache || wish.limited;
}

static int read_body(struct order *o, const struct order_ask *ask, struct error *e)
{
    const char *text = (const char *)o->body->data;
    json_error_t said;
    JSON_ON_EXIT json_t *body = replicate_json_bounded(text, o->body->size)
                                    ? json_loadb(text, o->body->size, JSON_DECODE_ANY, &said)
                                    : NULL;
    if (!json_is_object(body))
        return error_set(e, ERR_VALIDATION, "Failed to parse request body as JSON%s",
                         body ? ": it is no object" : "");
    struct member input;
    bool has_input = members_find(text, o->body->size, "input", &input);
    o->input = has_input ? input.value : "{}";
    o->input_size = has_input ? input.value_size : 2;
    take_target(o, ask);
    if (ask->kind == ORDER_VERSION)
        take_version(o, replicate_json_text(body, "version"));
    take_wishes(o, ask, body);
    if (o->shares)
        make_key(o, ask, body);
    return 0;
}

int order_read(const struct order_ask *ask, struct blob *body, struct order **ret, struct error *e)
{
    struct order *o = NEW(struct order);
    o->body = blob_ref(body);
    int r = read_body(o, ask, e);
    if (r < 0)
        order_free(o);
    else
        *ret = o;
    return r;
}
