#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/text.h"

enum { BAR_LEAST = 8, BAR_MOST = 30, NAME_LEAST = 8, NAME_MOST = 32, USUAL_COLUMNS = 80 };

/* ---- time ---- */

static double seconds_between(uint64_t from_ns, uint64_t to_ns)
{
    return to_ns > from_ns ? (double)(to_ns - from_ns) / 1e9 : 0;
}

void pace_image_begin(struct pace *p, uint64_t now_ns)
{
    p->image_ns = now_ns;
    p->first_ns = p->last_ns = 0;
    p->done = p->total = 0;
}

void pace_tiles(struct pace *p, unsigned done, unsigned total, uint64_t now_ns)
{
    if (done == p->done && total == p->total)
        return;
    if (p->done == 0)
        p->first_ns = now_ns;
    p->last_ns = now_ns;
    p->done = done;
    p->total = total;
}

void pace_image_end(struct pace *p, uint64_t now_ns)
{
    p->seconds += seconds_between(p->image_ns, now_ns);
    p->images++;
}

double pace_left_s(const struct pace *p, unsigned images_after, uint64_t now_ns)
{
    double usual = p->images ? p->seconds / p->images : -1;
    double left, whole;
    if (p->done > 0) {
        /* The first tile also waits for the network to be loaded, so it tells little. */
        double tile = p->done > 1 ? seconds_between(p->first_ns, p->last_ns) / (p->done - 1)
                                  : seconds_between(p->image_ns, p->last_ns);
        double to_come = tile * (p->total - p->done);
        left = MAX(to_come - seconds_between(p->last_ns, now_ns), 0);
        whole = seconds_between(p->image_ns, p->last_ns) + to_come;
    } else if (usual >= 0) {
        left = MAX(usual - seconds_between(p->image_ns, now_ns), 0);
        whole = usual;
    } else {
        return -1;
    }
    return left + images_after * (usual >= 0 ? usual : whole);
}

/* ---- the line ---- */

static double fraction(const struct progress_view *v)
{
    double image = v->total ? (double)v->done / v->total : 0;
    return v->images ? (v->image - 1 + MIN(image, 1)) / v->images : 0;
}

static void put_bar(struct buf *out, double part, size_t columns, bool utf8)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t inside = columns - 2;
    size_t steps = (size_t)(part * (double)inside * 8), full = steps / 8;
    buf_puts(out, utf8 ? "▕" : "[");
    for (size_t i = 0; i < full; i++)
        buf_puts(out, utf8 ? "█" : "#");
    const char *rest = utf8 && full < inside ? eighths[steps % 8] : "";
    buf_puts(out, rest);
    for (size_t i = full + text_columns(rest); i < inside; i++)
        buf_puts(out, utf8 ? " " : ".");
    buf_puts(out, utf8 ? "▏" : "]");
}

enum part { PART_COUNT, PART_PERCENT, PART_WHAT, PART_ELAPSED, PART_LEFT, PARTS };

static void make_parts(const struct progress_view *v, char part[PARTS][32])
{
    char clock[16];
    memset(part, 0, PARTS * sizeof(part[0]));
    if (v->images > 1)
        snprintf(part[PART_COUNT], 32, "%u/%u", v->image, v->images);
    snprintf(part[PART_PERCENT], 32, "%3.0f%%", fraction(v) * 100);
    if (v->phase)
        snprintf(part[PART_WHAT], 32, "%s", v->phase);
    else
        snprintf(part[PART_WHAT], 32, "%s %u/%u", v->part, v->done, v->total);
    text_clock(v->elapsed_s, clock, sizeof(clock));
    snprintf(part[PART_ELAPSED], 32, "%s", clock);
    if (v->left_s >= 0) {
        text_clock(v->left_s, clock, sizeof(clock));
        snprintf(part[PART_LEFT], 32, "ETA %s", clock);
    }
}

/* Columns the parts take, each with two blanks behind it. */
static size_t parts_columns(char part[PARTS][32])
{
    size_t columns = 0;
    for (int i = 0; i < PARTS; i++)
        if (*part[i])
            columns += text_columns(part[i]) + 2;
    return columns;
}

void progress_line(const struct progress_view *v, size_t columns, bool utf8, struct buf *out)
{
    static const enum part least_first[] = {PART_ELAPSED, PART_WHAT, PART_COUNT, PART_LEFT, PART_PERCENT};
    char part[PARTS][32];
    make_parts(v, part);
    for (size_t i = 0; i < ARRAY_LEN(least_first); i++) {
        if (parts_columns(part) + BAR_LEAST <= columns)
            break;
        part[least_first[i]][0] = '\0';
    }
    size_t taken = parts_columns(part), room = columns > taken ? columns - taken : 0;
    size_t name = MIN(text_columns(v->name) + 2, (size_t)NAME_MOST);
    name = MIN(name, room > BAR_LEAST ? room - BAR_LEAST : 0);
    if (name < MIN(text_columns(v->name) + 2, (size_t)NAME_LEAST))
        name = 0;
    size_t bar = MIN(room - name, (size_t)BAR_MOST);
    if (*part[PART_COUNT])
        buf_printf(out, "%s  ", part[PART_COUNT]);
    if (name) {
        FREE_ON_EXIT char *shown = text_tail(v->name, name - 2, utf8);
        text_pad(out, shown, name);
    }
    if (bar >= BAR_LEAST)
        put_bar(out, fraction(v), bar, utf8);
    const char *gap = bar >= BAR_LEAST ? " " : "";
    for (int i = PART_PERCENT; i < PARTS; i++) {
        if (*part[i])
            buf_printf(out, "%s%s", gap, part[i]);
        gap = *part[i] ? "  " : gap;
    }
}

/* ---- the screen ---- */

void progress_init(struct progress *p, int fd, bool wanted)
{
    const char *term = getenv("TERM");
    bool can = term && *term && strcmp(term, "dumb") != 0 && isatty(fd);
    *p = (struct progress){.fd = wanted && can ? fd : -1, .utf8 = text_utf8_ok()};
}

static size_t screen_columns(int fd)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return USUAL_COLUMNS;
    return size.ws_col;
}

/* All at once, so that no half of a line is ever seen; a terminal that has gone is no reason to stop. */
static void put(const struct progress *p, const char *text, size_t len)
{
    ssize_t n = write(p->fd, text, len);
    (void)n;
}

void progress_draw(struct progress *p, const struct progress_view *v)
{
    if (p->fd < 0)
        return;
    BUF_ON_EXIT struct buf line;
    buf_init(&line, PROGRESS_LINE_MAX - 1);
    /* In the last column some terminals wrap. */
    progress_line(v, screen_columns(p->fd) - 1, p->utf8, &line);
    if (p->drawn && strcmp(p->last, buf_text(&line)) == 0)
        return;
    memcpy(p->last, buf_text(&line), line.len + 1);
    /* The new text is put over the old one and then the rest cleared: the line is never empty in between. */
    FREE_ON_EXIT char *text = mem_printf("\r%s\033[K", p->last);
    put(p, text, strlen(text));
    p->drawn = true;
}

void progress_clear(struct progress *p)
{
    static const char clear[] = "\r\033[K";
    if (!p->drawn)
        return;
    put(p, clear, strlen(clear));
    p->drawn = false;
}
