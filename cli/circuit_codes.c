/* SPDX-License-Identifier: MIT
 *
 * headscope circuit codes: the heads of a task from the codes of SAEs that a
 * database has.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/circuit.h"
#include "cli/cli.h"
#include "store/prompt_codes.h"

static struct codes_options {
    const char *dump, *saes, *truth, *position;
    int64_t shuffles, top;
    double theta;
    int score;
} own;

#define FIELD(name) offsetof(struct codes_options, name)

static const struct option own_table[] = {
    {"dump", 0, OPTION_TEXT, FIELD(dump), NULL, 0, 0, NULL, "NAME",
     "whose prompts, by its name or number, where several have some"},
    {"saes", 0, OPTION_TEXT, FIELD(saes), NULL, 0, 0, NULL, "NAME,...",
     "which SAEs, one for each of consecutive layers; default: all of the "
     "dump"},
    {"position", 0, OPTION_TEXT, FIELD(position), "last", 0, 0, NULL,
     "last|all|N",
     "a prompt's codes are those at the token whose prediction counts, at each "
     "of its tokens, or at one from 0 or, negative, from the end"},
    {"truth", 0, OPTION_TEXT, FIELD(truth), NULL, 0, 0, NULL, "FILE.json",
     "heads of the circuit (docs/formats.md), to measure the ranking against"},
    {"score", 0, OPTION_CHOICE, FIELD(score), "codes", 0, 0,
     "codes|share|answer", NULL,
     "a head's node score: how many of its codes only positives have, which "
     "share of its codes, or how many bits a positive prompt's code tells of "
     "its "
     "answer, beyond chance (docs/circuits.md: use it with --position last)"},
    {"shuffles", 0, OPTION_COUNT, FIELD(shuffles), "5", 1, 1000, NULL, "N",
     "of the labels: the score that chance gives"},
    {"theta", 0, OPTION_REAL, FIELD(theta), "0", 0, 1, NULL, "X",
     "heads whose softmax of the score is above are predicted; 0: as many as "
     "the circuit has"},
    {"top", 0, OPTION_COUNT, FIELD(top), "10", 0, 0, NULL, "N",
     "heads to print; --json has all"},
};

static int read_position(struct prompt_codes_options *o, struct err *e)
{
    o->at = PROMPT_CODES_TOKEN;
    if (strcmp(own.position, "last") == 0)
        o->at = PROMPT_CODES_LAST;
    if (strcmp(own.position, "all") == 0)
        o->at = PROMPT_CODES_ALL;
    if (o->at != PROMPT_CODES_TOKEN)
        return 0;
    return circuit_read_token(&o->token, own.position, "last, all", e);
}

/* A task without vectors; it shares the codes' labels. */
static void make_task(struct task *t, const struct prompt_codes *p)
{
    *t = (struct task){
        .n = p->prompts,
        .positives = p->positives,
        .first_layer = p->first_layer,
        .layers = p->layers,
        .layer_heads = p->layer_heads,
        .heads = (size_t)p->layers * (size_t)p->layer_heads,
        .label = p->label,
        .answer = p->answer,
        .context = p->context,
    };
}

static int score(struct circuit *c, const struct prompt_codes *p, int64_t seed,
                 struct err *e)
{
    const struct experiment_options o = {.seed = (uint64_t)seed,
                                         .shuffles = (size_t)own.shuffles,
                                         .score = (enum scores_kind)own.score};
    const struct experiment_codes codes = {.rows = p->rows,
                                           .features = p->features,
                                           .example = p->prompt,
                                           .code = p->code};
    return experiment_of_codes(&c->experiment, &c->task, &codes, &o, &c->team,
                               e);
}

static int run_codes(struct circuit *c, const struct prompt_codes *p,
                     const struct common_options *common, json_t *report,
                     struct err *e)
{
    struct place *places;
    c->features = p->features;
    make_task(&c->task, p);
    TRY(circuit_open_truth(c, own.truth, e));
    if (common->dry_run) {
        if (!common->json)
            (void)printf("would score %zu examples of %zu heads; writes "
                         "nothing\n",
                         c->task.n, c->task.heads);
        return 0;
    }
    TRY(score(c, p, common->seed, e));
    TRY(circuit_rank(&places, c, e));
    TRY(circuit_report(report, c, places, common->seed, e));
    if (!common->json)
        circuit_print(c, places, own.top, report);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct circuit c = {.theta = own.theta,
                        .team = team_make((int)common->threads)};
    struct prompt_codes p;
    struct prompt_codes_options o = {.dump = own.dump, .saes = own.saes};
    (void)n_args;
    TRY(circuit_report_options(report, &command_circuit_codes.groups[0], e));
    TRY(read_position(&o, e));
    TRY(prompt_codes_read(&p, args[0], &o, e));
    int code = run_codes(&c, &p, common, report, e);
    circuit_free(&c);
    prompt_codes_free(&p);
    return code;
}

const struct command command_circuit_codes = {
    .usage =
        {"circuit codes", "Find the heads of a task from codes in a database.",
         "FILE.db",
         "FILE.db has labelled prompts (headscope capture --prompts), encoded "
         "by SAEs of any kind, one for each layer (headscope encode). The code "
         "of a head at a token is the feature that it contributes most to; "
         "heads are scored from them as by headscope circuit, which trains an "
         "SAE of its own. What needs vectors is left out. Writes nothing; the "
         "view node_score_from_codes gives the same scores."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own}},
    .n_groups = 1,
    .run = run,
};
