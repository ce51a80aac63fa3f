/* SPDX-License-Identifier: MIT
 *
 * headscope eval: how well an SAE explains rows of a dump, and which of its
 * features another SAE has too.
 */
#include "cli/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/fidelity.h"
#include "cli/inputs.h"
#include "cli/measured.h"
#include "sae/match.h"
#include "sae/measure.h"
#include "sae/origin.h"
#include "sae/rows.h"
#include "train/reading.h"

static struct eval_options {
    struct measured_options rows;
    const char *with, *model;
} own;

static struct dump_options input;

#define FIELD(name) offsetof(struct eval_options, name)

static const struct option own_table[] = {
    {"split", 0, OPTION_CHOICE, FIELD(rows.split), "held-out", 0, 0,
     "held-out|train|all", NULL,
     "rows to measure on: those that the training kept out, those it used, or "
     "both. Where the SAE does not say that it was trained on this dump, all "
     "rows are measured"},
    {"rows", 0, OPTION_COUNT, FIELD(rows.rows), "32768", 0, 0, NULL, "N",
     "measure on so many of them, evenly spread; 0: on all"},
    {"layer", 0, OPTION_TEXT, FIELD(rows.layer), NULL, 0, 0, NULL, "L",
     "layer to measure on; unset: the one that the SAE was trained on"},
    {"with", 0, OPTION_TEXT, FIELD(with), NULL, 0, 0, NULL, "OTHER.sae",
     "look for each feature in another SAE, by the cosine of decoder rows"},
    {"model", 0, OPTION_TEXT, FIELD(model), NULL, 0, 0, NULL, "MODEL",
     "the model that the dump was captured from: also measure what it "
     "predicts with the SAEs' reconstructions in place of z. Takes several "
     "SAEs, one for a layer"},
};

/* What one run works with. Zero it to begin. */
struct eval {
    struct measured m;
    struct sae other;
    struct sae_encoder enc;
    struct team team;
};

static void eval_free(struct eval *v)
{
    sae_encoder_close(&v->enc);
    sae_free(&v->other);
    measured_close(&v->m);
}

static int load_other(struct eval *v, struct err *e)
{
    if (own.with == NULL)
        return 0;
    TRY(sae_load(&v->other, own.with, e));
    if (v->other.d != v->m.sae.d)
        return err_set(e, ERR_INPUT,
                       "%s takes rows of width %zu and %s of width %zu; only "
                       "features of one width can be compared",
                       v->m.folder, v->m.sae.d, own.with, v->other.d);
    return 0;
}

/* ---- measuring ---- */

static int measure(struct measure *q, struct eval *v, const struct row_set *set,
                   const char *what, struct err *e)
{
    const struct measure_source from = {&v->m.view, set};
    uint64_t total = view_rows(&v->m.view, set);
    struct progress bar;
    progress_begin(&bar, what, "tokens", 0, total);
    int code = 0;
    for (uint64_t first = 0; code == 0 && first < total;) {
        uint64_t left = total - first;
        uint64_t n = left < METRICS_BATCH ? left : METRICS_BATCH;
        if (interrupt_requested())
            code = err_set(e, ERR_INTERRUPTED, "interrupted");
        else
            code = measure_read(q, &from, first, n, e);
        first += n;
        progress_set(&bar, first, NULL);
    }
    progress_end(&bar);
    return code;
}

static int add(json_t *report, json_t *members, struct err *e)
{
    return json_object_update_new(report, members) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int add_figures(json_t *report, struct measure *q, struct err *e)
{
    json_t *figures;
    TRY(measure_figures(&figures, q, e));
    TRY(add(report, figures, e));
    double dead = (double)metrics_dead(&q->metrics);
    return add(report,
               json_pack("{s:f}", "dead_fraction", dead / (double)q->metrics.m),
               e);
}

/* The gap to rows that trained. */
static int add_training(json_t *report, struct eval *v, double fvu,
                        struct err *e)
{
    double train_fvu = (double)NAN;
    struct measure q;
    if (v->m.split == SPLIT_HELD_OUT) {
        TRY(measure_init(&q, &v->enc, 0, false, &v->team, e));
        int code = measure(&q, v, &v->m.train_rows, "training rows", e);
        train_fvu = metrics_fvu(&q.metrics);
        measure_free(&q);
        TRY(code);
    }
    return add(report,
               json_pack("{s:o, s:o}", "train_fvu", json_figure(train_fvu),
                         "fvu_gap", json_figure(fvu - train_fvu)),
               e);
}

static json_t *shares_json(const struct match_shares *s)
{
    return json_pack(
        "{s:I, s:o, s:o, s:o, s:o}", "features", (json_int_t)s->features,
        "mean_cosine", json_figure(s->mean), "above_0_7",
        json_figure(s->above_07), "above_0_9", json_figure(s->above_09),
        "mutual", json_figure(s->mutual));
}

/* A name of any bytes. */
static json_t *name_json(const char *name)
{
    char text[300];
    (void)snprintf(text, sizeof text, "%.250s", name);
    utf8_repair(text);
    return json_string(text);
}

static int add_match(json_t *report, struct eval *v, const uint64_t *fires,
                     struct err *e)
{
    struct match q;
    if (own.with == NULL)
        return 0;
    TRY(match_decoders(&q, &v->m.sae, &v->other, &v->team, e));
    struct match_shares all = match_shares(&q, NULL);
    struct match_shares alive = match_shares(&q, fires);
    match_free(&q);
    return add(report,
               json_pack("{s:{s:o, s:I, s:o, s:o}}", "with", "sae",
                         name_json(v->other.name), "other_features",
                         (json_int_t)v->other.m, "all", shares_json(&all),
                         "alive", shares_json(&alive)),
               e);
}

/* Heads side by side in a row. */
static int heads_of(const struct eval *v)
{
    const struct dump_info *info = dump_info(v->m.dump);
    return v->m.view.w_o != NULL
               ? 1
               : (int)(v->m.view.width / (size_t)info->d_head);
}

/* Their numbers; of rows that are single heads or results, none. */
static json_t *head_numbers(const struct eval *v)
{
    json_t *numbers = json_array();
    size_t d_head = (size_t)dump_info(v->m.dump)->d_head;
    for (size_t p = 0; v->m.view.parts == 1 && p < v->m.view.pieces; p++)
        for (size_t j = 0; j < v->m.view.piece[p].n; j += d_head)
            (void)json_array_append_new(
                numbers,
                json_integer(
                    (json_int_t)((v->m.view.piece[p].first + j) / d_head)));
    return numbers;
}

static int evaluate(json_t *report, struct eval *v, struct err *e)
{
    struct measure q;
    for (size_t l = 0; l < v->m.view.layers; l++)
        TRY(dump_verify_layer(v->m.dump, v->m.view.layer[l], e));
    TRY(sae_encoder_open(&v->enc, &v->m.sae, &v->team, e));
    TRY(measure_init(&q, &v->enc, heads_of(v), true, &v->team, e));
    int code = measure(&q, v, &v->m.rows, "measure", e);
    if (code == 0)
        code = add_figures(report, &q, e);
    if (code == 0)
        code = add_training(report, v, metrics_fvu(&q.metrics), e);
    if (code == 0)
        code = add_match(report, v, q.metrics.fires, e);
    measure_free(&q);
    return code;
}

/* ---- the command ---- */

/* What is measured, and where. */
static int add_rows(json_t *report, const struct eval *v,
                    const struct common_options *common, struct err *e)
{
    uint64_t rows = view_rows(&v->m.view, &v->m.rows);
    const char *split = measured_split_name(v->m.split);
    TRY(add(report,
            json_pack("{s:o, s:i, s:I, s:I, s:o, s:s, s:I}", "sae",
                      name_json(v->m.sae.name), "layer", v->m.layer, "features",
                      (json_int_t)v->m.sae.m, "heads", (json_int_t)heads_of(v),
                      "head_numbers", head_numbers(v), "split", split, "rows",
                      (json_int_t)rows),
            e));
    if (common->dry_run && !common->json)
        (void)printf("would measure %zu features on %" PRIu64
                     " rows of layer %d (%s); writes nothing\n",
                     v->m.sae.m, rows, v->m.layer, split);
    return 0;
}

/* What an SAE makes of rows, whatever model they come from. */
static int run_rows(const struct dump *dump, const char *folder,
                    const struct common_options *common, json_t *report,
                    struct err *e)
{
    struct eval v = {.team = team_make((int)common->threads)};
    TRY(measured_open(&v.m, dump, folder, &own.rows, e));
    if (own.model == NULL)
        origin_warn(&v.m.sae, folder, dump_info(dump));
    int code = load_other(&v, e);
    if (code == 0)
        code = add_rows(report, &v, common, e);
    if (code == 0 && !common->dry_run)
        code = evaluate(report, &v, e);
    eval_free(&v);
    return code;
}

static int run_inputs(const struct inputs *in, const struct dump *dump,
                      const struct common_options *common, json_t *report,
                      struct err *e)
{
    if (in->n_saes > 1 && (own.model == NULL || own.with != NULL))
        return err_set(e, ERR_USAGE,
                       "%zu SAEs: several go together with --model and without "
                       "--with; else measure one at a time",
                       in->n_saes);
    if (own.model != NULL && own.rows.layer != NULL)
        return err_set(e, ERR_USAGE,
                       "--layer does not go with --model, which takes every "
                       "SAE in the layer that it was trained on");
    if (in->n_saes == 1)
        TRY(run_rows(dump, in->saes[0], common, report, e));
    own.rows.quiet = in->n_saes == 1;
    const struct fidelity_job job = {.model = own.model,
                                     .dump = dump,
                                     .saes = in->saes,
                                     .n_saes = in->n_saes,
                                     .rows = own.rows,
                                     .threads = (int)common->threads,
                                     .dry_run = common->dry_run};
    if (own.model != NULL)
        TRY(fidelity_report(report, &job, e));
    if (common->json || common->dry_run)
        return 0;
    if (in->n_saes == 1)
        eval_print(report);
    eval_print_fidelity(report);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct dump *dump = NULL;
    struct inputs in;
    TRY(inputs_divide(&in, args, n_args, e));
    int code = dump_open(&dump, in.dump, in.n_dump, &input, e);
    if (code == 0)
        code = run_inputs(&in, dump, common, report, e);
    dump_close(&dump);
    inputs_free(&in);
    return code;
}

const struct command command_eval = {
    .usage = {"eval", "Measure how well an SAE explains a dump.",
              "DUMP... NAME.sae...",
              "Folders with cfg.json are SAEs, of headscope or SAELens, and "
              "what docs/formats.md lists of other trainers; the dump is a "
              "folder that headscope capture wrote, or array files "
              "with --layout. docs/metrics.md defines the figures. Writes "
              "nothing."},
    .args_min = 2,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own},
               {"Input", dump_option_table, DUMP_OPTION_COUNT, &input}},
    .n_groups = 2,
    .run = run,
};
