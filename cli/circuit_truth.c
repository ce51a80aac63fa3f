/* SPDX-License-Identifier: MIT
 *
 * headscope circuit truth, circuit faithful: what heads do for a task in the
 * model itself.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/output.h"
#include "circuit/causes.h"
#include "cli/cli.h"
#include "cli/trial.h"

static struct truth_options {
    const char *output;
    double share, errors;
} truth;

static struct faithful_options {
    const char *heads;
    int64_t draws;
} faithful;

static struct trial_options trial_options;

static const struct option truth_table[] = {
    {"output", 'o', OPTION_TEXT, offsetof(struct truth_options, output), NULL,
     0, 0, NULL, "FILE.json", "file to write, for headscope circuit --truth"},
    {"min-share", 0, OPTION_REAL, offsetof(struct truth_options, share), "0.05",
     0, 10, NULL, "X",
     "a head is in the circuit if changing it alone changes the metric by at "
     "least this share of the gap, and"},
    {"min-errors", 0, OPTION_REAL, offsetof(struct truth_options, errors), "3",
     0, 1e6, NULL, "X", "by at least so many standard errors"},
};

static const struct option faithful_table[] = {
    {"heads", 0, OPTION_TEXT, offsetof(struct faithful_options, heads), NULL, 0,
     0, NULL, "FILE.json",
     "heads in order, best first: what headscope circuit --json prints, or a "
     "truth file, whose heads are ordered by their effects; needed"},
    {"draws", 0, OPTION_COUNT, offsetof(struct faithful_options, draws), "5", 1,
     1000, NULL, "N", "random sets of each size to compare with"},
};

static void head_name(char *out, size_t size, const struct gpt2_config *c,
                      size_t head)
{
    (void)snprintf(out, size, "L%dH%d", (int)head / c->heads,
                   (int)head % c->heads);
}

/* ---- truth ---- */

static json_t *effect_json(const struct effect *x, double gap)
{
    return json_pack("{s:f, s:o, s:o}", "change", x->change, "se",
                     json_figure(x->error), "fraction_of_gap",
                     json_figure(x->change / gap));
}

static int fill_truth(json_t *object, const struct trial *t,
                      const struct causes *c, struct err *e)
{
    const struct gpt2_config *config = &t->model.gpt2.config;
    json_t *circuit = json_array(), *heads = json_array();
    bool patched = !isnan(c->corrupted);
    for (size_t h = 0; h < c->heads; h++) {
        int layer = (int)h / config->heads, head = (int)h % config->heads;
        const struct cause *x = &c->head[h];
        if (x->in_circuit)
            (void)json_array_append_new(circuit,
                                        json_pack("[i, i]", layer, head));
        (void)json_array_append_new(
            heads,
            json_pack("{s:i, s:i, s:b, s:o, s:o}", "layer", layer, "head", head,
                      "in_circuit", x->in_circuit, "mean_ablate",
                      effect_json(&x->mean, c->gap), "patch_from_corrupted",
                      patched ? effect_json(&x->patch, c->gap) : json_null()));
    }
    json_t *rule = json_pack("{s:f, s:f}", "min_share_of_gap", truth.share,
                             "min_standard_errors", truth.errors);
    json_t *all =
        json_pack("{s:s, s:s, s:I, s:f, s:o, s:f, s:f, s:o, s:o, s:o}", "model",
                  t->model.name, "model_fingerprint", t->model.gpt2.fingerprint,
                  "prompts", (json_int_t)t->prompts.n, "clean_metric", c->clean,
                  "corrupted_metric", json_figure(c->corrupted),
                  "all_heads_mean_ablated_metric", c->none, "gap", c->gap,
                  "rule", rule, "circuit", circuit, "heads", heads);
    return json_object_update_new(object, all) != 0 ? err_memory(e, "report", 0)
                                                    : 0;
}

static int write_file(const json_t *object, bool force, struct err *e)
{
    struct output out;
    if (truth.output == NULL)
        return 0;
    TRY(output_begin_file(&out, truth.output, force, e));
    int code = json_write(out.partial, object, e);
    if (code != 0) {
        output_abort(&out);
        return code;
    }
    return output_commit(&out, e);
}

static void print_truth(const struct trial *t, const struct causes *c)
{
    const struct gpt2_config *config = &t->model.gpt2.config;
    bool patched = !isnan(c->corrupted);
    (void)printf("%zu prompts, clean %.4f, all heads at their means %.4f",
                 t->prompts.n, c->clean, c->none);
    if (patched)
        (void)printf(", corrupted %.4f", c->corrupted);
    (void)printf("\n\n%-8s  %10s  %8s  %10s  %8s\n", "circuit", "mean", "se",
                 patched ? "patched" : "", patched ? "se" : "");
    for (size_t h = 0; h < c->heads; h++) {
        char name[32];
        const struct cause *x = &c->head[h];
        if (!x->in_circuit)
            continue;
        head_name(name, sizeof name, config, h);
        (void)printf("%-8s  %+10.4f  %8.4f", name, x->mean.change,
                     x->mean.error);
        if (patched)
            (void)printf("  %+10.4f  %8.4f", x->patch.change, x->patch.error);
        (void)putchar('\n');
    }
}

static int find_truth(struct trial *t, const struct common_options *common,
                      json_t *report, struct err *e)
{
    struct causes c;
    const struct causes_rule rule = {truth.share, truth.errors};
    const struct effects_job job = trial_job(t, NULL);
    TRY(trial_find_means(t, NULL, NULL, 0, e));
    TRY(causes_find(&c, &job, &rule, e));
    int code = fill_truth(report, t, &c, e);
    if (code == 0)
        code = write_file(report, common->force, e);
    if (code == 0 && !common->json)
        print_truth(t, &c);
    causes_free(&c);
    return code;
}

static int run_truth(const struct common_options *common,
                     const char *const *args, size_t n_args, json_t *report,
                     struct err *e)
{
    (void)n_args;
    struct trial t;
    if (truth.output != NULL)
        TRY(output_check(truth.output, false, common->force, e));
    int code = trial_open(&t, args[0], &trial_options, (int)common->threads, e);
    if (code == 0 && !common->dry_run)
        code = find_truth(&t, common, report, e);
    trial_close(&t);
    return code;
}

/* ---- faithful ---- */

/* A head's number from {"head": "L2H1"} or {"layer": 2, "head": 1}. */
static int read_head(uint32_t *out, const json_t *entry,
                     const struct gpt2_config *c, const char *path, size_t i,
                     struct err *e)
{
    const json_t *head = json_object_get(entry, "head");
    const json_t *layer = json_object_get(entry, "layer");
    json_int_t l = -1, h = -1;
    struct edit named;
    if (json_is_string(head) &&
        edits_parse(&named, json_string_value(head), c, NULL) == 0 &&
        named.feature < 0 && named.everywhere) {
        l = named.layer;
        h = named.head;
    }
    if (json_is_integer(head) && json_is_integer(layer)) {
        l = json_integer_value(layer);
        h = json_integer_value(head);
    }
    if (l < 0 || l >= c->layers || h < 0 || h >= c->heads)
        return err_set(
            e, ERR_INPUT,
            "%s: heads: entry %zu is no head of the model, which has "
            "%d layers of %d",
            path, i, c->layers, c->heads);
    *out = (uint32_t)(l * c->heads + h);
    return 0;
}

struct ordered {
    double effect;
    uint32_t head;
};

static int largest_first(const void *left, const void *right)
{
    const struct ordered *a = left, *b = right;
    if (a->effect != b->effect)
        return a->effect > b->effect ? -1 : 1;
    return (a->head > b->head) - (a->head < b->head);
}

/* The score of an entry, or of a truth file the larger effect. */
static double strength(const json_t *entry)
{
    const json_t *score = json_object_get(entry, "score");
    if (json_is_number(score))
        return json_number_value(score);
    static const char *const kinds[] = {"mean_ablate", "mean_ablate_reference",
                                        "patch_from_corrupted"};
    double most = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        most = fmax(most, fabs(json_number_value(json_object_get(
                              json_object_get(entry, kinds[k]), "change"))));
    return most;
}

static int read_order(struct ordered *out, const json_t *root,
                      const struct gpt2_config *c, const char *path,
                      struct err *e)
{
    const json_t *heads = json_object_get(root, "heads"), *entry;
    size_t i, n = (size_t)c->layers * (size_t)c->heads;
    if (!json_is_array(heads) || json_array_size(heads) != n)
        return err_set(e, ERR_INPUT,
                       "%s: 'heads' must be an array of the model's %zu heads",
                       path, n);
    json_array_foreach(heads, i, entry)
    {
        out[i].effect = strength(entry);
        TRY(read_head(&out[i].head, entry, c, path, i, e));
        for (size_t k = 0; k < i; k++)
            if (out[k].head == out[i].head)
                return err_set(e, ERR_INPUT,
                               "%s: heads: entry %zu is there twice", path, i);
    }
    qsort(out, n, sizeof *out, largest_first);
    return 0;
}

/* 1, 2, 3, 4, 6, 8, 12, 16, 24, ... and all. */
static size_t choose_sizes(struct faithful_point *points, size_t heads)
{
    size_t n = 0;
    for (size_t size = 1; size < heads;) {
        points[n++].size = size;
        size_t power = 1;
        while (2 * power <= size)
            power *= 2;
        size += power > 1 ? power / 2 : 1;
    }
    points[n++].size = heads;
    return n;
}

static int add_points(json_t *report, const struct faithful_point *points,
                      size_t n, struct err *e)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(
            array, json_pack("{s:I, s:o, s:o, s:o}", "heads",
                             (json_int_t)points[i].size, "faithfulness",
                             json_figure(points[i].kept), "random",
                             json_figure(points[i].random), "random_sd",
                             json_figure(points[i].random_sd)));
    return json_object_set_new(report, "faithfulness", array) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int find_faithful(struct trial *t, const struct common_options *common,
                         struct arena *arena, json_t *report, struct err *e)
{
    const struct gpt2_config *c = &t->model.gpt2.config;
    size_t heads = (size_t)c->layers * (size_t)c->heads;
    struct faithful_point *points;
    struct ordered *ordered;
    uint32_t *order;
    json_t *root;
    TRY(arena_get(arena, &points, heads + 1, sizeof *points, "points", e));
    TRY(arena_get(arena, &ordered, heads, sizeof *ordered, "heads", e));
    TRY(arena_get(arena, &order, heads, sizeof *order, "heads", e));
    TRY(json_read(&root, faithful.heads, e));
    int code = read_order(ordered, root, c, faithful.heads, e);
    json_decref(root);
    TRY(code);
    for (size_t h = 0; h < heads; h++)
        order[h] = ordered[h].head;
    if (common->dry_run)
        return 0;
    size_t n = choose_sizes(points, heads);
    const struct effects_job job = trial_job(t, NULL);
    TRY(trial_find_means(t, NULL, NULL, 0, e));
    TRY(causes_faithful(points, n, order, (size_t)faithful.draws,
                        (uint64_t)common->seed, &job, e));
    TRY(add_points(report, points, n, e));
    if (common->json)
        return 0;
    (void)printf("%5s  %12s  %10s  %6s  %s\n", "heads", "faithfulness",
                 "random", "sd", "added last");
    for (size_t i = 0; i < n; i++) {
        char name[32];
        head_name(name, sizeof name, c, order[points[i].size - 1]);
        (void)printf("%5zu  %12.3f  %10.3f  %6.3f  %s\n", points[i].size,
                     points[i].kept, points[i].random, points[i].random_sd,
                     name);
    }
    return 0;
}

static int run_faithful(const struct common_options *common,
                        const char *const *args, size_t n_args, json_t *report,
                        struct err *e)
{
    (void)n_args;
    struct trial t;
    struct arena arena = {0};
    if (faithful.heads == NULL)
        return err_set(e, ERR_USAGE, "no heads; give --heads FILE.json");
    int code = trial_open(&t, args[0], &trial_options, (int)common->threads, e);
    if (code == 0)
        code = find_faithful(&t, common, &arena, report, e);
    arena_free(&arena);
    trial_close(&t);
    return code;
}

/* ---- commands ---- */

const struct command command_circuit_truth = {
    .usage = {"circuit truth",
              "Find a task's heads by changing each in the "
              "model.",
              "MODEL --prompts FILE.jsonl",
              "Every head by itself is put at its mean over the reference and, "
              "with --corrupted, to what it is in the corrupted prompt. Those "
              "that matter by the rule are the circuit."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", truth_table,
                sizeof truth_table / sizeof *truth_table, &truth},
               {"Task", trial_option_table, TRIAL_OPTION_COUNT,
                &trial_options}},
    .n_groups = 2,
    .run = run_truth,
};

const struct command command_circuit_faithful = {
    .usage = {"circuit faithful", "See how much of a task few heads keep.",
              "MODEL --prompts FILE.jsonl --heads FILE.json",
              "Faithfulness of the first 1, 2, 3, ... heads of an order, all "
              "others at their means: (m(C) - m(none)) / (m(all) - m(none)); "
              "beside it that of random sets of the same size. Writes "
              "nothing."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", faithful_table,
                sizeof faithful_table / sizeof *faithful_table, &faithful},
               {"Task", trial_option_table, TRIAL_OPTION_COUNT,
                &trial_options}},
    .n_groups = 2,
    .run = run_faithful,
};
