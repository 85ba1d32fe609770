#include "request/key.h"

#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "sim.h"

/* One request's worth of what decides a key. */
struct ask {
    struct options opt;
    struct feature feature;
    const char *image;
    const char *second, *tenant;
    const char *field, *value;
    enum image_type wanted, type;
    struct {
        const char *name, *value;
    } more[4]; /* further fields, in the order they are set */
};

static struct spool *spool;

static int make_spool(void **state)
{
    struct error e;
    *state = scratch_new();
    return spool_new(*state, 1 << 20, 1 << 20, &spool, &e);
}

static int free_spool(void **state)
{
    spool_free(spool);
    scratch_free(*state);
    return 0;
}

static void ask_init(struct ask *ask)
{
    *ask = (struct ask){.feature = features[FEATURE_CLARITY], .image = "picture"};
    sim_options(&ask->opt);
}

static struct body *body_of(const char *text)
{
    struct error e;
    struct body *body = body_new(spool, 0);
    assert_int_equal(body_append(body, text, strlen(text), &e), 0);
    body_finish(body);
    return body;
}

static void key_of(const struct ask *ask, const uint8_t *pixels, uint8_t ret[static DIGEST_BYTES])
{
    struct services svc = {.opt = &ask->opt};
    struct request *req = calloc(1, sizeof(*req));
    struct error e;
    assert_non_null(req);
    req->svc = &svc;
    req->feature = &ask->feature;
    req->wanted = ask->wanted;
    req->tenant = ask->tenant;
    req->receive.body[0] = body_of(ask->image);
    req->receive.body[1] = ask->second ? body_of(ask->second) : NULL;
    for (int i = 0; i < IMAGES_MAX; i++)
        req->validate.digest[i] = req->receive.body[i] ? body_digest(req->receive.body[i]) : NULL;
    params_init(&req->validate.params, req->feature);
    if (ask->field)
        assert_int_equal(params_set(&req->validate.params, &req->arena, ask->field, ask->value, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(ask->more) && ask->more[i].name; i++)
        assert_int_equal(
            params_set(&req->validate.params, &req->arena, ask->more[i].name, ask->more[i].value, &e), 0);
    req->validate.type = ask->type;
    if (pixels)
        request_pixel_key(req, pixels, ret);
    else
        request_key(req, ret);
    body_unref(req->receive.body[0]);
    body_unref(req->receive.body[1]);
    arena_release(&req->arena);
    free(req);
}

static void assert_same(const struct ask *a, const struct ask *b, bool same)
{
    uint8_t ka[DIGEST_BYTES], kb[DIGEST_BYTES];
    key_of(a, NULL, ka);
    key_of(b, NULL, kb);
    assert_int_equal(memcmp(ka, kb, DIGEST_BYTES) == 0, same);
}

static void test_same_request_same_key(void **state)
{
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    assert_same(&a, &b, true);
    b.field = "scale"; /* the default, said or not, under either name */
    b.value = "2";
    assert_same(&a, &b, true);
    a.field = b.field = "faceEnhance";
    a.value = "yes";
    b.value = "1";
    assert_same(&a, &b, true);
}

static void test_spelling_and_order(void **state)
{
    static const char *const yes[] = {"1", "true", "yes", "on", "TRUE", "Yes", "oN"};
    static const char *const no[] = {"0", "false", "no", "off", "", "OFF"};
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    a.field = b.field = "faceEnhance";
    a.value = "true";
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        b.value = yes[i];
        assert_same(&a, &b, true);
    }
    a.field = NULL;
    for (size_t i = 0; i < ARRAY_LEN(no); i++) {
        b.value = no[i];
        assert_same(&a, &b, true);
    }
    ask_init(&a);
    ask_init(&b);
    a.more[0].name = b.more[1].name = "scale";
    a.more[0].value = b.more[1].value = "4";
    a.more[1].name = b.more[0].name = "faceEnhance";
    a.more[1].value = b.more[0].value = "yes";
    assert_same(&a, &b, true);
}

/* Other names of fields and words, and other ways to write a number, a default among them. */
static void test_other_names(void **state)
{
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    a.feature = b.feature = features[FEATURE_ENHANCE];
    b.field = "faceEnhance", b.value = "on";
    assert_same(&a, &b, false);
    a.field = "face_enhance", a.value = "1";
    assert_same(&a, &b, true);
    a.more[0].name = "model", a.more[0].value = "nightmareai/real-esrgan";
    assert_same(&a, &b, true);
    ask_init(&a);
    ask_init(&b);
    a.feature = b.feature = features[FEATURE_RELIGHT];
    b.field = "cfg", b.value = "2.0";
    assert_same(&a, &b, true);
    b.field = "output_format", b.value = "jpeg";
    a.field = "output_format", a.value = "jpg";
    assert_same(&a, &b, true);
    ask_init(&a);
    ask_init(&b);
    a.feature = b.feature = features[FEATURE_REPLACE_BG];
    b.field = "position", b.value = "center";
    assert_same(&a, &b, true);
    b.more[0].name = "signTtl", b.more[0].value = "60"; /* of the link only */
    assert_same(&a, &b, true);
}

static void test_shared_among_tenants(void **state)
{
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    a.tenant = "one";
    b.tenant = "two";
    assert_same(&a, &b, false);
    a.opt.cache_shared = b.opt.cache_shared = true;
    assert_same(&a, &b, true);
    b.tenant = NULL;
    assert_same(&a, &b, true);
}

static void test_what_does_not_decide_the_result(void **state)
{
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    b.opt.port = 99;
    b.opt.queue_max = 1;
    b.opt.cache_ttl_ms = 1;
    b.opt.light_concurrency = 77;
    b.opt.enhance_max_side_px = 100; /* another feature's */
    assert_same(&a, &b, true);
}

static void test_whatever_decides_the_result_is_in_the_key(void **state)
{
    enum { KINDS = 19 };
    struct ask base, other;
    ask_init(&base);
    for (int kind = 0; kind < KINDS; kind++) {
        ask_init(&other);
        switch (kind) {
        case 0:
            other.image = "pictura";
            break;
        case 1:
            other.feature = features[FEATURE_BEAUTIFY];
            break;
        case 2:
            other.field = "scale", other.value = "4";
            break;
        case 3:
            other.field = "faceEnhance", other.value = "true";
            break;
        case 4:
            other.field = "quality", other.value = "best";
            break;
        case 5:
            other.opt.providers = "instant";
            break;
        case 6:
            other.opt.local_quality = QUALITY_FAST;
            break;
        case 7:
            other.opt.image_max_side_px--;
            break;
        case 8:
            other.opt.image_max_pixels--;
            break;
        case 9:
            other.opt.output_quality--;
            break;
        case 10:
            other.opt.prescale_format = PRESCALE_WEBP;
            break;
        case 11:
            other.feature.version = "another";
            break;
        case 12:
            other.feature.model = "another/model";
            break;
        case 13:
            other.second = "another picture";
            break;
        case 14:
            other.tenant = "somebody";
            break;
        case 15:
            other.opt.fallback = false;
            break;
        case 16:
            other.opt.local_target_seconds++;
            break;
        case 17:
            other.opt.local_precision = PRECISION_BF16;
            break;
        default:
            other.wanted = IMAGE_WEBP;
            break;
        }
        assert_same(&base, &other, false);
    }
}

/* Only what composes pictures depends on the size at which that is done. */
static void test_options_of_composing(void **state)
{
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    b.opt.compose_max_megapixels++;
    assert_same(&a, &b, true);
    a.feature = b.feature = features[FEATURE_REPLACE_BG];
    assert_same(&a, &b, false);
}

static void test_by_pixels(void **state)
{
    static const uint8_t pixels[DIGEST_BYTES] = {1}, others[DIGEST_BYTES] = {2};
    uint8_t ka[DIGEST_BYTES], kb[DIGEST_BYTES];
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    a.type = b.type = IMAGE_PNG;
    b.image = "other bytes of the same picture";
    key_of(&a, pixels, ka);
    key_of(&b, pixels, kb);
    assert_memory_equal(ka, kb, DIGEST_BYTES);
    b.type = IMAGE_WEBP;
    key_of(&b, pixels, kb);
    assert_memory_equal(ka, kb, DIGEST_BYTES);
    b.type = IMAGE_JPEG; /* gets a JPEG back */
    key_of(&b, pixels, kb);
    assert_memory_not_equal(ka, kb, DIGEST_BYTES);
    key_of(&a, others, kb);
    assert_memory_not_equal(ka, kb, DIGEST_BYTES);
    key_of(&a, NULL, kb);
    assert_memory_not_equal(ka, kb, DIGEST_BYTES);
    b = a;
    b.tenant = "somebody";
    key_of(&b, pixels, kb);
    assert_memory_not_equal(ka, kb, DIGEST_BYTES);
    b = a;
    b.field = "scale", b.value = "4";
    key_of(&b, pixels, kb);
    assert_memory_not_equal(ka, kb, DIGEST_BYTES);
}

/* What moves from one part to the next one makes another key. */
static void test_parts_do_not_run_together(void **state)
{
    struct ask a, b;
    ask_init(&a);
    ask_init(&b);
    a.feature.model = "ab";
    a.feature.version = "c";
    b.feature.model = "a";
    b.feature.version = "bc";
    assert_same(&a, &b, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_request_same_key),
        cmocka_unit_test(test_spelling_and_order),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_shared_among_tenants),
        cmocka_unit_test(test_what_does_not_decide_the_result),
        cmocka_unit_test(test_whatever_decides_the_result_is_in_the_key),
        cmocka_unit_test(test_options_of_composing),
        cmocka_unit_test(test_by_pixels),
        cmocka_unit_test(test_parts_do_not_run_together),
    };
    return cmocka_run_group_tests(tests, make_spool, free_spool);
}
