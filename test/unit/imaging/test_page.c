#include "imaging/page.h"

#include <math.h>
#include <pthread.h>

#include "imaging/page_fit.h"
#include "samples.h"

enum { BORDER = 4 };

static struct blob *sample_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "samples/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    return blob_copy(bytes, size);
}

static struct blob *plain(uint32_t width, uint32_t height, uint8_t r, uint8_t g, uint8_t b)
{
    struct pixels p = sample_pixels(width, height, 3);
    for (uint32_t i = 0; i < width * height; i++)
        memcpy(p.data + 3 * i, (uint8_t[]){r, g, b}, 3);
    return sample_blob(p, IMAGE_PNG);
}

static struct pixels decoded(const struct blob *b)
{
    struct image_info info = sample_info(b);
    struct pixels p = {0};
    struct error e;
    assert_int_equal(image_decode(b, &info, &p, &e), 0);
    return p;
}

/* All panels with one picture; NULL: none. */
static struct page_request request(unsigned count, const struct blob *image)
{
    struct page_request req = {.panel_count = count, .output = IMAGE_PNG, .quality = 90};
    for (unsigned i = 0; i < count; i++) {
        req.panel[i].image = image;
        if (image)
            req.panel[i].info = sample_info(image);
    }
    return req;
}

static struct blob *render(const struct page_request *req)
{
    struct page_made made = {0};
    struct error e = {0};
    unsigned bad = 77;
    if (page_render(req, &made, &bad, &e)) {
        print_error("%s: %s\n", e.field, e.reason);
        fail();
    }
    assert_int_equal(bad, 77);
    assert_int_equal(made.type, req->output);
    assert_true(made.width == PAGE_WIDTH && made.height == PAGE_HEIGHT);
    struct image_info info = sample_info(made.image);
    assert_true(info.type == req->output && info.width == PAGE_WIDTH && info.height == PAGE_HEIGHT);
    return made.image;
}

static struct pixels page_of(const struct page_request *req)
{
    BLOB_ON_EXIT struct blob *image = render(req);
    return decoded(image);
}

/* ---- layout ---- */

struct cell {
    uint32_t x, y, width, height;
};

static struct cell cell(unsigned count, unsigned i, bool right_to_left)
{
    struct cell c;
    page_cell(count, i, right_to_left, &c.x, &c.y, &c.width, &c.height);
    return c;
}

static void cells_lie_as_they_should(void **state)
{
    (void)state;
    static const struct {
        unsigned count;
        struct cell cell[PAGE_PANELS_MAX];
    } rows[] = {
        {1, {{24, 24, 1032, 1572}}},
        {2, {{24, 24, 1032, 774}, {24, 822, 1032, 774}}},
        {3, {{24, 24, 1032, 774}, {24, 822, 504, 774}, {552, 822, 504, 774}}},
        {4, {{24, 24, 504, 774}, {552, 24, 504, 774}, {24, 822, 504, 774}, {552, 822, 504, 774}}},
        {5,
         {{24, 24, 504, 508},
          {552, 24, 504, 508},
          {24, 556, 1032, 508},
          {24, 1088, 504, 508},
          {552, 1088, 504, 508}}},
        {6,
         {{24, 24, 504, 508},
          {552, 24, 504, 508},
          {24, 556, 504, 508},
          {552, 556, 504, 508},
          {24, 1088, 504, 508},
          {552, 1088, 504, 508}}},
    };
    for (unsigned r = 0; r < ARRAY_LEN(rows); r++)
        for (unsigned i = 0; i < rows[r].count; i++) {
            struct cell is = cell(rows[r].count, i, false), mirrored = cell(rows[r].count, i, true);
            assert_memory_equal(&is, &rows[r].cell[i], sizeof(is));
            assert_int_equal(mirrored.x, PAGE_WIDTH - is.x - is.width);
            assert_true(mirrored.y == is.y && mirrored.width == is.width && mirrored.height == is.height);
        }
}

/* 0: paper, else the number of the cell that has it, plus 100 on its border. */
static unsigned owner_of(unsigned count, bool right_to_left, uint32_t x, uint32_t y)
{
    for (unsigned i = 0; i < count; i++) {
        struct cell c = cell(count, i, right_to_left);
        if (x < c.x || y < c.y || x >= c.x + c.width || y >= c.y + c.height)
            continue;
        bool inner = x >= c.x + BORDER && y >= c.y + BORDER && x < c.x + c.width - BORDER &&
                     y < c.y + c.height - BORDER;
        return i + 1 + (inner ? 0 : 100);
    }
    return 0;
}

static void panels_gutters_and_borders_are_where_they_belong(void **state)
{
    (void)state;
    static const uint8_t colours[PAGE_PANELS_MAX][3] = {{200, 30, 30},  {30, 200, 30},  {30, 30, 200},
                                                        {200, 200, 30}, {30, 200, 200}, {200, 30, 200}};
    struct blob *image[PAGE_PANELS_MAX];
    for (unsigned i = 0; i < PAGE_PANELS_MAX; i++)
        image[i] = plain(83, 121, colours[i][0], colours[i][1], colours[i][2]);
    for (unsigned count = 1; count <= PAGE_PANELS_MAX; count++)
        for (unsigned rtl = 0; rtl < 2; rtl++) {
            struct page_request req = request(count, image[0]);
            req.right_to_left = rtl;
            for (unsigned i = 0; i < count; i++)
                req.panel[i].image = image[i];
            CLEANUP(pixels_release) struct pixels p = page_of(&req);
            for (uint32_t y = 0; y < PAGE_HEIGHT; y++)
                for (uint32_t x = 0; x<PAGE_WIDTH; x += x> 60 && x < 500 ? 2 : 1) {
                    unsigned owner = owner_of(count, rtl, x, y);
                    const uint8_t *at = sample_at(&p, x, y);
                    if (owner == 0)
                        sample_assert_colour(at, 255, 255, 255, 0);
                    else if (owner > 100)
                        assert_true(at[0] < 50 && at[1] < 50 && at[2] < 50);
                    else
                        assert_memory_equal(at, colours[owner - 1], 3);
                }
        }
    for (unsigned i = 0; i < PAGE_PANELS_MAX; i++)
        blob_unref(image[i]);
}

/* ---- what stays in view ---- */

static VipsImage *fit(const struct blob *in, uint32_t width, uint32_t height, struct page_view *ret)
{
    struct image_info info = sample_info(in);
    VipsImage *im = NULL;
    assert_int_equal(page_fit(in, &info, width, height, &im, ret), 0);
    assert_true((uint32_t)vips_image_get_width(im) == width && (uint32_t)vips_image_get_height(im) == height);
    return im;
}

struct eye {
    double x, y, radius; /* pixels of the sample */
};

static bool is_seen(const struct page_view *view, const struct image_info *info, const struct eye *eye)
{
    double left = view->seen.left * info->width, top = view->seen.top * info->height;
    return eye->x - eye->radius >= left && eye->x + eye->radius <= left + view->seen.width * info->width &&
           eye->y - eye->radius >= top && eye->y + eye->radius <= top + view->seen.height * info->height;
}

/* The mean difference of the picture around the eye and of what is at that place in the cut one. */
static double eye_differs(const struct blob *in, const struct eye *eye, VipsImage *cut,
                          const struct page_view *view)
{
    CLEANUP(pixels_release) struct pixels whole = decoded(in), shown = {0};
    assert_int_equal(picture_take(cut, &shown), 0);
    double scale = shown.width / (view->seen.width * whole.width), sum = 0;
    unsigned count = 0;
    for (double dy = -eye->radius; dy <= eye->radius; dy++)
        for (double dx = -eye->radius; dx <= eye->radius; dx++) {
            const uint8_t *a = sample_at(&whole, (uint32_t)(eye->x + dx), (uint32_t)(eye->y + dy));
            double x = (eye->x + dx + 0.5 - view->seen.left * whole.width) * scale;
            double y = (eye->y + dy + 0.5 - view->seen.top * whole.height) * scale;
            const uint8_t *b = sample_at(&shown, (uint32_t)x, (uint32_t)y);
            for (unsigned k = 0; k < 3; k++)
                sum += abs(a[k] - b[k]);
            count += 3;
        }
    return sum / count;
}

static void eyes_stay_in_view(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        struct eye eye[2];
        unsigned least_in_narrow; /* eyes; a narrow cell has no room for the cat's whole face */
    } rows[] = {
        {"astronaut.jpg", {{206, 101, 8}, {249, 103, 8}}, 2},
        {"portrait-small.jpg", {{78, 97, 8}, {121, 99, 8}}, 2},
        {"chelsea.png", {{171, 115, 30}, {318, 135, 25}}, 1},
    };
    for (unsigned r = 0; r < ARRAY_LEN(rows); r++) {
        BLOB_ON_EXIT struct blob *in = sample_file(rows[r].file);
        struct image_info info = sample_info(in);
        for (unsigned count = 1; count <= PAGE_PANELS_MAX; count++)
            for (unsigned i = 0; i < count; i++) {
                struct cell c = cell(count, i, false);
                struct page_view view;
                PICTURE_ON_EXIT VipsImage *im = fit(in, c.width, c.height, &view);
                unsigned seen = 0;
                for (unsigned k = 0; k < 2; k++)
                    if (is_seen(&view, &info, &rows[r].eye[k])) {
                        assert_true(eye_differs(in, &rows[r].eye[k], im, &view) < 12);
                        seen++;
                    }
                if (seen < (c.width > c.height ? 2 : rows[r].least_in_narrow)) {
                    print_error("%s in %u x %u shows %u eyes, from %.2f %.2f\n", rows[r].file, c.width,
                                c.height, seen, view.seen.left, view.seen.top);
                    fail();
                }
            }
    }
}

/* A face's colour before a wall, anywhere. */
static void a_face_stays_in_view(void **state)
{
    (void)state;
    enum { WIDE = 900, HIGH = 300, RADIUS = 70 };
    for (unsigned turned = 0; turned < 2; turned++)
        for (int middle = RADIUS + 10; middle < WIDE - RADIUS; middle += 120) {
            uint32_t width = turned ? HIGH : WIDE, height = turned ? WIDE : HIGH;
            struct pixels p = sample_pixels(width, height, 3);
            for (uint32_t i = 0; i < width * height; i++) {
                int x = (int)(i % width), y = (int)(i / width);
                double far = hypot(x - (turned ? HIGH / 2 : middle), y - (turned ? middle : HIGH / 2));
                uint8_t wall = (uint8_t)(110 + y * 20 / (int)height);
                memcpy(p.data + 3 * i,
                       far < RADIUS ? (uint8_t[]){224, 172, 140} : (uint8_t[]){wall, wall, wall}, 3);
            }
            BLOB_ON_EXIT struct blob *in = sample_blob(p, IMAGE_PNG);
            struct image_info info = sample_info(in);
            struct page_view view;
            PICTURE_ON_EXIT VipsImage *im = fit(in, turned ? 1032 : 504, turned ? 774 : 508, &view);
            struct eye face = {turned ? HIGH / 2 : middle, turned ? middle : HIGH / 2, RADIUS - 1};
            assert_true(is_seen(&view, &info, &face));
            CLEANUP(pixels_release) struct pixels shown = {0};
            assert_int_equal(picture_take(im, &shown), 0);
            double x = (face.x / width - view.seen.left) / view.seen.width * shown.width;
            double y = (face.y / height - view.seen.top) / view.seen.height * shown.height;
            sample_assert_colour(sample_at(&shown, (uint32_t)x, (uint32_t)y), 224, 172, 140, 4);
        }
}

/* A disc stays one. */
static void is_not_distorted(void **state)
{
    (void)state;
    static const struct cell shapes[] = {{0, 0, 504, 774}, {0, 0, 1032, 774}, {0, 0, 1032, 1572}};
    static const struct cell sizes[] = {{0, 0, 832, 1216}, {0, 0, 1216, 832}, {0, 0, 200, 200}};
    for (unsigned s = 0; s < ARRAY_LEN(shapes); s++)
        for (unsigned k = 0; k < ARRAY_LEN(sizes); k++) {
            uint32_t width = sizes[k].width, height = sizes[k].height, radius = MIN(width, height) / 8;
            struct pixels p = sample_pixels(width, height, 3);
            for (uint32_t i = 0; i < width * height; i++)
                memset(p.data + 3 * i,
                       hypot(i % width + 0.5 - width / 2.0, i / width + 0.5 - height / 2.0) < radius ? 255
                                                                                                     : 0,
                       3);
            BLOB_ON_EXIT struct blob *in = sample_blob(p, IMAGE_PNG);
            struct page_view view;
            PICTURE_ON_EXIT VipsImage *im = fit(in, shapes[s].width, shapes[s].height, &view);
            CLEANUP(pixels_release) struct pixels shown = {0};
            assert_int_equal(picture_take(im, &shown), 0);
            uint32_t left = UINT32_MAX, right = 0, top = UINT32_MAX, bottom = 0;
            for (uint32_t i = 0; i < shown.width * shown.height; i++)
                if (shown.data[3 * i] > 127) {
                    left = MIN(left, i % shown.width), right = MAX(right, i % shown.width + 1);
                    top = MIN(top, i / shown.width), bottom = MAX(bottom, i / shown.width + 1);
                }
            double scale = MAX((double)shapes[s].width / width, (double)shapes[s].height / height);
            assert_true(fabs((double)(right - left) - 2 * radius * scale) <= 3);
            assert_true(fabs((double)(bottom - top) - 2 * radius * scale) <= 3);
        }
}

/* ---- pictures of all kinds ---- */

static void assert_middle(const struct blob *image, int r, int g, int b, int tolerance)
{
    struct page_request req = request(1, image);
    CLEANUP(pixels_release) struct pixels p = page_of(&req);
    sample_assert_colour(sample_at(&p, PAGE_WIDTH / 2, PAGE_HEIGHT / 2), r, g, b, tolerance);
    sample_assert_colour(sample_at(&p, 40, 40), r, g, b, tolerance);
    sample_assert_colour(sample_at(&p, PAGE_WIDTH - 40, PAGE_HEIGHT - 40), r, g, b, tolerance);
}

static void odd_sizes_make_a_page(void **state)
{
    (void)state;
    static const struct cell sizes[] = {{0, 0, 1, 1},     {0, 0, 1, 2000},  {0, 0, 2000, 1},
                                        {0, 0, 4000, 30}, {0, 0, 30, 4000}, {0, 0, 3, 2}};
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        BLOB_ON_EXIT struct blob *image = plain(sizes[i].width, sizes[i].height, 90, 140, 190);
        assert_middle(image, 90, 140, 190, 2);
        struct page_request req = request(6, image);
        CLEANUP(pixels_release) struct pixels p = page_of(&req);
        sample_assert_colour(sample_at(&p, 300, 300), 90, 140, 190, 2);
    }
}

static VipsImage *grey_of(double value, VipsBandFormat format, VipsInterpretation meaning, int bands)
{
    VipsImage *black = NULL, *grey = NULL, *cast = NULL;
    double add[4] = {value, value, value, value}, times[4] = {1, 1, 1, 1};
    VIPS_OK(vips_black(&black, 300, 500, "bands", bands, NULL));
    VIPS_OK(vips_linear(black, &grey, times, add, bands, NULL));
    VIPS_OK(vips_cast(grey, &cast, format, NULL));
    cast->Type = meaning;
    g_object_unref(black);
    g_object_unref(grey);
    return cast;
}

static void odd_pixels_make_a_page(void **state)
{
    (void)state;
    PICTURE_ON_EXIT VipsImage *grey = grey_of(100, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_B_W, 1);
    PICTURE_ON_EXIT VipsImage *deep = grey_of(100 * 257, VIPS_FORMAT_USHORT, VIPS_INTERPRETATION_RGB16, 3);
    PICTURE_ON_EXIT VipsImage *clear = grey_of(0, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_sRGB, 4);
    PICTURE_ON_EXIT VipsImage *cmyk = grey_of(0, VIPS_FORMAT_UCHAR, VIPS_INTERPRETATION_CMYK, 4);
    const struct {
        VipsImage *im;
        enum image_type type;
        int value, tolerance;
    } rows[] = {{grey, IMAGE_PNG, 100, 1},  {grey, IMAGE_JPEG, 100, 2},  {deep, IMAGE_PNG, 100, 1},
                {clear, IMAGE_PNG, 255, 0}, {clear, IMAGE_WEBP, 255, 1}, {cmyk, IMAGE_JPEG, 255, 6}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        BLOB_ON_EXIT struct blob *image = sample_save(rows[i].im, rows[i].type);
        assert_middle(image, rows[i].value, rows[i].value, rows[i].value, rows[i].tolerance);
    }
}

static void pictures_are_turned_upright(void **state)
{
    (void)state;
    for (unsigned orientation = 1; orientation <= 8; orientation++) {
        bool lies = orientation >= 5;
        BLOB_ON_EXIT struct blob *image =
            sample_oriented(sample_blob(sample_pixels(lies ? 1572 : 1032, lies ? 1032 : 1572, 3), IMAGE_JPEG),
                            IMAGE_JPEG, orientation);
        struct page_request req = request(1, image);
        CLEANUP(pixels_release) struct pixels p = page_of(&req), upright = decoded(image);
        for (unsigned corner = 0; corner < 4; corner++) {
            uint32_t x = corner % 2 ? 800 : 200, y = corner / 2 ? 1300 : 200;
            const uint8_t *should = sample_at(&upright, x, y);
            sample_assert_colour(sample_at(&p, x + PAGE_GAP, y + PAGE_GAP), should[0], should[1], should[2],
                                 3);
        }
    }
}

static void a_damaged_picture_is_named(void **state)
{
    (void)state;
    for (enum image_type t = IMAGE_JPEG; t <= IMAGE_WEBP; t++) {
        BLOB_ON_EXIT struct blob *whole = sample_blob(sample_photo(500, 700, 3), t);
        BLOB_ON_EXIT struct blob *cut = blob_copy(whole->data, whole->size / 3);
        struct page_request req = request(4, whole);
        req.panel[2].image = cut;
        req.panel[3].image = cut;
        struct page_made made = {.width = 5};
        struct error e = {0};
        unsigned bad = 77;
        assert_int_equal(page_render(&req, &made, &bad, &e), -ERR_VALIDATION);
        assert_int_equal(bad, 2);
        assert_true(made.width == 5 && !made.image);
        assert_string_equal(e.field, "image");
        assert_non_null(strstr(e.reason, "panel 3"));

        struct page_cover cover = {cut, req.panel[0].info, "Title", "", IMAGE_JPEG, 90};
        assert_int_equal(page_render_cover(&cover, &made, &e), -ERR_VALIDATION);
        struct blob *small = NULL;
        assert_int_equal(page_thumbnail(cut, &req.panel[0].info, 192, &small, &e), -ERR_VALIDATION);
        assert_null(small);
    }
}

/* ---- words ---- */

static unsigned count_dark(const struct pixels *p, struct cell c)
{
    unsigned dark = 0;
    for (uint32_t y = c.y; y < c.y + c.height; y++)
        for (uint32_t x = c.x; x < c.x + c.width; x++)
            dark += sample_at(p, x, y)[1] < 170;
    return dark;
}

static void a_panel_without_a_picture_has_its_label_in_the_middle(void **state)
{
    (void)state;
    struct page_request req = request(4, NULL);
    req.panel[0].label = "Panel 1 could not be drawn";
    req.panel[1].label = "Không vẽ được khung tranh này: <b>&amp; xin hãy thử lại sau ít phút nữa";
    req.panel[2].label = "";
    CLEANUP(pixels_release) struct pixels p = page_of(&req);
    for (unsigned i = 0; i < 4; i++) {
        struct cell c = cell(4, i, false);
        struct cell inner = {c.x + BORDER, c.y + BORDER, c.width - 2 * BORDER, c.height - 2 * BORDER};
        struct cell middle = {c.x + 30, c.y + 200, c.width - 60, c.height - 400};
        unsigned dark = count_dark(&p, middle);
        assert_int_equal(count_dark(&p, inner), dark); /* nothing elsewhere */
        if (i < 2)
            assert_in_range(dark, 800, 20000);
        else
            assert_int_equal(dark, 0);
        const uint8_t *corner = sample_at(&p, c.x + 20, c.y + 20);
        assert_true(corner[0] > 220 && corner[1] > 220 && corner[2] > 220);
    }
}

static void speech_stays_in_its_panel(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *image = sample_file("astronaut.jpg");
    struct page_request silent = request(4, image), loud = silent;
    loud.panel[1].line[0] =
        (struct page_line){"We have to leave, now!", "Mai", PAGE_SPEECH, PAGE_ANGRY, PAGE_LEFT};
    loud.panel[1].line_count = 1;
    loud.panel[2].line[0] = (struct page_line){"", "Mai", PAGE_SPEECH, PAGE_NEUTRAL, PAGE_LEFT};
    loud.panel[2].line_count = 1;
    CLEANUP(pixels_release) struct pixels a = page_of(&silent), b = page_of(&loud);
    unsigned changed[5] = {0};
    for (uint32_t y = 0; y < PAGE_HEIGHT; y++)
        for (uint32_t x = 0; x < PAGE_WIDTH; x++)
            if (memcmp(sample_at(&a, x, y), sample_at(&b, x, y), 3) != 0) {
                unsigned owner = owner_of(4, false, x, y);
                assert_true(owner < 5);
                changed[owner]++;
            }
    assert_true(changed[2] > 5000);
    assert_int_equal(changed[0] + changed[1] + changed[3] + changed[4], 0);
}

static void the_same_request_gives_the_same_bytes(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *image = sample_file("chelsea.png");
    struct page_request req = request(3, image);
    for (unsigned i = 0; i < 3; i++) {
        req.panel[i].line[0] = (struct page_line){"Meo meo, trời ơi!", "Chelsea", PAGE_SPEECH,
                                                  (enum page_emotion)i, PAGE_SIDE_UNKNOWN};
        req.panel[i].line_count = 1;
    }
    for (enum image_type t = IMAGE_JPEG; t <= IMAGE_WEBP; t++) {
        req.output = t;
        BLOB_ON_EXIT struct blob *first = render(&req), *second = render(&req);
        assert_int_equal(first->size, second->size);
        assert_memory_equal(first->data, second->data, first->size);
    }
}

static void *render_in_thread(void *req)
{
    struct page_made made = {0};
    struct error e;
    unsigned bad;
    int r = page_render(req, &made, &bad, &e);
    imaging_thread_stop();
    return r ? NULL : made.image;
}

/* As the lanes do. */
static void threads_draw_the_same_at_once(void **state)
{
    (void)state;
    enum { THREADS = 3 };
    BLOB_ON_EXIT struct blob *image = sample_file("coffee.jpg");
    struct page_request req = request(4, image);
    req.output = IMAGE_JPEG;
    for (unsigned i = 0; i < 4; i++) {
        req.panel[i].line[0] = (struct page_line){"Cà phê? Kaffee! コーヒー ☕", "A", PAGE_SPEECH,
                                                  (enum page_emotion)i, PAGE_LEFT};
        req.panel[i].line_count = 1;
    }
    BLOB_ON_EXIT struct blob *alone = render(&req);
    pthread_t thread[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, render_in_thread, &req), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *made;
        assert_int_equal(pthread_join(thread[i], &made), 0);
        BLOB_ON_EXIT struct blob *page = made;
        assert_non_null(page);
        assert_int_equal(page->size, alone->size);
        assert_memory_equal(page->data, alone->data, page->size);
    }
}

/* ---- covers ---- */

static struct pixels cover_of(const struct blob *image, const char *title, const char *byline)
{
    struct page_cover cover = {image, {0}, title, byline, IMAGE_PNG, 90};
    if (image)
        cover.info = sample_info(image);
    struct page_made made = {0};
    struct error e = {0};
    assert_int_equal(page_render_cover(&cover, &made, &e), 0);
    assert_true(made.width == PAGE_WIDTH && made.height == PAGE_HEIGHT && made.type == IMAGE_PNG);
    struct pixels p = decoded(made.image);
    blob_unref(made.image);
    return p;
}

/* Letters' yellow, and where its area begins and ends. */
static unsigned title_ink(const struct pixels *p, struct cell *ret)
{
    unsigned count = 0;
    uint32_t left = p->width, right = 0, top = p->height, bottom = 0;
    for (uint32_t y = 0; y < p->height; y++)
        for (uint32_t x = 0; x < p->width; x++) {
            const uint8_t *at = sample_at(p, x, y);
            if (at[0] < 250 || abs(at[1] - 221) > 3 || abs(at[2] - 74) > 5)
                continue;
            count++;
            left = MIN(left, x), right = MAX(right, x + 1), top = MIN(top, y), bottom = MAX(bottom, y + 1);
        }
    *ret = (struct cell){left, top, right > left ? right - left : 0, bottom > top ? bottom - top : 0};
    return count;
}

/* Beside each letter there is its dark line, whatever the picture. */
static void a_title_can_be_read_on_any_picture(void **state)
{
    (void)state;
    struct blob *pictures[] = {
        plain(832, 1216, 255, 255, 255), plain(832, 1216, 0, 0, 0),
        plain(832, 1216, 255, 221, 74),  sample_blob(sample_photo(832, 1216, 3), IMAGE_PNG),
        sample_file("astronaut.jpg"),    NULL};
    for (unsigned i = 0; i < ARRAY_LEN(pictures); i++) {
        CLEANUP(pixels_release) struct pixels p = cover_of(pictures[i], "Rồng và Cô Bé", "Nguyễn Văn An");
        struct cell c;
        unsigned edges = 0, dark = 0;
        assert_true(title_ink(&p, &c) > 8000);
        for (uint32_t y = c.y; y < c.y + c.height; y++)
            for (uint32_t x = c.x; x + 6 < c.x + c.width; x++) {
                const uint8_t *at = sample_at(&p, x, y), *right = sample_at(&p, x + 1, y);
                if (at[0] < 250 || abs(at[2] - 74) > 5 || right[0] >= 250) /* an end of a stroke */
                    continue;
                const uint8_t *beside = sample_at(&p, x + 4, y);
                edges++;
                dark += beside[0] < 90 && beside[1] < 90 && beside[2] < 90;
            }
        assert_true(edges > 300 && dark > edges * 8 / 10);
        blob_unref(pictures[i]);
    }
}

static void titles_of_any_length_fit(void **state)
{
    (void)state;
    static const char *const titles[] = {
        "Go",
        "The Girl and the Dragon of the Northern Sea",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerk",
        "Cuộc phiêu lưu kỳ diệu của cô bé quàng khăn đỏ và chú rồng nhỏ trong khu rừng bí mật",
        "竜と少女の長い長い旅の物語、そして雪の国の忘れられた王さま",
    };
    uint32_t last = UINT32_MAX;
    for (unsigned i = 0; i < ARRAY_LEN(titles); i++) {
        CLEANUP(pixels_release) struct pixels p = cover_of(NULL, titles[i], "");
        struct cell c;
        assert_true(title_ink(&p, &c) > 5000);
        assert_true(c.x >= 60 && c.x + c.width <= PAGE_WIDTH - 60 && c.height <= 560);
        if (i == 0)
            last = c.height;
    }
    assert_true(last > 120); /* a short one is large */
}

static void emoji_in_a_title_keep_their_colours(void **state)
{
    (void)state;
    CLEANUP(pixels_release) struct pixels p = cover_of(NULL, "Cà phê ❤️", "");
    struct cell c;
    unsigned red = 0;
    assert_true(title_ink(&p, &c) > 5000); /* letters beside them are as ever */
    for (uint32_t i = 0; i < p.width * p.height; i++)
        red += p.data[3 * i] > 190 && p.data[3 * i + 1] < 90 && p.data[3 * i + 2] < 90;
    assert_true(red > 1500);
}

static void a_cover_shows_its_picture_and_keeps_the_title_off_the_face(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *image = sample_file("astronaut.jpg");
    CLEANUP(pixels_release) struct pixels p = cover_of(image, "A Long Way Up", "E. C.");
    struct page_view view;
    PICTURE_ON_EXIT VipsImage *im = fit(image, PAGE_WIDTH, PAGE_HEIGHT, &view);
    CLEANUP(pixels_release) struct pixels picture = {0};
    assert_int_equal(picture_take(im, &picture), 0);
    struct cell c;
    assert_true(title_ink(&p, &c) > 8000);
    assert_true(c.y > PAGE_HEIGHT / 2); /* her face is above */
    assert_memory_equal(p.data, picture.data, (size_t)3 * PAGE_WIDTH * 700);

    CLEANUP(pixels_release) struct pixels bare = cover_of(image, "", "");
    assert_int_equal(title_ink(&bare, &c), title_ink(&picture, &c));
}

/* ---- previews ---- */

static void previews_are_small(void **state)
{
    (void)state;
    BLOB_ON_EXIT struct blob *face = sample_file("astronaut.jpg");
    struct page_request req = request(6, face);
    BLOB_ON_EXIT struct blob *page = render(&req);
    BLOB_ON_EXIT struct blob *noise = sample_blob(sample_photo(832, 1216, 3), IMAGE_JPEG);
    BLOB_ON_EXIT struct blob *thin = plain(1, 2000, 1, 2, 3), *tiny = plain(20, 10, 9, 9, 9);
    const struct {
        const struct blob *image;
        uint32_t width, height;
        size_t bytes;
    } rows[] = {{face, 192, 192, 6200},
                {page, 128, 192, 6200},
                {noise, 131, 192, 9000},
                {thin, 1, 192, 1000},
                {tiny, 20, 10, 1000}};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct image_info info = sample_info(rows[i].image);
        BLOB_ON_EXIT struct blob *small = NULL;
        struct error e;
        assert_int_equal(page_thumbnail(rows[i].image, &info, 192, &small, &e), 0);
        struct image_info is = sample_info(small);
        assert_int_equal(is.type, IMAGE_WEBP);
        assert_true(is.width == rows[i].width && is.height == rows[i].height);
        if (small->size > rows[i].bytes) {
            print_error("preview %u has %zu bytes\n", i, small->size);
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_lie_as_they_should),
        cmocka_unit_test(panels_gutters_and_borders_are_where_they_belong),
        cmocka_unit_test(eyes_stay_in_view),
        cmocka_unit_test(a_face_stays_in_view),
        cmocka_unit_test(is_not_distorted),
        cmocka_unit_test(odd_sizes_make_a_page),
        cmocka_unit_test(odd_pixels_make_a_page),
        cmocka_unit_test(pictures_are_turned_upright),
        cmocka_unit_test(a_damaged_picture_is_named),
        cmocka_unit_test(a_panel_without_a_picture_has_its_label_in_the_middle),
        cmocka_unit_test(speech_stays_in_its_panel),
        cmocka_unit_test(the_same_request_gives_the_same_bytes),
        cmocka_unit_test(threads_draw_the_same_at_once),
        cmocka_unit_test(a_title_can_be_read_on_any_picture),
        cmocka_unit_test(titles_of_any_length_fit),
        cmocka_unit_test(emoji_in_a_title_keep_their_colours),
        cmocka_unit_test(a_cover_shows_its_picture_and_keeps_the_title_off_the_face),
        cmocka_unit_test(previews_are_small),
    };
    return cmocka_run_group_tests(tests, page_group_start, sample_group_stop);
}
