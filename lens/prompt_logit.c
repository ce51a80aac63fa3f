/* SPDX-License-Identifier: MIT
 *
 * Direct logit attribution, with the last LayerNorm's scale as it is
 * (lens/readout.h): what each part adds to a logit by W_U alone, not through
 * later layers.
 */
#include <math.h>

#include "lens/prompt_parts.h"
#include "lens/prompt_text.h"

struct asked {
    size_t position;
    int32_t token, minus; /* minus -1: none */
};

static int read_question(struct asked *a, struct prompt_run *run,
                         const struct prompt_question *q, struct err *e)
{
    const struct gpt2_config *c = &run->lens->model.gpt2.config;
    a->token = 0;
    a->minus = -1;
    TRY(prompt_text_position(&a->position, run, q->position, e));
    if (q->minus != NULL)
        TRY(prompt_text_token(&a->minus, run->lens, q->minus, "minus", e));
    if (q->token != NULL)
        return prompt_text_token(&a->token, run->lens, q->token, "token", e);
    const float *logits;
    TRY(prompt_logits(&logits, run,
                      prompt_stage(run, 2 * c->layers, a->position), e));
    for (int v = 1; v < c->vocab; v++)
        if (logits[v] > logits[a->token])
            a->token = v;
    return 0;
}

/* w (d) of W_U[token] − W_U[minus]. */
static void find_unembedding(double *w, const struct prompt_run *run,
                             const struct asked *a)
{
    const float *head = run->lens->model.gpt2.head;
    for (size_t i = 0; i < run->d; i++) {
        w[i] = (double)head[(size_t)a->token * run->d + i];
        if (a->minus >= 0)
            w[i] -= (double)head[(size_t)a->minus * run->d + i];
    }
}

static int answer(json_t *out, const struct prompt_run *run,
                  const struct asked *a, size_t top, struct arena *arena,
                  struct err *e)
{
    const struct gpt2 *g = &run->lens->model.gpt2;
    int layers = g->config.layers;
    double *w, *u;
    struct prompt_constant bias = {"bias of the last LayerNorm", 0};
    struct readout r;
    TRY(arena_get(arena, &w, run->d, sizeof *w, "a direction", e));
    TRY(arena_get(arena, &u, run->d, sizeof *u, "a direction", e));
    find_unembedding(w, run, a);
    const float *x = prompt_stage(run, 2 * layers, a->position);
    readout_through_norm(u, &bias.value, w, x, &g->ln_f, &g->config);
    TRY(readout_find(&r, run, layers, a->position, u, arena, e));
    double logit = bias.value + readout_dot(x, u, run->d);
    if (!isfinite(logit))
        return err_set(e, ERR_INPUT,
                       "the model's logit of token %d is not "
                       "finite",
                       a->token);
    json_t *minus =
        a->minus < 0 ? json_null() : prompt_text_json(run->lens, a->minus);
    json_t *head = json_pack(
        "{s:I, s:o, s:o, s:f}", "position", (json_int_t)a->position, "token",
        prompt_text_json(run->lens, a->token), "minus", minus, "logit", logit);
    if (json_object_update_new(out, head) != 0)
        return err_memory(e, "an answer", 0);
    const struct prompt_parts parts = {.readout = &r,
                                       .position = a->position,
                                       .constant = &bias,
                                       .n_constants = 1,
                                       .top = top};
    return prompt_parts_add(out, &parts, run, e);
}

int prompt_logit(json_t **out, struct prompt_run *run,
                 const struct prompt_question *q, struct err *e)
{
    struct asked asked;
    struct arena arena = {0};
    TRY(read_question(&asked, run, q, e));
    json_t *object = json_object();
    int code = answer(object, run, &asked, q->top, &arena, e);
    arena_free(&arena);
    if (code != 0)
        json_decref(object);
    else
        *out = object;
    return code;
}
