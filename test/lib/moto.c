#include "moto.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "client_rig.h"
#include "scratch.h"
#include "store/sigv4.h"

static struct {
    pid_t pid; /* 0: none runs */
    char url[64];
} moto;

static void run_child(const char *python, int out)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl(python, python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", (char *)NULL);
    _exit(127);
}

/* Drains what it says while it runs, so that it never waits for a reader: into nothing. */
static void forget_rest(FILE *said)
{
    pid_t reader = fork();
    if (reader == 0) {
        char line[4096];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (fgets(line, sizeof(line), said))
            ;
        _exit(0);
    }
    fclose(said);
}

static bool read_url(FILE *said)
{
    char line[512];
    while (fgets(line, sizeof(line), said)) {
        const char *url = strstr(line, "http://127.0.0.1:");
        if (!url)
            continue;
        snprintf(moto.url, sizeof(moto.url), "%.*s", (int)strcspn(url, "\r\n \x1b"), url);
        return true;
    }
    return false;
}

bool moto_start(void)
{
    const char *root = getenv("LIMNER_SOURCE_DIR");
    FREE_ON_EXIT char *python = mem_printf("%s/deps/venv/bin/python", root ? root : ".");
    int ends[2];
    if (access(python, X_OK) < 0)
        return false;
    assert_int_equal(pipe(ends), 0);
    moto.pid = fork();
    if (moto.pid == 0)
        run_child(python, ends[1]);
    close(ends[1]);
    FILE *said = fdopen(ends[0], "r");
    assert_true(read_url(said));
    forget_rest(said);
    return true;
}

void moto_stop(void)
{
    if (moto.pid == 0)
        return;
    kill(moto.pid, SIGKILL);
    waitpid(moto.pid, NULL, 0);
    while (waitpid(-1, NULL, 0) > 0) /* the reader ends with it */
        ;
    moto.pid = 0;
}

const char *moto_url(void)
{
    return moto.url;
}

/* Anybody may do anything there, but it wants to be asked as by somebody. */
static void put(const char *path, const void *data, size_t size)
{
    BUF_ON_EXIT struct buf url;
    buf_init(&url, 8192);
    buf_puts(&url, moto.url);
    assert_int_equal(sigv4_path(path, &url), 0);
    struct client_rig rig;
    client_rig_init(&rig, (struct http_client_config){0});
    BLOB_ON_EXIT struct blob *body = blob_copy(data, size);
    struct http_call call = {
        .method = "PUT", .url = buf_text(&url), .body = size ? body : NULL, .answer_max_bytes = 65536};
    client_rig_call(&rig, &call);
    assert_int_equal(call.op.result, 0);
    assert_int_equal(call.status, 200);
    http_call_release(&call);
    client_rig_release(&rig);
}

void moto_bucket(const char *name)
{
    FREE_ON_EXIT char *path = mem_printf("/%s", name);
    put(path, "", 0);
}

void moto_place(const char *bucket, const char *name, const void *data, size_t size)
{
    FREE_ON_EXIT char *path = mem_printf("/%s/%s", bucket, name);
    put(path, data, size);
}
