/* upstream.c: a cloud that answers at once. Replicate's calls and an S3 bucket, for measurements only.
 *
 *     bench-upstream PORT [OUTPUT [DELAY_MS [WRITE_MS]]]
 *
 * Runs until SIGTERM or SIGINT; port 0 takes a free one.
 *
 *     POST …/predictions                  201, succeeded, output http://127.0.0.1:PORT/output/ID.png
 *     POST /v1/models/google/…            201, succeeded, output text: a comic's outline and board in one
 *     GET  …/predictions/ID               the same; POST …/predictions/ID/cancel too
 *     GET  /v1/models/OWNER/NAME          its latest version
 *     POST /v1/files                      201, a file that can be fetched
 *     GET  /output/NAME                   the bytes of the file OUTPUT (else 450 kB of nothing)
 *     PUT  /BUCKET/KEY                    200 and an ETag; GET, HEAD and DELETE on it work on nothing,
 *                                         but for comics/…, where there never is anything: 404
 *     GET  /stats                         how often each was called, the bytes that came, and how many
 *                                         predictions there were at once at most
 *
 * Bodies are read and thrown away, signatures and tokens not looked at. DELAY_MS makes a prediction take that
 * long, WRITE_MS one that writes text: the connection waits, as under Prefer: wait. */
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

#include "base/buf.h"
#include "base/json_out.h"
#include "base/macros.h"
#include "base/mem.h"

enum {
    OUTPUT_BYTES = 450000,
    CONNECTIONS = 20000,
    POOL_BYTES = 64 << 10,
    STORY_BYTES = 64 << 10,
    BEATS = 9,
    PANELS = 6
};

enum call { CREATE, WRITE, READ_PREDICTION, READ_MODEL, UPLOAD, OUTPUT, PUT, OBJECT, STATS, CALLS };

static const char *const call_names[CALLS] = {"create", "write", "read",   "model", "upload",
                                              "output", "put",   "object", "stats"};

static atomic_uint_fast64_t calls[CALLS];
static atomic_uint_fast64_t bytes_in;
static atomic_uint_fast64_t next_id;
static struct MHD_Response *output_reply, *put_reply, *empty_reply, *model_reply;
static atomic_int running, highest; /* predictions */
static char *story;                 /* what a model writes: the JSON of a list of texts */
static unsigned port;
static long delay_ms, write_ms;

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
        return strncmp(url, "/v1/models/google/", 18) == 0 ? WRITE : CREATE;
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

/* Of a picture, or of a text: its id says which. */
static char *prediction_json(const char *id)
{
    char output[128];
    snprintf(output, sizeof(output), "\"http://127.0.0.1:%u/output/%s.png\"", port, id);
    return mem_printf(
        "{\"id\":\"%s\",\"model\":\"bench/instant\",\"version\":\"bench\",\"status\":\"succeeded\","
        "\"input\":{},\"output\":%s,\"error\":null,\"logs\":\"\","
        "\"metrics\":{\"predict_time\":0.001},\"created_at\":\"2026-01-01T00:00:00.000Z\","
        "\"urls\":{\"get\":\"http://127.0.0.1:%u/v1/predictions/%s\","
        "\"cancel\":\"http://127.0.0.1:%u/v1/predictions/%s/cancel\"}}",
        id, strncmp(id, call_names[WRITE], 5) == 0 ? story : output, port, id, port, id);
}

static void put_beats(struct buf *b)
{
    for (int i = 1; i <= BEATS; i++) {
        json_out_begin(b, '{');
        json_out_int(b, "id", i);
        json_out_text(b, "summary", "Bạn nhỏ đi qua cánh đồng lúa lúc hoàng hôn.");
        json_out_text(b, "summary_en", "The child crosses the rice fields at dusk.");
        json_out_text(b, "main_emotion", i % 2 ? "happy" : "surprised");
        json_out_end(b, '}');
    }
}

static void put_panels(struct buf *b)
{
    for (int i = 1; i <= PANELS; i++) {
        json_out_begin(b, '{');
        json_out_int(b, "id", i);
        json_out_text(b, "description", "An chạy trên bờ ruộng.");
        json_out_text(b, "prompt_tags", "1girl, running, rice fields, sunset, masterpiece, best quality");
        json_out_text(b, "dialogue", "Nhìn kìa, đồng lúa như một biển vàng!");
        json_out_text(b, "speaker", "An");
        json_out_text(b, "emotion", i % 2 ? "happy" : "thinking");
        json_out_end(b, '}');
    }
}

/* One object that is an outline, and a board for as many panels as a page may have. */
static void make_story(void)
{
    BUF_ON_EXIT struct buf b;
    BUF_ON_EXIT struct buf texts;
    buf_init(&b, STORY_BYTES);
    buf_init(&texts, 2 * STORY_BYTES);
    json_out_begin(&b, '{');
    json_out_text(&b, "story_id", "an-va-canh-dong");
    json_out_text(&b, "title", "An và cánh đồng");
    json_out_key(&b, "characters");
    buf_puts(&b, "[{\"name\":\"An\",\"tags\":\"1girl, short black hair, red coat\"}]");
    json_out_key(&b, "beats");
    json_out_begin(&b, '[');
    put_beats(&b);
    json_out_end(&b, ']');
    json_out_key(&b, "panels");
    json_out_begin(&b, '[');
    put_panels(&b);
    json_out_end(&b, ']');
    json_out_end(&b, '}');
    json_out_begin(&texts, '[');
    json_out_put_text(&texts, buf_text(&b));
    json_out_end(&texts, ']');
    story = mem_strdup(buf_text(&texts));
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
    snprintf(text + len, sizeof(text) - len, "\"bytes_in\":%llu,\"highest\":%d}",
             (unsigned long long)atomic_load(&bytes_in), atomic_load(&highest));
    return mem_strdup(text);
}

/* Only threads of one connection each may sleep: main starts them so when there is a delay. */
static enum MHD_Result create(struct MHD_Connection *c, enum call call)
{
    char id[32];
    long ms = call == WRITE ? write_ms : delay_ms;
    snprintf(id, sizeof(id), "%s%020llu", call == WRITE ? "write" : "bench",
             (unsigned long long)atomic_fetch_add(&next_id, 1));
    int now = atomic_fetch_add(&running, 1) + 1, most = atomic_load(&highest);
    while (most < now && !atomic_compare_exchange_weak(&highest, &most, now))
        ;
    if (ms > 0)
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
    atomic_fetch_sub(&running, 1);
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
    case WRITE:
        return create(c, call);
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
    if (strcmp(method, "DELETE") == 0)
        return MHD_queue_response(c, MHD_HTTP_NO_CONTENT, empty_reply);
    return MHD_queue_response(c, strstr(url, "/comics/") ? MHD_HTTP_NOT_FOUND : MHD_HTTP_OK, empty_reply);
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
    bool sleeps = delay_ms > 0 || write_ms > 0;
    unsigned flags = sleeps ? MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION
                            : MHD_USE_EPOLL_INTERNAL_THREAD;
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, get_nprocs(), NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (sleeps)
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
    write_ms = argc > 4 ? strtol(argv[4], NULL, 10) : 0;
    make_story();
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
