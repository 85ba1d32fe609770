#include "cli/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"

enum { FRAME_MAX = 1 << 20, USUAL_COLUMNS = 80, USUAL_LINES = 24, WAIT_MS = 1000 };

/* The other screen, whose end brings back the first one; no cursor; no wrapping of what is too long. */
static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[2J";
static const char leave[] = "\033[?7h\033[?25h\033[?1049l";

bool screen_possible(int fd)
{
    const char *term = getenv("TERM");
    return term && *term && strcmp(term, "dumb") != 0 && isatty(fd);
}

void screen_size(int fd, unsigned *ret_columns, unsigned *ret_lines)
{
    struct winsize size;
    bool known = ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    *ret_columns = known ? size.ws_col : USUAL_COLUMNS;
    *ret_lines = known ? size.ws_row : USUAL_LINES;
}

/* A terminal that reads slowly is waited for, one that does not read at all only so long; one that has gone
 * is no reason to stop. */
static void put(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && poll(&wait, 1, WAIT_MS) > 0)))
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

void screen_init(struct screen *s, int fd)
{
    /* Opened by itself: what is set on it for the event loop does not reach the shell's standard input. */
    *s = (struct screen){.fd = fd, .keys = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)};
}

void screen_enter(struct screen *s)
{
    struct termios raw;
    s->has_before = s->keys >= 0 && tcgetattr(s->keys, &s->before) == 0;
    if (s->has_before) {
        raw = s->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(s->keys, TCSANOW, &raw);
    }
    put(s->fd, enter, strlen(enter));
    s->entered = true;
}

void screen_leave(struct screen *s)
{
    if (!s->entered)
        return;
    put(s->fd, leave, strlen(leave));
    if (s->has_before)
        tcsetattr(s->keys, TCSAFLUSH, &s->before);
    s->entered = false;
}

void screen_release(struct screen *s)
{
    screen_leave(s);
    if (s->keys >= 0)
        close(s->keys);
    s->keys = -1;
}

/* Each line is put over the old one and its rest cleared, so that nothing is ever empty in between; terminals
 * that know ?2026 show all at once. The last line has no end, or the terminal would scroll. */
void screen_draw(struct screen *s, const char *text)
{
    BUF_ON_EXIT struct buf frame;
    buf_init(&frame, FRAME_MAX);
    buf_puts(&frame, "\033[?2026h\033[H");
    while (*text) {
        size_t len = strcspn(text, "\n");
        buf_append(&frame, text, len);
        buf_puts(&frame, "\033[K");
        text += len + (text[len] == '\n');
        buf_puts(&frame, *text ? "\r\n" : "");
    }
    buf_puts(&frame, "\033[J\033[?2026l");
    put(s->fd, buf_text(&frame), frame.len);
}
