/* story_rig.h: answers of a model, recorded and made up, for the tests of stories. */
#pragma once

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "comic/story_own.h"
#include "scratch.h"

enum { RIG_ROOM = 2 << 20 };

static const struct story_ask rig_ask = {.prompt = "Cô bé Lan và con rồng nhỏ trong rừng.",
                                         .language = "vi",
                                         .style = "anime_color",
                                         .pages = 3,
                                         .panels = 4};

/* test/unit/comic/fixtures/NAME; to be freed. */
static inline char *rig_fixture(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "test/unit/comic/fixtures/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    char *text = calloc(1, RIG_ROOM);
    assert_true(fread(text, 1, RIG_ROOM - 1, f) > 0);
    fclose(f);
    return text;
}

/* A new text with each `from` as `to`; to be freed. */
static inline char *rig_replace(const char *text, const char *from, const char *to)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, RIG_ROOM);
    assert_non_null(strstr(text, from));
    for (const char *at; (at = strstr(text, from)); text = at + strlen(from)) {
        buf_append(&b, text, (size_t)(at - text));
        buf_puts(&b, to);
    }
    buf_puts(&b, text);
    char *made = strdup(buf_text(&b));
    return made;
}

/* Beats or panels with ids from 1 on, as a list's inside; row has one %u; to be freed. */
static inline char *rig_rows(const char *before, const char *row, unsigned count, const char *behind)
{
    BUF_ON_EXIT struct buf b;
    buf_init(&b, RIG_ROOM);
    buf_puts(&b, before);
    for (unsigned i = 1; i <= count; i++) {
        const char *at = strstr(row, "%u");
        buf_printf(&b, "%s%.*s%u%s", i > 1 ? "," : "", (int)(at - row), row, i, at + 2);
    }
    buf_puts(&b, behind);
    return strdup(buf_text(&b));
}
