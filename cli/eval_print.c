/* SPDX-License-Identifier: MIT */
#include "cli/eval.h"

#include <stdio.h>

static long long whole(const json_t *report, const char *key)
{
    return json_integer_value(json_object_get(report, key));
}

static void print_figure(const json_t *report, const char *key,
                         const char *label)
{
    const json_t *value = json_object_get(report, key);
    if (json_is_number(value))
        (void)printf("%-28s %.6g\n", label, json_number_value(value));
    else
        (void)printf("%-28s -\n", label);
}

static void print_densities(const json_t *report)
{
    const json_t *histogram = json_object_get(report, "density_histogram");
    const json_t *from = json_object_get(histogram, "log10_from");
    const json_t *features = json_object_get(histogram, "features");
    (void)printf("\nlog10 density  features\n");
    for (size_t i = 0; i < json_array_size(features); i++) {
        json_int_t n = json_integer_value(json_array_get(features, i));
        double edge = json_real_value(json_array_get(from, i));
        if (n > 0)
            (void)printf("%5.1f to %4.1f  %8lld\n", edge, edge + 0.5,
                         (long long)n);
    }
}

static void print_heads(const json_t *report)
{
    const json_t *heads = json_object_get(report, "per_head_fvu");
    const json_t *numbers = json_object_get(report, "head_numbers");
    long long layer = whole(report, "layer");
    (void)printf("\nhead       FVU\n");
    for (size_t h = 0; h < json_array_size(heads); h++) {
        char label[32];
        const json_t *value = json_array_get(heads, h);
        const json_t *number = json_array_get(numbers, h);
        if (number != NULL)
            (void)snprintf(label, sizeof label, "L%lldH%lld", layer,
                           (long long)json_integer_value(number));
        else
            (void)snprintf(label, sizeof label, "all heads");
        if (json_is_number(value))
            (void)printf("%-8s %.4f\n", label, json_number_value(value));
        else
            (void)printf("%-8s -\n", label);
    }
}

static void print_shares(const json_t *with, const char *key, const char *label)
{
    const json_t *s = json_object_get(with, key);
    (void)printf("\n%s features matched in %s\n", label,
                 json_string_value(json_object_get(with, "sae")));
    print_figure(s, "features", "features");
    print_figure(s, "mean_cosine", "mean cosine of best match");
    print_figure(s, "above_0_7", "share above 0.7");
    print_figure(s, "above_0_9", "share above 0.9");
    print_figure(s, "mutual", "share of mutual matches");
}

void eval_print(const json_t *report)
{
    static const struct {
        const char *key, *label;
    } lines[] = {
        {"fvu", "FVU"},
        {"explained_variance", "explained variance"},
        {"train_fvu", "FVU, training rows"},
        {"fvu_gap", "gap to training rows"},
        {"pca_fvu", "FVU, PCA of rank L0"},
        {"fvu_legacy", "FVU, legacy"},
        {"fvu_error_variance", "FVU, variance of the error"},
        {"l0", "L0"},
        {"l1", "L1"},
        {"mse", "MSE"},
        {"cosine", "cosine"},
        {"length_ratio", "length ratio"},
        {"relative_bias", "relative bias"},
        {"alive", "alive features"},
        {"dead_fraction", "dead, share of features"},
        {"effective_rank", "effective rank of the rows"},
        {"participation_ratio", "participation ratio"},
    };
    (void)printf("%s: layer %lld, %lld features, %lld rows (%s)\n\n",
                 json_string_value(json_object_get(report, "sae")),
                 whole(report, "layer"), whole(report, "features"),
                 whole(report, "rows"),
                 json_string_value(json_object_get(report, "split")));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        print_figure(report, lines[i].key, lines[i].label);
    print_densities(report);
    print_heads(report);
    const json_t *with = json_object_get(report, "with");
    if (with == NULL)
        return;
    print_shares(with, "all", "all");
    print_shares(with, "alive", "alive");
}

/* "  0.4213" or, where there is no figure, a dash as wide. */
static void print_cell(const json_t *layer, const char *key, int digits)
{
    const json_t *v = json_object_get(layer, key);
    if (json_is_number(v))
        (void)printf("  %8.*f", digits, json_number_value(v));
    else
        (void)printf("  %8s", "-");
}

static void print_layer(const json_t *layer)
{
    static const struct {
        const char *key;
        int digits;
    } cells[] = {{"ce_spliced", 4},     {"ce_zero", 4},
                 {"ce_mean", 4},        {"kl_spliced", 4},
                 {"recovered_zero", 4}, {"recovered_mean", 4}};
    const json_t *number = json_object_get(layer, "layer");
    if (json_is_integer(number))
        (void)printf("layer %-3lld", whole(layer, "layer"));
    else
        (void)printf("%-9s", "together");
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        print_cell(layer, cells[i].key, cells[i].digits);
    (void)putchar('\n');
}

void eval_print_fidelity(const json_t *report)
{
    const json_t *f = json_object_get(report, "fidelity"), *layer;
    size_t i;
    if (f == NULL)
        return;
    (void)printf("\n%s: cross-entropy %.4f nats on %lld tokens of %lld "
                 "contexts\n\n%-9s  %8s  %8s  %8s  %8s  %8s  %8s\n%-9s  %8s  "
                 "%8s  %8s  %8s  %8s  %8s\n",
                 json_string_value(json_object_get(f, "model")),
                 json_number_value(json_object_get(f, "ce_clean")),
                 whole(f, "tokens"), whole(f, "contexts"), "", "CE", "CE", "CE",
                 "KL", "CE rec.", "CE rec.", "", "spliced", "zero", "mean",
                 "spliced", "of zero", "of mean");
    json_array_foreach(json_object_get(f, "layers"), i, layer)
        print_layer(layer);
}
