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
#include "sae/match.h"
#include "sae/measure.h"
#include "sae/rows.h"
#include "train/reading.h"

/* In the order of the option's choices. */
enum eval_split { SPLIT_HELD_OUT, SPLIT_TRAIN, SPLIT_ALL };
static const char *const split_names[] = {"held-out", "train", "all"};

static struct eval_options {
    const char *layer, *with;
    int split;
    int64_t rows;
} own;

static struct dump_options input;

#define FIELD(name) offsetof(struct eval_options, name)

static const struct option own_table[] = {
    {"split", 0, OPTION_CHOICE, FIELD(split), "held-out", 0, 0,
     "held-out|train|all", NULL,
     "rows to measure on: those that the training kept out, those it used, or "
     "both. Where the SAE does not say that it was trained on this dump, all "
     "rows are measured"},
    {"rows", 0, OPTION_COUNT, FIELD(rows), "32768", 0, 0, NULL, "N",
     "measure on so many of them, evenly spread; 0: on all"},
    {"layer", 0, OPTION_TEXT, FIELD(layer), NULL, 0, 0, NULL, "L",
     "layer to measure on; unset: the one that the SAE was trained on"},
    {"with", 0, OPTION_TEXT, FIELD(with), NULL, 0, 0, NULL, "OTHER.sae",
     "look for each feature in another SAE, by the cosine of decoder rows"},
};

/* What one run works with. Zero it to begin. */
struct eval {
    const struct dump *dump;
    const char *folder;
    struct sae sae, other;
    struct sae_encoder enc;
    struct team team;
    int layer;
    enum eval_split split; /* what the rows are */
    bool known;            /* rows that trained are known from others */
    struct view view;
    struct reading reading;
    struct row_set rows, train_rows; /* samples that are measured */
};

static void eval_free(struct eval *v)
{
    sae_encoder_close(&v->enc);
    sae_free(&v->sae);
    sae_free(&v->other);
    reading_close(&v->reading);
    view_free(&v->view);
    row_set_free(&v->rows);
    row_set_free(&v->train_rows);
}

/* ---- what to measure ---- */

static int choose_layer(struct eval *v, struct err *e)
{
    const struct dump_info *info = dump_info(v->dump);
    int last = info->first_layer + info->layers - 1;
    int64_t value = v->sae.layer;
    if (own.layer != NULL && !format_parse_count(own.layer, &value))
        return err_set(e, ERR_INPUT, "--layer %.20s: must be a whole number",
                       own.layer);
    if (value < 0)
        return err_set(e, ERR_INPUT,
                       "%s does not say which layer it is for; add --layer L",
                       v->folder);
    if (value < info->first_layer || value > last)
        return err_set(e, ERR_INPUT,
                       "layer %" PRId64 " is not in %s, which has layers %d to "
                       "%d; see --layer",
                       value, info->path, info->first_layer, last);
    v->layer = (int)value;
    return 0;
}

static int check_shape(struct eval *v, struct err *e)
{
    const struct dump_info *info = dump_info(v->dump);
    TRY(rows_of_sae(&v->view, v->dump, &v->sae, v->layer, e));
    if (info->tokens == 0)
        return err_set(e, ERR_INPUT, "%s has no tokens", info->path);
    if (own.with == NULL)
        return 0;
    TRY(sae_load(&v->other, own.with, e));
    if (v->other.d != v->sae.d)
        return err_set(e, ERR_INPUT,
                       "%s takes rows of width %zu and %s of width %zu; only "
                       "features of one width can be compared",
                       v->folder, v->sae.d, own.with, v->other.d);
    return 0;
}

/* The split of the training, if it was on this dump. */
static int read_split(struct eval *v, const json_t *record, struct err *e)
{
    char where[300];
    (void)snprintf(where, sizeof where, "%.250s: headscope.json", v->folder);
    const json_t *training = json_object_get(record, "training");
    const json_t *trained_on = json_object_get(record, "dump");
    const json_t *options = json_object_get(training, "options");
    const char *fingerprint;
    int64_t seed, rows;
    double share;
    TRY(json_get_string(&fingerprint, trained_on, "fingerprint", "", where, e));
    TRY(json_get_int(&rows, trained_on, "held_out_rows", 0, INT64_MAX, -1,
                     where, e));
    TRY(json_get_int(&seed, training, "seed", 0, INT64_MAX, -1, where, e));
    TRY(json_get_real(&share, options, "held-out", -1, where, e));
    if (strcmp(fingerprint, dump_info(v->dump)->fingerprint) != 0 || seed < 0 ||
        !(share >= 0 && share < 1))
        return 0;
    struct reading_options o = {.held_out = share, .seed = (uint64_t)seed};
    TRY(json_get_bool(&o.skip_bos, options, "skip-bos", false, where, e));
    TRY(json_get_real(&o.skip_outliers, options, "skip-outliers", 0, where, e));
    TRY(reading_split(&v->reading, &v->view, &o, e));
    uint64_t found = view_rows(&v->view, &v->reading.held_out);
    if (found == 0)
        return err_set(e, ERR_INPUT,
                       "%s: the training held out no rows; see --split", where);
    if (rows >= 0 && found != (uint64_t)rows)
        return err_set(e, ERR_INPUT,
                       "%s says that %" PRId64 " rows were held out, but its "
                       "seed and share give %" PRIu64 "; see --split all",
                       where, rows, found);
    v->known = true;
    return 0;
}

/* All rows, undivided, in `train`. */
static int take_all(struct eval *v, struct err *e)
{
    const struct reading_options undivided = {.held_out = 0};
    return reading_split(&v->reading, &v->view, &undivided, e);
}

static int find_split(struct eval *v, struct err *e)
{
    json_t *record = NULL;
    if (v->sae.headscope != NULL && own.split != SPLIT_ALL) {
        record = json_loads(v->sae.headscope, JSON_REJECT_DUPLICATES, NULL);
        if (record == NULL)
            return err_memory(e, "headscope.json", 0);
    }
    int code = record != NULL ? read_split(v, record, e) : 0;
    json_decref(record);
    TRY(code);
    v->split = v->known ? (enum eval_split)own.split : SPLIT_ALL;
    if (v->known || own.split == SPLIT_ALL)
        return v->known ? 0 : take_all(v, e);
    if (own.split == SPLIT_TRAIN)
        return err_set(e, ERR_INPUT,
                       "%s does not say that it was trained on %s, so its "
                       "training rows are not known; see --split all",
                       v->folder, dump_info(v->dump)->path);
    log_line(LOG_RESULT,
             "%s does not say that it was trained on %s: measuring all rows",
             v->folder, dump_info(v->dump)->path);
    return take_all(v, e);
}

static int choose_rows(struct eval *v, struct err *e)
{
    TRY(find_split(v, e));
    const struct reading *r = &v->reading;
    const struct row_set *set =
        v->split == SPLIT_HELD_OUT ? &r->held_out : &r->train;
    uint64_t parts = v->view.parts, tokens = row_set_total(set);
    if (own.rows > 0)
        tokens = ((uint64_t)own.rows + parts - 1) / parts;
    TRY(row_set_sample(&v->rows, set, tokens, e));
    if (v->split != SPLIT_HELD_OUT)
        return 0;
    return row_set_sample(&v->train_rows, &r->train, row_set_total(&v->rows),
                          e);
}

/* ---- measuring ---- */

static int measure(struct measure *q, struct eval *v, const struct row_set *set,
                   const char *what, struct err *e)
{
    const struct measure_source from = {&v->view, set};
    uint64_t total = view_rows(&v->view, set);
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
    if (v->split == SPLIT_HELD_OUT) {
        TRY(measure_init(&q, &v->enc, 0, false, &v->team, e));
        int code = measure(&q, v, &v->train_rows, "training rows", e);
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
    TRY(match_decoders(&q, &v->sae, &v->other, &v->team, e));
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
    const struct dump_info *info = dump_info(v->dump);
    return v->view.w_o != NULL ? 1
                               : (int)(v->view.width / (size_t)info->d_head);
}

/* Their numbers; of rows that are single heads or results, none. */
static json_t *head_numbers(const struct eval *v)
{
    json_t *numbers = json_array();
    size_t d_head = (size_t)dump_info(v->dump)->d_head;
    for (size_t p = 0; v->view.parts == 1 && p < v->view.pieces; p++)
        for (size_t j = 0; j < v->view.piece[p].n; j += d_head)
            (void)json_array_append_new(
                numbers,
                json_integer(
                    (json_int_t)((v->view.piece[p].first + j) / d_head)));
    return numbers;
}

static int evaluate(json_t *report, struct eval *v, struct err *e)
{
    struct measure q;
    for (size_t l = 0; l < v->view.layers; l++)
        TRY(dump_verify_layer(v->dump, v->view.layer[l], e));
    TRY(sae_encoder_open(&v->enc, &v->sae, &v->team, e));
    TRY(measure_init(&q, &v->enc, heads_of(v), true, &v->team, e));
    int code = measure(&q, v, &v->rows, "measure", e);
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

static int run_eval(struct eval *v, const struct common_options *common,
                    json_t *report, struct err *e)
{
    TRY(sae_load(&v->sae, v->folder, e));
    TRY(choose_layer(v, e));
    TRY(check_shape(v, e));
    TRY(choose_rows(v, e));
    uint64_t rows = view_rows(&v->view, &v->rows);
    TRY(add(report,
            json_pack("{s:o, s:i, s:I, s:I, s:o, s:s, s:I}", "sae",
                      name_json(v->sae.name), "layer", v->layer, "features",
                      (json_int_t)v->sae.m, "heads", (json_int_t)heads_of(v),
                      "head_numbers", head_numbers(v), "split",
                      split_names[v->split], "rows", (json_int_t)rows),
            e));
    if (common->dry_run) {
        if (!common->json)
            (void)printf("would measure %zu features on %" PRIu64
                         " rows of layer %d (%s); writes nothing\n",
                         v->sae.m, rows, v->layer, split_names[v->split]);
        return 0;
    }
    TRY(evaluate(report, v, e));
    if (!common->json)
        eval_print(report);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct dump *dump = NULL;
    TRY(dump_open(&dump, args, n_args - 1, &input, e));
    struct eval v = {.dump = dump,
                     .folder = args[n_args - 1],
                     .team = team_make((int)common->threads)};
    int code = run_eval(&v, common, report, e);
    eval_free(&v);
    dump_close(&dump);
    return code;
}

const struct command command_eval = {
    .usage = {"eval", "Measure how well an SAE explains a dump.",
              "DUMP... NAME.sae",
              "The last argument is the SAE folder, of headscope or SAELens; "
              "the dump is a folder that headscope capture wrote, or array "
              "files with --layout. docs/metrics.md defines the figures. "
              "Writes nothing."},
    .args_min = 2,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own},
               {"Input", dump_option_table, DUMP_OPTION_COUNT, &input}},
    .n_groups = 2,
    .run = run,
};
