#include "app_comics.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "comic/comic.h"
#include "imaging/page.h"

int app_choose_models(const struct options *opt, struct error *e)
{
    int r = feature_set_model(FEATURE_COMIC_TEXT, opt->gemini_model, "GEMINI_MODEL_ID", e);
    if (r == 0)
        r = feature_set_model(FEATURE_COMIC_PANEL, opt->animagine_model, "ANIMAGINE_MODEL_ID", e);
    return r;
}

void app_make_comics(struct services *svc)
{
    struct error e;
    svc->comic_names = NEW(struct comic_names);
    comic_names_init(svc->comic_names);
    if (page_fonts_start(&e) < 0)
        LOG(LOG_WARN, "comics cannot be drawn", F_STR("reason", e.reason));
}

void app_comics_free(struct services *svc)
{
    free(TAKE(svc->comic_names));
}
