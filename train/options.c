/* SPDX-License-Identifier: MIT */
#include "train/options.h"

#include <inttypes.h>
#include <math.h>

const char *train_architecture_name(enum train_architecture a)
{
    static const char *const names[] = {"batchtopk", "topk",     "matryoshka",
                                        "relu",      "jumprelu", "gated"};
    return names[a];
}

size_t train_aux_parts(double share)
{
    return (size_t)lround(1 / share);
}

static size_t default_k(size_t d)
{
    return d <= 64 ? 8 : d <= 128 ? 16 : d < 2048 ? 32 : 64;
}

static uint64_t clamp(uint64_t v, uint64_t low, uint64_t high)
{
    return v < low ? low : v > high ? high : v;
}

static int check(const struct train_config *c, struct err *e)
{
    if (c->m > (1 << 20))
        return err_set(e, ERR_INPUT, "%zu features; at most 1048576", c->m);
    if (c->k > c->m)
        return err_set(e, ERR_INPUT,
                       "k %zu is more than the %zu features; lower --k or "
                       "raise --features",
                       c->k, c->m);
    /* Pairs of a batch are numbered by 32 bits; k begins at four times its
     * value. */
    if ((uint64_t)c->batch * c->k * 4 > UINT32_MAX)
        return err_set(e, ERR_INPUT,
                       "a batch of %zu rows with k %zu has too many active "
                       "features; lower --batch or --k",
                       c->batch, c->k);
    if ((uint64_t)c->batch * c->m > UINT32_MAX &&
        train_has_penalty(c->architecture))
        return err_set(e, ERR_INPUT,
                       "a batch of %zu rows may have too many active features "
                       "of %zu; lower --batch or --features",
                       c->batch, c->m);
    if (c->warmup > c->steps)
        return err_set(e, ERR_INPUT,
                       "a warm-up of %" PRIu64 " steps in a run of %" PRIu64,
                       c->warmup, c->steps);
    return 0;
}

static enum rule rule_of(enum train_architecture a)
{
    switch (a) {
    case TRAIN_TOPK:
        return RULE_TOPK;
    case TRAIN_JUMPRELU:
        return RULE_THRESHOLD;
    case TRAIN_RELU:
    case TRAIN_GATED:
        return RULE_POSITIVE;
    case TRAIN_BATCHTOPK:
    case TRAIN_MATRYOSHKA:
        break;
    }
    return RULE_BATCH_TOPK;
}

static enum penalty_kind kind_of(int penalty, enum train_architecture a)
{
    switch ((enum train_penalty)penalty) {
    case TRAIN_PENALTY_L1:
        return PENALTY_LP;
    case TRAIN_PENALTY_L0:
        return PENALTY_L0;
    case TRAIN_PENALTY_TARGET:
        return PENALTY_TARGET;
    case TRAIN_PENALTY_TANH:
        return PENALTY_TANH;
    case TRAIN_PENALTY_AUTO:
        break;
    }
    return a == TRAIN_JUMPRELU ? PENALTY_L0 : PENALTY_LP;
}

/* Whether the architecture learns from the penalty that was typed. */
static int check_penalty(const struct train_config *c,
                         const struct train_options *o, struct err *e)
{
    const struct sparsity *s = &c->sparsity;
    if (!train_has_penalty(c->architecture) && o->free_rows)
        return err_set(e, ERR_INPUT, "--free-rows is for relu");
    if (!train_has_penalty(c->architecture))
        return 0;
    bool jumprelu = c->architecture == TRAIN_JUMPRELU;
    bool counts = s->kind == PENALTY_L0 || s->kind == PENALTY_TARGET;
    if (counts && !jumprelu)
        return err_set(e, ERR_INPUT,
                       "--penalty l0 and target are for jumprelu: only "
                       "thresholds learn from a number of features");
    if (s->p_end < 1 && s->kind != PENALTY_LP)
        return err_set(e, ERR_INPUT, "--p-end is the power of --penalty l1");
    if (o->free_rows && c->architecture != TRAIN_RELU)
        return err_set(e, ERR_INPUT, "--free-rows is for relu");
    if (s->target > (double)c->m)
        return err_set(e, ERR_INPUT,
                       "--target-l0 %g is more than the %zu features",
                       s->target, c->m);
    return 0;
}

static void configure_sparsity(struct train_config *c,
                               const struct train_options *o)
{
    struct sparsity *s = &c->sparsity;
    if (!train_has_penalty(c->architecture))
        return;
    *s = (struct sparsity){
        .kind = kind_of(o->penalty, c->architecture),
        .lambda = o->lambda * (o->loss == 0 ? 1 : (double)c->d),
        .target = o->target_l0 > 0 ? o->target_l0 : (double)c->k,
        .spread = (double)c->d,
        .warmup_until = (uint64_t)((double)c->steps * o->sparsity_warmup),
        .p_end = o->p_end > 0 ? o->p_end : 1,
        .p_from = (uint64_t)((double)c->steps * o->p_from),
        .p_until = c->decay_from,
        .bandwidth = (float)o->bandwidth,
        .threshold_start = o->threshold_start,
        .pull = o->pull,
    };
    if (s->kind == PENALTY_TARGET && s->lambda == 0)
        s->lambda = (double)c->d;
    s->steered = s->lambda == 0;
    c->k = (size_t)lround(fmax(s->target, 1));
    c->anneal_until = 0;
}

static void configure_learning(struct train_config *c,
                               const struct train_options *o)
{
    c->optimiser = (struct optimiser){
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .clip = o->clip,
        .threshold = o->threshold_rate,
        .free_rows = o->free_rows,
        .unit_encoder = o->unit_encoder,
    };
    c->resampling = (struct resampling){
        .times = (uint64_t)o->resample,
        .every = (uint64_t)o->resample_every,
        .window = (uint64_t)o->resample_window,
        .below = o->resample_below,
    };
    c->warmup_floor = o->warmup_floor;
    c->warmup_cosine = o->warmup_shape != 0;
    c->aux = o->aux >= 0                          ? o->aux
             : train_has_penalty(c->architecture) ? 0
                                                  : 1.0 / 32;
    c->aux_parts = train_aux_parts(o->aux_rows);
}

static size_t features_of(const struct train_options *o, size_t d)
{
    if (o->features > 0)
        return (size_t)o->features;
    if (o->expansion > 0)
        return (size_t)lround(fmax(o->expansion * (double)d, 1));
    return d * (d < 2048 ? 16 : 8);
}

int train_configure(struct train_config *c, const struct train_options *o,
                    size_t d, uint64_t rows, struct err *e)
{
    static const uint64_t least_tokens = 2000000;
    *c = (struct train_config){
        .architecture = (enum train_architecture)o->architecture,
        .rule = rule_of((enum train_architecture)o->architecture),
        .d = d,
        .m = features_of(o, d),
        .batch = (size_t)o->batch,
    };
    c->k = o->k > 0 ? (size_t)o->k : default_k(d);
    if (o->k == 0 && c->k > c->m)
        c->k = c->m;
    uint64_t tokens = o->tokens > 0         ? (uint64_t)o->tokens
                      : rows > least_tokens ? rows
                                            : least_tokens;
    c->steps = (tokens + c->batch - 1) / c->batch;
    c->warmup =
        o->warmup > 0 ? (uint64_t)o->warmup : clamp(c->steps / 20, 1, 1000);
    c->decay = o->decay;
    c->decay_from = c->steps - (uint64_t)((double)c->steps * o->decay);
    c->anneal_until = (uint64_t)((double)c->steps * o->anneal);
    c->dead_tokens = o->dead_tokens > 0
                         ? (uint64_t)o->dead_tokens
                         : clamp(tokens / 100 * 3, 500000, 10000000);
    configure_learning(c, o);
    configure_sparsity(c, o);
    c->rate = o->rate > 0 ? o->rate : 2e-4 / sqrt((double)c->m / 16384.0);
    if (c->architecture == TRAIN_MATRYOSHKA)
        TRY(groups_parse(&c->groups, o->groups, c->m, e));
    TRY(check_penalty(c, o, e));
    if (c->resampling.times > 0 && c->resampling.window > c->resampling.every)
        return err_set(e, ERR_INPUT,
                       "--resample-window is more than --resample-every");
    return check(c, e);
}
