/* SPDX-License-Identifier: MIT
 *
 * headscope prompt: what a model predicts behind a prompt, and which heads and
 * features make it do so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "cli/cli.h"
#include "cli/prompt_print.h"
#include "lens/prompt.h"

static struct prompt_options {
    const char *position, *token, *minus, *feature, *recursive, *edit, *with;
    int64_t top, features, repeats;
    int bos;
    bool fold;
} own;

#define FIELD(name) offsetof(struct prompt_options, name)

static const struct option own_table[] = {
    {"position", 0, OPTION_TEXT, FIELD(position), "-1", 0, 0, NULL, "N",
     "token whose prediction is explained: from 0, or from the end, -1 the "
     "last"},
    {"token", 0, OPTION_TEXT, FIELD(token), NULL, 0, 0, NULL, "TEXT",
     "next token whose logit is explained, or id:N; unset: the most likely"},
    {"minus", 0, OPTION_TEXT, FIELD(minus), NULL, 0, 0, NULL, "TEXT",
     "explain how far that logit is above this token's"},
    {"features", 0, OPTION_COUNT, FIELD(features), "0", 0, 1e6, NULL, "N",
     "list the N strongest features of every token and layer, each with the "
     "head and the source that it gets most from"},
    {"feature", 0, OPTION_TEXT, FIELD(feature), NULL, 0, 0, NULL, "L2F130@5",
     "divide this feature at this token over heads and sources"},
    {"recursive", 0, OPTION_TEXT, FIELD(recursive), NULL, 0, 0, NULL, "PATH",
     "with --feature: go on from a source, dividing what the head takes from "
     "it "
     "over what wrote it there. \"L2H3@4\" is a head and a source, \"L2H3@4 "
     "L1H0@2\" goes on once more; \"largest\" takes the largest term"},
    {"edit", 0, OPTION_TEXT, FIELD(edit), NULL, 0, 0, NULL, "LIST",
     "change heads (L2H1), features (L2F7) or layers (L2) and show the next "
     "token beside: to zero, times a factor (L2H1x0.5), or as in the prompt of "
     "--with (L2H1=other); @5 or @-1 behind the name for one position, + "
     "between "
     "several"},
    {"with", 0, OPTION_TEXT, FIELD(with), NULL, 0, 0, NULL, "TEXT",
     "a second prompt to compare with, as a corrupted one"},
    {"top", 0, OPTION_COUNT, FIELD(top), "20", 1, 1e6, NULL, "N",
     "the most parts, tokens and differences to list, the largest first"},
    {"repeats", 0, OPTION_COUNT, FIELD(repeats), "0", 0, 1e6, NULL, "N",
     "ask it all N times more and say how long the forward pass and the "
     "questions take, without reading model and SAEs"},
    {"fold-value-biases", 0, OPTION_FLAG, FIELD(fold), NULL, 0, 0, NULL, NULL,
     "z is without value biases, as the SAEs were trained"},
    {"bos", 0, OPTION_CHOICE, FIELD(bos), "always", 0, 0, "always|never", NULL,
     "whether the model's BOS token comes in front"},
};

/* What one run works with. Zero it to begin. */
struct prompt {
    struct prompt_lens *lens;
    struct prompt_run *run, *other; /* other NULL: none */
    struct prompt_question question;
};

static void prompt_free(struct prompt *p)
{
    prompt_run_close(&p->other);
    prompt_run_close(&p->run);
    prompt_lens_close(&p->lens);
}

static bool is_interrupted(void *ctx)
{
    (void)ctx;
    return interrupt_requested();
}

/* ---- input ---- */

static int read_position(int64_t *out, struct err *e)
{
    char *end;
    long long value = strtoll(own.position, &end, 10);
    if (*own.position == '\0' || *end != '\0')
        return err_set(e, ERR_INPUT,
                       "--position %.20s: write a number from 0, or from the "
                       "end, -1 the last",
                       own.position);
    *out = value;
    return 0;
}

static struct prompt_text text_of(const char *text)
{
    return (struct prompt_text){
        .text = text, .size = strlen(text), .no_bos = own.bos != 0};
}

static int read_question(struct prompt_question *q, struct err *e)
{
    bool largest =
        own.recursive != NULL && strcmp(own.recursive, "largest") == 0;
    *q = (struct prompt_question){.top = (size_t)own.top,
                                  .token = own.token,
                                  .minus = own.minus,
                                  .feature = own.feature,
                                  .path = largest ? NULL : own.recursive,
                                  .edits = own.edit,
                                  .stop = {is_interrupted, NULL}};
    if (own.recursive != NULL && own.feature == NULL)
        return err_set(e, ERR_INPUT, "--recursive needs a --feature");
    return read_position(&q->position, e);
}

static int open_lens(struct prompt *p, const struct common_options *common,
                     const char *const *args, size_t n, struct err *e)
{
    const struct prompt_lens_options options = {
        .model = args[0],
        .sae = args + 1,
        .n_saes = n - 2,
        .fold_value_biases = own.fold,
        .threads = (int)common->threads,
    };
    TRY(read_question(&p->question, e));
    return prompt_lens_open(&p->lens, &options, e);
}

static int open_runs(struct prompt *p, const struct prompt_text *text,
                     struct err *e)
{
    const struct prompt_stop *stop = &p->question.stop;
    TRY(prompt_run_open(&p->run, p->lens, text, stop, e));
    if (own.with == NULL)
        return 0;
    const struct prompt_text other = text_of(own.with);
    if (prompt_run_open(&p->other, p->lens, &other, stop, e) != 0)
        return err_prefix(e, "--with");
    p->question.other = p->other;
    return 0;
}

/* ---- questions ---- */

typedef int question_fn(json_t **out, struct prompt_run *run,
                        const struct prompt_question *q, struct err *e);

/* The answer becomes a member of the report. */
static int ask(json_t *report, const char *name, question_fn *fn,
               struct prompt *p, struct err *e)
{
    json_t *answer;
    TRY(fn(&answer, p->run, &p->question, e));
    return json_object_set_new(report, name, answer) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int ask_features(json_t *report, struct prompt *p, struct err *e)
{
    json_t *answer;
    struct prompt_question q = p->question;
    q.top = (size_t)own.features;
    TRY(prompt_features(&answer, p->run, &q, e));
    return json_object_set_new(report, "features", answer) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int ask_all(json_t *report, struct prompt *p, struct err *e)
{
    json_t *tokens;
    TRY(prompt_tokens(&tokens, p->run, &p->question, e));
    if (json_object_update_new(report, tokens) != 0)
        return err_memory(e, "report", 0);
    TRY(ask(report, "next", prompt_next, p, e));
    TRY(ask(report, "logit", prompt_logit, p, e));
    if (own.features > 0)
        TRY(ask_features(report, p, e));
    if (own.feature != NULL)
        TRY(ask(report, "sources", prompt_sources, p, e));
    if (own.recursive != NULL)
        TRY(ask(report, "trace", prompt_trace, p, e));
    if (own.edit != NULL)
        TRY(ask(report, "edit", prompt_edit, p, e));
    if (own.with != NULL)
        TRY(ask(report, "compare", prompt_compare, p, e));
    return 0;
}

/* ---- time ---- */

struct times {
    double *run, *questions, *processor; /* (repeats) seconds */
};

static int rising(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double median_of(double *x, size_t n)
{
    qsort(x, n, sizeof *x, rising);
    return n % 2 == 1 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static int time_once(struct times *t, size_t i, struct prompt *p,
                     const struct prompt_text *text, struct err *e)
{
    json_t *report = json_object();
    clock_t used = clock();
    double begin = clock_seconds(), middle;
    prompt_run_close(&p->other);
    prompt_run_close(&p->run);
    int code = open_runs(p, text, e);
    middle = clock_seconds();
    if (code == 0)
        code = ask_all(report, p, e);
    t->run[i] = middle - begin;
    t->questions[i] = clock_seconds() - middle;
    t->processor[i] = (double)(clock() - used) / CLOCKS_PER_SEC;
    json_decref(report);
    return code;
}

/* Medians of the repeats into the report. */
static int time_all(json_t *report, struct prompt *p,
                    const struct prompt_text *text, struct arena *arena,
                    struct err *e)
{
    struct times t;
    size_t n = (size_t)own.repeats;
    TRY(arena_get(arena, &t.run, n, sizeof *t.run, "times", e));
    TRY(arena_get(arena, &t.questions, n, sizeof *t.questions, "times", e));
    TRY(arena_get(arena, &t.processor, n, sizeof *t.processor, "times", e));
    for (size_t i = 0; i < n; i++)
        TRY(time_once(&t, i, p, text, e));
    json_t *seconds = json_pack("{s:f, s:f, s:f}", "run", median_of(t.run, n),
                                "questions", median_of(t.questions, n),
                                "processor", median_of(t.processor, n));
    return json_object_set_new(report, "seconds", seconds) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

/* ---- the command ---- */

static int run_prompt(struct prompt *p, const struct common_options *common,
                      const char *const *args, size_t n, json_t *report,
                      struct err *e)
{
    size_t tokens;
    const struct prompt_text text = text_of(args[n - 1]);
    TRY(open_lens(p, common, args, n, e));
    TRY(prompt_lens_check(&tokens, p->lens, &text, e));
    if (common->dry_run && !common->json)
        (void)printf("would run a prompt of %zu tokens; writes nothing\n",
                     tokens);
    if (common->dry_run)
        return 0;
    TRY(open_runs(p, &text, e));
    TRY(ask_all(report, p, e));
    if (own.repeats > 0) {
        struct arena arena = {0};
        int code = time_all(report, p, &text, &arena, e);
        arena_free(&arena);
        TRY(code);
    }
    if (!common->json)
        prompt_print(report);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct prompt p = {0};
    int code = run_prompt(&p, common, args, n_args, report, e);
    prompt_free(&p);
    return code;
}

const struct command command_prompt = {
    .usage = {"prompt", "Explain what a model predicts behind a prompt.",
              "MODEL [SAE...] TEXT",
              "Shows the most likely next tokens and divides the logit of one "
              "of them over embeddings, heads, MLPs and biases, as each adds "
              "to it directly; with SAEs also over features. The parts add up "
              "to the logit. Other options ask what features are active, where "
              "one comes from, and what changes when heads or features do. "
              "Writes nothing."},
    .args_min = 2,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own}},
    .n_groups = 1,
    .run = run,
};
