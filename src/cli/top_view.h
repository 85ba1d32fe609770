/* top_view.h: what `limner top` shows, from samples. Any thread; nothing is asked and nothing waits. */
#pragma once

#include "cli/page.h"
#include "cli/peek.h"

struct top_view {
    const char *url;
    const struct sample *now;
    const struct sample *before;   /* an interval ago, for rates; NULL: none yet */
    const struct sample *long_ago; /* up to a minute ago, for shares and waits; NULL likewise */
    const char *trouble;           /* instead of now being fresh: why not; NULL: it is */
    bool keys;                     /* the reader can press them */
};

void top_view_draw(const struct top_view *v, struct page *p);
