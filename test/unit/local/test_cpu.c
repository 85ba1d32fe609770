#include "fixture.h"

#include "local/cpu.h"

static void test_flags_and_name(void **state)
{
    struct cpu c;
    cpu_parse_info(&c, "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 143\n"
                       "model name\t: Some CPU @ 2 GHz\nflags\t\t: fpu sse amx_bf16 xsave\nbugs\t\t: none\n");
    assert_string_equal(c.name, "Some CPU @ 2 GHz");
    assert_true(c.bf16);
    cpu_parse_info(&c, "model name\t: X\nflags\t\t: fpu amx_bf16\n\nprocessor\t: 1\n");
    assert_true(c.bf16);
    cpu_parse_info(&c,
                   "model name\t: X\nflags\t\t: fpu amx_bf16x xamx_bf16 avx512_bf16\nother\t: amx_bf16\n");
    assert_false(c.bf16);
    cpu_parse_info(&c, "flags");
    assert_false(c.bf16);
    assert_string_equal(c.name, "unknown");
    cpu_parse_info(&c, "");
    assert_string_equal(c.name, "unknown");
}

static void test_quota(void **state)
{
    assert_int_equal(cpu_parse_quota("max 100000\n"), 0);
    assert_int_equal(cpu_parse_quota("200000 100000\n"), 2);
    assert_int_equal(cpu_parse_quota("150000 100000\n"), 2);
    assert_int_equal(cpu_parse_quota("5000 100000\n"), 1);
    assert_int_equal(cpu_parse_quota(""), 0);
    assert_int_equal(cpu_parse_quota("1 0"), 0);
}

static void test_this_machine(void **state)
{
    struct cpu c;
    cpu_read(&c);
    assert_true(c.threads >= 1);
    assert_true(strlen(c.name) > 0);
    assert_null(strpbrk(c.name, "\t\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags_and_name),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
