#include "app_comics.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "comic/comic.h"
#include "imaging/page.h"

int app_prepare_comics(const struct options *opt, struct error *e)
{
    int r = feature_set_model(FEATURE_COMIC_TEXT, opt->gemini_model, "GEMINI_MODEL_ID", e);
    if (r == 0)
        r = feature_set_model(FEATURE_COMIC_PANEL, opt->animagine_model, "ANIMAGINE_MODEL_ID", e);
    struct error missing; /* whoever asks for a comic is told */
    int fonts = page_fonts_start(&missing);
    (void)fonts;
    return r;
}

void app_make_comics(struct services *svc, bool serves)
{
    struct error e;
    if (serves && page_fonts_check(&e) < 0)
        LOG(LOG_WARN, "comics cannot be drawn", F_STR("reason", e.reason));
    svc->comic_names = NEW(struct comic_names);
    comic_names_init(svc->comic_names);
}

void app_comics_free(struct services *svc)
{
    free(TAKE(svc->comic_names));
}
