/* limner metrics: what /metrics has for Prometheus, from its table. */
#include "metrics/catalog.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static const char *const kinds[] = {[METRIC_COUNTER] = "counter",
                                    [METRIC_GAUGE] = "gauge",
                                    [METRIC_HISTOGRAM] = "histogram",
                                    [METRIC_INFO] = "info"};

static void print_labels(const struct metric_row *row, const char *quote)
{
    for (unsigned i = 0; i < ARRAY_LEN(row->label) && row->label[i] != LABEL_NONE; i++)
        printf("%s%s%s%s", i ? ", " : "", quote, metric_labels[row->label[i]].name, quote);
}

static void print_values(enum metric_label label, const char *quote)
{
    const char *told = "";
    for (unsigned i = 0; i < metric_label_values(label); i++) {
        const char *value = metric_label_value(label, i);
        bool again = false;
        for (unsigned k = 0; k < i; k++)
            again |= strcmp(metric_label_value(label, k), value) == 0;
        if (!*value || again)
            continue; /* no series of that ever */
        printf("%s%s%s%s", told, quote, value, quote);
        told = ", ";
    }
}

static void print_bounds(const char *name, enum metric_buckets family)
{
    unsigned n;
    const uint64_t *bound = metric_bounds(family, &n);
    bool bytes = family == METRIC_BUCKETS_SIZE;
    printf("- %s: ", name);
    for (unsigned i = 0; i < n; i++)
        printf("%s%.10g", i ? ", " : "", (double)bound[i] / (bytes ? 1 : 1e6));
    puts(bytes ? " bytes" : " s");
}

static void print_label(enum metric_label label)
{
    const char *told = "";
    printf("| `%s` | ", metric_labels[label].name);
    for (unsigned i = 0; i < M_COUNT; i++)
        for (unsigned k = 0; k < ARRAY_LEN(metric_rows[i].label); k++)
            if (metric_rows[i].label[k] == label) {
                printf("%s`%s`", told, metric_rows[i].name);
                told = ", ";
            }
    printf(" | ");
    if (label == LABEL_VERSION)
        printf("the version"); /* differs from build to build */
    else if (label == LABEL_BUDGET)
        printf("the names of budgets"); /* differ from server to server */
    else
        print_values(label, "`");
    printf(" | %s |\n", metric_labels[label].about);
}

static void print_markdown(void)
{
    static const char *const families[] = {"", "gateway", "upstream", "whole", "size"};
    puts("| metric | kind | labels | what it is |\n|---|---|---|---|");
    for (unsigned i = 0; i < M_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        printf("| `%s` | %s%s%s | ", row->name, kinds[row->kind], row->buckets ? ", " : "",
               families[row->buckets]);
        print_labels(row, "`");
        printf(" | %s |\n", row->help);
    }
    puts("\nA gauge, a counter with at most one label, and a histogram without labels are there from the "
         "start; the "
         "other\nseries appear with the first thing that is counted. Buckets of the histograms, each with "
         "`+Inf` on "
         "top:\n");
    for (unsigned i = METRIC_BUCKETS_GATEWAY; i < ARRAY_LEN(families); i++)
        print_bounds(families[i], (enum metric_buckets)i);
    puts("\n## Labels\n\nEach is a closed set.\n\n| label | of | values | what it is |\n|---|---|---|---|");
    for (unsigned l = LABEL_NONE + 1; l < LABEL_COUNT; l++)
        print_label((enum metric_label)l);
}

static void print_list(void)
{
    for (unsigned i = 0; i < M_COUNT; i++) {
        const struct metric_row *row = &metric_rows[i];
        printf("%s (%s", row->name, kinds[row->kind]);
        printf("%s", row->label[0] == LABEL_NONE ? "" : "; ");
        print_labels(row, "");
        printf(")\n    %s\n", row->help);
    }
}

int cli_metrics(int argc, char **argv)
{
    if (argc == 1)
        print_list();
    else if (argc == 2 && strcmp(argv[1], "--markdown") == 0)
        print_markdown();
    else
        return cli_usage("metrics does not know \"%s\"", argv[1]);
    return EXIT_DONE;
}
