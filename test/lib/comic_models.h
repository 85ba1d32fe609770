/* comic_models.h: inside of comic_rig: the host whose models answer by the rig's script. */
#pragma once

#include "comic/comic.h"

void comic_models_init(struct comic_host *h); /* of a struct comic_rig_comic */
