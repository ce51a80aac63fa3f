/* SPDX-License-Identifier: MIT
 *
 * What interventions do to a task: a metric of every prompt, left alone and
 * with each of several sets of edits.
 *
 * Where edits patch, or a gap is wanted, every prompt has a corrupted partner
 * of the same length: z is then taken from the partner's run at the same
 * position. With `restore` it is the other way round: the corrupted prompt is
 * run, and z is taken from the clean one. Answers and positions are those of
 * the clean prompt in both.
 */
#ifndef LENS_EFFECTS_H
#define LENS_EFFECTS_H

#include "capture/prompts.h"
#include "lens/edits.h"

/* In the order of the option's choices. a: the prompt's answer tokens, w: its
 * wrong ones; logits and probabilities at the prompt's position. */
enum effect_metric {
    EFFECT_LOGIT_DIFF,      /* mean logit of a − largest logit of w */
    EFFECT_LOGIT_MEAN_DIFF, /* mean logit of a − mean logit of w */
    EFFECT_MASS_DIFF,       /* Σ p(a) − Σ p(w) */
    EFFECT_MASS,            /* Σ p(a) */
    EFFECT_ANSWER_LOSS,     /* −ln Σ p(a), nats */
    EFFECT_LOSS, /* mean of −ln p(next token) in the prompt, nats */
};

/* Edits [first, first + n) of the job's, made together. */
struct effects_set {
    size_t first, n;
};

struct effects_job {
    const struct gpt2 *model;
    const struct prompts *prompts, *corrupted; /* corrupted may be NULL */
    bool restore;
    enum effect_metric metric;
    struct edit_sources sources;
    const struct edit *edit;
    const struct effects_set *set; /* [n_sets] */
    size_t n_sets;
    const struct team *team;
};

struct effects {
    size_t n;                  /* prompts */
    double *clean, *corrupted; /* (n) without edits; corrupted NULL: none */
    double *edited;            /* (n_sets, n) */
    struct arena arena;
};

/* Checks that prompts have what the metric and the edits need, then runs
 * n_sets + 1 passes over them, or + 2 with a corrupted partner. On failure
 * nothing is held. */
int effects_measure(struct effects *x, const struct effects_job *job,
                    struct err *e);
void effects_free(struct effects *x);

/* Mean over prompts of value − base, and its standard error (NaN for a single
 * prompt). */
struct effect {
    double change, error;
};
double effects_mean(const double *x, size_t n);
struct effect effects_change(const double *value, const double *base, size_t n);

#endif
