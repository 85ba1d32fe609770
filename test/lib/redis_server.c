#include "redis_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "scratch.h"

/* Debian's redis-tools bring the server's code; by which name it is called decides what it is. */
static const char server_binary[] = "/usr/bin/redis-check-rdb";

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void run_server(const struct redis_server *s)
{
    char port[8];
    snprintf(port, sizeof(port), "%d", s->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!freopen("/dev/null", "w", stdout))
        _exit(126);
    execl(server_binary, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", s->folder,
          "--unixsocket", "redis.sock", "--save", "", "--requirepass", s->password ? s->password : "",
          "--enable-debug-command", "yes", (char *)NULL);
    _exit(127);
}

static bool answers(struct redis_server *s)
{
    static const char *const ping[] = {"PING", NULL};
    FREE_ON_EXIT char *said = redis_server_ask(s, ping);
    return strncmp(said, "PONG", 4) == 0;
}

void redis_server_restart(struct redis_server *s)
{
    s->pid = fork();
    if (s->pid == 0)
        run_server(s);
    for (unsigned i = 0; i < 300; i++) {
        if (answers(s))
            return;
        usleep(20000);
    }
    fail_msg("redis-server does not start");
}

bool redis_server_start(struct redis_server *s, const char *password)
{
    if (access(server_binary, X_OK) < 0)
        return false;
    *s = (struct redis_server){.port = free_port(), .folder = scratch_new(), .password = password};
    const char *colon = password ? ":" : "", *at = password ? "@" : "";
    s->url = mem_printf("redis://%s%s%s127.0.0.1:%d", colon, password ? password : "", at, s->port);
    s->socket_url = mem_printf("unix://%s%s%s%s/redis.sock", colon, password ? password : "", at, s->folder);
    redis_server_restart(s);
    return true;
}

void redis_server_freeze(struct redis_server *s)
{
    int status;
    kill(s->pid, SIGSTOP);
    waitpid(s->pid, &status, WUNTRACED); /* it has stopped */
}

void redis_server_thaw(struct redis_server *s)
{
    kill(s->pid, SIGCONT);
}

void redis_server_kill(struct redis_server *s)
{
    if (s->pid == 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void redis_server_stop(struct redis_server *s)
{
    redis_server_kill(s);
    if (s->folder)
        scratch_free(s->folder);
    free(s->url);
    free(s->socket_url);
    *s = (struct redis_server){0};
}

enum { WORDS_MAX = 32, SAID_MAX = 1 << 20 };

static void run_client(const struct redis_server *s, const char *const *words, int out)
{
    char port[8];
    const char *argv[WORDS_MAX + 5] = {"redis-cli", "-p", port, "--raw"};
    unsigned n = 4;
    snprintf(port, sizeof(port), "%d", s->port);
    if (s->password)
        setenv("REDISCLI_AUTH", s->password, 1);
    for (unsigned i = 0; words[i] && i < WORDS_MAX; i++)
        argv[n++] = words[i];
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv("/usr/bin/redis-cli", (char *const *)argv);
    _exit(127);
}

char *redis_server_ask(struct redis_server *s, const char *const *words)
{
    int ends[2];
    char block[4096];
    ssize_t n;
    struct buf said;
    buf_init(&said, SAID_MAX);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        run_client(s, words, ends[1]);
    close(ends[1]);
    while ((n = read(ends[0], block, sizeof(block))) > 0)
        assert_int_equal(buf_append(&said, block, (size_t)n), 0);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    char *ret = mem_strdup(buf_text(&said));
    if (said.len > 0 && ret[said.len - 1] == '\n')
        ret[said.len - 1] = '\0';
    buf_release(&said);
    return ret;
}
