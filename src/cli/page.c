#include "cli/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "cli/text.h"

enum { PIECE_MAX = 512 };

static const char *const codes[] = {
    [STYLE_PLAIN] = "",         [STYLE_HEAD] = "\033[1;36m", [STYLE_STRONG] = "\033[1m",
    [STYLE_FAINT] = "\033[2m",  [STYLE_GOOD] = "\033[32m",   [STYLE_WARN] = "\033[33m",
    [STYLE_BAD] = "\033[1;31m",
};

void page_init(struct page *p, struct buf *out, unsigned columns, unsigned lines, bool color, bool utf8)
{
    *p = (struct page){.out = out, .columns = columns, .lines = lines, .color = color, .utf8 = utf8};
}

bool page_full(const struct page *p)
{
    return p->lines == 0;
}

/* Cuts it in place to that many columns; returns how many it has. */
static unsigned cut(char *text, unsigned columns)
{
    char *at = text;
    while (*at) {
        size_t len = MAX(utf8_char(at), 1);
        char after = at[len];
        at[len] = '\0';
        bool fits = text_columns(text) <= columns;
        at[len] = after;
        if (!fits)
            break;
        at += len;
    }
    *at = '\0';
    return (unsigned)text_columns(text);
}

static void put_text(struct page *p, enum style style, char *text)
{
    if (page_full(p))
        return;
    unsigned width = cut(text, p->columns - MIN(p->at, p->columns));
    bool styled = p->color && style != STYLE_PLAIN && width > 0;
    p->at += width;
    buf_printf(p->out, "%s%s%s", styled ? codes[style] : "", text, styled ? "\033[0m" : "");
}

void page_put(struct page *p, enum style style, const char *fmt, ...)
{
    char raw[PIECE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    FREE_ON_EXIT char *text = text_clean(raw, p->utf8);
    put_text(p, style, text);
}

bool page_has_room(const struct page *p, unsigned columns)
{
    return p->at + 2 + columns <= p->columns;
}

void page_gap(struct page *p)
{
    if (p->at > 0)
        put_text(p, STYLE_PLAIN, (char[]){"  "});
}

void page_end(struct page *p)
{
    if (page_full(p))
        return;
    buf_puts(p->out, "\n");
    p->at = 0;
    p->lines--;
}

/* ---- tables ---- */

void cell_set(struct cell *c, enum style style, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof(c->text), fmt, ap);
    va_end(ap);
    c->style = style;
}

static void put_cell(struct page *p, const struct column *column, enum style style, const char *raw)
{
    FREE_ON_EXIT char *text = text_clean(raw, p->utf8);
    unsigned rest = p->columns - MIN(p->at, p->columns), room = column->width ? column->width : rest;
    unsigned width = cut(text, room), blanks = column->width ? room - width : 0;
    FREE_ON_EXIT char *space = mem_printf("%*s", (int)blanks, "");
    if (column->right)
        put_text(p, STYLE_PLAIN, space);
    put_text(p, style, text);
    if (!column->right)
        put_text(p, STYLE_PLAIN, space);
}

static void put_row(struct page *p, const struct column *columns, unsigned count, const void *row)
{
    if (page_full(p))
        return;
    for (unsigned i = 0; i < count; i++) {
        struct cell cell = {0};
        if (columns[i].from > p->columns)
            continue;
        page_gap(p);
        if (row)
            columns[i].put(row, &cell);
        else
            cell_set(&cell, STYLE_HEAD, "%s", columns[i].title);
        put_cell(p, &columns[i], cell.style, cell.text);
    }
    page_end(p);
}

void page_table_head(struct page *p, const struct column *columns, unsigned count)
{
    put_row(p, columns, count, NULL);
}

void page_table_row(struct page *p, const struct column *columns, unsigned count, const void *row)
{
    put_row(p, columns, count, row);
}
