#include "predict/predict.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "predict/output_walk.h"

bool prediction_whole(const struct prediction *prediction)
{
    return prediction->input || feature_pictures(prediction->feature) == 0;
}

void provider_start(struct provider *p, struct prediction *prediction, op_done_fn *on_done)
{
    CHECK((prediction->raw || prediction->resume_id || prediction_whole(prediction)) &&
          prediction->output_count == 0);
    prediction->op.on_done = on_done; /* the driver passes it on to op_begin */
    p->ops->start(p, prediction);
    CHECK(prediction->op.state != OP_IDLE);
}

void provider_free(struct provider *p)
{
    if (p)
        p->ops->free(p);
}

const char *prediction_output_mime(const struct prediction_output *out)
{
    return out->mime ? out->mime : image_mime(out->type);
}

void prediction_release(struct prediction *prediction)
{
    for (unsigned i = 0; i < prediction->output_count; i++) {
        blob_unref(prediction->output[i].blob);
        free(prediction->output[i].url);
    }
    prediction->output_count = 0;
    free(TAKE(prediction->detail));
}

static void take_item(struct output_item *item, struct prediction_output *out)
{
    *out = (struct prediction_output){0};
    if (item->kind == OUTPUT_URL)
        out->url = TAKE(item->text);
    else if (item->kind == OUTPUT_TEXT)
        out->blob = blob_copy(item->text, strlen(item->text));
    else
        out->blob = TAKE(item->bytes);
    if (item->kind == OUTPUT_BYTES)
        out->type = image_sniff(out->blob->data, out->blob->size);
}

unsigned prediction_take_outputs(struct output_list *list, bool writes, struct prediction_output *ret)
{
    unsigned count = 0;
    for (unsigned i = 0; i < list->count && count < RESULT_OUTPUTS_MAX; i++)
        if ((list->item[i].kind == OUTPUT_TEXT) == writes)
            take_item(&list->item[i], &ret[count++]);
    return count;
}
