/* Happy path, the newer process N and the older one O, one packet each:
 *
 *     N → O  take          O sends its sockets along with
 *     O → N  given         and goes on accepting; N starts on
 *                          N accepts as well, and puts a socket of its own in the place of HANDOVER_SOCKET
 *     N → O  ready         O leaves
 *     O → N  quiet         O has no work any more, but perhaps idle connections; what it leaves undone is N's
 *                          when O has ended, N sees the connection close
 *
 * Failure modes: N ends before it is ready: O sees the connection close, and is as before. N is never ready:
 * O goes on, and gives to nobody else until somebody ends N. O ends before it has given: N finds nobody and
 * listens by itself; later: N has all it needs. O is busy with another N, or has just left: it closes without
 * an answer; N asks again, for TAKE_MOST_MS, and then finds the other one. N and O die: the path leads
 * nowhere, which is as good as none.
 *
 * Invariants: O gives to one at a time, and does not leave before that one has said `ready`; whoever listens
 * at the path accepts connections, or is draining; the path is replaced by a rename, and removed only by
 * whose it is. */
#include "app_handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    WORD_MAX = 16,
    GIVEN_MAX = 2,     /* sockets */
    ANSWER_MOST_S = 5, /* of an older process whose core thread works */
    TAKE_MOST_MS = 10000,
    TAKE_PAUSE_MS = 50,
};

static const char word_take[] = "take", word_given[] = "given", word_ready[] = "ready",
                  word_quiet[] = "quiet";

struct handover {
    struct handover_config config;
    bool given; /* the newer process has the sockets */
    int before_fd;
    struct fd_watch *before; /* NULL: there is none, or not any more */
    int serve_fd;            /* at the path; -1: not yet, or not any more */
    struct fd_watch *serve;
    dev_t device; /* of the path, while it is ours */
    ino_t file;
    int next_fd; /* the newer process; -1: there is none */
    struct fd_watch *next;
};

/* ---- packets ---- */

static bool send_word(int fd, const char *word)
{
    return send(fd, word, strlen(word), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(word);
}

static bool send_sockets(int fd, const int *sockets, unsigned count)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * GIVEN_MAX)];
    } control = {0};
    struct iovec text = {(void *)word_given, strlen(word_given)};
    struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = control.room};
    m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), sockets, sizeof(int) * count);
    return sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* A packet's word, "" if the other one has closed; sockets it brings are in ret. false: nothing came. */
static bool receive(int fd, int flags, char word[static WORD_MAX], struct handover_given *ret)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int) * GIVEN_MAX)];
    } control = {0};
    struct iovec text = {word, WORD_MAX - 1};
    struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1, .msg_control = control.room};
    m.msg_controllen = sizeof(control.room);
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | flags);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno != ECONNRESET)
        return false;
    word[MAX(n, 0)] = '\0';
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int sockets[GIVEN_MAX] = {-1, -1};
    if (n > 0 && c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(sockets, CMSG_DATA(c), MIN(c->cmsg_len - CMSG_LEN(0), sizeof(sockets)));
    ret->listen_fd = sockets[0];
    ret->metrics_fd = sockets[1];
    return true;
}

static bool is_our_user(int fd)
{
    struct ucred peer = {0};
    socklen_t len = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static bool path_fits(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    return (size_t)snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path) < sizeof(ret->sun_path);
}

/* ---- the newer process asks ---- */

static int cannot(struct error *e, const char *path, const char *why)
{
    return error_set_field(e, ERR_VALIDATION, "HANDOVER_SOCKET", "HANDOVER_SOCKET=%.100s: %s", path, why);
}

/* 0: nobody listens there. fd or -errno. */
static int reach(const char *path)
{
    struct sockaddr_un at;
    const struct timeval most = {.tv_sec = ANSWER_MOST_S};
    if (!path_fits(path, &at))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
    if (connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    int err = errno;
    close(fd);
    return err == ENOENT || err == ECONNREFUSED ? 0 : -err;
}

enum asked { ASKED_NOBODY, ASKED_GIVEN, ASKED_AGAIN, ASKED_FAILED };

static enum asked ask(const char *path, struct handover_given *ret, struct error *e)
{
    char word[WORD_MAX];
    int fd = reach(path);
    if (fd == 0)
        return ASKED_NOBODY;
    if (fd < 0) {
        cannot(e, path, strerror(-fd));
        return ASKED_FAILED;
    }
    enum asked a = ASKED_FAILED;
    if (!is_our_user(fd))
        cannot(e, path, "the process behind it is another user's");
    else if (!send_word(fd, word_take))
        a = ASKED_AGAIN; /* it has just gone */
    else if (!receive(fd, 0, word, ret))
        cannot(e, path, "the process behind it does not answer");
    else if (strcmp(word, word_given) == 0 && ret->listen_fd >= 0)
        a = ASKED_GIVEN;
    else if (!*word)
        a = ASKED_AGAIN;
    else
        cannot(e, path, "the process behind it speaks otherwise");
    if (a == ASKED_GIVEN)
        ret->conn_fd = fd;
    else
        close(fd);
    return a;
}

int handover_take(const char *path, struct handover_given *ret, struct error *e)
{
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) /* else it would be replaced */
        return cannot(e, path, "there is something that is no socket");
    const struct timespec pause = {.tv_nsec = TAKE_PAUSE_MS * (long)NS_PER_MS};
    uint64_t until = clock_mono_ns() + TAKE_MOST_MS * NS_PER_MS;
    for (;;) {
        enum asked a = ask(path, ret, e);
        if (a == ASKED_FAILED)
            return -ERR_VALIDATION;
        if (a != ASKED_AGAIN)
            return 0;
        if (clock_mono_ns() > until)
            return cannot(e, path, "another process is just taking over; try again when it has");
        nanosleep(&pause, NULL);
    }
}

/* ---- the older process gives ---- */

static void forget_next(struct handover *h)
{
    fd_watch_stop(TAKE(h->next));
    if (h->next_fd >= 0)
        close(h->next_fd);
    h->next_fd = -1;
    h->given = false;
}

static void stop_serving(struct handover *h)
{
    fd_watch_stop(TAKE(h->serve));
    if (h->serve_fd >= 0)
        close(h->serve_fd);
    h->serve_fd = -1;
}

/* Told first: the newer one may accept before we are here again. */
static void give(struct handover *h)
{
    const int sockets[GIVEN_MAX] = {h->config.listen_fd, h->config.metrics_fd};
    if (h->given)
        return;
    h->config.beside(h->config.ctx, true);
    h->given = send_sockets(h->next_fd, sockets, h->config.metrics_fd >= 0 ? 2 : 1);
    if (h->given)
        return;
    forget_next(h);
    h->config.beside(h->config.ctx, false);
}

/* From here on it keeps only the connection, which closes when the process has ended. */
static void leave(struct handover *h)
{
    stop_serving(h);
    fd_watch_stop(TAKE(h->next));
    h->config.leave(h->config.ctx);
}

static void on_next(void *ctx, int fd, unsigned events)
{
    struct handover *h = ctx;
    char word[WORD_MAX];
    struct handover_given none;
    if (!receive(fd, MSG_DONTWAIT, word, &none))
        return;
    if (strcmp(word, word_take) == 0) {
        give(h);
    } else if (h->given && strcmp(word, word_ready) == 0) {
        leave(h);
    } else {
        bool given = h->given;
        forget_next(h);
        if (!given)
            return;
        LOG(LOG_WARN, "handover", F_STR("what", "the newer process has gone before it was ready"));
        h->config.beside(h->config.ctx, false);
    }
}

static void on_asker(void *ctx, int fd, unsigned events)
{
    struct handover *h = ctx;
    int next = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (next < 0)
        return;
    if (h->given || !is_our_user(next)) { /* that it is closed says enough */
        close(next);
        return;
    }
    forget_next(h); /* one that has asked for nothing is in nobody's way */
    h->next_fd = next;
    h->next = fd_watch_start(h->config.uv, next, FD_READ, on_next, h);
    if (!h->next)
        forget_next(h);
}

/* ---- the path ---- */

/* Nobody may use it before it listens, and then it is its owner's alone. 0 or -errno. */
static int listen_at(const char *path, int *ret)
{
    struct sockaddr_un at;
    if (!path_fits(path, &at))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    unlink(path);
    if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0 && chmod(path, 0600) == 0 &&
        listen(fd, SOMAXCONN) == 0) {
        *ret = fd;
        return 0;
    }
    int err = errno;
    close(fd);
    return -err;
}

static int serve(struct handover *h)
{
    struct stat st = {0};
    FREE_ON_EXIT char *temp = mem_printf("%s.%d", h->config.path, (int)getpid());
    int r = listen_at(temp, &h->serve_fd);
    if (r == 0 && (stat(temp, &st) < 0 || rename(temp, h->config.path) < 0))
        r = -errno;
    if (r < 0) {
        unlink(temp);
        return r;
    }
    h->device = st.st_dev;
    h->file = st.st_ino;
    h->serve = fd_watch_start(h->config.uv, h->serve_fd, FD_READ, on_asker, h);
    return h->serve ? 0 : -ENOMEM;
}

static void start_serving(struct handover *h)
{
    int r = *h->config.path ? serve(h) : 0;
    if (r == 0)
        return;
    LOG(LOG_ERROR, "handover",
        F_STR("what", "HANDOVER_SOCKET cannot be served: no newer process can take over"),
        F_STR("path", h->config.path), F_STR("why", strerror(-r)));
    stop_serving(h);
}

static void remove_path(const struct handover *h)
{
    struct stat st;
    if (h->file && stat(h->config.path, &st) == 0 && st.st_dev == h->device && st.st_ino == h->file)
        unlink(h->config.path);
}

/* ---- life ---- */

static void forget_before(struct handover *h)
{
    fd_watch_stop(TAKE(h->before));
    if (h->before_fd >= 0)
        close(h->before_fd);
    h->before_fd = -1;
}

static void on_before(void *ctx, int fd, unsigned events)
{
    struct handover *h = ctx;
    char word[WORD_MAX];
    struct handover_given none;
    if (!receive(fd, MSG_DONTWAIT, word, &none))
        return;
    if (strcmp(word, word_quiet) == 0) {
        h->config.quiet(h->config.ctx);
        return;
    }
    forget_before(h); /* it says nothing more: it has ended */
    h->config.gone(h->config.ctx);
}

struct handover *handover_new(const struct handover_config *config)
{
    struct handover *h = NEW(struct handover);
    h->config = *config;
    h->config.path = mem_strdup(config->path);
    h->before_fd = config->before_fd;
    h->serve_fd = h->next_fd = -1;
    if (h->before_fd >= 0)
        h->before = fd_watch_start(config->uv, h->before_fd, FD_READ, on_before, h);
    return h;
}

void handover_ready(struct handover *h)
{
    start_serving(h);
    bool told = h->before_fd < 0 || send_word(h->before_fd, word_ready);
    (void)told; /* else it has gone */
}

void handover_quiet(struct handover *h)
{
    bool told = h->next_fd >= 0 && send_word(h->next_fd, word_quiet);
    (void)told; /* else it has gone */
}

void handover_free(struct handover *h)
{
    if (!h)
        return;
    remove_path(h);
    stop_serving(h);
    forget_next(h);
    forget_before(h);
    free((char *)h->config.path);
    free(h);
}
