#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "config/config.h"

static const char *const source_names[] = {"default", ".env", "environment", "flag"};

static void print_value(const struct option_row *row, const struct options *opt, FILE *out)
{
    const void *field = (const char *)opt + row->offset;
    const char *text;
    switch (row->type) {
    case OPTION_SECTION:
        break;
    case OPTION_INT:
    case OPTION_SIZE:
        fprintf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case OPTION_NUM:
        fprintf(out, "%g", *(const double *)field);
        break;
    case OPTION_BOOL:
        fputs(*(const bool *)field ? "on" : "off", out);
        break;
    case OPTION_TEXT:
    case OPTION_URL:
        fputs(*(const char *const *)field, out);
        break;
    case OPTION_SECRET:
        fputs(**(const char *const *)field ? "(set)" : "(unset)", out);
        break;
    case OPTION_CHOICE:
        text = row->allowed;
        for (int i = *(const int *)field; i > 0; i--)
            text = strchr(text, '|') + 1;
        fprintf(out, "%.*s", (int)strcspn(text, "|"), text);
        break;
    }
}

void config_print(const struct config *c, FILE *out)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type == OPTION_SECTION) {
            fprintf(out, "%s# %s\n", i ? "\n" : "", row->name);
            continue;
        }
        fprintf(out, "%s=", row->name);
        print_value(row, &c->opt, out);
        fprintf(out, "  (%s)\n", source_names[c->source[i]]);
    }
}

static void print_allowed(const struct option_row *row, FILE *out)
{
    if (row->type == OPTION_INT)
        fprintf(out, "%" PRId64 " to %" PRId64 "%s%s", row->least, row->most, *row->unit ? " " : "",
                row->unit);
    else if (row->type == OPTION_NUM)
        fprintf(out, "%" PRId64 " to %" PRId64 ", with decimals", row->least, row->most);
    else if (row->type == OPTION_SIZE)
        fprintf(out, "%" PRId64 " to %" PRId64 " bytes, kb, mb or gb", row->least, row->most);
    else if (row->allowed)
        fputs(row->allowed, out);
    else if (row->type == OPTION_URL)
        fputs("http://… or https://…", out);
    else if (row->type == OPTION_SECRET)
        fprintf(out, "%" PRId64 " characters or more", row->least);
    else
        fputs("text", out);
}

void config_print_env_example(FILE *out)
{
    fputs(
        "# Copy to .env and change what you need. The environment wins over this file, flags win over both.\n"
        "# Made by `limner config --env-example`; do not edit by hand.\n",
        out);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type == OPTION_SECTION) {
            fprintf(out, "\n# ---- %s ----\n", row->name);
            continue;
        }
        fprintf(out, "\n# %s (", row->text);
        print_allowed(row, out);
        fprintf(out, ")\n#%s=%s\n", row->name, row->initial);
    }
}

void config_print_markdown(FILE *out)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->type == OPTION_SECTION) {
            fprintf(out, "%s### %s\n\n| option | default | allowed | what it does |\n|---|---|---|---|\n",
                    i ? "\n" : "", row->name);
            continue;
        }
        fprintf(out, "| `%s` | %s%s%s | ", row->name, *row->initial ? "`" : "",
                *row->initial ? row->initial : "–", *row->initial ? "`" : "");
        for (const char *p = row->allowed; p && *p; p++)
            fputs(*p == '|' ? ", " : (const char[]){*p, '\0'}, out);
        if (!row->allowed)
            print_allowed(row, out);
        fprintf(out, " | %s |\n", row->text);
    }
}
