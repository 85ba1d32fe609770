/* Webhooks: from the secret to the run that they are about. Case 15 of what a server may do. */
#include <openssl/evp.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/digest.h"
#include "base/mem.h"
#include "predict/replicate_run.h"
#include "replicate_rig.h"

#define KEY    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define SECRET A(200, "{\"key\":\"whsec_" KEY "\"}")
#define ASKED  "GET /v1/webhooks/default/secret\n"

static void open_hooks(struct rig *g)
{
    provider_free(g->r.provider);
    g->r.opt.public_base_url = "https://limner.example";
    provider_rig_open(&g->r, provider_replicate_new);
}

static void tick(struct rig *g, unsigned asked)
{
    g->r.provider->ops->tick(g->r.provider);
    while (atomic_load(&g->api.asked) < asked ||
           op_running(&CONTAINER_OF(g->r.provider, struct replicate, provider)->hooks.call.op))
        provider_rig_turn_ms(&g->r, 2);
}

/* Delivers body ($: the base URL) under an id; key: what it is signed with. */
static int deliver(struct rig *g, const char *id, const char *text, const char *key)
{
    char raw[64], time[24], signature[100] = "v1,";
    ssize_t raw_len = base64_decode(key, strlen(key), raw);
    uint8_t mac[DIGEST_BYTES];
    snprintf(time, sizeof(time), "%lld", (long long)clock_wall_s());
    FREE_ON_EXIT char *whole = mem_printf("%s.%s.%s", id, time, text);
    digest_hmac(raw, (size_t)raw_len, whole, strlen(whole), mac);
    EVP_EncodeBlock((unsigned char *)signature + 3, mac, DIGEST_BYTES);
    const struct webhook_headers headers = {id, time, signature};
    BLOB_ON_EXIT struct blob *body = blob_copy(text, strlen(text));
    return provider_replicate_hook(g->r.provider, &headers, body);
}

#define DONE "{\"id\":\"p1\",\"status\":\"succeeded\",\"output\":\"https://replicate.delivery/a.png\"}"

static bool deliver_once_created(struct provider_rig *r)
{
    struct rig *g = r->ctx;
    struct replicate *self = CONTAINER_OF(r->provider, struct replicate, provider);
    if (atomic_load(&g->api.asked) == 2 && replicate_id_known(self, "p1"))
        assert_int_equal(deliver(g, "msg_1", DONE, KEY), 0);
    return false;
}

static void test_tells_the_end(void **state)
{
    OPEN(g, SECRET, A(201, PROCESSING));
    open_hooks(&g);
    tick(&g, 1);
    g.r.cancel_when = deliver_once_created;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, ASKED CREATE); /* no poll */
    assert_non_null(strstr(g.api.body[1], ",\"webhook\":\"https://limner.example/hooks/replicate\","
                                          "\"webhook_events_filter\":[\"completed\"]}"));
    rig_close(&g);
}

static bool deliver_while_held(struct provider_rig *r)
{
    struct rig *g = r->ctx;
    if (atomic_load(&g->api.held) == 0)
        return false;
    assert_int_equal(deliver(g, "msg_1", DONE, KEY), 0); /* again and again: seen once */
    assert_int_equal(deliver(g, "msg_2", "{\"id\":\"p9\",\"status\":\"succeeded\"}", KEY), 0);
    api_script_let_go(&g->api);
    return false;
}

static void test_comes_too_early(void **state) /* before the create's own answer */
{
    OPEN(g, SECRET, {.status = 201, .body = PROCESSING, .act = API_HOLD});
    open_hooks(&g);
    tick(&g, 1);
    g.r.cancel_when = deliver_while_held;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, ASKED CREATE);
    rig_close(&g);
}

static bool deliver_an_old_one(struct provider_rig *r)
{
    struct rig *g = r->ctx;
    struct replicate *self = CONTAINER_OF(r->provider, struct replicate, provider);
    if (!replicate_id_known(self, "p1"))
        return false;
    assert_int_equal(deliver(g, "msg_1", "{\"id\":\"p1\",\"status\":\"processing\",\"output\":null}", KEY),
                     0);
    assert_int_equal(deliver(g, "msg_1", DONE, KEY), 0); /* the same id: passed over */
    return false;
}

static void test_polls_when_none_come(void **state)
{
    OPEN(g, SECRET, A(201, PROCESSING), A(200, SUCCEEDED));
    open_hooks(&g);
    tick(&g, 1);
    struct replicate *self = CONTAINER_OF(g.r.provider, struct replicate, provider);
    assert_true(replicate_hooks_work(self));
    self->hooks.missed = HOOKS_MISSED_MAX;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_log(&g, ASKED CREATE GET);
    assert_false(replicate_hooks_work(self));
    rig_close(&g);
}

static void test_out_of_order(void **state) /* what is older changes nothing, and polls go on */
{
    OPEN(g, SECRET, A(201, PROCESSING), A(200, SUCCEEDED));
    open_hooks(&g);
    tick(&g, 1);
    g.r.cancel_when = deliver_an_old_one;
    g.r.p.deadline_ns = clock_mono_ns() + NS_PER_S; /* the last poll is then, at the latest */
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_non_null(strstr(g.api.log, CANCEL)); /* it is late; but its result came first */
    rig_close(&g);
}

static bool deliver_while_polled(struct provider_rig *r)
{
    struct rig *g = r->ctx;
    if (atomic_load(&g->api.held) == 0)
        return false;
    assert_int_equal(deliver(g, "msg_1", DONE, KEY), 0);
    api_script_let_go(&g->api);
    return false;
}

static void test_together_with_a_poll(void **state) /* case 16: one of them ends it, the other is nothing */
{
    OPEN(g, SECRET, A(201, PROCESSING), {.status = 200, .body = SUCCEEDED, .act = API_HOLD});
    open_hooks(&g);
    tick(&g, 1);
    CONTAINER_OF(g.r.provider, struct replicate, provider)->hooks.missed = HOOKS_MISSED_MAX;
    g.r.cancel_when = deliver_while_polled;
    assert_int_equal(provider_rig_run(&g.r), 0);
    check_output(&g);
    check_log(&g, ASKED CREATE GET);
    rig_close(&g);
}

#define NEWER "c29tZWJvZHkgZWxzZQ=="

static void test_who_says_so(void **state) /* case 15: and the secret is rotated */
{
    OPEN(g, SECRET, A(200, "{\"key\":\"whsec_" NEWER "\"}"));
    open_hooks(&g);
    assert_int_equal(deliver(&g, "msg_1", DONE, KEY), -ERR_PROVIDER_UNAVAILABLE); /* no secret yet */
    tick(&g, 1);
    assert_int_equal(deliver(&g, "msg_1", DONE, NEWER), -ERR_UNAUTHORIZED);
    g.r.provider->ops->tick(g.r.provider); /* asked again, but not so soon */
    provider_rig_turn_ms(&g.r, 20);
    check_log(&g, ASKED);
    struct replicate *self = CONTAINER_OF(g.r.provider, struct replicate, provider);
    self->hooks.asked_ns -= 61 * NS_PER_S;
    tick(&g, 2);
    check_log(&g, ASKED ASKED);
    assert_int_equal(deliver(&g, "msg_1", DONE, NEWER), 0); /* the refused one was not noted */
    self->hooks.asked_ns -= 61 * NS_PER_S;
    g.r.provider->ops->tick(g.r.provider); /* all is well: no need to ask */
    provider_rig_turn_ms(&g.r, 20);
    check_log(&g, ASKED ASKED);
    assert_int_equal(deliver(&g, "msg_2", DONE, KEY), -ERR_UNAUTHORIZED);
    rig_close(&g);
}

static void test_no_public_address(void **state)
{
    OPEN(g, A(201, SUCCEEDED));
    g.r.provider->ops->tick(g.r.provider);
    assert_int_equal(provider_rig_run(&g.r), 0);
    assert_null(strstr(g.api.body[0], "webhook"));
    check_log(&g, CREATE);
    rig_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_the_end),        cmocka_unit_test(test_comes_too_early),
        cmocka_unit_test(test_polls_when_none_come), cmocka_unit_test(test_out_of_order),
        cmocka_unit_test(test_together_with_a_poll), cmocka_unit_test(test_who_says_so),
        cmocka_unit_test(test_no_public_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
