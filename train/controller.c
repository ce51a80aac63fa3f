/* SPDX-License-Identifier: MIT */
#include "train/controller.h"

#include <math.h>

/* Gains per thousandth of a run, and the penalty's share of the loss to begin
 * with. */
static const double integral = 0.03, proportional = 2.0, share = 0.01;
/* Memory of Σ u / Σ φ(u). */
static const double keep = 0.9;

static double power_at(const struct sparsity *s, uint64_t t)
{
    if (t <= s->p_from || s->p_end == 1)
        return 1;
    if (t >= s->p_until)
        return s->p_end;
    double done = (double)(t - s->p_from) / (double)(s->p_until - s->p_from);
    return 1 - done * (1 - s->p_end);
}

struct penalty controller_penalty(const struct controller *c,
                                  const struct sparsity *s, uint64_t t)
{
    double lambda = c->lambda;
    if (!s->steered) {
        lambda = s->lambda;
        if (t < s->warmup_until)
            lambda *= (double)t / (double)s->warmup_until;
    }
    double p = power_at(s, t);
    if (p < 1 && c->ratio > 0)
        lambda *= c->ratio;
    return (struct penalty){
        .kind = s->kind, .weight = lambda, .p = p, .target = s->target};
}

/* L(t) */
static double wanted(const struct controller *c, const struct sparsity *s,
                     uint64_t t)
{
    if (t >= s->warmup_until || c->first_l0 <= s->target)
        return s->target;
    double left = 1 - (double)t / (double)s->warmup_until;
    return s->target * pow(c->first_l0 / s->target, left);
}

static double clamp(double x)
{
    return fmin(fmax(x, -1), 1);
}

static void steer(struct controller *c, const struct sparsity *s, uint64_t t,
                  uint64_t steps, const struct step_result *result)
{
    if (c->lambda == 0) {
        c->first_l0 = result->l0;
        c->lambda = result->sum > 0 ? share * result->error / result->sum : 1;
        return;
    }
    double l0 = fmax(result->l0, 1e-3);
    double error = clamp(log(l0 / wanted(c, s, t)));
    double thousandths = 1000 / (double)steps;
    c->lambda *=
        exp(integral * thousandths * error + proportional * (error - c->error));
    c->error = error;
    if (result->sum > 0)
        c->lambda = fmin(c->lambda, s->spread / result->sum);
}

void controller_observe(struct controller *c, const struct sparsity *s,
                        uint64_t t, uint64_t steps,
                        const struct step_result *result)
{
    if (s->steered)
        steer(c, s, t, steps, result);
    if (s->p_end == 1 || !(result->sum > 0))
        return;
    double ratio = result->l1 / result->sum;
    c->ratio = c->ratio > 0 ? keep * c->ratio + (1 - keep) * ratio : ratio;
}
