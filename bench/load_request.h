/* load_request.h: inside of load.c. What it was asked to do, and the bytes of its requests. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { DIGITS = 16, STEPS_MAX = 3, REQUEST_MAX = 64 << 20, STORED_BYTES = 450000 };

#define BOUNDARY "bench-boundary-3f9a1c"

/* A request as it goes out: before, the connection's number (of a unique picture), after. */
struct step {
    struct buf before, after;
    bool numbered;
};

struct options_of_run {
    const char *mode, *path, *file, *field;
    int port, connections, threads;
    double seconds;
    uint64_t count; /* 0: no end */
};

static struct options_of_run run = {.path = "/", .connections = 8, .threads = 1, .seconds = 5, .field = NULL};
static struct step steps[STEPS_MAX];
static unsigned step_count;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench-load: %s: %s\n", what, errno ? strerror(errno) : "wrong");
    exit(1);
}

static void read_file(const char *path, struct buf *ret)
{
    char block[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f)
        fail(path);
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        if (buf_append(ret, block, n) < 0)
            fail("the file is too large");
    fclose(f);
}

/* Where a comment may stand: behind the start marker and the JFIF header. */
static size_t comment_place(const struct buf *jpeg)
{
    const uint8_t *b = (const uint8_t *)jpeg->data;
    if (jpeg->len < 20 || b[0] != 0xff || b[1] != 0xd8)
        fail("not a JPEG");
    if (b[2] == 0xff && b[3] == 0xe0)
        return 4 + ((size_t)b[4] << 8 | b[5]);
    return 2;
}

static void add_form_head(struct buf *b)
{
    if (run.field) {
        const char *equals = strchr(run.field, '=');
        if (!equals)
            fail("--field needs NAME=VALUE");
        buf_printf(b, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%.*s\"\r\n\r\n%s\r\n",
                   (int)(equals - run.field), run.field, equals + 1);
    }
    buf_puts(b, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"image\"; filename=\"photo.jpg\"\r\n"
                "Content-Type: image/jpeg\r\n\r\n");
}

static void add_request_head(struct buf *b, const char *method, const char *path, const char *type,
                             size_t length)
{
    buf_printf(b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n", method, path, run.port);
    if (type)
        buf_printf(b, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, length);
    buf_puts(b, "\r\n");
}

static void make_post(struct step *s, bool numbered)
{
    static const char comment[] = {'\xff', '\xfe', 0, DIGITS + 2};
    struct buf form, photo;
    buf_init(&form, REQUEST_MAX);
    buf_init(&photo, REQUEST_MAX);
    read_file(run.file, &photo);
    add_form_head(&form);
    static const char end[] = "\r\n--" BOUNDARY "--\r\n";
    size_t length = form.len + photo.len + strlen(end) + (numbered ? sizeof(comment) + DIGITS : 0);
    add_request_head(&s->before, "POST", run.path, "multipart/form-data; boundary=" BOUNDARY, length);
    buf_append(&s->before, form.data, form.len);
    size_t place = numbered ? comment_place(&photo) : photo.len;
    buf_append(&s->before, photo.data, place);
    if (numbered)
        buf_append(&s->before, comment, sizeof(comment));
    buf_append(&s->after, photo.data + place, photo.len - place);
    buf_puts(&s->after, end);
    s->numbered = numbered;
    buf_release(&form);
    buf_release(&photo);
}

/* The size of a data URL of the picture; what is in it does not matter. */
static void make_upstream(void)
{
    struct buf photo;
    buf_init(&photo, REQUEST_MAX);
    read_file(run.file, &photo);
    size_t text = (photo.len + 2) / 3 * 4;
    static const char open[] = "{\"version\":\"bench\",\"input\":{\"image\":\"data:image/jpeg;base64,",
                      shut[] = "\"}}";
    struct buf *create = &steps[0].before, *put = &steps[2].before;
    add_request_head(create, "POST", "/v1/predictions", "application/json",
                     text + strlen(open) + strlen(shut));
    buf_puts(create, open);
    for (size_t i = 0; i < text; i++)
        buf_append(create, "A", 1);
    buf_puts(create, shut);
    add_request_head(&steps[1].before, "GET", "/output/bench.png", NULL, 0);
    add_request_head(put, "PUT", "/bucket/bench.png", "image/png", STORED_BYTES);
    for (size_t i = 0; i < STORED_BYTES; i++)
        buf_append(put, "B", 1);
    step_count = 3;
    buf_release(&photo);
}
