/* echo.h: a server with every behaviour the tests need.
 *
 *   GET  /             {"ok":true}
 *   GET  /echo         method, path, query, length
 *   POST /hash         form: SHA-256 of the field "image"
 *   POST /raw          SHA-256 of the body
 *   ANY  /refuse       413 from on_request
 *   POST /refuse-late  413 from on_body after 1,000 bytes
 *   ANY  /wait         suspended, answered by another thread after echo.wait_ms; /hold: when the test says so
 *   GET  /big          echo.big bytes   GET /file: the same from a file */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"
#include "http/server/http.h"

struct echo_state {
    struct echo_state *next; /* in the answering thread's queue */
    struct exchange *x;
    struct form *form;
    struct digest digest;
    bool hashing;
    bool bad;
    size_t seen;
    uint64_t due_ns;
};

static struct {
    struct options opt;
    const struct http_handler *handler; /* NULL: the one below */
    struct http *http;
    int listen_fd;
    int port;
    unsigned wait_ms;
    atomic_bool hold;
    size_t big;
    struct blob *big_body;
    atomic_int begun, closed; /* exchanges */
    atomic_int waiting;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct echo_state *queue, **queue_end;
    bool stop;
} echo;

static struct reply *json_reply(const char *text)
{
    struct reply *r = reply_new(200);
    reply_text(r, text, "application/json");
    return r;
}

static bool echo_part(void *ctx, const char *name, const char *filename, const char *type, const void *data,
                      size_t offset, size_t size)
{
    struct echo_state *s = ctx;
    if (strcmp(name, "image") == 0)
        digest_update(&s->digest, data, size);
    return true;
}

static void describe_query(void *ctx, const char *name, const char *value)
{
    char *text = ctx;
    size_t len = strlen(text);
    snprintf(text + len, 900 - len, " %s=%s", name, value);
}

static void echo_refuse(struct exchange *x)
{
    struct error e = {0};
    error_set_field(&e, ERR_PAYLOAD_TOO_LARGE, "image", "too large for this test");
    exchange_answer(x, reply_error(x, NULL, &e));
}

static void echo_get(struct exchange *x)
{
    const char *path = exchange_path(x);
    char text[1024] = "";
    if (strcmp(path, "/big") == 0) {
        struct reply *r = reply_new(200);
        reply_body(r, echo.big_body, "application/octet-stream");
        exchange_answer(x, r);
        return;
    }
    if (strcmp(path, "/file") == 0) {
        int fd = memfd_create("file", MFD_CLOEXEC);
        CHECK(write(fd, echo.big_body->data, echo.big) == (ssize_t)echo.big);
        struct reply *r = reply_new(200);
        reply_file(r, fd, 1, echo.big - 1, "application/octet-stream");
        exchange_answer(x, r);
        return;
    }
    if (strcmp(path, "/echo") == 0) {
        snprintf(text, sizeof(text), "%s %s %ld", exchange_method(x), path, (long)exchange_content_length(x));
        exchange_each_query(x, describe_query, text);
        struct reply *r = reply_new(200);
        reply_text(r, text, "text/plain");
        reply_header(r, "X-Bad", "%s", "a\r\nX-Injected: 1");
        exchange_answer(x, r);
        return;
    }
    exchange_answer(x, json_reply("{\"ok\":true}"));
}

static void echo_on_request(void *ctx, struct exchange *x)
{
    const char *path = exchange_path(x);
    atomic_fetch_add(&echo.begun, 1);
    struct echo_state *s = NEW(struct echo_state);
    s->x = x;
    exchange_set_state(x, s);
    if (strcmp(path, "/hash") == 0)
        s->form = form_new(x, echo_part, s);
    if (strcmp(path, "/hash") == 0 || strcmp(path, "/raw") == 0) {
        s->hashing = true;
        digest_init(&s->digest);
    }
    if (strcmp(path, "/refuse") == 0)
        echo_refuse(x);
    else if (strcmp(exchange_method(x), "POST") != 0 && strcmp(path, "/wait") != 0 &&
             strcmp(path, "/hold") != 0)
        echo_get(x);
}

static void echo_on_body(void *ctx, struct exchange *x, const void *data, size_t size)
{
    struct echo_state *s = exchange_state(x);
    CHECK(size > 0);
    s->seen += size;
    if (s->form)
        s->bad = s->bad || form_feed(s->form, data, size) < 0;
    else if (s->hashing)
        digest_update(&s->digest, data, size);
    if (strcmp(exchange_path(x), "/refuse-late") == 0 && s->seen > 1000)
        echo_refuse(x);
}

static struct reply *echo_sum(struct echo_state *s)
{
    if (s->bad || (s->form && form_finish(s->form) < 0)) {
        struct error e = {0};
        error_set(&e, ERR_VALIDATION, "bad form");
        return reply_error(s->x, NULL, &e);
    }
    uint8_t sum[DIGEST_BYTES];
    char hex[DIGEST_HEX + 1], text[DIGEST_HEX + 64];
    digest_final(&s->digest, sum);
    hex_encode(sum, sizeof(sum), hex);
    snprintf(text, sizeof(text), "{\"sha256\":\"%s\"}", hex);
    return json_reply(text);
}

static void echo_on_complete(void *ctx, struct exchange *x)
{
    struct echo_state *s = exchange_state(x);
    const char *path = exchange_path(x);
    if (s->hashing) {
        exchange_answer(x, echo_sum(s));
        return;
    }
    if (strcmp(path, "/wait") != 0 && strcmp(path, "/hold") != 0) {
        exchange_answer(x, json_reply("{\"ok\":true}"));
        return;
    }
    s->due_ns = clock_mono_ns() + echo.wait_ms * NS_PER_MS;
    atomic_fetch_add(&echo.waiting, 1);
    exchange_suspend(x);
    pthread_mutex_lock(&echo.lock);
    *echo.queue_end = s;
    echo.queue_end = &s->next;
    pthread_cond_signal(&echo.wake);
    pthread_mutex_unlock(&echo.lock);
}

static void echo_on_close(void *ctx, struct exchange *x)
{
    struct echo_state *s = exchange_state(x);
    CHECK(s);
    exchange_set_state(x, NULL);
    form_free(s->form);
    digest_release(&s->digest);
    free(s);
    atomic_fetch_add(&echo.closed, 1);
}

static const struct http_handler echo_handler = {
    .on_request = echo_on_request,
    .on_body = echo_on_body,
    .on_complete = echo_on_complete,
    .on_close = echo_on_close,
};

/* Answers what waits, in the order of coming. */
static void *echo_answerer(void *ctx)
{
    pthread_mutex_lock(&echo.lock);
    for (;;) {
        while (!echo.queue && !echo.stop)
            pthread_cond_wait(&echo.wake, &echo.lock);
        if (!echo.queue)
            break;
        struct echo_state *s = echo.queue;
        echo.queue = s->next;
        if (!echo.queue)
            echo.queue_end = &echo.queue;
        pthread_mutex_unlock(&echo.lock);
        while (atomic_load(&echo.hold) || clock_mono_ns() < s->due_ns)
            usleep(500);
        struct reply *r = json_reply("{\"waited\":true}");
        atomic_fetch_sub(&echo.waiting, 1);
        exchange_answer_suspended(s->x, r);
        pthread_mutex_lock(&echo.lock);
    }
    pthread_mutex_unlock(&echo.lock);
    return NULL;
}

static void echo_defaults(void)
{
    echo.opt = (struct options){.cors_origins = "*",
                                .front_threads = 2,
                                .header_timeout_ms = 10000,
                                .body_timeout_ms = 30000,
                                .keepalive_timeout_ms = 75000,
                                .body_min_rate = 1024,
                                .upload_max_bytes = 10485760,
                                .discard_max_bytes = 12582912,
                                .discard_timeout_ms = 5000};
    echo.big = 3000000;
    echo.wait_ms = 0;
    atomic_store(&echo.hold, false);
}

static void echo_start(int port)
{
    struct error e = {0};
    if (http_listen("127.0.0.1", port, &echo.listen_fd, &e) < 0) {
        fprintf(stderr, "%s\n", e.reason);
        abort();
    }
    echo.port = http_port_of(echo.listen_fd);
    char *bytes = mem_alloc(echo.big);
    for (size_t i = 0; i < echo.big; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    echo.big_body = blob_take(bytes, echo.big, free);
    atomic_store(&echo.begun, 0);
    atomic_store(&echo.closed, 0);
    echo.queue = NULL;
    echo.queue_end = &echo.queue;
    echo.stop = false;
    pthread_mutex_init(&echo.lock, NULL);
    pthread_cond_init(&echo.wake, NULL);
    CHECK(pthread_create(&echo.thread, NULL, echo_answerer, NULL) == 0);
    struct http_config config = {.listen_fd = echo.listen_fd,
                                 .opt = &echo.opt,
                                 .handler = echo.handler ? echo.handler : &echo_handler};
    if (http_start(&config, &echo.http, &e) < 0) {
        fprintf(stderr, "%s\n", e.reason);
        abort();
    }
}

static void echo_stop(void)
{
    atomic_store(&echo.hold, false);
    pthread_mutex_lock(&echo.lock);
    echo.stop = true;
    pthread_cond_signal(&echo.wake);
    pthread_mutex_unlock(&echo.lock);
    pthread_join(echo.thread, NULL);
    http_stop(echo.http);
    close(echo.listen_fd);
    blob_unref(echo.big_body);
    pthread_mutex_destroy(&echo.lock);
    pthread_cond_destroy(&echo.wake);
}
