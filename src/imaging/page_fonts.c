/* At start the files of the rows are looked for, and libvips' fontconfig is given a configuration of ours
 * that knows these and nothing else: what a machine has besides, or how it likes its letters hinted, does not
 * change a page. fontconfig can be told so only by the name of a file in its environment, and reads that at
 * the first text; a pipe is such a file, and leaves nothing behind. */
#include "imaging/fonts.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "imaging/page.h"

#define FONTS "/usr/share/fonts/*type/" /* truetype or opentype; Debian's folders */

static const struct {
    const char *family, *regular; /* regular: where its plain face is found */
    const char *files;            /* which files beside it are its others */
    const char *package;
} rows[] = {
    {"Comic Neue", FONTS "comic-neue/ComicNeue-Regular.?t?", "ComicNeue-*", "fonts-comic-neue"},
    {"Andika", FONTS "andika/Andika-Regular.?t?", "Andika-*", "fonts-sil-andika"},
    {"Purisa", FONTS "tlwg/Purisa.?t?", "Purisa*", "fonts-tlwg-purisa-ttf"},
    {"WenQuanYi Micro Hei", FONTS "wqy/wqy-microhei.?t?", "wqy-microhei*", "fonts-wqy-microhei"},
    {"DejaVu Sans", FONTS "dejavu/DejaVuSans.?t?", "DejaVuSans*", "fonts-dejavu-core"},
    {"Noto Color Emoji", FONTS "noto/NotoColorEmoji.?t?", "NotoColorEmoji*", "fonts-noto-color-emoji"},
};

static const char *const families[FONT_FACE_COUNT] = {
    [FONT_COMIC] = "Comic Neue, Andika, Purisa, WenQuanYi Micro Hei, DejaVu Sans, Noto Color Emoji, ",
    [FONT_WIDE] = "Andika, DejaVu Sans, Purisa, WenQuanYi Micro Hei, Noto Color Emoji, ",
};

/* Unhinted, so that a text has the same shape at every size; emoji are bitmaps of one size and are scaled;
 * bold is made where there is no bold face. */
static const char rules[] =
    "<alias binding=\"same\"><family>emoji</family><prefer><family>Noto Color Emoji</family></prefer></alias>"
    "<match target=\"font\">"
    "<edit name=\"antialias\" mode=\"assign\"><bool>true</bool></edit>"
    "<edit name=\"hinting\" mode=\"assign\"><bool>false</bool></edit>"
    "<edit name=\"autohint\" mode=\"assign\"><bool>false</bool></edit>"
    "<edit name=\"rgba\" mode=\"assign\"><const>none</const></edit></match>"
    "<match target=\"font\"><test name=\"outline\"><bool>false</bool></test>"
    "<edit name=\"pixelsizefixupfactor\" mode=\"assign\"><divide><name target=\"pattern\">pixelsize</name>"
    "<name target=\"font\">pixelsize</name></divide></edit>"
    "<edit name=\"matrix\" mode=\"assign\"><times><name>matrix</name><matrix>"
    "<name>pixelsizefixupfactor</name><double>0</double><double>0</double><name>pixelsizefixupfactor</name>"
    "</matrix></times></edit>"
    "<edit name=\"size\" mode=\"assign\"><divide><name>size</name><name>pixelsizefixupfactor</name></divide>"
    "</edit></match>"
    "<match target=\"font\">"
    "<test name=\"weight\" compare=\"less_eq\"><const>medium</const></test>"
    "<test target=\"pattern\" name=\"weight\" compare=\"more_eq\"><const>bold</const></test>"
    "<test name=\"color\" compare=\"not_eq\"><bool>true</bool></test>"
    "<edit name=\"embolden\" mode=\"assign\"><bool>true</bool></edit></match>";

static char found[256];

const char *fonts_families(enum font_face face)
{
    return families[face];
}

bool fonts_is_lettered(gunichar c)
{
    switch (g_unichar_get_script(c)) {
    case G_UNICODE_SCRIPT_LATIN:
    case G_UNICODE_SCRIPT_GREEK:
    case G_UNICODE_SCRIPT_CYRILLIC:
        return true;
    case G_UNICODE_SCRIPT_INHERITED: /* combining marks */
        return c >= 0x300 && c < 0x370;
    default:
        return false;
    }
}

/* As Comic Neue 2.51 has them. */
bool fonts_is_comic(gunichar c)
{
    static const struct {
        uint16_t first, last;
    } has[] = {{0x20, 0x109},  {0x10c, 0x111}, {0x118, 0x11d}, {0x124, 0x125}, {0x131, 0x131},
               {0x134, 0x135}, {0x139, 0x13a}, {0x13d, 0x13e}, {0x141, 0x144}, {0x147, 0x148},
               {0x150, 0x155}, {0x158, 0x161}, {0x163, 0x165}, {0x16c, 0x171}, {0x178, 0x17e},
               {0x21a, 0x21b}, {0x300, 0x304}, {0x306, 0x308}, {0x30a, 0x30c}, {0x326, 0x328}};
    for (unsigned i = 0; i < ARRAY_LEN(has); i++)
        if (c >= has[i].first && c <= has[i].last)
            return true;
    return false;
}

/* The folder of a row's files; the caller's. NULL: it is not installed. */
static char *folder_of(unsigned row)
{
    glob_t paths = {0};
    char *folder = NULL;
    if (glob(rows[row].regular, 0, NULL, &paths) == 0) {
        const char *path = paths.gl_pathv[0];
        folder = mem_printf("%.*s", (int)(strrchr(path, '/') - path), path);
    }
    globfree(&paths);
    return folder;
}

static void describe(struct buf *config)
{
    buf_puts(config, "<?xml version=\"1.0\"?><fontconfig>");
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        FREE_ON_EXIT char *folder = folder_of(i);
        if (!folder)
            continue;
        buf_printf(config,
                   "<dir>%s</dir><selectfont><acceptfont><glob>%s/%s</glob></acceptfont></selectfont>",
                   folder, folder, rows[i].files);
        size_t len = strlen(found);
        snprintf(found + len, sizeof(found) - len, "%s%s", len ? ", " : "", rows[i].family);
    }
    buf_puts(config, "<selectfont><rejectfont><glob>/*</glob></rejectfont></selectfont>");
    buf_printf(config, "%s</fontconfig>", rules);
}

static int none_found(struct error *e)
{
    BUF_ON_EXIT struct buf packages;
    buf_init(&packages, 1024);
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        buf_printf(&packages, " %s", rows[i].package);
    return error_set(e, ERR_PROCESSING, "There are no fonts to draw text with: install%s",
                     buf_text(&packages));
}

/* Read once, at the first text; until then, and so for the life of the process, the name stays. */
static int hand_over(const struct buf *config)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return -1;
    ssize_t written = write(ends[1], config->data, config->len); /* a pipe takes 64 KiB */
    close(ends[1]);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
    bool readable = written == (ssize_t)config->len && access(path, R_OK) == 0; /* there may be no /proc */
    if (readable && setenv("FONTCONFIG_FILE", path, 1) == 0)
        return 0;
    close(ends[0]);
    return -1;
}

int page_fonts_start(struct error *e)
{
    if (*found)
        return 0;
    BUF_ON_EXIT struct buf config;
    buf_init(&config, 16384);
    describe(&config);
    if (!*found)
        return none_found(e);
    if (hand_over(&config)) {
        found[0] = 0;
        return error_set(e, ERR_PROCESSING, "The fonts cannot be made known");
    }
    return 0;
}

int page_fonts_check(struct error *e)
{
    struct error why;
    if (*found)
        return 0;
    none_found(&why);
    return error_set(e, ERR_PROVIDER_UNAVAILABLE, "%s, and start again", why.reason);
}

const char *page_fonts_found(void)
{
    return found;
}
