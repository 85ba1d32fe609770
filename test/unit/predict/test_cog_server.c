#include "predict/cog_server.h"

#include "base/clock.h"
#include "predict/cog_endpoints.h"
#include "scratch.h"

static const struct cog_pause pause_of = {800, 2};
static const uint64_t now = 1000 * NS_PER_S;

static struct cog_server *servers(enum cog_state first, enum cog_state second)
{
    static struct cog_server server[COG_SERVERS_MAX];
    for (unsigned i = 0; i < COG_SERVERS_MAX; i++)
        server[i] = (struct cog_server){.state = COG_READY};
    server[0].state = first;
    server[1].state = second;
    return server;
}

static int choose(const struct cog_server *server, int avoid, unsigned turn, uint64_t *when)
{
    const struct cog_choice choice = {.serves = 3, .avoid = avoid, .turn = turn, .now_ns = now};
    *when = UINT64_MAX;
    return cog_choose(server, &choice, when);
}

static void test_least_busy(void **state)
{
    uint64_t when;
    struct cog_server *s = servers(COG_READY, COG_READY);
    assert_int_equal(choose(s, -1, 0, &when), 0);
    assert_int_equal(choose(s, -1, 1, &when), 1); /* between equals in turn */
    assert_int_equal(choose(s, -1, 2, &when), 0); /* the others do not serve this feature */
    assert_int_equal(choose(s, -1, 64, &when), 0);
    cog_server_begin(&s[0]);
    assert_int_equal(choose(s, -1, 0, &when), 1);
    cog_server_begin(&s[1]);
    cog_server_begin(&s[1]);
    assert_int_equal(choose(s, -1, 1, &when), 0);
    cog_server_end(&s[1]);
    cog_server_end(&s[1]);
    s[1].state = COG_BUSY; /* by others: better than one of ours, worse than nothing */
    assert_int_equal(choose(s, -1, 0, &when), 1);
    cog_server_end(&s[0]);
    assert_int_equal(choose(s, -1, 1, &when), 0);
}

static void test_avoided(void **state)
{
    uint64_t when;
    struct cog_server *s = servers(COG_READY, COG_READY);
    cog_server_begin(&s[1]);
    assert_int_equal(choose(s, 0, 0, &when), 1);
    s[1].state = COG_DEFUNCT;
    assert_int_equal(choose(s, 0, 0, &when), 0); /* there is no other */
}

static void test_states(void **state)
{
    static const struct {
        enum cog_state first, second;
        int chosen;
    } rows[] = {
        {COG_UNASKED, COG_READY, 1},
        {COG_STARTING, COG_BUSY, 1},
        {COG_STARTING, COG_STARTING, COG_LATER},
        {COG_UNASKED, COG_DEFUNCT, COG_LATER},
        {COG_UNHEALTHY, COG_READY, 1},
        {COG_SETUP_FAILED, COG_UNREACHABLE, COG_NOBODY},
        {COG_UNHEALTHY, COG_DEFUNCT, COG_NOBODY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint64_t when;
        assert_int_equal(choose(servers(rows[i].first, rows[i].second), -1, 0, &when), rows[i].chosen);
        assert_true(when == UINT64_MAX); /* it is the health that must change */
    }
    const struct cog_choice none = {.serves = 0, .avoid = -1, .now_ns = now};
    uint64_t when;
    assert_int_equal(cog_choose(servers(COG_READY, COG_READY), &none, &when), COG_NOBODY);
}

static void test_unheard_ones_may_be_better(void **state)
{
    uint64_t when;
    struct cog_server *s = servers(COG_READY, COG_UNASKED);
    assert_int_equal(choose(s, -1, 0, &when), 0); /* nothing is better than idle */
    assert_int_equal(choose(s, 0, 0, &when), COG_LATER);
    cog_server_begin(&s[0]);
    assert_int_equal(choose(s, -1, 0, &when), COG_LATER);
    assert_true(when == UINT64_MAX);
    s[1].state = COG_STARTING; /* that may take minutes */
    assert_int_equal(choose(s, -1, 0, &when), 0);
}

static void test_pauses(void **state)
{
    struct rng rng;
    rng_seed(&rng, 7);
    uint64_t when;
    struct cog_server *s = servers(COG_READY, COG_DEFUNCT);
    uint64_t most_ms = 800;
    for (int i = 0; i < 8; i++) { /* each in a row longer, up to ten seconds, and never at once */
        cog_server_refused(&s[0], &pause_of, now, &rng);
        assert_in_range(s[0].pause_until_ns, now + most_ms * NS_PER_MS / 2, now + most_ms * NS_PER_MS);
        assert_int_equal(choose(s, -1, 0, &when), COG_LATER);
        assert_true(when == s[0].pause_until_ns);
        most_ms = MIN(most_ms * 2, 10000u);
    }
    assert_int_equal(s[0].slots, 0); /* others have them */
    s[1].state = COG_READY;
    cog_server_refused(&s[1], &pause_of, now, &rng);
    assert_int_equal(choose(s, -1, 0, &when), COG_LATER);
    assert_true(when == s[1].pause_until_ns); /* the earlier one */
    cog_server_took(&s[0]);
    assert_int_equal(choose(s, -1, 0, &when), 0);
    cog_server_refused(&s[0], &pause_of, now, &rng);
    assert_in_range(s[0].pause_until_ns, now, now + 800 * NS_PER_MS); /* short again */
}

static void test_slots_are_learned(void **state)
{
    struct rng rng;
    rng_seed(&rng, 7);
    uint64_t when;
    struct cog_server *s = servers(COG_READY, COG_DEFUNCT);
    cog_server_begin(&s[0]);
    cog_server_begin(&s[0]);
    assert_int_equal(choose(s, -1, 0, &when), 0); /* nobody knows how many it takes */
    cog_server_begin(&s[0]);
    cog_server_end(&s[0]);
    cog_server_refused(&s[0], &pause_of, now, &rng);
    cog_server_took(&s[0]); /* no pause any more */
    assert_int_equal(choose(s, -1, 0, &when), COG_LATER);
    assert_true(when == UINT64_MAX); /* until one of ours ends */
    cog_server_end(&s[0]);
    assert_int_equal(choose(s, -1, 0, &when), 0);
    cog_server_begin(&s[0]);
    const struct cog_health busy = {COG_BUSY, 0}, ready = {COG_READY, 0}, told = {COG_READY, 3};
    cog_server_heard(&s[0], &busy);
    assert_int_equal(choose(s, -1, 0, &when), COG_LATER);
    cog_server_heard(&s[0], &ready); /* it has room after all */
    assert_int_equal(choose(s, -1, 0, &when), 0);
    cog_server_heard(&s[0], &told);
    assert_int_equal(choose(s, -1, 0, &when), 0);
    cog_server_begin(&s[0]);
    assert_int_equal(choose(s, -1, 0, &when), COG_LATER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_busy),
        cmocka_unit_test(test_avoided),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_unheard_ones_may_be_better),
        cmocka_unit_test(test_slots_are_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
