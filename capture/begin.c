/* SPDX-License-Identifier: MIT */
#include "capture/parts.h"

#include <string.h>

#include <cblas.h>

#include "base/format.h"
#include "base/log.h"
#include "dump/weights.h"

static struct dump_info info_of(const struct capture *c)
{
    return (struct dump_info){
        .model = c->model.name,
        .first_layer = c->plan.first_layer,
        .layers = c->plan.layers,
        .heads = c->plan.heads,
        .d_head = c->plan.d_head,
        .d_model = c->model.gpt2.config.d_model,
        .tokens = c->plan.tokens,
        .contexts = c->plan.contexts,
        .dtype = c->plan.dtype,
        .bos = c->o->bos == 0 ? "always" : "never",
        .fold_value_biases = c->o->fold_value_biases,
        .model_fingerprint = c->model.gpt2.fingerprint,
    };
}

/* ---- the same work? ---- */

static void add_string(struct fingerprint *f, const char *text)
{
    fingerprint_add(f, text, strlen(text) + 1);
}

static void add_texts(struct fingerprint *f, const struct texts *x)
{
    const struct contexts *c = &x->contexts;
    fingerprint_add(f, c->ids, c->tokens * sizeof *c->ids);
    fingerprint_add(f, c->starts, (c->n + 1) * sizeof *c->starts);
    fingerprint_add(f, c->group, c->n * sizeof *c->group);
    for (size_t i = 0; i < x->n; i++)
        add_string(f, x->names[i]);
}

static void add_vocab(struct fingerprint *f, const struct vocab *v)
{
    fingerprint_add(f, v->length, v->n * sizeof *v->length);
    for (size_t i = 0; i < v->n; i++)
        fingerprint_add(f, v->text[i], v->length[i]);
}

/* Of all that is in the dump or has a say in its bytes: also how contexts are
 * grouped, and whose products these are, as both move last digits. */
static int make_identity(const struct capture *c, char out[FINGERPRINT_HEX],
                         struct err *e)
{
    const struct dump_info info = info_of(c);
    const int numbers[] = {info.first_layer, info.layers, (int)info.dtype,
                           info.fold_value_biases};
    struct fingerprint f;
    TRY(fingerprint_begin(&f, e));
    fingerprint_add(&f, numbers, sizeof numbers);
    add_string(&f, info.model);
    add_string(&f, info.bos);
    add_string(&f, info.model_fingerprint);
    add_string(&f, openblas_get_corename());
    add_texts(&f, &c->texts);
    add_string(&f, c->o->prompts != NULL ? "prompts" : "text");
    add_vocab(&f, tokenizer_vocab(c->model.tokenizer));
    fingerprint_add(&f, c->packing.first,
                    (c->packing.groups + 1) * sizeof *c->packing.first);
    fingerprint_end(&f, out);
    return 0;
}

static void say_what_was_left(const struct capture *c,
                              const struct dump_resume *r)
{
    char rows[32], all[32];
    format_count(rows, sizeof rows, (double)r->rows);
    format_count(all, sizeof all, (double)c->plan.tokens);
    if (r->other)
        log_line(LOG_PROGRESS,
                 "%s: what another capture left unfinished is removed; "
                 "beginning anew",
                 c->o->output);
    else if (r->rows > 0)
        log_line(LOG_PROGRESS,
                 "%s: %s of %s tokens are there already; going on",
                 c->o->output, rows, all);
}

/* ---- what stands before the rows ---- */

static int write_groups(const struct texts *x, struct dump_writer *w,
                        struct err *e)
{
    const struct dump_groups groups = {x->n, x->names, x->contexts.group};
    return x->n > 0 ? dump_writer_groups(w, &groups, e) : 0;
}

/* Conv1D has its weight (in, out): rows of z come head by head as they are. */
static int write_weights(const struct capture *c, struct dump_writer *w,
                         struct err *e)
{
    const struct gpt2 *g = &c->model.gpt2;
    const float *w_o[DUMP_LAYERS_MAX];
    const struct weights_source from = {.w_o = w_o,
                                        .w_u = g->head,
                                        .vocab = (size_t)g->config.vocab,
                                        .ln_gain = g->ln_f.weight,
                                        .ln_bias = g->ln_f.bias};
    for (int l = 0; l < c->plan.layers; l++)
        w_o[l] = g->layer[c->plan.first_layer + l].attn_proj.weight;
    return dump_writer_weights(w, &from, e);
}

int capture_begin_dump(const struct capture *c, struct dump_writer **w,
                       bool force, uint64_t *rows, struct err *e)
{
    const struct dump_info info = info_of(c);
    char identity[FINGERPRINT_HEX];
    struct dump_resume r = {.identity = identity};
    TRY(make_identity(c, identity, e));
    TRY(dump_writer_resume(w, c->o->output, &info, force, &r, e));
    say_what_was_left(c, &r);
    *rows = r.rows;
    TRY(dump_writer_tokens(*w, c->texts.contexts.ids, c->texts.contexts.starts,
                           e));
    TRY(write_groups(&c->texts, *w, e));
    if (c->prompts != NULL)
        TRY(dump_writer_prompts(*w, c->prompts, e));
    TRY(dump_writer_vocab(*w, tokenizer_vocab(c->model.tokenizer), e));
    return write_weights(c, *w, e);
}
