/* SPDX-License-Identifier: MIT */
#include "lens/prompt_next.h"

#include <math.h>
#include <string.h>

#include "base/least.h"
#include "lens/predictions.h"
#include "lens/prompt_text.h"

int distribution_find(struct distribution *out, struct prompt_run *run,
                      const float *x, struct arena *arena, struct err *e)
{
    size_t vocab = (size_t)run->lens->model.gpt2.config.vocab;
    const float *logits;
    TRY(prompt_logits(&logits, run, x, e));
    TRY(arena_get(arena, &out->logits, vocab, sizeof *out->logits, "logits",
                  e));
    memcpy(out->logits, logits, vocab * sizeof *logits);
    out->log_sum = predictions_log_sum(logits, vocab);
    return 0;
}

static double probability(const struct distribution *d, int32_t id)
{
    return exp((double)d->logits[id] - d->log_sum);
}

/* ---- the most likely ---- */

struct likely {
    int32_t id;
    double probability;
};

/* Takes a token into best[*n], which has room for `top` and falls; of equal
 * ones the lower id stands first. */
static void take(struct likely *best, size_t *n, size_t top, struct likely one)
{
    size_t at = *n;
    while (at > 0 && one.probability > best[at - 1].probability)
        at--;
    if (at == top)
        return;
    if (*n < top)
        (*n)++;
    memmove(best + at + 1, best + at, (*n - at - 1) * sizeof *best);
    best[at] = one;
}

/* By the larger probability of both; b may be NULL. */
static int find_likely(struct likely **best, size_t *n, size_t top, int vocab,
                       const struct distribution *a,
                       const struct distribution *b, struct arena *arena,
                       struct err *e)
{
    top = least(top, (size_t)vocab);
    *n = 0;
    TRY(arena_get(arena, best, top, sizeof **best, "tokens", e));
    for (int32_t id = 0; top > 0 && id < vocab; id++) {
        double p = probability(a, id);
        if (b != NULL)
            p = fmax(p, probability(b, id));
        take(*best, n, top, (struct likely){id, p});
    }
    return 0;
}

/* ---- one ---- */

static double entropy_of(const struct distribution *d, int vocab)
{
    double sum = 0;
    for (int32_t id = 0; id < vocab; id++)
        sum += probability(d, id) * (d->log_sum - (double)d->logits[id]);
    return sum;
}

static int answer_next(json_t **out, struct prompt_run *run, size_t position,
                       size_t top, struct arena *arena, struct err *e)
{
    const struct gpt2_config *c = &run->lens->model.gpt2.config;
    struct distribution d;
    struct likely *best;
    size_t n;
    TRY(distribution_find(&d, run, prompt_stage(run, 2 * c->layers, position),
                          arena, e));
    TRY(find_likely(&best, &n, top, c->vocab, &d, NULL, arena, e));
    json_t *next = json_array();
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *token = prompt_text_json(run->lens, best[i].id);
        bad |= json_object_set_new(token, "probability",
                                   json_real(best[i].probability));
        bad |= json_object_set_new(token, "logit",
                                   json_real((double)d.logits[best[i].id]));
        bad |= json_array_append_new(next, token);
    }
    *out = json_pack("{s:I, s:o, s:f}", "position", (json_int_t)position,
                     "next", next, "entropy", entropy_of(&d, c->vocab));
    if (*out == NULL || bad != 0) {
        json_decref(*out);
        return err_memory(e, "an answer", 0);
    }
    return 0;
}

int prompt_next(json_t **out, struct prompt_run *run,
                const struct prompt_question *q, struct err *e)
{
    size_t position;
    struct arena arena = {0};
    TRY(prompt_text_position(&position, run, q->position, e));
    int code = answer_next(out, run, position, q->top, &arena, e);
    arena_free(&arena);
    return code;
}

/* ---- one against another ---- */

int distribution_add_pair(json_t *object, const struct prompt_lens *l,
                          const struct distribution *before,
                          const struct distribution *after, size_t top,
                          struct err *e)
{
    int vocab = l->model.gpt2.config.vocab, bad = 0;
    struct arena arena = {0};
    struct likely *best;
    size_t n = 0;
    json_t *next = json_array();
    int code = find_likely(&best, &n, top, vocab, before, after, &arena, e);
    for (size_t i = 0; i < n; i++) {
        json_t *token = prompt_text_json(l, best[i].id);
        bad |= json_object_set_new(token, "before",
                                   json_real(probability(before, best[i].id)));
        bad |= json_object_set_new(token, "after",
                                   json_real(probability(after, best[i].id)));
        bad |= json_array_append_new(next, token);
    }
    arena_free(&arena);
    double kl =
        predictions_divergence(before->logits, before->log_sum, after->logits,
                               after->log_sum, (size_t)vocab);
    /* Rounding may take it below 0. */
    bad |= json_object_set_new(object, "kl", json_real(fmax(kl, 0)));
    bad |= json_object_set_new(object, "next", next);
    return code != 0 ? code : bad != 0 ? err_memory(e, "an answer", 0) : 0;
}
