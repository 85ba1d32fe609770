#include "web/openapi.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "scratch.h"
#include "tables/features.h"
#include "web/web.h"

/* The document with the default options, changed by nobody but the test. */
static json_t *render(const char *api_keys, const char *public_base_url, bool rate_limits)
{
    struct config config;
    struct error e;
    assert_int_equal(config_load(&config, NULL, &e), 0);
    config.opt.api_keys = api_keys;
    config.opt.public_base_url = public_base_url;
    config.opt.rate_limits = rate_limits;
    BLOB_ON_EXIT struct blob *document = openapi_render(&config.opt);
    config_release(&config);
    json_error_t why;
    json_t *doc = json_loadb((const char *)document->data, document->size, JSON_REJECT_DUPLICATES, &why);
    assert_non_null(doc);
    return doc;
}

/* get(doc, "a", "b", …, NULL) */
static json_t *get(json_t *at, ...)
{
    va_list ap;
    va_start(ap, at);
    const char *key;
    while (at && (key = va_arg(ap, const char *)))
        at = json_object_get(at, key);
    va_end(ap);
    return at;
}

static bool contains(const json_t *array, const char *word)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        if (json_is_string(json_array_get(array, i)) &&
            strcmp(json_string_value(json_array_get(array, i)), word) == 0)
            return true;
    return false;
}

/* What a reference leads to; anything else is itself. */
static json_t *follow(json_t *doc, json_t *at)
{
    const char *ref = json_string_value(json_object_get(at, "$ref"));
    if (!ref)
        return at;
    char kind[32], name[256];
    assert_int_equal(sscanf(ref, "#/components/%31[^/]/%255s", kind, name), 2);
    json_t *found = get(doc, "components", kind, name, NULL);
    if (!found)
        fail_msg("%s leads nowhere", ref);
    return found;
}

static void follow_all(json_t *doc, json_t *at)
{
    const char *key;
    json_t *value;
    follow(doc, at);
    if (json_is_object(at))
        json_object_foreach(at, key, value) follow_all(doc, value);
    for (size_t i = 0; i < json_array_size(at); i++)
        follow_all(doc, json_array_get(at, i));
}

/* A feature's, or a row's of routes.def; one that ends in * may have several. */
static bool is_routed(const char *path)
{
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const char *row = routes[i].path;
        size_t n = strlen(row);
        if (row[n - 1] == '*' ? strncmp(row, path, n - 1) == 0 : strcmp(row, path) == 0)
            return !web_is_v1((enum route_id)i); /* those Replicate describes */
    }
    return feature_by_route(path) != NULL;
}

static void test_every_route_is_there(void **state)
{
    json_t *doc = render("", "", true), *paths = get(doc, "paths", NULL);
    const char *path;
    json_t *item;
    json_object_foreach(paths, path, item) assert_true(is_routed(path));
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const struct feature *f = &features[i];
        if (!*f->route)
            continue;
        json_t *op = get(paths, f->route, "post", NULL);
        assert_string_equal(json_string_value(get(op, "operationId", NULL)), f->name);
        assert_string_equal(json_string_value(get(op, "summary", NULL)), f->about);
        assert_non_null(get(op, "responses", "200", NULL));
    }
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const char *method = strcmp(routes[i].method, "POST") == 0 ? "post" : "get";
        if (routes[i].path[strlen(routes[i].path) - 1] == '*' || web_is_v1((enum route_id)i))
            continue;
        json_t *op = get(paths, routes[i].path, method, NULL);
        assert_non_null(get(op, "summary", NULL));
        const json_t *ok = get(op, "responses", "200", NULL); /* some say 202, or change the protocol */
        assert_int_equal(ok && json_object_get(json_object_get(ok, "headers"), "RateLimit-Limit"),
                         ok && routes[i].per_minute > 0);
        assert_int_equal(get(op, "responses", "429", NULL) != NULL, routes[i].per_minute > 0);
    }
    assert_non_null(get(paths, "/files/{key}", "get", "responses", "410", NULL));
    json_decref(doc);
}

/* Each parameter and picture of each feature, in both bodies, and in the query where there is one picture. */
static void test_every_field_is_there(void **state)
{
    json_t *doc = render("", "", true);
    for (unsigned i = 0; i < FEATURE_COUNT; i++) {
        const struct feature *f = &features[i];
        if (!*f->route)
            continue;
        json_t *content = get(doc, "paths", f->route, "post", "requestBody", "content", NULL);
        json_t *form =
            get(follow(doc, get(content, "multipart/form-data", "schema", NULL)), "properties", NULL);
        json_t *plain =
            get(follow(doc, get(content, "application/json", "schema", NULL)), "properties", NULL);
        assert_ptr_equal(plain,
                         get(follow(doc, get(content, "application/x-www-form-urlencoded", "schema", NULL)),
                             "properties", NULL));
        size_t images, count;
        const struct image_row *image = feature_images(f, &images);
        const struct param_row *row = feature_params(f, &count);
        for (size_t k = 0; k < count; k++) {
            assert_non_null(get(form, row[k].name, NULL));
            assert_non_null(get(plain, row[k].name, NULL));
            assert_true(!row[k].other_name || get(plain, row[k].other_name, NULL));
        }
        for (size_t k = 0; k < images; k++) {
            assert_non_null(get(form, image[k].field, NULL));
            assert_null(get(plain, image[k].field, NULL));
            assert_true(!image[k].other_url || get(plain, image[k].other_url, NULL));
        }
        assert_int_equal(get(content, "image/avif", NULL) != NULL, feature_pictures(f) == 1);
        assert_int_equal(get(content, "multipart/form-data", "encoding", NULL) != NULL, images > 0);
    }
    json_decref(doc);
}

static void test_limits_are_told(void **state)
{
    json_t *doc = render("", "", true), *schemas = get(doc, "components", "schemas", NULL);
    json_t *width = get(schemas, "RelightFields", "properties", "width", NULL);
    assert_int_equal(json_integer_value(get(width, "minimum", NULL)), 256);
    assert_int_equal(json_integer_value(get(width, "maximum", NULL)), 1024);
    assert_int_equal(json_integer_value(get(width, "multipleOf", NULL)), 64);
    assert_int_equal(json_integer_value(get(width, "default", NULL)), 512);
    json_t *seed = get(schemas, "RelightFields", "properties", "seed", NULL);
    assert_null(get(seed, "default", NULL));
    json_t *style = get(schemas, "ReplaceStyleForm", NULL);
    assert_true(contains(get(style, "required", NULL), "style"));
    assert_true(contains(get(style, "properties", "style", "enum", NULL), "oil-painting"));
    assert_int_equal(json_integer_value(get(style, "properties", "extra", "maxLength", NULL)), 500);
    /* A request may say jpeg; an answer says jpg. */
    assert_true(contains(get(schemas, "RelightForm", "properties", "output_format", "enum", NULL), "jpeg"));
    json_t *meta = json_array_get(get(schemas, "RelightMeta", "allOf", NULL), 1);
    assert_true(contains(get(meta, "properties", "output_format", "enum", NULL), "jpg"));
    assert_false(contains(get(meta, "properties", "output_format", "enum", NULL), "jpeg"));
    json_t *scale = get(schemas, "ImproveClarityForm", "properties", "scale", "enum", NULL);
    assert_int_equal(json_integer_value(json_array_get(scale, 0)), 2);
    json_decref(doc);
}

static json_t *codes_of(json_t *doc, const char *path, const char *status)
{
    json_t *answer = follow(doc, get(doc, "paths", path, "post", "responses", status, NULL));
    json_t *parts = get(answer, "content", "application/json", "schema", "allOf", NULL);
    return get(json_array_get(parts, 1), "properties", "error", "properties", "code", "enum", NULL);
}

static void test_errors(void **state)
{
    json_t *doc = render("", "", true);
    json_t *all = get(doc, "components", "schemas", "ErrorCode", "enum", NULL);
    assert_int_equal(json_array_size(all), ERR_COUNT - 1);
    for (unsigned i = 1; i < ERR_COUNT; i++)
        assert_true(contains(all, err_row((enum err)i)->code));
    assert_true(contains(codes_of(doc, "/api/replace-bg", "400"), "MISSING_FILE"));
    assert_false(contains(codes_of(doc, "/api/clarity", "400"), "MISSING_FILE"));
    assert_true(contains(codes_of(doc, "/api/portraits/ic-light", "400"), "PROCESSING_ERROR"));
    assert_true(contains(codes_of(doc, "/api/clarity", "429"), "RATE_LIMIT_EXCEEDED"));
    assert_true(contains(codes_of(doc, "/api/clarity", "503"), "DRAINING"));
    json_t *busy = follow(doc, get(doc, "paths", "/api/clarity", "post", "responses", "429", NULL));
    assert_non_null(get(busy, "headers", "Retry-After", NULL));
    assert_non_null(get(busy, "headers", "RateLimit-Reset", NULL));
    assert_non_null(get(busy, "content", "application/problem+json", NULL));
    assert_null(get(doc, "paths", "/api/clarity", "post", "responses", "401", NULL));
    json_decref(doc);
}

static void test_options_change_it(void **state)
{
    json_t *doc = render("app:0123456789abcdef", "https://img.example.com", false);
    json_t *op = get(doc, "paths", "/api/clarity", "post", NULL);
    assert_int_equal(json_array_size(get(op, "security", NULL)), 2);
    assert_non_null(get(doc, "components", "securitySchemes", "bearer", NULL));
    assert_non_null(get(op, "responses", "401", NULL));
    assert_null(get(op, "responses", "200", "headers", "RateLimit-Limit", NULL));
    assert_false(contains(codes_of(doc, "/api/clarity", "429"), "RATE_LIMIT_EXCEEDED"));
    const json_t *server = json_array_get(get(doc, "servers", NULL), 0);
    assert_string_equal(json_string_value(json_object_get(server, "url")), "https://img.example.com");
    json_decref(doc);
    doc = render("", "", true);
    assert_null(get(doc, "components", "securitySchemes", NULL));
    json_decref(doc);
}

static void test_no_reference_leads_nowhere(void **state)
{
    json_t *doc = render("app:0123456789abcdef", "", true);
    follow_all(doc, doc);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_there), cmocka_unit_test(test_every_field_is_there),
        cmocka_unit_test(test_limits_are_told),      cmocka_unit_test(test_errors),
        cmocka_unit_test(test_options_change_it),    cmocka_unit_test(test_no_reference_leads_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
