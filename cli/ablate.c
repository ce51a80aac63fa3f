/* SPDX-License-Identifier: MIT
 *
 * headscope ablate: what heads and features do for a task.
 */
#include "cli/ablate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/trial.h"

static struct ablate_options {
    const char *what, *saes;
    int how;
    double factor;
    bool restore;
} own;

static struct trial_options trial_options;

#define FIELD(name) offsetof(struct ablate_options, name)

/* The choices of `how` stand in the order of enum edit_kind. */
static const struct option own_table[] = {
    {"what", 0, OPTION_TEXT, FIELD(what), "heads", 0, 0, NULL, "LIST",
     "what to change, with commas between what is changed separately: heads or "
     "layers (each by itself), all (all heads), L2H1 (a head), L2F130 (a "
     "feature), L2 (a layer), + between what is changed together, @5 or @-1 "
     "behind for one position, not:L2H1+L3H0 (all heads but these)"},
    {"how", 0, OPTION_CHOICE, FIELD(how), "mean", 0, 0, "zero|mean|scale|patch",
     NULL,
     "what it becomes: zero; its mean over --reference; --factor times itself; "
     "or what it is in the --corrupted prompt"},
    {"factor", 0, OPTION_REAL, FIELD(factor), "0", -1e6, 1e6, NULL, "X",
     "for --how scale"},
    {"restore", 0, OPTION_FLAG, FIELD(restore), NULL, 0, 0, NULL, NULL,
     "run the corrupted prompts, and patch from the clean ones"},
    {"sae", 0, OPTION_TEXT, FIELD(saes), NULL, 0, 0, NULL, "NAME.sae[,...]",
     "SAEs of the layers whose features are changed"},
};

/* What one run works with. Zero it to begin. */
struct ablate {
    struct trial trial;
    struct saes saes;
    struct means_feature *feature; /* whose means are wanted */
    size_t n_features;
    struct ablate_sets sets;
    struct effects effects;
    struct arena arena;
};

static void ablate_free(struct ablate *a)
{
    effects_free(&a->effects);
    ablate_sets_free(&a->sets);
    saes_close(&a->saes);
    trial_close(&a->trial);
    arena_free(&a->arena);
}

/* ---- input ---- */

/* The features whose means the edits want. */
static int list_features(struct ablate *a, struct err *e)
{
    size_t edits = 0;
    for (size_t s = 0; s < a->sets.n; s++)
        edits += a->sets.set[s].n;
    TRY(arena_get(&a->arena, &a->feature, edits, sizeof *a->feature, "features",
                  e));
    for (size_t i = 0; i < edits; i++)
        if (a->sets.edit[i].feature >= 0)
            a->feature[a->n_features++] = (struct means_feature){
                a->sets.edit[i].layer, (uint32_t)a->sets.edit[i].feature};
    return 0;
}

static int open_saes(struct ablate *a, struct err *e)
{
    char **folders;
    size_t n;
    if (own.saes == NULL)
        return 0;
    TRY(arena_list(&a->arena, &folders, &n, own.saes, e));
    return saes_open(&a->saes, (const char *const *)folders, n,
                     &a->trial.model.gpt2, &a->trial.team, e);
}

/* ---- report ---- */

/* How one set comes out. */
struct row {
    const char *name;
    double metric;
    struct effect effect;
    double share; /* of the gap; NaN: there is none */
};

static int largest_first(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    double x = fabs(a->effect.change), y = fabs(b->effect.change);
    return x != y ? (x > y ? -1 : 1) : strcmp(a->name, b->name);
}

static void fill_rows(struct row *rows, const struct ablate *a)
{
    const struct effects *x = &a->effects;
    const double *base = own.restore ? x->corrupted : x->clean;
    double gap = (double)NAN;
    if (x->corrupted != NULL)
        gap = effects_mean(x->clean, x->n) - effects_mean(x->corrupted, x->n);
    for (size_t s = 0; s < a->sets.n; s++) {
        const double *edited = x->edited + s * x->n;
        rows[s] = (struct row){.name = a->sets.name[s],
                               .metric = effects_mean(edited, x->n),
                               .effect = effects_change(edited, base, x->n)};
        rows[s].share = rows[s].effect.change / gap;
    }
}

static int add_report(json_t *report, const struct ablate *a,
                      const struct row *rows, struct err *e)
{
    const struct effects *x = &a->effects;
    json_t *sets = json_array();
    for (size_t s = 0; s < a->sets.n; s++)
        (void)json_array_append_new(
            sets, json_pack("{s:s, s:o, s:o, s:o, s:o}", "what", rows[s].name,
                            "metric", json_figure(rows[s].metric), "change",
                            json_figure(rows[s].effect.change), "se",
                            json_figure(rows[s].effect.error),
                            "fraction_of_gap", json_figure(rows[s].share)));
    json_t *object = json_pack(
        "{s:I, s:o, s:o, s:o}", "prompts", (json_int_t)x->n, "clean",
        json_figure(effects_mean(x->clean, x->n)), "corrupted",
        x->corrupted != NULL ? json_figure(effects_mean(x->corrupted, x->n))
                             : json_null(),
        "edits", sets);
    return json_object_update_new(report, object) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

/* Of one prompt there is no error, and without a gap no share of it. */
static void print_error(double error)
{
    if (isfinite(error))
        (void)printf("  %7.4f", error);
    else
        (void)printf("  %7s", "-");
}

static void print_share(double share)
{
    if (isfinite(share))
        (void)printf("  %+9.1f%%", 100 * share);
    else
        (void)printf("  %10s", "-");
}

static void print_rows(const struct ablate *a, struct row *rows)
{
    const struct effects *x = &a->effects;
    (void)printf("%zu prompts, clean %.4f", x->n, effects_mean(x->clean, x->n));
    if (x->corrupted != NULL)
        (void)printf(", corrupted %.4f", effects_mean(x->corrupted, x->n));
    (void)printf("\n\n%-20s  %9s  %9s  %7s  %s\n", "", "metric", "change", "se",
                 x->corrupted != NULL ? "of the gap" : "");
    qsort(rows, a->sets.n, sizeof *rows, largest_first);
    for (size_t s = 0; s < a->sets.n; s++) {
        (void)printf("%-20s  %9.4f  %+9.4f", rows[s].name, rows[s].metric,
                     rows[s].effect.change);
        print_error(rows[s].effect.error);
        if (x->corrupted != NULL)
            print_share(rows[s].share);
        (void)putchar('\n');
    }
}

/* ---- the command ---- */

static int prepare(struct ablate *a, const char *folder, int threads,
                   struct err *e)
{
    TRY(trial_open(&a->trial, folder, &trial_options, threads, e));
    TRY(open_saes(a, e));
    TRY(ablate_sets_parse(&a->sets, own.what, (enum edit_kind)own.how,
                          own.factor, &a->trial.model.gpt2.config, e));
    if (own.how != EDIT_MEAN)
        return 0;
    const struct edit_sources sources = {.saes = &a->saes};
    for (size_t s = 0; s < a->sets.n; s++)
        for (size_t i = 0; i < a->sets.set[s].n; i++)
            TRY(edits_check(&a->sets.edit[a->sets.set[s].first + i], &sources,
                            e));
    TRY(list_features(a, e));
    return trial_find_means(&a->trial, &a->saes, a->feature, a->n_features, e);
}

static int measure(struct ablate *a, const struct common_options *common,
                   json_t *report, struct err *e)
{
    struct row *rows;
    struct effects_job job = trial_job(&a->trial, &a->saes);
    job.restore = own.restore;
    job.edit = a->sets.edit;
    job.set = a->sets.set;
    job.n_sets = a->sets.n;
    TRY(effects_measure(&a->effects, &job, e));
    TRY(arena_get(&a->arena, &rows, a->sets.n, sizeof *rows, "effects", e));
    fill_rows(rows, a);
    TRY(add_report(report, a, rows, e));
    if (!common->json)
        print_rows(a, rows);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    (void)n_args;
    bool corrupted = trial_options.corrupted != NULL;
    if (!corrupted && (own.how == EDIT_PATCH || own.restore))
        return err_set(e, ERR_USAGE,
                       "patching needs prompts to patch from; give --corrupted "
                       "FILE.jsonl");
    struct ablate a = {0};
    int code = prepare(&a, args[0], (int)common->threads, e);
    if (code == 0 && !common->dry_run)
        code = measure(&a, common, report, e);
    if (code == 0 && common->dry_run && !common->json)
        (void)printf("would run %zu prompts %zu times; writes nothing\n",
                     a.trial.prompts.n, a.sets.n + 1 + corrupted);
    ablate_free(&a);
    return code;
}

const struct command command_ablate = {
    .usage = {"ablate", "Change heads or features and see what a task loses.",
              "MODEL --prompts FILE.jsonl",
              "Runs every prompt as it is and with each change, and shows how "
              "the metric changes: its mean over prompts, with standard error, "
              "and as a share of the gap between clean and corrupted prompts. "
              "Features are changed with the SAE's error kept. Writes "
              "nothing."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own},
               {"Task", trial_option_table, TRIAL_OPTION_COUNT,
                &trial_options}},
    .n_groups = 2,
    .run = run,
};
