/* The results of a job that is completed, one after another: fetched, then written by a lane. Failure modes:
 * a result that has been deleted since leads to another job, if this one was there before; when one of
 * several results fails, those before it are removed. Invariants: courier.c's; `at` results are in their
 * places. */
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "cli/courier_parts.h"

enum { REDIRECTS_MAX = 3 };

/* All of the results, or none. */
void courier_remove_written(struct courier_picture *p)
{
    for (unsigned n = 1; n <= p->at; n++) {
        FREE_ON_EXIT char *path = out_path(&p->aim, n);
        if (!out_is_stream(path))
            unlink(path);
    }
    p->at = 0;
}

static void complete(struct courier_picture *p)
{
    struct courier *r = courier_of(p);
    progress_clear(&r->errands.progress);
    r->completed++;
    r->voice->completed(p);
    errand_over(p->errand);
}

/* What a result's link is a member of, and called. */
struct link {
    const json_t *in;
    const char *name;
};

/* A comic's pages are beside its data, the cover and the book in it. */
static struct link comic_link(const struct courier_picture *p, unsigned at)
{
    const json_t *data = json_object_get(p->result, "data");
    if (p->aim.type == IMAGE_UNKNOWN)
        return (struct link){json_object_get(data, "document"), "url"};
    if (p->aim.comic->cover && at + 1 == p->count)
        return (struct link){json_object_get(data, "cover"), "url"};
    return (struct link){json_array_get(json_object_get(p->result, "pages"), at), "page_url"};
}

/* NULL: the gateway has not named it. */
static const char *link_of(const struct courier_picture *p, unsigned at)
{
    const json_t *data = json_object_get(p->result, "data"), *list = json_object_get(data, "outputs");
    struct link link = {list ? json_array_get(list, at) : data, "url"};
    if (p->aim.comic)
        link = comic_link(p, at);
    const char *url = courier_text(link.in, link.name);
    return *url ? url : NULL;
}

static void count_results(struct courier_picture *p)
{
    const json_t *list = json_object_get(json_object_get(p->result, "data"), "outputs");
    const json_t *pages = json_object_get(p->result, "pages");
    bool comic = p->aim.comic, book = comic && p->aim.type == IMAGE_UNKNOWN;
    const json_t *cover = comic ? json_object_get(json_object_get(p->result, "data"), "cover") : NULL;
    size_t count = json_array_size(comic ? pages : list);
    count += book ? cover != NULL : comic && p->aim.comic->cover;
    p->pages = book ? (unsigned)count : 0;
    p->count = book || count == 0 ? 1 : (unsigned)MIN(count, (size_t)RESULT_OUTPUTS_MAX);
    if (comic)
        p->aim.count = p->count; /* as many as there are, whatever was expected */
}

static void fetch_next(struct courier_picture *p)
{
    const char *link = link_of(p, p->at);
    const struct courier_config *config = courier_of(p)->config;
    if (!link) {
        courier_fail(p, NULL, "the gateway's answer has no link to the result");
        return;
    }
    courier_set_url(p, mem_printf("%s%s", *link == '/' ? config->url : "", link));
    struct http_call call = {
        .method = "GET",
        .answer_max_bytes = (uint64_t)config->opt->output_max_bytes,
        .redirects_max = REDIRECTS_MAX,
    };
    courier_ask(p, COURIER_FETCH, &call, 0);
}

/* result: {"data","meta"}, borrowed. */
void courier_take_result(struct courier_picture *p, json_t *result)
{
    p->result = json_incref(result);
    count_results(p);
    p->at = 0;
    if (p->count > 1 && out_is_stream(p->aim.path))
        courier_fail(p, NULL,
                     "The model gave several pictures, and only a file or a folder takes more than one");
    else
        fetch_next(p);
}

static int run_write(struct lane_job *job)
{
    static const struct image_limits any = {UINT64_MAX, UINT64_MAX};
    struct courier_picture *p = CONTAINER_OF(job, struct courier_picture, write);
    struct image_info info = {0};
    bool book = p->aim.comic && p->aim.type == IMAGE_UNKNOWN;
    int r = book ? comic_book_check(p->aim.comic, p->bytes, &p->write_err)
                 : image_probe(p->bytes, &any, &info, &p->write_err);
    if (r < 0)
        return r;
    p->size[p->at] = (struct courier_size){info.width, info.height};
    return out_file_write(&p->file, p->bytes, job, &p->write_err);
}

static void on_written(struct op *op)
{
    struct courier_picture *p = CONTAINER_OF(op, struct courier_picture, write.op);
    out_file_release(&p->file);
    blob_unref(TAKE(p->bytes));
    if (op->result < 0) {
        courier_fail(p, err_row(p->write_err.code)->code, p->write_err.reason);
        return;
    }
    if (++p->at == p->count) {
        complete(p);
    } else if (p->errand->all->interrupted) {
        courier_remove_written(p);
        errand_over(p->errand);
    } else {
        fetch_next(p);
    }
}

static void write_result(struct courier_picture *p)
{
    p->bytes = buf_take_blob(&p->errand->call.answer);
    out_file_init(&p->file, &p->aim, p->at + 1);
    p->write = (struct lane_job){0};
    CHECK(lane_submit(courier_of(p)->lane, &p->write, run_write, on_written) == 0); /* one for each lane */
}

void courier_fetched(struct courier_picture *p)
{
    int status = p->errand->call.status;
    if (status == 200)
        write_result(p);
    else if ((status == 404 || status == 410) && p->replayed)
        courier_submit_again(p); /* the result has been deleted since */
    else
        courier_refused(p);
}
