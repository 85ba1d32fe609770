#include "metrics/exemplars.h"

#include <string.h>

#include "base/clock.h"
#include "scratch.h"

enum { SERIES = 3, BUCKET = 3 }; /* of a millisecond */

static void the_first_one_and_then_one_a_second(void **state)
{
    struct exemplars *e = exemplars_new();
    struct exemplar x;
    assert_false(exemplars_get(e, SERIES, BUCKET, &x));
    exemplars_note(e, SERIES, NS_PER_MS, "one", 5 * NS_PER_S);
    exemplars_note(e, SERIES, NS_PER_MS, "two", 6 * NS_PER_S - 1);
    assert_true(exemplars_get(e, SERIES, BUCKET, &x));
    assert_string_equal(x.id, "one");
    assert_int_equal(x.ns, NS_PER_MS);
    assert_true(x.wall_ns > 1700000000 * NS_PER_S);
    exemplars_note(e, SERIES, NS_PER_MS - 1, "three", 6 * NS_PER_S);
    assert_true(exemplars_get(e, SERIES, BUCKET, &x));
    assert_string_equal(x.id, "three");
    assert_false(exemplars_get(e, SERIES, BUCKET - 1, &x));
    assert_false(exemplars_get(e, SERIES + 1, BUCKET, &x));
    exemplars_free(e);
    exemplars_free(NULL);
}

static void ids_that_fit(void **state)
{
    struct exemplars *e = exemplars_new();
    struct exemplar x;
    char id[EXEMPLAR_ID_MAX + 2];
    memset(id, 'a', sizeof(id));
    id[EXEMPLAR_ID_MAX + 1] = '\0';
    exemplars_note(e, SERIES, NS_PER_MS, id, NS_PER_S);
    exemplars_note(e, SERIES, NS_PER_MS, "a\"b", NS_PER_S);
    exemplars_note(e, SERIES, NS_PER_MS, "a\\b", NS_PER_S);
    assert_false(exemplars_get(e, SERIES, BUCKET, &x));
    id[EXEMPLAR_ID_MAX] = '\0';
    exemplars_note(e, SERIES, NS_PER_MS, id, NS_PER_S);
    assert_true(exemplars_get(e, SERIES, BUCKET, &x));
    assert_string_equal(x.id, id);
    exemplars_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_first_one_and_then_one_a_second),
                                       cmocka_unit_test(ids_that_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
