/* bare_server.c: the bound that limner's HTTP side is measured against.
 *
 * libmicrohttpd with its own thread pool and nothing of limner's but the digest: GET / answers a small fixed
 * JSON; a POST is parsed with MHD_PostProcessor, the bytes of its field "image" are hashed with SHA-256, and
 * a fixed JSON is answered.
 *
 *     bare-server [PORT [THREADS [POOL_KIB [FORM_KIB]]]]     runs until SIGTERM or SIGINT */
#include <microhttpd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "base/digest.h"
#include "base/macros.h"

struct upload {
    struct MHD_PostProcessor *form;
    struct digest digest;
};

static const char small_json[] = "{\"ok\":true}";
static const char done_json[] =
    "{\"status\":\"success\",\"data\":{\"key\":\"clarity/2026-01-01/"
    "00000000-0000-4000-8000-000000000000.jpg\",\"url\":\"http://localhost/files/x\","
    "\"expires_in\":3600},\"meta\":{\"cached\":true}}";
static struct MHD_Response *small_reply, *done_reply;
static size_t form_bytes = 32768;

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *key, const char *filename,
                                const char *content_type, const char *encoding, const char *data,
                                uint64_t offset, size_t size)
{
    struct upload *u = cls;
    if (strcmp(key, "image") == 0)
        digest_update(&u->digest, data, size);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **state)
{
    struct upload *u = *state;
    if (!u) {
        u = calloc(1, sizeof(*u));
        if (!u)
            return MHD_NO;
        *state = u;
        if (strcmp(method, "POST") == 0) {
            u->form = MHD_create_post_processor(c, form_bytes, on_field, u);
            digest_init(&u->digest);
        }
        return MHD_YES;
    }
    if (*size > 0) {
        if (u->form && MHD_post_process(u->form, data, *size) != MHD_YES)
            return MHD_NO;
        *size = 0;
        return MHD_YES;
    }
    if (u->digest.ctx) {
        uint8_t sum[DIGEST_BYTES];
        digest_final(&u->digest, sum);
        return MHD_queue_response(c, MHD_HTTP_OK, done_reply);
    }
    return MHD_queue_response(c, MHD_HTTP_OK, small_reply);
}

static void on_done(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode how)
{
    struct upload *u = *state;
    if (!u)
        return;
    MHD_destroy_post_processor(u->form);
    digest_release(&u->digest);
    free(u);
    *state = NULL;
}

static struct MHD_Response *json_reply(const char *text)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
    if (!r || MHD_add_response_header(r, "Content-Type", "application/json") != MHD_YES)
        exit(1);
    return r;
}

static unsigned argument(int argc, char **argv, int i, unsigned otherwise)
{
    return i < argc ? (unsigned)strtoul(argv[i], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned port = argument(argc, argv, 1, 3001);
    unsigned threads = argument(argc, argv, 2, (unsigned)get_nprocs());
    size_t pool_bytes = argument(argc, argv, 3, 32) * 1024;
    form_bytes = argument(argc, argv, 4, 32) * 1024;
    small_reply = json_reply(small_json);
    done_reply = json_reply(done_json);

    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    struct MHD_Daemon *d = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)port, NULL, NULL, on_request, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool_bytes,
        MHD_OPTION_NOTIFY_COMPLETED, on_done, NULL, MHD_OPTION_CONNECTION_LIMIT, 10000u, MHD_OPTION_END);
    if (!d) {
        fprintf(stderr, "bare-server: cannot listen on port %u\n", port);
        return 1;
    }
    printf("listening on %u\n", MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    int got;
    sigwait(&stop, &got);
    MHD_stop_daemon(d);
    MHD_destroy_response(small_reply);
    MHD_destroy_response(done_reply);
    return 0;
}
