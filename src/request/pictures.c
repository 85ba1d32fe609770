#include "request/pictures.h"

bool picture_given(const struct request *req, unsigned i)
{
    return req->receive.body[i] || req->receive.url[i] || req->receive.digest[i];
}

unsigned pictures_given(const struct request *req)
{
    unsigned count = 0;
    for (unsigned i = 0; i < IMAGES_MAX; i++)
        count += picture_given(req, i);
    return count;
}

int picture_place(struct request *req, unsigned row, unsigned *ret)
{
    const struct image_row *list = feature_picture_list(req->feature);
    unsigned i = list ? pictures_given(req) : row;
    if (list && i == list->most)
        return error_set_field(&req->err, req->feature->refusal, list->field,
                               "At most %u pictures are taken here; there are more", list->most);
    if (picture_given(req, i))
        return error_set_field(&req->err, req->feature->refusal, feature_picture(req->feature, i)->field,
                               "There is more than one picture");
    *ret = i;
    return 0;
}

int pictures_lend(struct request *req, struct prediction *p)
{
    unsigned given = req->feature->work == WORK_PHOTOS ? pictures_given(req) : 0;
    if (given < 2)
        return 0;
    p->more = arena_alloc(&req->arena, (given - 1) * sizeof(*p->more));
    int r = 0;
    for (unsigned i = 1; i < given && r == 0; i++) {
        struct prediction_picture *more = &p->more[i - 1];
        r = body_blob(req->receive.body[i], &more->blob, &req->err);
        more->info = req->prescale.list[i];
        p->more_count += r == 0;
    }
    if (r < 0)
        pictures_take_back(p);
    return r;
}

void pictures_take_back(struct prediction *p)
{
    for (unsigned i = 0; i < p->more_count; i++)
        blob_unref(TAKE(p->more[i].blob));
    p->more_count = 0;
}
