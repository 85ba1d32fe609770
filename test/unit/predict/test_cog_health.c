#include "predict/cog_health.h"

#include <string.h>

#include "scratch.h"

static void check(int status, const char *body, enum cog_state state, unsigned slots)
{
    struct cog_health h;
    cog_health_read(status, body, strlen(body), &h);
    assert_int_equal(h.state, state);
    assert_int_equal(h.slots, slots);
}

/* As the servers of three generations send it. */
static void test_generations(void **state)
{
    check(200,
          "{\"status\":\"READY\",\"setup\":{\"started_at\":\"2026-01-02T03:04:05.678+00:00\",\"status\":"
          "\"succeeded\","
          "\"logs\":\"READY\"},\"version\":{\"coglet\":\"0.22.0\",\"python\":\"3.12\"}}",
          COG_READY, 0);
    check(200, "{\"status\":\"STARTING\",\"setup\":{}}", COG_STARTING, 0);
    check(200, "{\"status\":\"READY\",\"setup\":{},\"concurrency\":{\"max\":4,\"current\":1}}", COG_READY, 4);
}

static void test_states(void **state)
{
    check(200, "{\"status\":\"UNKNOWN\"}", COG_STARTING, 0);
    check(200, "{\"status\":\"BUSY\"}", COG_BUSY, 0);
    check(503, "{\"status\":\"BUSY\"}", COG_BUSY, 0); /* newer ones answer so unless they are ready */
    check(200, "{\"status\":\"SETUP_FAILED\"}", COG_SETUP_FAILED, 0);
    check(503, "{\"status\":\"DEFUNCT\"}", COG_DEFUNCT, 0);
    check(200, "{\"status\":\"UNHEALTHY\",\"user_healthcheck_error\":\"no\"}", COG_UNHEALTHY, 0);
    check(200, "{\"status\":\"READIER\"}", COG_UNHEALTHY, 0);
}

static void test_not_cog(void **state)
{
    check(200, "", COG_UNREACHABLE, 0);
    check(200, "ok", COG_UNREACHABLE, 0);
    check(200, "<html>", COG_UNREACHABLE, 0);
    check(200, "[]", COG_UNREACHABLE, 0);
    check(200, "{\"status\":7}", COG_UNREACHABLE, 0);
    check(502, "{\"status\":\"READY\"}", COG_UNREACHABLE, 0); /* by whoever */
    check(404, "{\"status\":\"READY\"}", COG_UNREACHABLE, 0);
}

static void test_strange_slots(void **state)
{
    check(200, "{\"status\":\"READY\",\"concurrency\":{\"max\":0}}", COG_READY, 0);
    check(200, "{\"status\":\"READY\",\"concurrency\":{\"max\":-3}}", COG_READY, 0);
    check(200, "{\"status\":\"READY\",\"concurrency\":{\"max\":1e300}}", COG_READY, 0);
    check(200, "{\"status\":\"READY\",\"concurrency\":{\"max\":\"4\"}}", COG_READY, 0);
    check(200, "{\"status\":\"READY\",\"concurrency\":4}", COG_READY, 0);
}

static void test_hope(void **state)
{
    static const struct {
        enum cog_state state;
        const char *name;
        bool hopeful;
    } all[] = {{COG_UNASKED, "unasked", true},      {COG_STARTING, "starting", true},
               {COG_READY, "ready", true},          {COG_BUSY, "busy", true},
               {COG_UNHEALTHY, "unhealthy", false}, {COG_SETUP_FAILED, "setup failed", false},
               {COG_DEFUNCT, "defunct", false},     {COG_UNREACHABLE, "unreachable", false}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_string_equal(cog_state_name(all[i].state), all[i].name);
        assert_int_equal(cog_state_hopeful(all[i].state), all[i].hopeful);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generations),   cmocka_unit_test(test_states), cmocka_unit_test(test_not_cog),
        cmocka_unit_test(test_strange_slots), cmocka_unit_test(test_hope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
