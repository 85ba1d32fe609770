#include "request/flights.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scratch.h"
#include "waiting_loop.h"

enum { REQUESTS = 8 };

struct rig {
    struct waiting_loop w;
    char *dir;
    struct options opt;
    struct services svc;
    struct request req[REQUESTS];
    int told[REQUESTS]; /* result of the wait */
    unsigned tells[REQUESTS];
};

static struct rig *rig; /* of the test at hand */

static void told(struct op *op)
{
    const struct request *req = CONTAINER_OF(op, struct request, join.op);
    rig->told[req - rig->req] = op->result;
    rig->tells[req - rig->req]++;
}

static struct request *request(int i, uint8_t key)
{
    struct request *req = &rig->req[i];
    req->svc = &rig->svc;
    req->at = STAGE_JOIN;
    req->validate.key[0] = key;
    req->receive.body[0] = body_new(rig->svc.spool, 0);
    struct error e;
    assert_int_equal(body_append(req->receive.body[0], &key, 1, &e), 0);
    body_finish(req->receive.body[0]);
    return req;
}

static bool join(int i, uint8_t key)
{
    return flights_join(rig->svc.flights, request(i, key), told);
}

static int set_up(void **state)
{
    struct error e;
    rig = NEW(struct rig);
    waiting_loop_init(&rig->w);
    rig->dir = scratch_new();
    rig->opt.twin_handovers = 2;
    rig->svc.opt = &rig->opt;
    rig->svc.loop = &rig->w.loop;
    rig->svc.flights = flights_new();
    return spool_new(rig->dir, 1 << 20, 1 << 20, &rig->svc.spool, &e);
}

static int tear_down(void **state)
{
    for (int i = 0; i < REQUESTS; i++) {
        body_unref(rig->req[i].receive.body[0]);
        result_unref(rig->req[i].settle.result);
    }
    flights_free(rig->svc.flights); /* checks that it is empty */
    spool_free(rig->svc.spool);
    scratch_free(rig->dir);
    waiting_loop_release(&rig->w);
    free(rig);
    return 0;
}

static void settle_ok(int i)
{
    struct result *r = result_new();
    flights_settle(rig->svc.flights, &rig->req[i], r, NULL);
    result_unref(r);
}

static void settle_error(int i, enum err code)
{
    struct error e;
    error_set(&e, code, "it was %d", i);
    flights_settle(rig->svc.flights, &rig->req[i], NULL, &e);
}

static void test_first_leads_and_result_goes_to_all(void **state)
{
    assert_true(join(0, 1));
    assert_false(join(1, 1));
    assert_false(join(2, 1));
    assert_true(join(3, 2));                  /* another key */
    assert_null(rig->req[1].receive.body[0]); /* the leader's is the same */
    assert_int_equal(flights_count(rig->svc.flights), 2);
    assert_int_equal(flights_followers(rig->svc.flights), 2);
    assert_true(flight_has_followers(rig->req[0].join.flight));
    assert_false(flight_has_followers(rig->req[3].join.flight));
    assert_ptr_equal(flight_leader(rig->req[2].join.flight), &rig->req[0]);
    settle_ok(0);
    assert_int_equal(rig->tells[1], 0); /* from the ready queue only */
    loop_turn(&rig->w.loop);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(rig->tells[i], 1);
        assert_int_equal(rig->told[i], 0);
        assert_non_null(rig->req[i].settle.result);
        assert_null(rig->req[i].join.flight);
    }
    assert_int_equal(flights_count(rig->svc.flights), 1);
    settle_ok(3);
}

static void test_a_key_is_free_again_after_its_flight(void **state)
{
    assert_true(join(0, 1));
    settle_ok(0);
    assert_true(join(1, 1));
    settle_ok(1);
}

static void test_keys_in_one_bucket_are_apart(void **state)
{
    struct request *a = request(0, 1), *b = request(1, 1);
    b->validate.key[DIGEST_BYTES - 1] = 7; /* the bucket depends on the first bytes */
    assert_true(flights_join(rig->svc.flights, a, told));
    assert_true(flights_join(rig->svc.flights, b, told));
    settle_ok(0);
    settle_ok(1);
}

static void test_oldest_follower_takes_over(void **state)
{
    assert_true(join(0, 1));
    for (int i = 1; i <= 3; i++)
        assert_false(join(i, 1));
    settle_error(0, ERR_UPSTREAM);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->told[1], 1);
    assert_true(rig->req[1].join.leads);
    assert_int_equal(rig->tells[2] + rig->tells[3], 0);
    struct body *body[IMAGES_MAX];
    flight_bodies(rig->req[1].join.flight, body);
    assert_int_equal(body_size(body[0]), 1); /* the upload is still there for it */
    assert_null(body[1]);
    body_unref(body[0]);
    settle_ok(1);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->told[2], 0);
    assert_int_equal(rig->told[3], 0);
}

static void test_handovers_have_a_bound(void **state)
{
    assert_true(join(0, 1));
    for (int i = 1; i < REQUESTS; i++)
        assert_false(join(i, 1));
    for (int leader = 0; leader < 3; leader++) {
        settle_error(leader, ERR_UPSTREAM);
        loop_turn(&rig->w.loop);
    }
    for (int i = 3; i < REQUESTS; i++) {
        assert_int_equal(rig->told[i], -ERR_UPSTREAM);
        assert_string_equal(rig->req[i].err.reason, "it was 2"); /* the last one's */
    }
}

static void test_fault_of_the_upload_is_everybodys(void **state)
{
    assert_true(join(0, 1));
    assert_false(join(1, 1));
    settle_error(0, ERR_VALIDATION);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->told[1], -ERR_VALIDATION);
}

static void test_leaving_is_no_failure(void **state)
{
    rig->opt.twin_handovers = 0;
    assert_true(join(0, 1));
    assert_false(join(1, 1));
    rig->req[0].cancelled = true;
    settle_error(0, ERR_CLIENT_GONE);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->told[1], 1);
    settle_ok(1);
}

static void test_what_has_cost_is_not_done_again(void **state)
{
    assert_true(join(0, 1));
    assert_false(join(1, 1));
    rig->req[0].spent = true;
    settle_error(0, ERR_STORAGE_FULL);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->told[1], -ERR_STORAGE_FULL);
    assert_true(rig->req[1].spent); /* for whoever composes it */
}

static const struct client_ops some_client;

static void test_follower_that_is_cancelled_leaves(void **state)
{
    assert_true(join(0, 1));
    assert_false(join(1, 1));
    assert_false(join(2, 1));
    rig->req[0].client = &some_client;
    op_cancel(&rig->req[1].join.op);
    assert_int_equal(flights_followers(rig->svc.flights), 1);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->told[1], -ERR_CLIENT_GONE);
    assert_false(rig->req[0].cancelled); /* somebody waits for the leader */
    settle_ok(0);
    loop_turn(&rig->w.loop);
    assert_int_equal(rig->tells[1], 1);
    assert_int_equal(rig->told[2], 0);
}

static void test_last_follower_takes_an_unwanted_leader_along(void **state)
{
    assert_true(join(0, 1)); /* its client has left already */
    assert_false(join(1, 1));
    assert_false(join(2, 1));
    op_cancel(&rig->req[1].join.op);
    assert_false(rig->req[0].cancelled);
    op_cancel(&rig->req[2].join.op);
    assert_true(rig->req[0].cancelled);
    assert_int_equal(rig->req[0].err.code, ERR_CLIENT_GONE);
    loop_turn(&rig->w.loop);
    settle_error(0, ERR_CLIENT_GONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_leads_and_result_goes_to_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_is_free_again_after_its_flight, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_in_one_bucket_are_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oldest_follower_takes_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_handovers_have_a_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fault_of_the_upload_is_everybodys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_leaving_is_no_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_has_cost_is_not_done_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_follower_that_is_cancelled_leaves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_last_follower_takes_an_unwanted_leader_along, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
