#include "web/openapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "version.h"
#include "web/openapi_parts.h"
#include "web/web.h"

#define OPENAPI_FIXED(...) #__VA_ARGS__
static const char fixed[] =
#include "web/openapi.def"
    ;
#undef OPENAPI_FIXED

json_t *openapi_ref(const char *kind, const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/%s/%s", kind, name));
}

json_t *openapi_headers(const struct openapi *d, bool limited)
{
    json_t *headers = json_pack("{s:o}", "x-request-id", openapi_ref("headers", "RequestId"));
    if (!limited || !d->opt->rate_limits)
        return headers;
    json_object_set_new(headers, "RateLimit-Policy", openapi_ref("headers", "RateLimitPolicy"));
    json_object_set_new(headers, "RateLimit-Limit", openapi_ref("headers", "RateLimitLimit"));
    json_object_set_new(headers, "RateLimit-Remaining", openapi_ref("headers", "RateLimitRemaining"));
    json_object_set_new(headers, "RateLimit-Reset", openapi_ref("headers", "RateLimitReset"));
    return headers;
}

static enum err code_named(const char *word)
{
    enum err code = err_by_code(word);
    CHECK(code != ERR_NONE); /* openapi.def has a code that errors.def has not */
    return code;
}

/* "x-errors" becomes the answers it stands for. limited: it has a rate, and needs a key where there are any.
 */
static void expand_errors(struct openapi *d, bool limited, json_t *operation)
{
    json_t *words = json_object_get(operation, "x-errors");
    enum err codes[ERR_COUNT];
    size_t count = json_array_size(words);
    CHECK(count + 2 < ERR_COUNT);
    for (size_t i = 0; i < count; i++)
        codes[i] = code_named(json_string_value(json_array_get(words, i)));
    if (limited && *d->opt->api_keys)
        codes[count++] = ERR_UNAUTHORIZED;
    if (limited && d->opt->rate_limits)
        codes[count++] = ERR_RATE_LIMIT;
    openapi_errors(d, json_object_get(operation, "responses"), codes, count);
    json_object_del(operation, "x-errors");
}

/* Is it the fixed path of a route: itself, or, for one that ends in *, one with a parameter there? */
static bool path_of_route(const char *fixed_path, const char *path)
{
    size_t len = strlen(path);
    if (path[len - 1] != '*')
        return strcmp(fixed_path, path) == 0;
    return strncmp(fixed_path, path, len - 1) == 0 && fixed_path[len - 1] == '{';
}

static void add_limits(struct openapi *d, unsigned per_minute, json_t *operation)
{
    json_t *headers = openapi_headers(d, true);
    json_t *success = json_object_get(json_object_get(operation, "responses"), "200");
    json_object_update(json_object_get(success, "headers"), headers);
    json_decref(headers);
    if (d->opt->rate_limits)
        json_object_set_new(operation, "x-requests-per-minute", json_integer(per_minute));
    if (*d->opt->api_keys)
        json_object_set_new(operation, "security", json_pack("[{s:[]},{s:[]}]", "apiKey", "bearer"));
}

static void add_operation(struct openapi *d, const struct route *route, json_t *operation)
{
    if (!json_object_get(operation, "summary"))
        json_object_set_new(operation, "summary", json_string(route->about));
    expand_errors(d, route->per_minute > 0, operation);
    if (route->per_minute > 0)
        add_limits(d, route->per_minute, operation);
}

static void add_route(struct openapi *d, const struct route *route)
{
    char method[16];
    unsigned found = 0;
    snprintf(method, sizeof(method), "%s", route->method);
    for (char *c = method; *c; c++)
        *c |= 0x20;
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(d->doc, "paths"), key, value)
    {
        json_t *operation = json_object_get(value, method);
        if (!operation || !path_of_route(key, route->path))
            continue;
        add_operation(d, route, operation);
        found++;
    }
    CHECK(found > 0); /* a row of routes.def without its place in openapi.def */
}

static void add_routes(struct openapi *d)
{
    for (unsigned i = 0; i < ROUTE_COUNT; i++)
        if (!web_is_v1((enum route_id)i)) /* those Replicate describes */
            add_route(d, &routes[i]);
}

static void add_features(struct openapi *d)
{
    json_t *paths = json_object_get(d->doc, "paths");
    for (unsigned i = 0; i < FEATURE_COUNT; i++)
        if (*features[i].route)
            json_object_set_new(paths, features[i].route,
                                json_pack("{s:o}", "post", openapi_feature(d, &features[i])));
}

static void add_access(struct openapi *d)
{
    if (!*d->opt->api_keys)
        return;
    json_t *schemes = json_pack("{s:{s:s,s:s,s:s},s:{s:s,s:s}}", "apiKey", "type", "apiKey", "in", "header",
                                "name", "x-api-key", "bearer", "type", "http", "scheme", "bearer");
    json_object_set_new(json_object_get(d->doc, "components"), "securitySchemes", schemes);
}

struct blob *openapi_render(const struct options *opt)
{
    struct openapi d = {.opt = opt, .doc = json_loads(fixed, JSON_REJECT_DUPLICATES, NULL)};
    CHECK(d.doc);
    json_t *components = json_object_get(d.doc, "components");
    d.schemas = json_object_get(components, "schemas");
    d.responses = json_object_get(components, "responses");
    const char *base = *opt->public_base_url ? opt->public_base_url : "/";
    json_object_set_new(json_object_get(d.doc, "info"), "version", json_string(LIMNER_VERSION));
    json_object_set_new(d.doc, "servers", json_pack("[{s:s}]", "url", base));
    json_object_set_new(d.schemas, "ErrorCode", openapi_error_codes());
    add_access(&d);
    add_features(&d);
    add_routes(&d);
    if (*opt->metrics_addr) { /* then they are elsewhere */
        json_object_del(json_object_get(d.doc, "paths"), routes[ROUTE_METRICS].path);
        json_object_del(json_object_get(d.doc, "paths"), routes[ROUTE_HISTORY].path);
    }
    char *text = json_dumps(d.doc, JSON_COMPACT);
    json_decref(d.doc);
    CHECK(text);
    return blob_take(text, strlen(text), free);
}
