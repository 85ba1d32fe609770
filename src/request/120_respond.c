/* 120 respond: tell whoever asked; runs for every request, once. Links are signed here, never remembered. */
#include "request/stage.h"

enum verdict respond_enter(struct request *req)
{
    if (req->client)
        req->client->answer(req);
    req->client = NULL;
    return NEXT;
}
