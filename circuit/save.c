/* SPDX-License-Identifier: MIT */
#include "circuit/save.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/utf8.h"
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
    };
    return store_writer_circuit(w, &row, e);
}

/* ---- prompts ---- */

/* The context's text, escaped where its bytes are no text. */
static int make_text(char **out, const struct dump *d, uint64_t context,
                     struct err *e)
{
    const int64_t *starts = dump_contexts(d) + context;
    const int32_t *ids = dump_tokens(d);
    const struct vocab *v = dump_vocab(d);
    size_t length = 0, n = 0;
    bool known = ids != NULL && v != NULL;
    for (int64_t t = starts[0]; known && t < starts[1]; t++)
        length += v->length[ids[t]];
    char *bytes = malloc(length + 1);
    *out = malloc(4 * length + 1);
    if (bytes == NULL || *out == NULL) {
        free(bytes);
        free(*out);
        return err_memory(e, "a prompt", 5 * length);
    }
    for (int64_t t = starts[0]; known && t < starts[1]; t++) {
        memcpy(bytes + n, v->text[ids[t]], v->length[ids[t]]);
        n += v->length[ids[t]];
    }
    (*out)[store_text_escape(*out, bytes, length)] = '\0';
    free(bytes);
    return 0;
}

static int write_prompts(struct store_writer *w, const struct save_input *in,
                         struct err *e)
{
    const struct task *t = in->experiment->task;
    for (size_t i = 0; i < t->n; i++) {
        char *text;
        TRY(make_text(&text, in->dump, t->context[i], e));
        int code = store_writer_circuit_prompt(w, (int64_t)t->context[i],
                                               t->label[i], text, e);
        free(text);
        TRY(code);
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
                       struct err *e)
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
                     struct err *e)
{
    TRY(write_circuit(w, in, e));
    TRY(write_prompts(w, in, e));
    TRY(write_heads(w, in, e));
    TRY(write_codes(w, in, e));
    TRY(write_edges(w, in, e));
    return store_writer_end_circuit(w, e);
}

int save_circuit(const char *path, const struct save_input *in, struct err *e)
{
    struct store_writer *w;
    bool there = access(path, F_OK) == 0;
    TRY(there ? store_writer_open_in_place(&w, path, e)
              : store_writer_open(&w, path, false, e));
    int code = write_all(w, in, e);
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
