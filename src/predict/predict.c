#include "predict/predict.h"

#include <stdlib.h>

#include "base/check.h"

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
