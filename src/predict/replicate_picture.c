/* Getting the picture to where the model can read it: inline while it is small, else at a signed address of
 * our own store if the world can reach that, else through the files API. What was put somewhere is removed
 * when the run is over. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "predict/replicate_json.h"
#include "predict/replicate_run.h"

enum {
    ADDRESS_MAX = 8192,
    LINK_MARGIN_S = 60,   /* a model that begins at the last moment must still be able to read it */
    EXPIRY_MARGIN_S = 30, /* so long before its end a file is sent again */
    FORM_MAX = 1024
};

/* Seconds for which the picture may be asked for. */
static unsigned needed_s(const struct replicate_run *run)
{
    uint64_t now = loop_now_ns(run->self->config.loop);
    uint64_t left_s = run->deadline_ns > now ? (run->deadline_ns - now) / NS_PER_S : 0;
    return (unsigned)MIN(left_s, (uint64_t)7 * 86400 - LINK_MARGIN_S) + LINK_MARGIN_S;
}

/* Our store can be read from outside, as far as can be told: its links are https. */
static bool link_input(struct replicate_run *run, const char *key)
{
    struct store *store = run->self->config.store;
    buf_release(&run->image_url);
    if (!store || !store->ops->link || store->ops->link(store, key, needed_s(run), &run->image_url) < 0)
        return false;
    return strncasecmp(buf_text(&run->image_url), "https://", 8) == 0;
}

enum run_at run_picture(struct replicate_run *run)
{
    const struct prediction *p = run->prediction;
    run->picture_ready = true;
    buf_release(&run->image_url);
    buf_init(&run->image_url, ADDRESS_MAX);
    if (!p->input || (!run->by_url && replicate_inline_fits(p->input)))
        return RUN_CREATE;
    run->by_url = true;
    char key[STORE_KEY_MAX + 1];
    store_key_make("inputs", clock_wall_s(), image_extension(p->info.type), key);
    if (!link_input(run, key))
        return RUN_SEND_FILE;
    memcpy(run->input_key, key, sizeof(key));
    return RUN_STORE_INPUT;
}

enum run_at run_to_create(struct replicate_run *run)
{
    if (run->picture_ready)
        return RUN_CREATE;
    run->by_url = false;
    return run_picture(run);
}

void run_picture_as_it_was(struct replicate_run *run, const char *url)
{
    buf_init(&run->image_url, ADDRESS_MAX);
    run->by_url = url && buf_puts(&run->image_url, url) == 0;
}

void run_picture_forget(struct replicate_run *run)
{
    struct store *store = run->self->config.store;
    int r = run->input_key[0] ? store->ops->remove(store, run->input_key) : 0;
    (void)r; /* nobody waits for it, and a picture left behind harms nobody */
    run->input_key[0] = '\0';
    buf_release(&run->image_url);
}

/* ---- our own store ---- */

void store_input_done(struct replicate_run *run)
{
    if (run->put.op.result == 0) {
        run_note(run);
        run_go(run, RUN_CREATE);
        return;
    }
    run->input_key[0] = '\0'; /* a put that failed leaves nothing */
    buf_release(&run->image_url);
    run_go(run, RUN_SEND_FILE);
}

void store_input_enter(struct replicate_run *run)
{
    run->put = (struct store_put){
        .key = run->input_key,
        .content_type = image_mime(run->prediction->info.type),
        .body = run->prediction->input,
    };
    run_put_start(run);
}

/* ---- the files API ---- */

/* Around the picture, which goes out from where it lies. */
static void make_form(struct replicate_run *run, const char *boundary)
{
    const enum image_type type = run->prediction->info.type;
    BUF_ON_EXIT struct buf head, tail;
    buf_init(&head, FORM_MAX);
    buf_init(&tail, FORM_MAX);
    buf_printf(&head,
               "--%s\r\nContent-Disposition: form-data; name=\"content\"; filename=\"picture.%s\"\r\n"
               "Content-Type: %s\r\n\r\n",
               boundary, image_extension(type), image_mime(type));
    buf_printf(&tail,
               "\r\n--%s\r\nContent-Disposition: form-data; name=\"metadata\"\r\n"
               "Content-Type: application/json\r\n\r\n{}\r\n--%s--\r\n",
               boundary, boundary);
    CHECK(!head.failed && !tail.failed);
    run->form_head = buf_take_blob(&head);
    run->form_tail = buf_take_blob(&tail);
}

void run_picture_sent(struct replicate_run *run)
{
    blob_unref(TAKE(run->form_head));
    blob_unref(TAKE(run->form_tail));
}

void send_file_enter(struct replicate_run *run)
{
    char boundary[UUID_TEXT];
    uuid_make(boundary); /* random, so that no picture can hold it */
    struct http_call *call = run_call_prepare(run, "POST", "/files");
    snprintf(run->content_type, sizeof(run->content_type), "multipart/form-data; boundary=%s", boundary);
    run_call_header(run, "Content-Type", run->content_type);
    make_form(run, boundary);
    call->body_head = run->form_head;
    call->body = run->prediction->input;
    call->body_tail = run->form_tail;
    run_call_start(run);
}

/* RFC 3339; INT64_MAX: it is none. */
static int64_t time_of(const char *text)
{
    struct tm tm = {0};
    char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    return end ? (int64_t)timegm(&tm) : INT64_MAX;
}

/* An address that can stand in JSON as it is. */
static bool address_ok(const char *url)
{
    size_t len = strlen(url);
    for (size_t i = 0; i < len; i++)
        if (url[i] <= ' ' || url[i] > '~' || url[i] == '"' || url[i] == '\\')
            return false;
    return strncasecmp(url, "http", 4) == 0 && len <= ADDRESS_MAX;
}

void send_file_done(struct replicate_run *run)
{
    if (!run_call_ok(run)) {
        run_call_failed(run, REPLICATE_CALL_OTHER);
        return;
    }
    JSON_ON_EXIT json_t *file = replicate_json_read(run->call.answer.data, run->call.answer.len);
    const char *url = replicate_json_text(json_object_get(file, "urls"), "get");
    const char *id = replicate_json_text(file, "id");
    if (!address_ok(url)) {
        struct error e;
        error_set(&e, ERR_UPSTREAM, "The model's server took the picture, but does not say where it is");
        run_fail(run, &e);
        return;
    }
    buf_release(&run->image_url);
    buf_puts(&run->image_url, url);
    run->file_expires_s = time_of(replicate_json_text(file, "expires_at"));
    if (replicate_id_ok(id))
        snprintf(run->file_id, sizeof(run->file_id), "%s", id);
    run->file_fresh = true;
    run_note(run);
    run_go(run, RUN_CREATE);
}

bool run_picture_expired(const struct replicate_run *run)
{
    return run->file_expires_s != INT64_MAX && !run->file_fresh &&
           clock_wall_s() >= run->file_expires_s - EXPIRY_MARGIN_S;
}
