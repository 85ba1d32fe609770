#include "app_providers.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"

static int make_local(const struct app_parts *a, struct provider **ret, struct error *e)
{
    *ret = provider_local_new(a->local, a->inference, a->svc->loop, a->opt);
    return 0;
}

static int make_instant(const struct app_parts *a, struct provider **ret, struct error *e)
{
    *ret = provider_instant_new(a->svc->loop, a->opt);
    return 0;
}

static void notice(const char *provider, const char *event, const char *model, const char *said)
{
    LOG(LOG_WARN, event, F_STR("provider", provider), F_STR("model", *model ? model : NULL),
        F_STR("said", *said ? said : NULL));
}

static struct remote_config remote(const struct app_parts *a)
{
    return (struct remote_config){
        .opt = a->opt,
        .loop = a->svc->loop,
        .pool = a->api,
        .store = a->svc->store,
        .lane = a->svc->imaging,
        .metrics = a->svc->metrics,
        .limits = a->limits,
        .notice = notice,
    };
}

static int make_replicate(const struct app_parts *a, struct provider **ret, struct error *e)
{
    if (!*a->opt->replicate_token)
        return error_set_field(e, ERR_VALIDATION, "PROVIDERS",
                               "PROVIDERS names replicate, which needs REPLICATE_API_TOKEN");
    const struct remote_config config = remote(a);
    *ret = provider_replicate_new(&config);
    return 0;
}

static int make_cog(const struct app_parts *a, struct provider **ret, struct error *e)
{
    const struct remote_config config = remote(a);
    return provider_cog_new(&config, ret, e);
}

static bool has_servers(const struct options *opt)
{
    return *opt->cog_endpoints;
}

static bool has_token(const struct options *opt)
{
    return *opt->replicate_token;
}

static bool always(const struct options *opt)
{
    return true;
}

static bool never(const struct options *opt)
{
    return false;
}

/* In the order of PROVIDERS=auto, with what makes auto take them. */
static const struct row {
    const char *name;
    int (*make)(const struct app_parts *a, struct provider **ret, struct error *e);
    bool (*by_itself)(const struct options *opt);
} rows[] = {
    {"replicate", make_replicate, has_token},
    {"cog", make_cog, has_servers},
    {"local", make_local, always},
    {"instant", make_instant, never},
};

static int add(const struct app_parts *a, const struct row *row, struct error *e)
{
    struct services *svc = a->svc;
    for (unsigned i = 0; i < svc->provider_count; i++)
        if (strcmp(svc->provider[i]->ops->name, row->name) == 0)
            return error_set_field(e, ERR_VALIDATION, "PROVIDERS", "PROVIDERS names %s twice", row->name);
    CHECK(svc->provider_count < PROVIDERS_MAX);
    struct provider *made = NULL;
    int r = row->make(a, &made, e);
    if (r == 0)
        svc->provider[svc->provider_count++] = made;
    return r;
}

static int add_by_name(const struct app_parts *a, const char *name, size_t len, struct error *e)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
            return add(a, &rows[i], e);
    return error_set_field(e, ERR_VALIDATION, "PROVIDERS",
                           "PROVIDERS names \"%.*s\"; there are replicate, cog, local and instant", (int)len,
                           name);
}

static int add_by_themselves(const struct app_parts *a, struct error *e)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows) && r == 0; i++)
        if (rows[i].by_itself(a->opt))
            r = add(a, &rows[i], e);
    return r;
}

int app_make_providers(const struct app_parts *a, struct error *e)
{
    static const char blank[] = ", \t";
    if (strcmp(a->opt->providers, "auto") == 0)
        return add_by_themselves(a, e);
    for (const char *at = a->opt->providers; *at;) {
        at += strspn(at, blank);
        size_t len = strcspn(at, blank);
        int r = len > 0 ? add_by_name(a, at, len, e) : 0;
        if (r < 0)
            return r;
        at += len;
    }
    if (a->svc->provider_count == 0)
        return error_set_field(e, ERR_VALIDATION, "PROVIDERS", "PROVIDERS names no provider");
    return 0;
}

static int replicate_hook(void *ctx, const struct webhook_headers *headers, struct blob *body)
{
    return provider_replicate_hook(ctx, headers, body);
}

/* They are signed, but only https keeps them from being read by others. */
void app_expect_hooks(const struct services *svc, struct web *web)
{
    for (unsigned i = 0; i < svc->provider_count; i++) {
        if (strcmp(svc->provider[i]->ops->name, "replicate") != 0 ||
            strncmp(svc->opt->public_base_url, "https:", 6) != 0)
            continue;
        web->hook = replicate_hook;
        web->hook_ctx = svc->provider[i];
    }
}
