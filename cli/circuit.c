/* SPDX-License-Identifier: MIT
 *
 * headscope circuit: the heads of a task from discrete codes.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "circuit/save.h"
#include "cli/circuit.h"
#include "cli/cli.h"

static struct circuit_options {
    const char *output, *truth, *position, *preset;
    int64_t features, steps, examples, seeds, shuffles, top;
    double lambda, rate, theta;
    int score, vectors;
} own;

static struct dump_options input;

#define FIELD(name) offsetof(struct circuit_options, name)

static const struct option own_table[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), NULL, 0, 0, NULL, "FILE.db",
     "database to put the result into, a new one or one that is there; a "
     "circuit of the same name is replaced"},
    {"preset", 0, OPTION_TEXT, FIELD(preset), NULL, 0, 0,
     "oneill features=200 lambda=0.02 steps=500 rate=1e-3 examples=10 seeds=10 "
     "vectors=result score=codes",
     "oneill",
     "what O'Neill & Bui 2024 use: the defaults below, 10 seeds; lambda is the "
     "one for indirect objects and greater-than, theirs for docstring is 0.05; "
     "other options come on top, and --json prints all under options"},
    {"truth", 0, OPTION_TEXT, FIELD(truth), NULL, 0, 0, NULL, "FILE.json",
     "heads of the circuit (docs/formats.md), to measure the ranking against"},
    {"position", 0, OPTION_TEXT, FIELD(position), "mean", 0, 0, NULL,
     "mean|last|N",
     "tokens of a prompt that its vectors are of: the mean of all, the one "
     "whose prediction counts, or one from 0 or, negative, from the end"},
    {"vectors", 0, OPTION_CHOICE, FIELD(vectors), "result", 0, 0, "result|z",
     NULL, "what a head adds to the residual stream, or its z"},
    {"features", 'm', OPTION_COUNT, FIELD(features), "200", 2, 4096, NULL, "N",
     "of the SAE that all heads share"},
    {"lambda", 0, OPTION_REAL, FIELD(lambda), "0.02", 0, 1e3, NULL, "X",
     "its sparsity penalty"},
    {"steps", 0, OPTION_COUNT, FIELD(steps), "500", 1, 1e6, NULL, "N",
     "of training on all examples that train"},
    {"rate", 0, OPTION_REAL, FIELD(rate), "1e-3", 1e-9, 1, NULL, "X",
     "learning rate"},
    {"examples", 0, OPTION_COUNT, FIELD(examples), "10", 1, 1e9, NULL, "N",
     "that train, drawn at random from both classes; all are scored"},
    {"seeds", 0, OPTION_COUNT, FIELD(seeds), "5", 1, 1000, NULL, "N",
     "to train anew with, from --seed on"},
    {"shuffles", 0, OPTION_COUNT, FIELD(shuffles), "5", 1, 1000, NULL, "N",
     "of the labels, for each seed: the score that chance gives"},
    {"score", 0, OPTION_CHOICE, FIELD(score), "codes", 0, 0,
     "codes|share|answer", NULL,
     "a head's node score: how many of its codes only positives have, which "
     "share of its codes, or how many bits a positive prompt's code tells of "
     "its "
     "answer, beyond chance (docs/circuits.md: use it with --position last)"},
    {"theta", 0, OPTION_REAL, FIELD(theta), "0", 0, 1, NULL, "X",
     "heads whose softmax of the score is above are predicted; 0: as many as "
     "the circuit has"},
    {"top", 0, OPTION_COUNT, FIELD(top), "10", 0, 0, NULL, "N",
     "heads to print; --json has all"},
};

/* ---- running ---- */

static int read_position(struct task_options *o, struct err *e)
{
    o->position = TASK_TOKEN;
    if (strcmp(own.position, "mean") == 0)
        o->position = TASK_MEAN;
    if (strcmp(own.position, "last") == 0)
        o->position = TASK_LAST;
    if (o->position != TASK_TOKEN)
        return 0;
    return circuit_read_token(&o->token, own.position, "mean, last", e);
}

static int open_task(struct circuit *c, struct err *e)
{
    struct task_options o = {.z = own.vectors == 1};
    TRY(read_position(&o, e));
    TRY(task_open(&c->task, c->dump, &o, &c->team, e));
    return circuit_open_truth(c, own.truth, e);
}

static int run_experiment(struct circuit *c, int64_t seed, struct err *e)
{
    const struct experiment_options o = {
        .sae = {.features = (size_t)own.features,
                .steps = (size_t)own.steps,
                .lambda = own.lambda,
                .rate = own.rate},
        .examples = (size_t)own.examples,
        .seeds = (size_t)own.seeds,
        .seed = (uint64_t)seed,
        .shuffles = (size_t)own.shuffles,
        .score = (enum scores_kind)own.score,
    };
    TRY(experiment_run(&c->experiment, &c->task, &o, &c->team, e));
    return circuit_measure_controls(c, o.shuffles, o.seed, e);
}

/* ---- the database ---- */

/* What the result depends on, as text that outlives the report. */
static int make_options(char **out, const struct common_options *common,
                        struct err *e)
{
    static const char *const scores[] = {"codes", "share", "answer"};
    json_t *object =
        json_pack("{s:I, s:f, s:I, s:f, s:I, s:s, s:s, s:s, s:I}", "features",
                  (json_int_t)own.features, "lambda", own.lambda, "steps",
                  (json_int_t)own.steps, "rate", own.rate, "examples",
                  (json_int_t)own.examples, "position", own.position, "vectors",
                  own.vectors == 1 ? "z" : "result", "score", scores[own.score],
                  "seed", (json_int_t)common->seed);
    *out = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return *out == NULL ? err_memory(e, "options", 0) : 0;
}

static double reported(const json_t *report, const char *key, const char *part)
{
    const json_t *v = json_object_get(report, key);
    v = part != NULL ? json_object_get(v, part) : v;
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static int save(const struct circuit *c, const struct common_options *common,
                const json_t *report, struct err *e)
{
    char *options;
    if (own.output == NULL)
        return 0;
    TRY(make_options(&options, common, e));
    const struct save_input in = {
        .dump = c->dump,
        .experiment = &c->experiment,
        .options = options,
        .difference = c->difference,
        .probe = c->probe,
        .truth = c->truth,
        .truth_file = own.truth,
        .auc = reported(report, "auc", "mean"),
        .auc_sd = reported(report, "auc", "sd"),
        .auc_edges = reported(report, "auc_edges", "mean"),
        .auc_shuffled = reported(report, "auc_shuffled", "mean"),
        .auc_mean_difference = reported(report, "auc_mean_difference", NULL),
        .auc_probe = reported(report, "auc_probe", NULL),
        .auc_edges_sd = reported(report, "auc_edges", "sd"),
        .auc_shuffled_sd = reported(report, "auc_shuffled", "sd"),
        .precision = reported(report, "precision", "mean"),
        .precision_sd = reported(report, "precision", "sd"),
        .recall = reported(report, "recall", "mean"),
        .recall_sd = reported(report, "recall", "sd"),
        .f1 = reported(report, "f1", "mean"),
        .f1_sd = reported(report, "f1", "sd"),
        .paper_f1 = reported(report, "paper_f1", "mean"),
        .paper_f1_sd = reported(report, "paper_f1", "sd"),
    };
    int code = save_circuit(own.output, &in, e);
    free(options);
    return code;
}

/* ---- the command ---- */

static int run_circuit(struct circuit *c, const struct common_options *common,
                       const char *const *args, size_t n, json_t *report,
                       struct err *e)
{
    struct place *places;
    TRY(circuit_report_options(report, &command_circuit.groups[0], e));
    TRY(dump_open(&c->dump, args, n, &input, e));
    TRY(open_task(c, e));
    if (common->dry_run) {
        if (!common->json)
            (void)printf("would code %zu examples of %zu heads, %" PRId64
                         " seeds; writes nothing\n",
                         c->task.n, c->task.heads, own.seeds);
        return 0;
    }
    TRY(run_experiment(c, common->seed, e));
    TRY(circuit_rank(&places, c, e));
    TRY(circuit_report(report, c, places, common->seed, e));
    TRY(save(c, common, report, e));
    if (!common->json)
        circuit_print(c, places, own.top, report);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct circuit c = {.features = (size_t)own.features,
                        .theta = own.theta,
                        .team = team_make((int)common->threads)};
    int code = run_circuit(&c, common, args, n_args, report, e);
    circuit_free(&c);
    return code;
}

const struct command command_circuit = {
    .usage =
        {"circuit", "Find the heads of a task from discrete codes.", "DUMP...",
         "DUMP has labelled prompts (headscope capture --prompts). One SAE "
         "is trained on what single heads add to the residual stream, of a "
         "few prompts; a head's score is how many of its codes only "
         "positive prompts have (O'Neill & Bui 2024). Beside it stand "
         "what shuffled labels give, and plain measures without codes. "
         "Writes nothing."},
    .args_min = 1,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own},
               {"Input", dump_option_table, DUMP_OPTION_COUNT, &input}},
    .n_groups = 2,
    .run = run,
};
