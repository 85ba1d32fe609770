/* What an answer says of a comic. */
#include "request/answer_comic.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "scratch.h"
#include "sim.h"

enum { ANSWER_MAX = 1 << 16 };

#define BASE "https://comics.example"
#define DETAIL                                                                                               \
    "{\"story_id\":\"the-cat\",\"title\":\"The Cat\",\"pages\":["                                            \
    "{\"page_index\":0,\"panels\":[{\"id\":1,\"dialogue\":\"Chờ đã!\",\"speaker\":\"Mira\"}]},"          \
    "{\"page_index\":1,\"panels\":[{\"id\":1,\"dialogue\":\"\",\"speaker\":\"\"}]}],"                        \
    "\"meta\":{\"outline\":{\"source\":\"model\"},\"placeholders\":1}}"

struct rig {
    char *folder;
    struct options opt;
    struct signer *signer;
    struct store store;
    struct services svc;
    struct answer_links how;
};

static const struct store_ops no_links = {.name = "disk"};

static int set_up(void **state)
{
    struct rig *rig = NEW(struct rig);
    struct error e;
    rig->folder = scratch_new();
    sim_options(&rig->opt);
    assert_int_equal(signer_new("secret", rig->folder, &rig->signer, &e), 0);
    rig->store.ops = &no_links;
    rig->svc = (struct services){.opt = &rig->opt, .store = &rig->store, .signer = rig->signer};
    rig->how.expires_s = 600;
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    signer_free(rig->signer);
    scratch_free(rig->folder);
    free(rig);
    return 0;
}

static struct result *comic(enum feature_id feature, const char *detail, const char *const *files,
                            unsigned count)
{
    struct result *r = result_new();
    r->output_count = count;
    for (unsigned i = 0; i < count; i++)
        r->output[i] = (struct result_output){
            mem_printf("comics/the-cat/%s", files[i]),
            mem_strdup(strstr(files[i], ".pdf") ? "application/pdf" : "image/png"), 1000 + i, 1080, 1620};
    r->detail = mem_strdup(detail);
    r->model = mem_strdup("m");
    r->ran_on = mem_strdup("replicate");
    r->feature = (uint8_t)(feature + 1);
    return r;
}

/* The whole answer, with the comic's own meta. */
static json_t *answer(struct rig *rig, const struct result *r)
{
    BUF_ON_EXIT struct buf b, meta;
    buf_init(&b, ANSWER_MAX);
    buf_init(&meta, ANSWER_MAX);
    json_out_begin(&meta, '{');
    answer_comic_meta(&meta, r);
    json_out_end(&meta, '}');
    json_out_begin(&b, '{');
    answer_success(&b, &rig->svc, r, &rig->how, BASE, buf_text(&meta));
    json_out_end(&b, '}');
    json_t *doc = json_loads(buf_text(&b), JSON_REJECT_DUPLICATES, NULL);
    if (!doc)
        fail_msg("no JSON: %s", buf_text(&b));
    return doc;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "(none)";
}

static void is_link(const json_t *object, const char *name, const char *file)
{
    FREE_ON_EXIT char *begin = mem_printf(BASE "/files/comics/the-cat/%s?expires=", file);
    if (strncmp(text_of(object, name), begin, strlen(begin)) != 0)
        fail_msg("%s is \"%s\"", name, text_of(object, name));
}

static const char *const all[] = {"cover.png", "page-1.png", "page-2.png", "book.pdf"};

static void test_a_story(void **state)
{
    struct rig *rig = *state;
    struct result *r = comic(FEATURE_STORY_COMIC, DETAIL, all, ARRAY_LEN(all));
    json_t *doc = answer(rig, r);
    assert_string_equal(text_of(doc, "story_id"), "the-cat");
    assert_string_equal(text_of(doc, "title"), "The Cat");
    assert_null(json_object_get(doc, "page_url"));
    const json_t *pages = json_object_get(doc, "pages");
    assert_int_equal(json_array_size(pages), 2);
    const json_t *second = json_array_get(pages, 1);
    assert_int_equal(json_integer_value(json_object_get(second, "page_index")), 1);
    assert_string_equal(text_of(second, "key"), "comics/the-cat/page-2.png");
    is_link(second, "page_url", "page-2.png");
    is_link(second, "presigned_url", "page-2.png");
    assert_null(json_object_get(second, "url"));
    assert_int_equal(json_integer_value(json_object_get(second, "width")), 1080);
    assert_int_equal(json_integer_value(json_object_get(second, "height")), 1620);
    const json_t *panels = json_object_get(json_array_get(pages, 0), "panels");
    assert_string_equal(text_of(json_array_get(panels, 0), "dialogue"), "Chờ đã!");
    const json_t *data = json_object_get(doc, "data"), *document = json_object_get(data, "document");
    assert_string_equal(text_of(data, "key"), "comics/the-cat/page-1.png"); /* the page, not the cover */
    is_link(data, "url", "page-1.png");
    is_link(json_object_get(data, "cover"), "url", "cover.png");
    is_link(document, "url", "book.pdf");
    assert_string_equal(text_of(document, "content_type"), "application/pdf");
    assert_int_equal(json_integer_value(json_object_get(document, "bytes")), 1003);
    assert_int_equal(json_integer_value(json_object_get(data, "expires_in")), 600);
    assert_null(json_object_get(data, "outputs"));
    const json_t *meta = json_object_get(doc, "meta");
    assert_string_equal(text_of(meta, "story_id"), "the-cat");
    assert_string_equal(text_of(json_object_get(meta, "outline"), "source"), "model");
    assert_int_equal(json_integer_value(json_object_get(meta, "placeholders")), 1);
    assert_null(json_object_get(meta, "panels"));
    json_decref(doc);
    result_unref(r);
}

/* Its page is named once more where older apps look for it. */
static void test_a_single_page(void **state)
{
    struct rig *rig = *state;
    static const char *const one[] = {"page-1.png"};
    struct result *r = comic(FEATURE_COMIC,
                             "{\"story_id\":\"a-cat\",\"title\":\"\",\"pages\":[{\"page_index\":0,\"panels\":"
                             "[{\"id\":1,\"dialogue\":\"Hi\"}]}],\"meta\":{}}",
                             one, 1);
    json_t *doc = answer(rig, r);
    is_link(doc, "page_url", "page-1.png");
    assert_null(json_object_get(doc, "title"));
    const json_t *data = json_object_get(doc, "data");
    assert_null(json_object_get(data, "cover"));
    assert_null(json_object_get(data, "document"));
    const json_t *panels = json_object_get(json_object_get(doc, "meta"), "panels");
    assert_string_equal(text_of(json_array_get(panels, 0), "dialogue"), "Hi");
    json_decref(doc);
    result_unref(r);
}

/* A newer gateway's, or a damaged one: the pictures are answered all the same. */
static void test_a_detail_that_is_not_known(void **state)
{
    struct rig *rig = *state;
    static const char *const details[] = {"{}",
                                          "[]",
                                          "7",
                                          "no JSON",
                                          "{\"story_id\":7,\"title\":[],\"pages\":7,\"meta\":[]}",
                                          "{\"pages\":[7,{\"panels\":{}},{}]}"};
    for (size_t i = 0; i < ARRAY_LEN(details); i++)
        for (unsigned k = 0; k < 2; k++) {
            struct result *r =
                comic(k ? FEATURE_COMIC : FEATURE_STORY_COMIC, details[i], all, ARRAY_LEN(all));
            json_t *doc = answer(rig, r);
            assert_string_equal(text_of(doc, "story_id"), "");
            assert_true(json_is_array(json_object_get(doc, "pages")));
            assert_true(json_array_size(json_object_get(doc, "pages")) <= 2); /* as many as are stored */
            is_link(json_object_get(doc, "data"), "url", "page-1.png");
            json_decref(doc);
            result_unref(r);
        }
}

static void test_parts_by_their_names(void **state)
{
    static const char *const files[] = {"page-10.png", "cover.png", "page-1.png", "cover-old.png"};
    struct result *r = comic(FEATURE_STORY_COMIC, "{}", files, ARRAY_LEN(files));
    assert_ptr_equal(answer_comic_page(r, 0), &r->output[2]);
    assert_ptr_equal(answer_comic_page(r, 9), &r->output[0]);
    assert_null(answer_comic_page(r, 1));
    assert_ptr_equal(answer_comic_part(r, "cover"), &r->output[1]);
    assert_null(answer_comic_part(r, "book"));
    result_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_story, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_single_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_detail_that_is_not_known, set_up, tear_down),
        cmocka_unit_test(test_parts_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
