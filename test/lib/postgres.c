#include "postgres.h"

#include <dirent.h>
#include <grp.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/mem.h"
#include "scratch.h"

enum { NOBODY = 65534, TRIES = 600 };

static struct {
    char *folder, *data, *bin;
    pid_t pid; /* 0: does not run */
    unsigned port, databases;
} server;

/* Where Debian puts it, or where tools/deps has unpacked it. */
static char *find_binaries(void)
{
    const char *root = getenv("LIMNER_SOURCE_DIR");
    FREE_ON_EXIT char *unpacked = mem_printf("%s/deps/postgresql/usr/lib/postgresql", root ? root : ".");
    const char *const folders[] = {unpacked, "/usr/lib/postgresql"};
    for (unsigned i = 0; i < ARRAY_LEN(folders); i++) {
        DIR *dir = opendir(folders[i]);
        struct dirent *entry;
        char *found = NULL;
        while (dir && !found && (entry = readdir(dir))) {
            FREE_ON_EXIT char *program = mem_printf("%s/%s/bin/postgres", folders[i], entry->d_name);
            if (entry->d_name[0] != '.' && access(program, X_OK) == 0)
                found = mem_printf("%s/%s/bin", folders[i], entry->d_name);
        }
        if (dir)
            closedir(dir);
        if (found)
            return found;
    }
    return NULL;
}

/* It refuses to run as root. */
static void become_nobody(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        _exit(126);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* which the change of user has undone */
}

static pid_t spawn(const char *program, char *const *argv)
{
    FREE_ON_EXIT char *path = mem_printf("%s/%s", server.bin, program);
    FREE_ON_EXIT char *log = mem_printf("%s/log", server.folder);
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    become_nobody();
    FILE *out = fopen(log, "a");
    if (!out || chdir("/") < 0)
        _exit(125);
    dup2(fileno(out), STDOUT_FILENO);
    dup2(fileno(out), STDERR_FILENO);
    execv(path, argv);
    _exit(127);
}

static unsigned free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(at);
    CLOSE_ON_EXIT int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    return ntohs(at.sin_port);
}

static void make_cluster(void)
{
    char auth[] = "--auth=trust", encoding[] = "--encoding=UTF8", locale[] = "--locale=C",
         sync[] = "--no-sync", user[] = "--username=limner", name[] = "initdb", where[] = "-D";
    char *const argv[] = {name, auth, encoding, locale, sync, user, where, server.data, NULL};
    int status;
    pid_t pid = spawn("initdb", argv);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* One statement on the database that is always there; false: it does not answer yet. */
static bool tell(const char *sql)
{
    FREE_ON_EXIT char *url = mem_printf("postgres://limner@127.0.0.1:%u/postgres", server.port);
    PGconn *conn = PQconnectdb(url);
    PGresult *result = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(result);
    PQclear(result);
    PQfinish(conn);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

void postgres_again(void)
{
    char name[] = "postgres", where[] = "-D", c[] = "-c", sync[] = "fsync=off",
         host[] = "listen_addresses=127.0.0.1",
         sockets[] = "unix_socket_directories=", small[] = "shared_buffers=16MB";
    FREE_ON_EXIT char *port = mem_printf("port=%u", server.port);
    char *const argv[] = {name, where, server.data, c, sync, c, host, c, sockets, c, small, c, port, NULL};
    server.pid = spawn("postgres", argv);
    for (unsigned i = 0; !tell("SELECT 1"); i++) {
        assert_true(i < TRIES);
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
}

bool postgres_start(void)
{
    server.bin = find_binaries();
    if (!server.bin)
        return false;
    server.folder = scratch_new();
    server.data = mem_printf("%s/data", server.folder);
    if (geteuid() == 0)
        assert_int_equal(chown(server.folder, NOBODY, NOBODY), 0);
    server.port = free_port();
    make_cluster();
    postgres_again();
    return true;
}

void postgres_kill(void)
{
    kill(server.pid, SIGQUIT); /* at once, without tidying up; its children end with it */
    waitpid(server.pid, NULL, 0);
    server.pid = 0;
}

void postgres_stop(void)
{
    if (server.pid)
        postgres_kill();
    if (server.folder)
        scratch_free(TAKE(server.folder));
    free(TAKE(server.data));
    free(TAKE(server.bin));
}

/* The one that listens forks one for each connection: they are frozen with it. */
void postgres_freeze(bool frozen)
{
    FREE_ON_EXIT char *path = mem_printf("/proc/%d/task/%d/children", server.pid, server.pid);
    FILE *children = fopen(path, "r");
    int child;
    kill(server.pid, frozen ? SIGSTOP : SIGCONT);
    while (children && fscanf(children, "%d", &child) == 1)
        kill(child, frozen ? SIGSTOP : SIGCONT);
    if (children)
        fclose(children);
}

char *postgres_database(void)
{
    FREE_ON_EXIT char *sql = mem_printf("CREATE DATABASE test%u", ++server.databases);
    assert_true(tell(sql));
    return mem_printf("postgres://limner@127.0.0.1:%u/test%u", server.port, server.databases);
}
