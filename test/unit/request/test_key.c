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
    const char *field, *value;
    enum image_type wanted;
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

static void key_of(const struct ask *ask, uint8_t ret[static DIGEST_BYTES])
{
    struct services svc = {.opt = &ask->opt};
    struct request *req = calloc(1, sizeof(*req));
    struct error e;
    assert_non_null(req);
    req->svc = &svc;
    req->feature = &ask->feature;
    req->wanted = ask->wanted;
    req->receive.body = body_new(spool, 0);
    assert_int_equal(body_append(req->receive.body, ask->image, strlen(ask->image), &e), 0);
    body_finish(req->receive.body);
    params_init(&req->validate.params, req->feature);
    if (ask->field)
        assert_int_equal(params_set(&req->validate.params, &req->arena, ask->field, ask->value, &e), 0);
    request_key(req, ret);
    body_unref(req->receive.body);
    arena_release(&req->arena);
    free(req);
}

static void assert_same(const struct ask *a, const struct ask *b, bool same)
{
    uint8_t ka[DIGEST_BYTES], kb[DIGEST_BYTES];
    key_of(a, ka);
    key_of(b, kb);
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
    enum { KINDS = 14 };
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
            other.opt.providers = PROVIDERS_INSTANT;
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
        default:
            other.wanted = IMAGE_WEBP;
            break;
        }
        assert_same(&base, &other, false);
    }
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
        cmocka_unit_test(test_what_does_not_decide_the_result),
        cmocka_unit_test(test_whatever_decides_the_result_is_in_the_key),
        cmocka_unit_test(test_parts_do_not_run_together),
    };
    return cmocka_run_group_tests(tests, make_spool, free_spool);
}
