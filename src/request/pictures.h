/* pictures.h: the pictures of a request that has a list of them (features.h), or one for each row. No state;
 * whoever owns the request. */
#pragma once

#include "request/request.h"

bool picture_given(const struct request *req, unsigned i); /* itself, its address or its digest */
unsigned pictures_given(const struct request *req);        /* how many; of a list they are the first ones */

/* Where the next one of that row belongs. Fills req->err: there is one already, or the list is full. */
int picture_place(struct request *req, unsigned row, unsigned *ret) MUST_CHECK;

/* The second and further ones of a list, for a run; they are taken back when it is over. Fills req->err. */
int pictures_lend(struct request *req, struct prediction *p) MUST_CHECK;
void pictures_take_back(struct prediction *p);
