/* SPDX-License-Identifier: MIT */
#include "lens/edits.h"
#include "lens/prompt_feature.h"
#include "lens/prompt_text.h"
#include "lens/readout.h"

int prompt_feature_read(struct prompt_feature *f, const struct prompt_run *run,
                        const char *text, struct err *e)
{
    const struct prompt_lens *l = run->lens;
    struct edit at;
    if (text == NULL)
        return err_set(e, ERR_INPUT, "no feature is named");
    TRY(edits_parse(&at, text, &l->model.gpt2.config, e));
    if (at.feature < 0 || at.everywhere)
        return err_set(e, ERR_INPUT,
                       "%s: name a feature at a token, as L2F130@5", text);
    if (!saes_has(&l->saes, at.layer))
        return err_set(e, ERR_INPUT, "%s: layer %d has no SAE here", text,
                       at.layer);
    const struct sae *sae = &l->saes.sae[at.layer];
    if ((uint64_t)at.feature >= sae->m)
        return err_set(e, ERR_INPUT, "%s: the SAE has features 0 to %zu", text,
                       sae->m - 1);
    f->layer = at.layer;
    f->feature = (uint32_t)at.feature;
    TRY(prompt_text_position(&f->position, run, at.position, e));
    f->activation =
        (double)codes_value(&run->codes[f->layer], f->position, f->feature);
    f->w_enc = sae->w_enc + (size_t)f->feature * run->d;
    return 0;
}

void prompt_feature_sources(double *terms, double *w, float *room,
                            const struct prompt_run *run,
                            const struct prompt_feature *f, int head)
{
    size_t d_head = (size_t)run->lens->model.gpt2.config.d_head;
    for (size_t i = 0; i < d_head; i++)
        w[i] = (double)f->w_enc[(size_t)head * d_head + i];
    readout_sources(terms, room, run, f->layer, head, f->position, w);
}

/* What the pre-activation has beside the terms of sources. */
static double constant_of(const struct prompt_run *run,
                          const struct prompt_feature *f)
{
    const struct sae *sae = &run->lens->saes.sae[f->layer];
    double constant = (double)sae->b_enc[f->feature];
    for (size_t i = 0; sae->apply_b_dec_to_input && i < run->d; i++)
        constant -= (double)sae->b_dec[i] * (double)f->w_enc[i];
    return constant;
}

static double pre_of(const struct prompt_run *run,
                     const struct prompt_feature *f)
{
    const float *z = run->z[f->layer] + f->position * run->d;
    double sum = constant_of(run, f);
    for (size_t i = 0; i < run->d; i++)
        sum += (double)z[i] * (double)f->w_enc[i];
    return sum;
}

struct room {
    double *terms, *w;
    float *pattern;
};

static int list_heads(json_t *object, const struct prompt_run *run,
                      const struct prompt_feature *f, const struct room *room)
{
    json_t *heads = json_array(), *dfa = json_array();
    double sum = 0;
    int bad = 0;
    for (int h = 0; h < run->lens->model.gpt2.config.heads; h++) {
        double of_head = 0;
        json_t *terms = json_array();
        prompt_feature_sources(room->terms, room->w, room->pattern, run, f, h);
        for (size_t i = 0; i <= f->position; i++) {
            of_head += room->terms[i];
            bad |= json_array_append_new(terms, json_real(room->terms[i]));
        }
        sum += of_head;
        bad |= json_array_append_new(heads, json_real(of_head));
        bad |= json_array_append_new(dfa, terms);
    }
    bad |= json_object_set_new(object, "sum", json_real(sum));
    bad |= json_object_set_new(object, "heads", heads);
    return bad | json_object_set_new(object, "dfa", dfa);
}

static int answer(json_t **out, const struct prompt_run *run,
                  const struct prompt_feature *f, struct arena *arena,
                  struct err *e)
{
    struct room room;
    size_t d_head = (size_t)run->lens->model.gpt2.config.d_head;
    TRY(arena_get(arena, &room.terms, run->n, sizeof *room.terms, "DFA", e));
    TRY(arena_get(arena, &room.pattern, run->n, sizeof *room.pattern, "DFA",
                  e));
    TRY(arena_get(arena, &room.w, d_head, sizeof *room.w, "DFA", e));
    *out = json_pack("{s:i, s:I, s:I, s:f, s:f, s:f}", "layer", f->layer,
                     "feature", (json_int_t)f->feature, "position",
                     (json_int_t)f->position, "activation", f->activation,
                     "pre", pre_of(run, f), "constant", constant_of(run, f));
    if (*out == NULL || list_heads(*out, run, f, &room) != 0) {
        json_decref(*out);
        return err_memory(e, "an answer", 0);
    }
    return 0;
}

int prompt_sources(json_t **out, struct prompt_run *run,
                   const struct prompt_question *q, struct err *e)
{
    struct prompt_feature f;
    struct arena arena = {0};
    TRY(prompt_feature_read(&f, run, q->feature, e));
    int code = answer(out, run, &f, &arena, e);
    arena_free(&arena);
    return code;
}
