#include "metrics/window.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scratch.h"

enum { SPAN_S = 100, PLACE_S = 10 };

static uint64_t count_of(struct window *w, enum feature_id f)
{
    FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
    window_read(w, f, h);
    return atomic_load(&h->count);
}

/* One answer a place: what is read is the current place and the ten before it, whatever the ring's state. */
static void covers_its_span(void **state)
{
    struct window *w = window_new(SPAN_S, 0);
    struct window_totals none = {0};
    for (uint64_t place = 0; place < 40; place++) {
        window_turn(w, place * PLACE_S * NS_PER_S, &none);
        window_add(w, FEATURE_CLARITY, NS_PER_MS);
        assert_int_equal(count_of(w, FEATURE_CLARITY), MIN(place + 1, 11));
        assert_int_equal(count_of(w, FEATURE_ENHANCE), 0);
    }
    window_free(w);
    window_free(NULL);
}

static void late_turns(void **state)
{
    static const struct {
        unsigned places, left;
    } cases[] = {{1, 1}, {10, 1}, {11, 0}, {12, 0}, {13, 0}, {1000, 0}};
    struct window_totals none = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct window *w = window_new(SPAN_S, 0);
        window_add(w, FEATURE_CLARITY, NS_PER_MS);
        window_turn(w, cases[i].places * PLACE_S * NS_PER_S + 1, &none);
        assert_int_equal(count_of(w, FEATURE_CLARITY), cases[i].left);
        window_add(w, FEATURE_CLARITY, NS_PER_MS);
        assert_int_equal(count_of(w, FEATURE_CLARITY), cases[i].left + 1);
        window_free(w);
    }
}

static void turning_early_does_nothing(void **state)
{
    struct window *w = window_new(SPAN_S, 50 * NS_PER_S);
    struct window_totals none = {0};
    window_add(w, FEATURE_CLARITY, NS_PER_MS);
    for (unsigned i = 0; i < 1000; i++)
        window_turn(w, 59 * NS_PER_S, &none);
    window_turn(w, 0, &none); /* a clock before the start */
    assert_int_equal(count_of(w, FEATURE_CLARITY), 1);
    window_free(w);
}

static void totals_of_the_span(void **state)
{
    struct window *w = window_new(SPAN_S, 0);
    struct window_totals now = {0}, in;
    for (uint64_t place = 1; place <= 30; place++) {
        now = (struct window_totals){place * 4, place * 3, place * 2, place};
        window_turn(w, place * PLACE_S * NS_PER_S, &now);
        now.total++;
        window_totals(w, &now, &in);
        uint64_t places = place < 11 ? place : 10; /* before that all of it */
        assert_int_equal(in.total, places * 4 + 1);
        assert_int_equal(in.success, places * 3);
        assert_int_equal(in.cached, places * 2);
        assert_int_equal(in.error, places);
    }
    window_free(w);
}

struct shared {
    struct window *window;
    atomic_bool stop;
};

static void *answer(void *arg)
{
    struct shared *s = arg;
    for (unsigned i = 1; !atomic_load(&s->stop); i++)
        window_add(s->window, (enum feature_id)(i % FEATURE_COUNT), i);
    return NULL;
}

/* For the thread sanitizer; and nothing that is read is ever absurd. */
static void threads(void **state)
{
    struct shared s = {.window = window_new(SPAN_S, 0)};
    struct window_totals none = {0};
    pthread_t thread[2];
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, answer, &s), 0);
    for (uint64_t i = 1; i < 300; i++) {
        window_turn(s.window, i * PLACE_S * NS_PER_S, &none);
        FREE_ON_EXIT struct histogram *h = NEW(struct histogram);
        window_read(s.window, FEATURE_CLARITY, h);
        assert_true(histogram_quantile(h, 0.5) <= atomic_load(&h->max_ns));
    }
    atomic_store(&s.stop, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    window_free(s.window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_its_span),
        cmocka_unit_test(late_turns),
        cmocka_unit_test(turning_early_does_nothing),
        cmocka_unit_test(totals_of_the_span),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
