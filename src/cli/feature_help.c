/* limner clarity --help, and those of the other features: made of the feature's rows. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/feature_args.h"

/* The further picture that decides about this parameter; NULL: none does. */
static const struct image_row *picture_of(const struct param_row *row)
{
    size_t count, len = strlen(row->name);
    const struct image_row *images = feature_images(&features[row->feature], &count);
    for (size_t i = 1; i < count; i++)
        if (images[i].when && strncmp(images[i].when, row->name, len) == 0 && images[i].when[len] == '=')
            return &images[i];
    return NULL;
}

static void print_usual(const struct param_row *row)
{
    const struct image_row *picture = picture_of(row);
    size_t name = strlen(row->name) + 1;
    if (picture)
        printf("; usual: %s with --%s, else %s", picture->when + name, picture->field,
               picture->without + name);
    else if (!row->initial)
        printf("; must be given");
    else if (strcmp(row->name, "output_format") == 0 || strcmp(row->name, "format") == 0)
        printf("; usual: see above");
    else if (*row->initial && row->type != PARAM_TYPE_BOOL)
        printf("; usual: %s", row->initial);
}

static void print_allowed(const struct param_row *row)
{
    char words[128];
    switch (row->type) {
    case PARAM_TYPE_CHOICE:
    case PARAM_TYPE_LENIENT:
        param_choices(row, words, sizeof(words));
        printf("%s", words);
        break;
    case PARAM_TYPE_INT:
    case PARAM_TYPE_NUM:
        printf("%d to %d", row->least, row->most);
        if (row->step > 1)
            printf(" in steps of %d", row->step);
        break;
    case PARAM_TYPE_BOOL:
        printf("yes or no");
        break;
    case PARAM_TYPE_TEXT:
        printf("text");
        break;
    case PARAM_TYPE_LIST:
        printf("FILE with up to %d lines, one for each picture", row->items);
        break;
    }
}

static void print_param(const struct param_row *row)
{
    BUF_ON_EXIT struct buf flag;
    buf_init(&flag, 128);
    feature_flag_name(&flag, row->name);
    printf("      --%-20s %s (", buf_text(&flag), row->about);
    print_allowed(row);
    print_usual(row);
    puts(")");
}

static void print_picture(const struct image_row *row)
{
    FREE_ON_EXIT char *flag = mem_printf("%s FILE", row->field);
    printf("      --%-20s %s\n", flag, row->about);
}

void feature_help_rows(const struct feature *f)
{
    size_t count;
    const struct image_row *images = feature_images(f, &count);
    for (size_t i = 1; i < count; i++)
        print_picture(&images[i]);
    const struct param_row *rows = feature_params(f, &count);
    for (size_t i = 0; i < count; i++)
        if (feature_flag_wanted(&rows[i]))
            print_param(&rows[i]);
}

static void print_types(const struct feature *f)
{
    struct params usual;
    params_init(&usual, f);
    puts("A JPEG stays a JPEG, anything else becomes a PNG; -o name.jpg, .png or .webp decides otherwise.");
    if (f->step != FEATURE_NONE)
        puts("What has its background removed is a PNG too; in a JPEG, white takes the background's place.");
    if (*params_text(&usual, "number_of_images"))
        puts("Several results of one picture go to OUT-1.jpg, OUT-2.jpg … when OUT.jpg is asked for.");
}

void feature_help_common(void)
{
    puts("  -f, --force                do again what is there already\n"
         "  -q, --quiet                no progress, errors only\n"
         "      --server URL           a running gateway does it, as jobs: limner help batch\n"
         "      --json                 with --server: what happens, as JSON, a line each\n"
         "\nA word may be shortened, written in any case, and with dashes for blanks.\n"
         "Every option of `limner config` is also a flag: --output-quality 80.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 some inputs failed, 130 interrupted.");
}

void feature_args_help(const struct feature *f)
{
    printf("limner %s INPUT… -o OUT: %s\n\n"
           "INPUT is a picture (JPEG, PNG, WebP, AVIF), a folder of them, or - for standard input.\n"
           "OUT is a file for one picture, a folder for several or for a folder, or - for standard output.\n",
           f->command, f->about);
    print_types(f);
    puts("\n  -o, --output PATH          where the result goes; folders are made");
    feature_help_rows(f);
    feature_help_common();
}
