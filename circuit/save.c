/* SPDX-License-Identifier: MIT */
#include "circuit/save.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/utf8.h"
#include "circuit/truth.h"
#include "store/text.h"

/* The dump's folder without ".dump". */
static void name_of(char *out, size_t size, const struct dump *d)
{
    output_base_name(out, size, dump_info(d)->path);
    char *dot = strrchr(out, '.');
    if (dot != NULL && dot != out && strcmp(dot, ".dump") == 0)
        *dot = '\0';
    utf8_repair(out);
}

static int write_circuit(struct store_writer *w, const struct save_input *in,
                         struct err *e)
{
    const struct task *t = in->experiment->task;
    const struct dump_info *i = dump_info(in->dump);
    char name[256];
    name_of(name, sizeof name, in->dump);
    const struct store_circuit row = {
        .name = name,
        .model = i->model,
        .fingerprint = i->fingerprint,
        .layers = t->layers,
        .first_layer = t->first_layer,
        .heads = t->layer_heads,
        .prompts = (int64_t)t->n,
        .positives = (int64_t)t->positives,
        .seeds = (int64_t)in->experiment->seeds,
        .options = in->options,
        .auc = in->auc,
        .auc_sd = in->auc_sd,
        .auc_edges = in->auc_edges,
        .auc_shuffled = in->auc_shuffled,
        .auc_mean_difference = in->auc_mean_difference,
        .auc_probe = in->auc_probe,
        .auc_edges_sd = in->auc_edges_sd,
        .auc_shuffled_sd = in->auc_shuffled_sd,
        .precision = in->precision,
        .precision_sd = in->precision_sd,
        .recall = in->recall,
        .recall_sd = in->recall_sd,
        .f1 = in->f1,
        .f1_sd = in->f1_sd,
        .paper_f1 = in->paper_f1,
        .paper_f1_sd = in->paper_f1_sd,
    };
    return store_writer_circuit(w, &row, e);
}

/* ---- prompts ---- */

/* Whether tokens can be told as strings. */
static bool have_strings(const struct dump *d)
{
    return dump_tokens(d) != NULL && dump_vocab(d) != NULL;
}

/* Bytes as text, escaped where they are none; the caller's free. */
static int make_text(char **out, const char *bytes, size_t length,
                     struct err *e)
{
    *out = malloc(4 * length + 1);
    if (*out == NULL)
        return err_memory(e, "a prompt", 4 * length + 1);
    (*out)[store_text_escape(*out, bytes, length)] = '\0';
    return 0;
}

/* The context's text, escaped as a whole: a character may be two tokens. */
static int make_context(char **out, const struct dump *d, uint64_t context,
                        struct err *e)
{
    const int64_t *starts = dump_contexts(d) + context;
    const int32_t *ids = dump_tokens(d);
    const struct vocab *v = dump_vocab(d);
    size_t length = 0, n = 0;
    bool known = have_strings(d);
    for (int64_t t = starts[0]; known && t < starts[1]; t++)
        length += v->length[ids[t]];
    char *bytes = malloc(length + 1);
    if (bytes == NULL)
        return err_memory(e, "a prompt", length + 1);
    for (int64_t t = starts[0]; known && t < starts[1]; t++) {
        memcpy(bytes + n, v->text[ids[t]], v->length[ids[t]]);
        n += v->length[ids[t]];
    }
    int code = make_text(out, bytes, length, e);
    free(bytes);
    return code;
}

/* The answer's token as text, or NULL. */
static int make_answer(char **out, const struct dump *d, uint64_t context,
                       struct err *e)
{
    const struct dump_prompts *p = dump_prompts(d);
    const struct vocab *v = dump_vocab(d);
    *out = NULL;
    if (p == NULL || v == NULL || p->answer[context] < 0 ||
        (size_t)p->answer[context] >= v->n)
        return 0;
    int32_t id = p->answer[context];
    return make_text(out, v->text[id], v->length[id], e);
}

static int write_prompt(struct store_writer *w, const struct dump *d,
                        uint64_t context, int label, struct err *e)
{
    const struct dump_prompts *p = dump_prompts(d);
    char *text, *answer;
    TRY(make_context(&text, d, context, e));
    int code = make_answer(&answer, d, context, e);
    const struct store_circuit_prompt row = {
        .prompt = (int64_t)context,
        .label = label,
        .text = text,
        .position = p == NULL ? -1 : p->position[context],
        .answer = answer,
    };
    if (code == 0)
        code = store_writer_circuit_prompt(w, &row, e);
    free(text);
    free(answer);
    return code;
}

static int write_tokens(struct store_writer *w, const struct dump *d,
                        uint64_t context, struct err *e)
{
    const int64_t *starts = dump_contexts(d) + context;
    const int32_t *ids = dump_tokens(d);
    const struct vocab *v = dump_vocab(d);
    for (int64_t t = starts[0]; have_strings(d) && t < starts[1]; t++) {
        char *text;
        const char *bytes = v->text[ids[t]];
        size_t length = v->length[ids[t]];
        TRY(make_text(&text, bytes, length, e));
        int code =
            store_writer_circuit_token(w, (int64_t)context, t - starts[0], text,
                                       !store_text_is_plain(bytes, length), e);
        free(text);
        TRY(code);
    }
    return 0;
}

static int write_prompts(struct store_writer *w, const struct save_input *in,
                         struct err *e)
{
    const struct task *t = in->experiment->task;
    for (size_t i = 0; i < t->n; i++) {
        TRY(write_prompt(w, in->dump, t->context[i], t->label[i], e));
        TRY(write_tokens(w, in->dump, t->context[i], e));
    }
    return 0;
}

/* ---- heads, codes, edges ---- */

static int layer_of(const struct task *t, size_t head)
{
    return t->first_layer + (int)head / t->layer_heads;
}

static int number_of(const struct task *t, size_t head)
{
    return (int)head % t->layer_heads;
}

static double shuffled(const struct experiment *x, size_t head)
{
    double sum = 0;
    for (size_t i = 0; i < x->seeds; i++)
        for (size_t k = 0; k < x->shuffles; k++)
            sum += x->seed[i].shuffled[k * x->task->heads + head];
    return sum / (double)(x->seeds * x->shuffles);
}

static int write_heads(struct store_writer *w, const struct save_input *in,
                       const double *effect, struct err *e)
{
    const struct experiment *x = in->experiment;
    const struct task *t = x->task;
    for (size_t h = 0; h < t->heads; h++) {
        char name[TASK_HEAD_MAX];
        task_head_name(name, t, h);
        const struct store_circuit_head row = {
            .layer = layer_of(t, h),
            .head = number_of(t, h),
            .name = name,
            .score = x->node[h],
            .score_edges = x->edges[h],
            .score_shuffled = shuffled(x, h),
            .mean_difference = in->difference[h],
            .probe = in->probe[h],
            .in_circuit = in->truth == NULL ? -1 : in->truth[h],
            .effect = in->truth_file == NULL ? (double)NAN : effect[h],
        };
        TRY(store_writer_circuit_head(w, &row, e));
    }
    return 0;
}

static int write_codes(struct store_writer *w, const struct save_input *in,
                       struct err *e)
{
    const struct task *t = in->experiment->task;
    const int32_t *code = in->experiment->seed[0].code;
    for (size_t h = 0; h < t->heads; h++)
        for (size_t i = 0; i < t->n; i++)
            if (code[i * t->heads + h] >= 0)
                TRY(store_writer_circuit_code(
                    w, layer_of(t, h), number_of(t, h), (int64_t)t->context[i],
                    code[i * t->heads + h], e));
    return 0;
}

static int write_edges(struct store_writer *w, const struct save_input *in,
                       struct err *e)
{
    const struct task *t = in->experiment->task;
    const uint32_t *edge = in->experiment->seed[0].edge;
    for (size_t h = 0; h < t->heads; h++)
        for (size_t k = h + 1; k < t->heads; k++) {
            const int heads[] = {layer_of(t, h), number_of(t, h),
                                 layer_of(t, k), number_of(t, k)};
            if (edge[h * t->heads + k] > 0)
                TRY(store_writer_circuit_edge(w, heads, edge[h * t->heads + k],
                                              e));
        }
    return 0;
}

static int write_all(struct store_writer *w, const struct save_input *in,
                     const double *effect, struct err *e)
{
    TRY(write_circuit(w, in, e));
    TRY(write_prompts(w, in, e));
    TRY(write_heads(w, in, effect, e));
    TRY(write_codes(w, in, e));
    TRY(write_edges(w, in, e));
    return store_writer_end_circuit(w, e);
}

/* With the effects of its truth. */
static int save(const char *path, const struct save_input *in,
                const double *effect, struct err *e)
{
    struct store_writer *w;
    bool there = access(path, F_OK) == 0;
    TRY(there ? store_writer_open_in_place(&w, path, e)
              : store_writer_open(&w, path, false, e));
    int code = write_all(w, in, effect, e);
    if (there) {
        store_writer_leave(&w);
        return code;
    }
    if (code == 0)
        code = store_writer_commit(&w, e);
    if (code != 0)
        store_writer_abort(&w);
    return code;
}

int save_circuit(const char *path, const struct save_input *in, struct err *e)
{
    const struct task *t = in->experiment->task;
    int code = 0;
    double *effect = malloc(t->heads * sizeof *effect);
    if (effect == NULL)
        return err_memory(e, "effects", t->heads * sizeof *effect);
    if (in->truth_file != NULL)
        code = truth_read_effects(effect, t, in->truth_file, e);
    if (code == 0)
        code = save(path, in, effect, e);
    free(effect);
    return code;
}
