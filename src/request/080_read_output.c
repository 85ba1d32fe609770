/* 080 read output: whatever the provider gave becomes bytes of a known type, under a cap. */
#include <inttypes.h>

#include "request/stage.h"

static int check_output(struct request *req, struct prediction_output *out)
{
    uint64_t cap = (uint64_t)req->svc->opt->output_max_bytes;
    if (out->blob->size == 0)
        return error_set(&req->err, ERR_UPSTREAM, "The model gave an empty result");
    if (out->blob->size > cap)
        return error_set(&req->err, ERR_UPSTREAM, "The model gave %zu bytes; at most %" PRIu64 " are taken",
                         out->blob->size, cap);
    out->type = image_sniff(out->blob->data, out->blob->size);
    if (out->type == IMAGE_UNKNOWN)
        return error_set(&req->err, ERR_UPSTREAM, "The model gave something that is not an image");
    return 0;
}

enum verdict read_output_enter(struct request *req)
{
    struct prediction *p = req->run.prediction;
    if (p->output_count == 0) {
        error_set(&req->err, ERR_UPSTREAM, "The model gave no result");
        return FAIL;
    }
    for (unsigned i = 0; i < p->output_count; i++)
        if (check_output(req, &p->output[i]) < 0)
            return FAIL;
    return NEXT;
}
