/* feature_form.h: what a feature's route is posted: the pictures, and the fields that the arguments say. */
#pragma once

#include "base/digest.h"
#include "cli/feature_args.h"
#include "cli/form_body.h"

struct feature_form {
    struct blob *body;
    char type[FORM_TYPE_MAX];
    char digest[DIGEST_HEX + 1]; /* of the feature, the fields and the pictures */
};

/* picture: IMAGES_MAX, in row order, or in the list's; NULL: not given. type: of results, where a field asks
 * for it; IMAGE_UNKNOWN: as the arguments say. */
void feature_form_make(const struct feature_args *args, struct blob *const picture[static IMAGES_MAX],
                       enum image_type type, struct feature_form *ret);
void feature_form_release(struct feature_form *form); /* accepts a zeroed one */
