#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "scratch.h"

enum { S = NS_PER_S };

/* ---- time ---- */

static void nothing_is_known_before_the_first_tile(void **state)
{
    struct pace p = {0};
    pace_image_begin(&p, 10 * (uint64_t)S);
    assert_true(pace_left_s(&p, 3, 12 * (uint64_t)S) < 0);
}

static void tiles_tell_what_is_left(void **state)
{
    struct pace p = {0};
    uint64_t s = S;
    pace_image_begin(&p, 0);
    pace_tiles(&p, 0, 5, 1 * s);
    assert_true(pace_left_s(&p, 0, 1 * s) < 0);
    pace_tiles(&p, 1, 5, 5 * s); /* 5 s with loading */
    assert_float_equal(pace_left_s(&p, 0, 5 * s), 20, 1e-6);
    pace_tiles(&p, 2, 5, 7 * s); /* 2 s a tile */
    assert_float_equal(pace_left_s(&p, 0, 7 * s), 6, 1e-6);
    assert_float_equal(pace_left_s(&p, 0, 8 * s), 5, 1e-6);  /* counts down between tiles */
    assert_float_equal(pace_left_s(&p, 0, 60 * s), 0, 1e-6); /* never below nothing */
    pace_tiles(&p, 2, 5, 9 * s);                             /* the same again changes nothing */
    assert_float_equal(pace_left_s(&p, 0, 9 * s), 4, 1e-6);
    /* two more images like this one: 7 + 6 s each */
    assert_float_equal(pace_left_s(&p, 2, 7 * s), 6 + 2 * 13, 1e-6);
}

static void earlier_images_tell_what_is_left(void **state)
{
    struct pace p = {0};
    uint64_t s = S;
    pace_image_begin(&p, 0);
    pace_image_end(&p, 10 * s);
    pace_image_begin(&p, 10 * s);
    pace_image_end(&p, 14 * s);
    pace_image_begin(&p, 14 * s);
    assert_float_equal(pace_left_s(&p, 2, 15 * s), 6 + 2 * 7, 1e-6);
}

/* ---- the line ---- */

static const struct progress_view usual = {
    .image = 3,
    .images = 12,
    .name = "a-rather-long-name-of-a-photo-写真.jpg",
    .done = 9,
    .total = 20,
    .part = "tile",
    .elapsed_s = 12,
    .left_s = 194,
};

static void fits_any_width(void **state)
{
    struct progress_view loading = usual;
    loading.phase = "loading the network";
    for (int utf8 = 0; utf8 < 2; utf8++) {
        for (size_t columns = 0; columns < 300; columns++) {
            BUF_ON_EXIT struct buf line;
            BUF_ON_EXIT struct buf other;
            buf_init(&line, PROGRESS_LINE_MAX - 1);
            buf_init(&other, PROGRESS_LINE_MAX - 1);
            progress_line(&usual, columns, utf8, &line);
            progress_line(&loading, columns, utf8, &other);
            assert_true(text_columns(buf_text(&line)) <= columns);
            assert_true(text_columns(buf_text(&other)) <= columns);
            assert_false(line.failed);
        }
    }
}

static void says_all_where_there_is_room(void **state)
{
    BUF_ON_EXIT struct buf line;
    buf_init(&line, PROGRESS_LINE_MAX - 1);
    progress_line(&usual, 120, false, &line);
    const char *s = buf_text(&line);
    assert_non_null(strstr(s, "3/12"));
    assert_non_null(strstr(s, "写真.jpg"));
    assert_non_null(strstr(s, "20%")); /* (2 + 9/20) / 12 */
    assert_non_null(strstr(s, "tile 9/20"));
    assert_non_null(strstr(s, "0:12"));
    assert_non_null(strstr(s, "ETA 3:14"));
    assert_non_null(strstr(s, "[#####"));
}

static void drops_the_least_first(void **state)
{
    BUF_ON_EXIT struct buf line;
    buf_init(&line, PROGRESS_LINE_MAX - 1);
    progress_line(&usual, 24, true, &line);
    assert_non_null(strstr(buf_text(&line), "ETA 3:14"));
    assert_null(strstr(buf_text(&line), "tile"));
}

static void the_bar_is_as_full_as_the_work_is_done(void **state)
{
    static const struct {
        unsigned done, full;
    } rows[] = {{0, 0}, {1, 7}, {2, 14}, {4, 28}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct progress_view v = {.image = 1,
                                  .images = 1,
                                  .name = "a",
                                  .done = rows[i].done,
                                  .total = 4,
                                  .part = "tile",
                                  .left_s = -1};
        BUF_ON_EXIT struct buf line;
        buf_init(&line, PROGRESS_LINE_MAX - 1);
        progress_line(&v, 100, false, &line);
        unsigned full = 0;
        for (const char *at = buf_text(&line); *at; at++)
            full += *at == '#';
        assert_int_equal(full, rows[i].full);
    }
}

/* ---- the screen ---- */

static void nothing_on_a_pipe(void **state)
{
    int fd[2];
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    setenv("TERM", "xterm", 1);
    struct progress p;
    progress_init(&p, fd[1], true);
    progress_draw(&p, &usual);
    progress_clear(&p);
    char c;
    assert_int_equal(read(fd[0], &c, 1), -1);
    close(fd[0]);
    close(fd[1]);
}

static void on_a_terminal_redraws_only_what_changed(void **state)
{
    int master, slave;
    struct winsize size = {.ws_col = 60, .ws_row = 24};
    if (openpty(&master, &slave, NULL, NULL, &size) < 0)
        skip();
    fcntl(master, F_SETFL, O_NONBLOCK);
    setenv("TERM", "xterm", 1);
    struct progress p;
    char text[8192];
    progress_init(&p, slave, false);
    progress_draw(&p, &usual);
    assert_int_equal(read(master, text, sizeof(text)), -1); /* not wanted */
    progress_init(&p, slave, true);
    progress_draw(&p, &usual);
    ssize_t n = read(master, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(text[0], '\r');
    assert_string_equal(text + n - 3, "\033[K");
    text[n - 3] = '\0';
    assert_true(text_columns(text + 1) < 60);
    progress_draw(&p, &usual);
    assert_int_equal(read(master, text, sizeof(text)), -1);
    progress_clear(&p);
    n = read(master, text, sizeof(text));
    assert_int_equal(n, 4);
    assert_memory_equal(text, "\r\033[K", 4);
    progress_clear(&p);
    assert_int_equal(read(master, text, sizeof(text)), -1);
    setenv("TERM", "dumb", 1);
    progress_init(&p, slave, true);
    progress_draw(&p, &usual);
    assert_int_equal(read(master, text, sizeof(text)), -1);
    close(slave);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_before_the_first_tile),
        cmocka_unit_test(tiles_tell_what_is_left),
        cmocka_unit_test(earlier_images_tell_what_is_left),
        cmocka_unit_test(fits_any_width),
        cmocka_unit_test(says_all_where_there_is_room),
        cmocka_unit_test(drops_the_least_first),
        cmocka_unit_test(the_bar_is_as_full_as_the_work_is_done),
        cmocka_unit_test(nothing_on_a_pipe),
        cmocka_unit_test(on_a_terminal_redraws_only_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
