/* Whole pages beside those in test/golden, which somebody has looked at. A page is compared at a quarter of
 * its size, by pixels, with a small tolerance, so that another compiler's rounding is no difference.
 *
 * Letters are as the fonts that tools/deps installs have them: test/golden/fonts.txt says which versions the
 * pages were drawn with. Where others are installed, this says so and compares only what has no text.
 *
 * `make golden` (LIMNER_GOLDEN=renew for this program) draws them anew; look at them before you commit. */
#include <math.h>

#include "imaging/page.h"
#include "samples.h"

enum { QUARTER = 4, FAR = 40 };

static const double mean_most = 0.8, far_most = 0.004; /* of 255; share of the samples that are FAR off */

/* ---- what is drawn ---- */

/* Sky, sun, hills, and somebody before them. */
static struct blob *scene(uint32_t width, uint32_t height, unsigned kind)
{
    static const uint8_t skies[4][2][3] = {{{90, 150, 220}, {200, 225, 245}},
                                           {{240, 150, 90}, {250, 220, 160}},
                                           {{30, 34, 70}, {90, 80, 130}},
                                           {{140, 190, 170}, {225, 235, 210}}};
    static const uint8_t hills[4][3] = {{70, 140, 80}, {120, 70, 60}, {24, 40, 50}, {60, 110, 100}};
    static const uint8_t coats[4][3] = {{190, 50, 50}, {50, 80, 170}, {170, 130, 40}, {110, 60, 130}};
    struct pixels p = sample_pixels(width, height, 3);
    double w = width, h = height, stands = w * (0.3 + 0.15 * (kind % 4));
    for (uint32_t i = 0; i < width * height; i++) {
        double x = i % width, y = i / width;
        double ground = h * (0.62 + 0.06 * sin(x / w * 5 + kind) + 0.03 * sin(x / w * 13 + 2 * kind));
        uint8_t *at = p.data + 3 * (size_t)i;
        for (unsigned b = 0; b < 3; b++)
            at[b] = (uint8_t)lround(skies[kind % 4][0][b] +
                                    (skies[kind % 4][1][b] - skies[kind % 4][0][b]) * y / h);
        if (hypot(x - w * 0.8, y - h * 0.16) < w * 0.08)
            memcpy(at, (uint8_t[]){255, 240, 190}, 3);
        if (y > ground)
            memcpy(at, hills[kind % 4], 3);
        if (fabs(x - stands) < w * 0.11 * fmin(1, (y - h * 0.5) / (h * 0.12)) && y > h * 0.5)
            memcpy(at, coats[kind % 4], 3);
        if (hypot(x - stands, (y - h * 0.44) * 0.85) < w * 0.085)
            memcpy(at, (uint8_t[]){226, 178, 148}, 3);
        if (hypot(x - stands, (y - h * 0.415) * 0.9) < w * 0.09 && y < h * 0.415)
            memcpy(at, (uint8_t[]){60, 40, 30}, 3);
    }
    return sample_blob(p, IMAGE_PNG);
}

struct said {
    unsigned panel;
    struct page_line line;
};

#define SPEECH(text, speaker, emotion, side)                                                                 \
    {                                                                                                        \
        text, speaker, PAGE_SPEECH, PAGE_##emotion, PAGE_##side                                              \
    }
#define CAPTION(text)                                                                                        \
    {                                                                                                        \
        text, "narrator", PAGE_CAPTION, PAGE_NEUTRAL, PAGE_SIDE_UNKNOWN                                      \
    }

static const struct golden {
    const char *name;
    unsigned panels; /* 0: a cover */
    bool right_to_left, has_text;
    int missing; /* a panel without a picture; -1: none */
    const char *title, *byline;
    bool has_picture; /* the cover */
    unsigned said_count;
    struct said said[10];
} goldens[] = {
    {.name = "pictures", .panels = 5, .missing = -1},
    {.name = "english",
     .panels = 4,
     .missing = -1,
     .has_text = true,
     .said_count = 6,
     .said = {{0, CAPTION("That morning the sea was calm.")},
              {0, SPEECH("Look!", "Mai", HAPPY, LEFT)},
              {1,
               SPEECH("I can't believe that we are here at last, after all those days.", "Mai", HAPPY, LEFT)},
              {2, SPEECH("Who is there?!", "Tom", ANGRY, RIGHT)},
              {2, SPEECH("Nobody.", "Mai", SAD, LEFT)},
              {3, SPEECH("What if she's right?", "Tom", THINKING, RIGHT)}}},
    {.name = "vietnamese",
     .panels = 3,
     .missing = -1,
     .has_text = true,
     .said_count = 4,
     .said = {{0, SPEECH("Ôi trời ơi! Con rồng kìa!", "Linh", SURPRISED, LEFT)},
              {0, SPEECH("Đừng sợ, nó hiền lắm mà.", "Bà", NEUTRAL, RIGHT)},
              {1, SPEECH("Tớ nhớ nhà quá…", "Linh", SAD, LEFT)},
              {2, CAPTION("Đêm hôm ấy, cả khu rừng im lặng.")}}},
    {.name = "arabic",
     .panels = 6,
     .right_to_left = true,
     .missing = 4,
     .has_text = true,
     .said_count = 4,
     .said = {{0, SPEECH("مرحبا يا صديقي!", "ليلى", HAPPY, RIGHT)},
              {0, SPEECH("أهلا بك", "سامي", NEUTRAL, LEFT)},
              {2, SPEECH("لا! توقف!", "سامي", ANGRY, LEFT)},
              {5, CAPTION("وهكذا انتهت الحكاية.")}}},
    {.name = "cover",
     .has_text = true,
     .title = "Rồng và Cô Bé Quàng Khăn Đỏ",
     .byline = "Nguyễn Văn An",
     .has_picture = true,
     .missing = -1},
    {.name = "cover-plain",
     .has_text = true,
     .title = "The Long Way Home",
     .byline = "limner",
     .missing = -1},
};

static struct blob *draw_cover(const struct golden *g)
{
    BLOB_ON_EXIT struct blob *image = g->has_picture ? scene(832, 1216, 1) : NULL;
    struct page_cover cover = {.image = image, .title = g->title, .byline = g->byline, .output = IMAGE_PNG};
    if (image)
        cover.info = sample_info(image);
    struct page_made made = {0};
    struct error e = {0};
    if (page_render_cover(&cover, &made, &e))
        print_error("%s: %s\n", g->name, e.reason);
    assert_non_null(made.image);
    return made.image;
}

static struct blob *draw_page(const struct golden *g)
{
    struct page_request req = {
        .panel_count = g->panels, .right_to_left = g->right_to_left, .output = IMAGE_PNG, .quality = 90};
    struct blob *image[PAGE_PANELS_MAX] = {0};
    for (unsigned i = 0; i < g->panels; i++) {
        if ((int)i == g->missing) {
            req.panel[i].label = "Panel could not be drawn";
            continue;
        }
        uint32_t x, y, width, height;
        page_cell(g->panels, i, g->right_to_left, &x, &y, &width, &height);
        image[i] = width > height ? scene(900, 640, i) : scene(600, 860, i);
        req.panel[i].image = image[i];
        req.panel[i].info = sample_info(image[i]);
    }
    for (unsigned i = 0; i < g->said_count; i++) {
        struct page_panel *panel = &req.panel[g->said[i].panel];
        panel->line[panel->line_count++] = g->said[i].line;
    }
    struct page_made made = {0};
    struct error e = {0};
    unsigned bad;
    if (page_render(&req, &made, &bad, &e))
        print_error("%s: %s\n", g->name, e.reason);
    assert_non_null(made.image);
    for (unsigned i = 0; i < g->panels; i++)
        blob_unref(image[i]);
    return made.image;
}

/* At a quarter of its size. */
static struct pixels draw(const struct golden *g)
{
    BLOB_ON_EXIT struct blob *page = g->panels ? draw_page(g) : draw_cover(g);
    PICTURE_ON_EXIT VipsImage *im = NULL, *small = NULL;
    struct pixels p = {0};
    VIPS_OK(picture_open(page, IMAGE_PNG, 1, &im) || vips_shrink(im, &small, QUARTER, QUARTER, NULL) ||
            picture_take(small, &p));
    return p;
}

/* ---- what it is compared with ---- */

static bool is_renewed(void)
{
    const char *wish = getenv("LIMNER_GOLDEN");
    return wish && strcmp(wish, "renew") == 0;
}

static void path_of(char ret[static 256], const char *folder, const char *name, const char *extension)
{
    snprintf(ret, 256, "%s/%s.%s", folder, name, extension);
}

static void write_page(const struct pixels *p, const char *path)
{
    PICTURE_ON_EXIT VipsImage *im = sample_view(p);
    VIPS_OK(vips_pngsave(im, path, "compression", 9, "filter", VIPS_FOREIGN_PNG_FILTER_ALL, "keep",
                         VIPS_FOREIGN_KEEP_NONE, NULL));
}

static struct pixels read_page(const char *path)
{
    PICTURE_ON_EXIT VipsImage *im = NULL;
    struct pixels p = {0};
    VIPS_OK(vips_pngload(path, &im, NULL) || picture_take(im, &p));
    return p;
}

static void compare(const struct golden *g, const struct pixels *is, const struct pixels *should)
{
    assert_true(is->width == should->width && is->height == should->height && is->bands == 3 &&
                should->bands == 3);
    size_t count = (size_t)is->width * is->height * 3, far = 0;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        int off = abs(is->data[i] - should->data[i]);
        sum += off;
        far += off > FAR;
    }
    double mean = sum / (double)count, share = (double)far / (double)count;
    if (mean <= mean_most && share <= far_most)
        return;
    char path[256];
    path_of(path, g_get_tmp_dir(), g->name, "golden.png");
    write_page(is, path);
    print_error(
        "%s differs from test/golden: by %.2f in the mean, %.2f %% of it by more than %d. It is in %s; if "
        "it is better, run make golden.\n",
        g->name, mean, share * 100, FAR, path);
    fail();
}

static void page_is_as_it_was(void **state)
{
    const struct golden *g = *state;
    char path[256];
    path_of(path, "test/golden", g->name, "png");
    CLEANUP(pixels_release) struct pixels is = draw(g);
    if (is_renewed()) {
        write_page(&is, path);
        return;
    }
    CLEANUP(pixels_release) struct pixels should = read_page(path);
    compare(g, &is, &should);
}

/* ---- the fonts ---- */

static const char fonts_path[] = "test/golden/fonts.txt";

/* Their packages and versions, as Debian names them; "" where that cannot be asked. */
static void fonts_here(char ret[static 1024])
{
    FILE *f = popen("dpkg-query -W -f='${Package} ${Version}\\n' fonts-comic-neue fonts-dejavu-core "
                    "fonts-noto-color-emoji fonts-sil-andika fonts-tlwg-purisa-ttf fonts-wqy-microhei "
                    "2>/dev/null",
                    "r");
    size_t size = f ? fread(ret, 1, 1023, f) : 0;
    ret[size] = 0;
    if (f)
        pclose(f);
}

/* 0: the fonts are those that the pages were drawn with; renews what is known of them, if that is wished. */
static bool fonts_are_the_same(void)
{
    char here[1024], there[1024] = "";
    fonts_here(here);
    FILE *f = fopen(fonts_path, is_renewed() ? "w" : "r");
    if (!f)
        return false;
    if (is_renewed())
        fputs(here, f);
    else
        there[fread(there, 1, sizeof(there) - 1, f)] = 0;
    fclose(f);
    if (is_renewed() || strcmp(here, there) == 0)
        return true;
    print_message("Pages with text are not compared: the fonts here are not those of test/golden.\nhere:\n%s"
                  "test/golden (tools/deps installs them on Debian):\n%s",
                  here, there);
    return false;
}

int main(void)
{
    struct CMUnitTest tests[ARRAY_LEN(goldens)];
    bool text = fonts_are_the_same();
    size_t count = 0;
    for (unsigned i = 0; i < ARRAY_LEN(goldens); i++)
        if (text || !goldens[i].has_text)
            tests[count++] = (struct CMUnitTest){.name = goldens[i].name,
                                                 .test_func = page_is_as_it_was,
                                                 .initial_state = (void *)(uintptr_t)&goldens[i]};
    return _cmocka_run_group_tests("pages", tests, count, page_group_start, sample_group_stop);
}
