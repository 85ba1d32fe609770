/* upstream.c: a cloud that answers at once. Replicate's calls and an S3 bucket, for measurements only.
 *
 *     bench-upstream PORT [OUTPUT [DELAY_MS]]        runs until SIGTERM or SIGINT; port 0 takes a free one
 *
 *     POST …/predictions                  201, succeeded, output http://127.0.0.1:PORT/output/ID.png
 *     GET  …/predictions/ID               the same; POST …/predictions/ID/cancel too
 *     GET  /v1/models/OWNER/NAME          its latest version
 *     POST /v1/files                      201, a file that can be fetched
 *     GET  /output/NAME                   the bytes of the file OUTPUT (else 450 kB of nothing)
 *     PUT  /BUCKET/KEY                    200 and an ETag; GET, HEAD and DELETE on it work on nothing
 *     GET  /stats                         how often each was called, and the bytes that came
 *
 * Bodies are read and thrown away, signatures and tokens not looked at. DELAY_MS makes a prediction take that
 * long: the connection waits, as under Prefer: wait. */
#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <time.h>

#include "base/macros.h"
#include "base/mem.h"

enum { OUTPUT_BYTES = 450000, CONNECTIONS = 20000, POOL_BYTES = 64 << 10 };

enum call { CREATE, READ_PREDICTION, READ_MODEL, UPLOAD, OUTPUT, PUT, OBJECT, STATS, CALLS };

static const char *const call_names[CALLS] = {"create", "read", "model",  "upload",
                                              "output", "put",  "object", "stats"};

static atomic_uint_fast64_t calls[CALLS];
static atomic_uint_fast64_t bytes_in;
static atomic_uint_fast64_t next_id;
static struct MHD_Response *output_reply, *put_reply, *empty_reply, *model_reply;
static unsigned port;
static long delay_ms;

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

static enum call call_of(const char *method, const char *url)
{
    bool post = strcmp(method, "POST") == 0;
    if (strcmp(url, "/stats") == 0)
        return STATS;
    if (strncmp(url, "/output/", 8) == 0)
        return OUTPUT;
    if (post && ends_with(url, "/predictions"))
        return CREATE;
    if (strstr(url, "/predictions/"))
        return READ_PREDICTION;
    if (strncmp(url, "/v1/models/", 11) == 0)
        return READ_MODEL;
    if (strncmp(url, "/v1/files", 9) == 0)
        return UPLOAD;
    return strcmp(method, "PUT") == 0 ? PUT : OBJECT;
}

static struct MHD_Response *json_reply(char *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    if (!r || MHD_add_response_header(r, "Content-Type", "application/json") != MHD_YES)
        abort();
    return r;
}

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, char *json)
{
    struct MHD_Response *r = json_reply(json);
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static char *prediction_json(const char *id)
{
    return mem_printf(
        "{\"id\":\"%s\",\"model\":\"bench/instant\",\"version\":\"bench\",\"status\":\"succeeded\","
        "\"input\":{},\"output\":\"http://127.0.0.1:%u/output/%s.png\",\"error\":null,\"logs\":\"\","
        "\"metrics\":{\"predict_time\":0.001},\"created_at\":\"2026-01-01T00:00:00.000Z\","
        "\"urls\":{\"get\":\"http://127.0.0.1:%u/v1/predictions/%s\","
        "\"cancel\":\"http://127.0.0.1:%u/v1/predictions/%s/cancel\"}}",
        id, port, id, port, id, port, id);
}

static char *file_json(void)
{
    unsigned long long n = atomic_fetch_add(&next_id, 1);
    return mem_printf("{\"id\":\"file%llu\",\"name\":\"photo\",\"content_type\":\"image/jpeg\","
                      "\"urls\":{\"get\":\"http://127.0.0.1:%u/v1/files/file%llu\"},"
                      "\"expires_at\":\"2099-01-01T00:00:00Z\"}",
                      n, port, n);
}

static char *stats_json(void)
{
    char text[1024] = "{";
    size_t len = 1;
    for (int i = 0; i < CALLS; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\"%s\":%llu,", call_names[i],
                                (unsigned long long)atomic_load(&calls[i]));
    snprintf(text + len, sizeof(text) - len, "\"bytes_in\":%llu}",
             (unsigned long long)atomic_load(&bytes_in));
    return mem_strdup(text);
}

/* Only threads of one connection each may sleep: main starts them so when there is a delay. */
static enum MHD_Result create(struct MHD_Connection *c)
{
    char id[32];
    snprintf(id, sizeof(id), "bench%020llu", (unsigned long long)atomic_fetch_add(&next_id, 1));
    if (delay_ms > 0)
        nanosleep(&(struct timespec){delay_ms / 1000, delay_ms % 1000 * 1000000}, NULL);
    return answer(c, MHD_HTTP_CREATED, prediction_json(id));
}

static enum MHD_Result read_prediction(struct MHD_Connection *c, const char *url)
{
    char id[32];
    const char *from = strstr(url, "/predictions/") + strlen("/predictions/");
    snprintf(id, sizeof(id), "%.*s", (int)MIN(strcspn(from, "/"), sizeof(id) - 1), from);
    return answer(c, MHD_HTTP_OK, prediction_json(id));
}

static enum MHD_Result serve(struct MHD_Connection *c, enum call call, const char *method, const char *url)
{
    atomic_fetch_add_explicit(&calls[call], 1, memory_order_relaxed);
    switch (call) {
    case CREATE:
        return create(c);
    case READ_PREDICTION:
        return read_prediction(c, url);
    case READ_MODEL:
        return MHD_queue_response(c, MHD_HTTP_OK, model_reply);
    case UPLOAD:
        return answer(c, strcmp(method, "POST") == 0 ? MHD_HTTP_CREATED : MHD_HTTP_OK, file_json());
    case OUTPUT:
        return MHD_queue_response(c, MHD_HTTP_OK, output_reply);
    case PUT:
        return MHD_queue_response(c, MHD_HTTP_OK, put_reply);
    case STATS:
        return answer(c, MHD_HTTP_OK, stats_json());
    case OBJECT:
    case CALLS:
        break;
    }
    bool delete = strcmp(method, "DELETE") == 0;
    return MHD_queue_response(c, delete ? MHD_HTTP_NO_CONTENT : MHD_HTTP_OK, empty_reply);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
    static char begun;
    if (!*state) {
        *state = &begun;
        return MHD_YES;
    }
    if (*size > 0) {
        atomic_fetch_add_explicit(&bytes_in, *size, memory_order_relaxed);
        *size = 0;
        return MHD_YES;
    }
    return serve(c, call_of(method, url), method, url);
}

static struct MHD_Response *fixed_reply(const char *data, size_t size, const char *type)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT);
    if (!r || (type && MHD_add_response_header(r, "Content-Type", type) != MHD_YES))
        exit(1);
    return r;
}

static void make_replies(const char *path)
{
    static const char model[] =
        "{\"owner\":\"bench\",\"name\":\"instant\",\"latest_version\":{\"id\":\"bench\"}}";
    char *data = mem_zalloc(OUTPUT_BYTES);
    size_t size = OUTPUT_BYTES;
    FILE *f = path ? fopen(path, "rb") : NULL;
    if (path && !f) {
        perror(path);
        exit(1);
    }
    if (f) {
        fseek(f, 0, SEEK_END);
        size = (size_t)ftell(f);
        rewind(f);
        data = mem_realloc(data, size + 1);
        size = fread(data, 1, size, f);
        fclose(f);
    }
    output_reply = fixed_reply(data, size, path && ends_with(path, ".jpg") ? "image/jpeg" : "image/png");
    model_reply = fixed_reply(model, strlen(model), "application/json");
    put_reply = fixed_reply("", 0, NULL);
    MHD_add_response_header(put_reply, "ETag", "\"0123456789abcdef0123456789abcdef\"");
    empty_reply = fixed_reply("", 0, NULL);
}

static struct MHD_Daemon *start(void)
{
    unsigned flags = delay_ms > 0 ? MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION
                                  : MHD_USE_EPOLL_INTERNAL_THREAD;
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, get_nprocs(), NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (delay_ms > 0)
        pool[0].option = MHD_OPTION_END;
    return MHD_start_daemon(flags, (uint16_t)port, NULL, NULL, on_request, NULL,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_ARRAY, pool,
                            MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    port = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 0;
    delay_ms = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
    make_replies(argc > 2 && *argv[2] ? argv[2] : NULL);
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    struct MHD_Daemon *d = start();
    if (!d) {
        fprintf(stderr, "bench-upstream: cannot listen on port %u\n", port);
        return 1;
    }
    port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
    printf("listening on %u\n", port);
    fflush(stdout);
    int got;
    sigwait(&stop, &got);
    MHD_stop_daemon(d);
    return 0;
}
