#include "cli/feature_args.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"

/* The arguments of one test; argv[0] is the command's name. */
struct parsed {
    struct feature_args args;
    struct error err;
    int result;
};

static struct parsed parse(enum feature_id id, int argc, const char *const *argv)
{
    struct parsed p = {0};
    p.result = feature_args_parse(&features[id], argc, (char **)argv, &p.args, &p.err);
    return p;
}

#define PARSE(id, ...)                                                                                       \
    parse(FEATURE_##id, (int)ARRAY_LEN(((const char *[]){"command", __VA_ARGS__})),                          \
          (const char *[]){"command", __VA_ARGS__})

static void accept(struct parsed *p)
{
    if (p->result < 0)
        print_error("%s\n", p->err.reason);
    assert_int_equal(p->result, 0);
}

/* One parameter's value. */
static void takes(struct parsed p, const char *name, const char *value)
{
    accept(&p);
    assert_string_equal(params_text(&p.args.params, name), value);
    feature_args_release(&p.args);
}

static void gives_type(struct parsed p, enum image_type usual)
{
    accept(&p);
    assert_int_equal(p.args.usual, usual);
    feature_args_release(&p.args);
}

static void refuses(struct parsed p, const char *why)
{
    assert_true(p.result < 0);
    if (!strstr(p.err.reason, why))
        print_error("\"%s\" does not say \"%s\"\n", p.err.reason, why);
    assert_non_null(strstr(p.err.reason, why));
}

static void a_question_writes_nothing(void **state)
{
    const char *const words[] = {"command", "a.jpg", "--scale", "4", "-q"};
    const char *const writes[] = {"command", "a.jpg", "-o", "out"};
    struct parsed p = {0};
    p.result = feature_args_parse_question(&features[FEATURE_CLARITY], ARRAY_LEN(words), (char **)words,
                                           &p.args, &p.err);
    takes(p, "scale", "4");
    p.result = feature_args_parse_question(&features[FEATURE_CLARITY], ARRAY_LEN(writes), (char **)writes,
                                           &p.args, &p.err);
    refuses(p, "does not know -o; it takes -q");
}

static void flags_and_inputs(void **state)
{
    struct parsed p = PARSE(CLARITY, "a.jpg", "--scale", "4", "-fqo", "out", "--faceEnhance", "--", "-b.jpg");
    accept(&p);
    assert_int_equal(p.args.input_count, 2);
    assert_string_equal(p.args.input[1], "-b.jpg");
    assert_string_equal(p.args.output, "out");
    assert_true(p.args.force && p.args.quiet && !p.args.help);
    assert_string_equal(p.args.prefix, "clarity");
    assert_int_equal(p.args.results, 1);
    assert_int_equal(p.args.usual, IMAGE_UNKNOWN);
    assert_true(params_bool(&p.args.params, "faceEnhance"));
    feature_args_release(&p.args);
    p = PARSE(UPSCALE, "a.jpg", "-o", "out", "--scale=4");
    accept(&p);
    assert_string_equal(p.args.prefix, "gfpgan/s4-v1.4");
    feature_args_release(&p.args);
}

static void the_background_decides_the_mode(void **state)
{
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo.png"), "mode", "remove");
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo.png", "--bg", "b.jpg"), "mode", "replace");
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo.png", "--bg=b.jpg", "--mode", "replace"), "mode", "replace");
    refuses(PARSE(REPLACE_BG, "a.jpg", "-oo.png", "--mode", "replace"), "--bg FILE");
    refuses(PARSE(REPLACE_BG, "a.jpg", "-oo.png", "--mode", "remove", "--bg", "b.jpg"),
            "--mode replace only");
    refuses(PARSE(REPLACE_BG, "a.jpg", "-oo.png", "--bg"), "needs a value");
    refuses(PARSE(REPLACE_BG, "-", "-oo.png", "--bg", "-"), "only once");
    refuses(PARSE(CLARITY, "a.jpg", "-oo.png", "--bg", "b.jpg"), "--bg");
    struct parsed p = PARSE(REPLACE_BG, "a.jpg", "-oo.png", "--bg", "-");
    accept(&p);
    assert_string_equal(p.args.picture[1], "-");
    assert_null(p.args.picture[0]);
    feature_args_release(&p.args);
}

static void the_type_when_the_place_does_not_say(void **state)
{
    gives_type(PARSE(REPLACE_BG, "a.jpg", "-oout"), IMAGE_PNG);
    gives_type(PARSE(REPLACE_BG, "a.jpg", "-oout", "--bg", "b.jpg"), IMAGE_UNKNOWN);
    gives_type(PARSE(RELIGHT, "a.jpg", "-oout", "--prompt", "x"), IMAGE_UNKNOWN);
    gives_type(PARSE(RELIGHT, "a.jpg", "-oout", "--prompt", "x", "--output-format", "webp"), IMAGE_WEBP);
    gives_type(PARSE(RELIGHT, "a.jpg", "-oo.jpg", "--prompt", "x", "--output-format", "jpeg"), IMAGE_JPEG);
    refuses(PARSE(RELIGHT, "a.jpg", "-oo.jpg", "--prompt", "x", "--output-format", "png"), "together");
}

static void words_may_be_shortened(void **state)
{
    static const char *const left[] = {"Left Light", "left light", "left-light", "left", "LEFT", "l"};
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        takes(PARSE(RELIGHT, "a.jpg", "-oo", "--prompt", "x", "--light-source", left[i]), "light_source",
              "Left Light");
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo", "--position", "right"), "position",
          "right"); /* and no longer one */
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo", "--position", "right-b"), "position", "right bottom");
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo", "--position", "center"), "position", "centre");
    takes(PARSE(STYLE, "a.jpg", "-oo", "--style", "oil"), "style", "oil-painting");
    refuses(PARSE(REPLACE_BG, "a.jpg", "-oo", "--position", "ri"), "is not one of");
    takes(PARSE(REPLACE_BG, "a.jpg", "-oo", "--fit", ""), "fit", "cover"); /* as in a form: the default */
    refuses(PARSE(REPLACE_BG, "a.jpg", "-oo", "--fit", "-"), "is not one of");
    refuses(PARSE(RELIGHT, "a.jpg", "-oo", "--prompt", "x", "--light-source", "lefty"),
            "--light-source: \"lefty\" is not one of None, Left Light");
    takes(PARSE(RELIGHT, "a.jpg", "-oo", "--prompt", "x", "--prompt", "Left"), "prompt",
          "Left"); /* no choice */
}

static void what_means_nothing_here_is_no_flag(void **state)
{
    refuses(PARSE(REPLACE_BG, "a.jpg", "-oo", "--sign-ttl", "60"), "does not know --sign-ttl");
    refuses(PARSE(RELIGHT, "a.jpg", "-oo", "--prompt", "x", "--output_quality", "60"), "does not know");
}

static void several_results(void **state)
{
    struct parsed p = PARSE(RELIGHT, "a.jpg", "-oo", "--prompt", "x", "--number_of_images", "3");
    accept(&p);
    assert_int_equal(p.args.results, 3);
    feature_args_release(&p.args);
}

static void what_is_missing_is_named(void **state)
{
    refuses(PARSE(RELIGHT, "a.jpg", "-oo"), "--prompt: ");
    refuses(PARSE(RELIGHT, "a.jpg", "-oo", "--prompt", " "), "--prompt: ");
    refuses(PARSE(STYLE, "a.jpg", "-oo"), "--style: ");
    refuses(PARSE(REPLACE_BG, "a.jpg"), "-o FILE");
    refuses(PARSE(REPLACE_BG, "-oo"), "replace-bg INPUT");
    struct parsed p = PARSE(RELIGHT, "--help");
    accept(&p);
    assert_true(p.args.help);
    feature_args_release(&p.args);
}

static void a_prompt_in_place_of_pictures(void **state)
{
    takes(PARSE(STORY_COMIC, "Two cats argue", "-o", "a.pdf"), "prompt", "Two cats argue");
    takes(PARSE(COMIC, "-o", "a.pdf", "--prompt", "Two cats argue"), "prompt", "Two cats argue");
    takes(PARSE(COMIC, "-o", "a.pdf", "--", "--what now?"), "prompt", "--what now?");
    takes(PARSE(STORY_COMIC, "Two cats argue", "-o", "a.pdf", "--style", "cyber"), "style", "cyberpunk");
    refuses(PARSE(STORY_COMIC, "-o", "a.pdf"), "limner comic \"PROMPT\" -o OUT");
    refuses(PARSE(STORY_COMIC, "Two", "cats", "-o", "a.pdf"), "more than one prompt");
    refuses(PARSE(STORY_COMIC, "Two cats argue", "--prompt", "or do they", "-o", "a.pdf"),
            "more than one prompt");
    refuses(PARSE(STORY_COMIC, "Cats", "-o", "a.pdf"), "the prompt: ");
    refuses(PARSE(STORY_COMIC, "Two cats argue"), "-o FILE");
    refuses(PARSE(COMIC, "Two cats argue", "-o", "a.pdf", "--cover"),
            "comic, where it is to draw a comic of one page, does not know --cover; it takes ");
    struct parsed p = PARSE(STORY_COMIC, "Two cats argue", "-o", "a.pdf", "--seed", "7");
    accept(&p);
    assert_int_equal(p.args.input_count, 0);
    assert_string_equal(p.args.prefix, "comics");
    assert_true(feature_args_given(&p.args, "seed") && !feature_args_given(&p.args, "pages"));
    feature_args_release(&p.args);
}

static void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void texts_of_a_list_are_lines_of_a_file(void **state)
{
    char *root = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/lines", root), *gone = mem_printf("%s/gone", root);
    put_file(path, "one\n\n  \"three\"\n\n");
    takes(PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--captions", path), "captions",
          "[\"one\",\"\",\"\\\"three\\\"\"]");
    refuses(PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--dialogues", gone), "--dialogues: ");
    refuses(PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--dialogues"), "needs a value");
    refuses(PARSE(COMIC_PHOTOS, "-o", "a.pdf", "a story"), "\"a story\" means nothing beside --photos");
    put_file(path, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n");
    refuses(PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--captions", path),
            "line 13 is one too many: 12 are allowed");
    scratch_free(root);
}

static void standard_input_is_for_one_list(void **state)
{
    char *root = scratch_new();
    FREE_ON_EXIT char *path = mem_printf("%s/lines", root);
    put_file(path, "one\n");
    CLOSE_ON_EXIT int file = open(path, O_RDONLY | O_CLOEXEC), before = dup(STDIN_FILENO);
    assert_true(file >= 0 && before >= 0 && dup2(file, STDIN_FILENO) == STDIN_FILENO);
    struct parsed one = PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--captions", "-");
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    struct parsed two = PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--dialogues", "-", "--captions", "-");
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    struct parsed same = PARSE(COMIC_PHOTOS, "-o", "a.pdf", "--captions", "-", "--captions=-");
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    takes(one, "captions", "[\"one\"]");
    refuses(two, "standard input can be read only once");
    refuses(same, "standard input can be read only once");
    scratch_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_and_inputs),
        cmocka_unit_test(a_question_writes_nothing),
        cmocka_unit_test(the_background_decides_the_mode),
        cmocka_unit_test(the_type_when_the_place_does_not_say),
        cmocka_unit_test(words_may_be_shortened),
        cmocka_unit_test(what_means_nothing_here_is_no_flag),
        cmocka_unit_test(several_results),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_prompt_in_place_of_pictures),
        cmocka_unit_test(texts_of_a_list_are_lines_of_a_file),
        cmocka_unit_test(standard_input_is_for_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
