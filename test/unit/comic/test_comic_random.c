/* Comics whose models, store and lanes are as slow and as bad as a seed says, and which are cancelled when it
 * says. Whatever happens: each ends once, nothing of it goes on, and all of it is in the store, or nothing
 * is. */
#include "comic/comic.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "comic_rig.h"
#include "scratch.h"

enum { ROUNDS = 300, SAYS_MAX = 8, TIMES_MAX = 2 };

static const char theirs[] = "{\"story_id\":\"the-cat\",\"made_by\":\"somebody else\"}";

static bool once_in(struct rng *r, uint64_t n)
{
    return rng_below(r, n) == 0;
}

/* ---- what is asked for, and what goes wrong ---- */

static void make_says(struct rng *r, struct comic_says says[static SAYS_MAX + 1])
{
    static const char *const names[] = {"outline",   "outline-repair", "board-*",   "board-repair-*",
                                        "panel-1-1", "panel-*-2",      "panel-2-*", "*"};
    static const enum err codes[] = {ERR_NONE,
                                     ERR_NONE,
                                     ERR_NONE,
                                     ERR_NONE,
                                     ERR_UPSTREAM,
                                     ERR_QUEUE_FULL,
                                     ERR_BUDGET_EXCEEDED,
                                     ERR_CONTENT_FILTERED};
    unsigned count = (unsigned)rng_below(r, SAYS_MAX);
    memset(says, 0, (SAYS_MAX + 1) * sizeof(*says));
    for (unsigned i = 0; i < count; i++)
        says[i] = (struct comic_says){
            .name = names[rng_below(r, ARRAY_LEN(names))],
            .nth = (unsigned)rng_below(r, 3),
            .fails = codes[rng_below(r, ARRAY_LEN(codes))],
            .text = once_in(r, 3) ? "no JSON" : NULL,
            .picture = once_in(r, 3) ? (enum comic_picture)rng_below(r, PICTURE_NONE + 1) : PICTURE_GOOD,
            .ms = 1 + (unsigned)rng_below(r, 3000),
            .deaf = once_in(r, 3),
        };
}

static void make_rig(struct comic_rig *rig, uint64_t seed)
{
    static const char *const files[] = {"page-1.png", "page-*", "cover.png", "book.*", "story.json", "*"};
    *rig = (struct comic_rig){.random = true, .stand_ins = true};
    rng_seed(&rig->rng, seed);
    struct rng *r = &rig->rng;
    rig->imaging_room = once_in(r, 2) ? 1 + rng_below(r, 3) : 0;
    if (once_in(r, 4)) {
        rig->put_fails[0] = files[rng_below(r, ARRAY_LEN(files))];
        rig->put_fails_nth[0] = (unsigned)rng_below(r, 3);
    }
    comic_rig_start(rig);
    rig->config.partial = once_in(r, 2);
    rig->ask.story.pages = 1 + (unsigned)rng_below(r, COMIC_PAGES_MAX);
    rig->ask.story.panels = 1 + (unsigned)rng_below(r, STORY_PANELS_MAX);
    rig->ask.cover = once_in(r, 2);
    rig->ask.bound = once_in(r, 2);
    if (once_in(r, 3))
        comic_rig_store(rig, "comics/the-cat/story.json", theirs);
}

/* ---- what must hold ---- */

static void was_asked_right(const struct comic_rig *rig)
{
    for (unsigned i = 0; i < rig->run_count; i++) {
        const struct comic_rig_run *r = &rig->run[i];
        assert_null(r->run);
        assert_true(r->nth <= TIMES_MAX * rig->comic_count);
    }
}

/* Each output is there, as large as it says. */
static unsigned outputs_are_there(const struct comic_rig *rig, const struct comic_rig_comic *c)
{
    const struct comic_output *out;
    unsigned count = comic_outputs(c->comic, &out);
    assert_int_equal(count, rig->ask.story.pages + rig->ask.cover + rig->ask.bound);
    for (unsigned i = 0; i < count; i++) {
        FREE_ON_EXIT char *text = comic_rig_read(rig, out[i].key);
        assert_non_null(text);
        assert_int_equal(strlen(text), out[i].bytes);
    }
    assert_int_equal(c->news.done, c->news.total);
    assert_non_null(comic_detail(c->comic));
    assert_true(rig->config.partial || !comic_is_degraded(c->comic));
    return count;
}

static unsigned words(const char *text)
{
    unsigned n = 0;
    for (; *text; text++)
        n += *text == ' ';
    return n;
}

static unsigned check(struct comic_rig *rig, bool cancelled)
{
    unsigned good = 0, objects = 0;
    for (unsigned i = 0; i < rig->comic_count; i++) {
        struct comic_rig_comic *c = &rig->comic[i];
        int r = comic_op(c->comic)->result;
        assert_true(r == 0 || r == -(int)comic_error(c->comic)->code);
        assert_true(cancelled || r != -ERR_CLIENT_GONE);
        good += r == 0;
        objects += r == 0 ? outputs_are_there(rig, c) + 1 : 0; /* and the note */
    }
    FREE_ON_EXIT char *stored = comic_rig_objects(rig);
    FREE_ON_EXIT char *note = comic_rig_read(rig, "comics/the-cat/story.json");
    objects += note && strcmp(note, theirs) == 0;
    assert_int_equal(words(stored), objects);
    was_asked_right(rig);
    return good;
}

static uint64_t seed_now; /* for the message when a round fails */

static unsigned round_of(uint64_t seed)
{
    struct comic_rig rig;
    struct comic_says says[SAYS_MAX + 1];
    make_rig(&rig, seed);
    make_says(&rig.rng, says);
    rig.says = says;
    unsigned comics = once_in(&rig.rng, 3) ? 2 : 1;
    static const char *const makers[] = {"one", "two"};
    for (unsigned i = 0; i < comics; i++) {
        rig.ask.made_by = makers[i];
        struct comic_rig_comic *c = comic_rig_new(&rig);
        if (once_in(&rig.rng, 8))
            c->cancel_at = 1 + (unsigned)rng_below(&rig.rng, 20);
        comic_rig_begin(c);
    }
    bool cancels = once_in(&rig.rng, 3);
    uint64_t left = cancels ? rng_below(&rig.rng, 60) : 0;
    while (left-- > 0 && comic_rig_step(&rig))
        ;
    if (cancels)
        op_cancel(comic_op(rig.comic[0].comic));
    comic_rig_run(&rig);
    unsigned good = check(&rig, cancels || rig.comic[0].cancel_at || rig.comic[1].cancel_at);
    for (unsigned i = 0; i < comics; i++)
        comic_rig_free(&rig.comic[i]);
    comic_rig_stop(&rig);
    return good;
}

static void say_seed(void)
{
    if (seed_now)
        fprintf(stderr, "in the round with COMIC_SEED=%llu\n", (unsigned long long)seed_now);
}

/* A CHECK of the comic's own has failed. */
static void aborted(int sig)
{
    say_seed();
    signal(sig, SIG_DFL);
    raise(sig);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_rounds(void **state)
{
    (void)state;
    uint64_t first = number("COMIC_SEED", 1), rounds = number("COMIC_ROUNDS", ROUNDS), good = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        seed_now = first + i;
        good += round_of(seed_now);
    }
    seed_now = 0;
    if (rounds >= ROUNDS)
        assert_true(good > rounds / 5); /* the faults leave some to come out well */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds)};
    signal(SIGABRT, aborted);
    int r = cmocka_run_group_tests(tests, comic_group_start, comic_group_stop);
    say_seed();
    return r;
}
