#include "cli/feature_form.h"

#include <string.h>

enum { PART_HEAD = 1024 };

struct maker {
    struct form_body form;
    struct digest digest;
};

/* Its length goes before it, so that no two lists of texts are the same bytes. */
static void count_in(struct maker *m, const void *data, size_t size)
{
    uint64_t length = size;
    digest_update(&m->digest, &length, sizeof(length));
    digest_update(&m->digest, data, size);
}

static void add_text(struct maker *m, const char *name, const char *value)
{
    form_text(&m->form, name, value);
    count_in(m, name, strlen(name));
    count_in(m, value, strlen(value));
}

static void add_picture(struct maker *m, const char *name, const struct blob *picture)
{
    form_file(&m->form, name, picture);
    count_in(m, name, strlen(name));
    count_in(m, picture->data, picture->size);
}

/* What was given, and what follows from it: the gateway has the rest. */
static void add_fields(struct maker *m, const struct feature_args *args, enum image_type type)
{
    struct params usual;
    size_t count;
    const struct param_row *rows = feature_params(args->feature, &count);
    params_init(&usual, args->feature);
    for (size_t i = 0; i < count; i++) {
        const char *value = args->params.value[i];
        if (type != IMAGE_UNKNOWN && strcmp(rows[i].name, "output_format") == 0)
            add_text(m, rows[i].name, image_extension(type));
        else if (args->given[i] || (value && (!usual.value[i] || strcmp(value, usual.value[i]) != 0)))
            add_text(m, rows[i].name, value);
    }
}

void feature_form_make(const struct feature_args *args, struct blob *const picture[static IMAGES_MAX],
                       enum image_type type, struct feature_form *ret)
{
    struct maker m;
    uint8_t digest[DIGEST_BYTES];
    unsigned pictures = feature_pictures(args->feature);
    size_t count, most = (size_t)(PARAMS_MAX + IMAGES_MAX) * 2 * PART_HEAD;
    feature_params(args->feature, &count);
    for (size_t i = 0; i < count; i++)
        most += strlen(args->params.value[i]);
    for (unsigned i = 0; i < pictures; i++)
        most += picture[i] ? picture[i]->size : 0;
    form_begin(&m.form, most);
    digest_init(&m.digest);
    count_in(&m, args->feature->route, strlen(args->feature->route));
    add_fields(&m, args, type);
    for (unsigned i = 0; i < pictures; i++)
        if (picture[i])
            add_picture(&m, feature_picture(args->feature, i)->field, picture[i]);
    digest_final(&m.digest, digest);
    hex_encode(digest, sizeof(digest), ret->digest);
    ret->body = form_end(&m.form, ret->type);
}

void feature_form_release(struct feature_form *form)
{
    blob_unref(form->body);
    *form = (struct feature_form){0};
}
