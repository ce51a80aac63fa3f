/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "capture/texts.h"
#include "lens/induction.h"
#include "lens/induction_text.h"
#include "lens/prompt_run.h"

/* ---- what is asked ---- */

static size_t or_default(size_t value, size_t fallback)
{
    return value != 0 ? value : fallback;
}

static struct induction_job job_of(const struct prompt_lens *l,
                                   const struct prompt_induction *o,
                                   const struct prompt_stop *stop)
{
    return (struct induction_job){
        .model = &l->model.gpt2,
        .bos = tokenizer_bos(l->model.tokenizer),
        .eos = tokenizer_eos(l->model.tokenizer),
        .vocab = tokenizer_vocab(l->model.tokenizer)->n,
        .count = or_default(o->count, 100),
        .tokens = or_default(o->tokens, 128),
        .longest = or_default(o->longest, 9),
        .seed = o->seed,
        .team = &l->team,
        .stop = stop,
    };
}

/* ---- answers ---- */

struct ranked {
    size_t head; /* of all layers */
    double attention;
};

static int largest_first(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->attention != b->attention)
        return a->attention > b->attention ? -1 : 1;
    return a->head < b->head ? -1 : 1;
}

static json_t *figures(const double *x, size_t n)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_figure(x[i]));
    return out;
}

static size_t half_of(const double *attention, size_t longest)
{
    double most = 0;
    size_t p = 0;
    for (size_t i = 0; i < longest; i++)
        most = attention[i] > most ? attention[i] : most;
    while (attention[p] < most / 2)
        p++;
    return p + 1;
}

static json_t *head_json(const struct induction *x, size_t head, size_t heads)
{
    size_t at = head * x->longest, n = x->longest;
    return json_pack(
        "{s:I, s:I, s:o, s:o, s:o, s:o, s:I}", "layer",
        (json_int_t)(head / heads), "head", (json_int_t)(head % heads),
        "attention", figures(x->attention + at, n), "attention_se",
        figures(x->attention_error + at, n), "logit", figures(x->logit + at, n),
        "logit_se", figures(x->logit_error + at, n), "half",
        (json_int_t)half_of(x->attention + at, n));
}

static int answer(json_t **out, const struct induction *x,
                  const struct induction_job *job, struct err *e)
{
    struct ranked *order = calloc(x->heads, sizeof *order);
    json_t *heads = json_array();
    int bad = order == NULL;
    for (size_t h = 0; bad == 0 && h < x->heads; h++)
        order[h] = (struct ranked){h, x->attention[(h + 1) * x->longest - 1]};
    if (bad == 0)
        qsort(order, x->heads, sizeof *order, largest_first);
    for (size_t h = 0; bad == 0 && h < x->heads; h++)
        bad |= json_array_append_new(
            heads,
            head_json(x, order[h].head, (size_t)job->model->config.heads));
    free(order);
    *out = json_pack("{s:I, s:I, s:I, s:o}", "seed", (json_int_t)job->seed,
                     "count", (json_int_t)job->count, "tokens",
                     (json_int_t)job->tokens, "heads", heads);
    if (*out == NULL || bad != 0) {
        json_decref(*out);
        return err_memory(e, "an answer", 0);
    }
    return 0;
}

int prompt_induction(json_t **out, struct prompt_lens *l,
                     const struct prompt_induction *options,
                     const struct prompt_stop *stop, struct err *e)
{
    struct induction x;
    const struct induction_job job = job_of(l, options, stop);
    TRY(induction_measure(&x, &job, e));
    int code = answer(out, &x, &job, e);
    induction_free(&x);
    return code;
}

static json_t *sequence_json(const int32_t *ids, size_t n, size_t prefix,
                             size_t source)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_integer(ids[i]));
    return json_pack("{s:o, s:[i], s:I, s:I}", "ids", list, "answer_tokens",
                     ids[source], "prefix", (json_int_t)prefix, "source",
                     (json_int_t)source);
}

int prompt_induction_sequences(json_t **out, const struct prompt_lens *l,
                               const struct prompt_induction *options,
                               struct err *e)
{
    const struct induction_job job = job_of(l, options, NULL);
    TRY(induction_check(&job, e));
    int32_t *ids = malloc((job.tokens + 1) * sizeof *ids);
    if (ids == NULL)
        return err_memory(e, "a sequence", (job.tokens + 1) * sizeof *ids);
    json_t *list = json_array();
    int bad = 0;
    for (size_t p = 1; p <= job.longest; p++)
        for (size_t i = 0; i < job.count; i++) {
            size_t source = induction_draw(ids, &job, p, i);
            bad |= json_array_append_new(
                list, sequence_json(ids, job.tokens + 1, p, source));
        }
    free(ids);
    if (bad != 0) {
        json_decref(list);
        return err_memory(e, "an answer", 0);
    }
    *out = list;
    return 0;
}

/* ---- in text ---- */

struct of_text {
    const struct induction_text *x;
    size_t head;
};

/* Heads without pairs last. */
static double fall_of(const struct of_text *a)
{
    const struct induction_text *x = a->x;
    return x->pairs[a->head] > 0 ? x->attention[a->head] - x->replaced[a->head]
                                 : -INFINITY;
}

static int largest_fall_first(const void *left, const void *right)
{
    const struct of_text *a = left, *b = right;
    double x = fall_of(a), y = fall_of(b);
    if (x != y)
        return x > y ? -1 : 1;
    return a->head < b->head ? -1 : 1;
}

enum { EXAMPLES = 3 };

static json_t *example_json(const struct induction_pair *p,
                            const struct induction_text_job *job)
{
    const int32_t *ids = job->ids + job->starts[p->context];
    json_t *list = json_array();
    for (size_t i = 0; i <= p->dst; i++)
        (void)json_array_append_new(list, json_integer(ids[i]));
    return json_pack("{s:o, s:I, s:i, s:f, s:f}", "ids", list, "source",
                     (json_int_t)p->src, "token", p->token, "attention",
                     (double)p->attention, "replaced", (double)p->replaced);
}

static json_t *text_head_json(const struct induction_text *x, size_t head,
                              const struct induction_text_job *job)
{
    size_t heads = (size_t)job->model->config.heads, first = 0;
    json_t *examples = json_array();
    while (x->pair[first].head != head)
        first++;
    for (size_t i = 0; i < EXAMPLES && i < x->pairs[head]; i++)
        (void)json_array_append_new(examples,
                                    example_json(&x->pair[first + i], job));
    return json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:o}", "layer", (json_int_t)(head / heads),
        "head", (json_int_t)(head % heads), "pairs", (json_int_t)x->pairs[head],
        "attention", x->attention[head], "replaced", x->replaced[head],
        "examples", examples);
}

static int answer_text(json_t **out, const struct induction_text *x,
                       const struct induction_text_job *job, struct err *e)
{
    struct of_text *order = calloc(x->heads, sizeof *order);
    json_t *list = json_array();
    int bad = order == NULL;
    for (size_t h = 0; bad == 0 && h < x->heads; h++)
        order[h] = (struct of_text){x, h};
    if (bad == 0)
        qsort(order, x->heads, sizeof *order, largest_fall_first);
    for (size_t i = 0; bad == 0 && i < x->heads; i++)
        if (x->pairs[order[i].head] > 0)
            bad |= json_array_append_new(list,
                                         text_head_json(x, order[i].head, job));
    free(order);
    *out = json_pack("{s:I, s:I, s:o}", "pairs", (json_int_t)x->n_pairs,
                     "contexts", (json_int_t)job->n, "heads", list);
    if (*out == NULL || bad != 0) {
        json_decref(*out);
        return err_memory(e, "an answer", 0);
    }
    return 0;
}

static int run_text(json_t **out, const struct induction_job *job,
                    const struct texts *texts, struct err *e)
{
    struct induction_text x;
    const struct induction_text_job all = {.model = job->model,
                                           .ids = texts->contexts.ids,
                                           .starts = texts->contexts.starts,
                                           .n = texts->contexts.n,
                                           .bos = job->bos,
                                           .eos = job->eos,
                                           .vocab = job->vocab,
                                           .most = job->count,
                                           .seed = job->seed,
                                           .team = job->team,
                                           .stop = job->stop};
    TRY(induction_text_measure(&x, &all, e));
    int code = answer_text(out, &x, &all, e);
    induction_text_free(&x);
    return code;
}

int prompt_induction_text(json_t **out, struct prompt_lens *l,
                          const char *files, uint64_t tokens,
                          const struct prompt_induction *options,
                          const struct prompt_stop *stop, struct err *e)
{
    struct texts texts;
    const struct induction_job job = job_of(l, options, stop);
    const struct texts_options o = {
        .cut = {.length = job.tokens + 1, .bos = true, .tokens = tokens}};
    TRY(induction_check(&job, e));
    TRY(texts_read(&texts, l->model.tokenizer, files, &o, e));
    int code = run_text(out, &job, &texts, e);
    texts_free(&texts);
    return code;
}
