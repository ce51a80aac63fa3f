/* SPDX-License-Identifier: MIT */
#include "train/options.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#define FIELD(name) offsetof(struct train_options, name)

const struct option train_option_table[TRAIN_OPTION_COUNT] = {
    {"architecture", 0, OPTION_CHOICE, FIELD(architecture), "batchtopk", 0, 0,
     TRAIN_ARCHITECTURES, NULL,
     "batchtopk selects the n·k largest pre-activations of a batch of n rows, "
     "topk the k largest of each row; matryoshka selects as batchtopk and "
     "reconstructs from each of several prefixes of the features"},
    {"groups", 0, OPTION_TEXT, FIELD(groups), GROUPS_DEFAULT, 0, 0, NULL,
     "SIZE,...",
     "sizes of matryoshka's prefixes, as numbers of features or shares of "
     "them; all features are the last"},
    {"features", 'm', OPTION_COUNT, FIELD(features), "0", 0, 1 << 20, NULL, "M",
     "number of features; 0: 16 times the input width, 8 times from 2048"},
    {"k", 'k', OPTION_COUNT, FIELD(k), "0", 0, 1024, NULL, "K",
     "active features a row; 0: 8 up to width 64, 16 up to 128, 32, and 64 "
     "from 2048"},
    {"tokens", 0, OPTION_COUNT, FIELD(tokens), "0", 0, 1e15, NULL, "N",
     "rows to train on, in as many passes over the dump as that takes; 0: one "
     "pass, but at least 2M"},
    {"batch", 0, OPTION_COUNT, FIELD(batch), "4096", 1, 1 << 20, NULL, "N",
     "rows a step"},
    {"rate", 0, OPTION_REAL, FIELD(rate), "0", 0, 1, NULL, "R",
     "learning rate; 0: 2e-4 / sqrt(features / 16384)"},
    {"warmup", 0, OPTION_COUNT, FIELD(warmup), "0", 0, 1e9, NULL, "STEPS",
     "steps over which the rate rises; 0: 5 % of the steps, at most 1000"},
    {"decay", 0, OPTION_REAL, FIELD(decay), "0.2", 0, 1, NULL, "SHARE",
     "last part of the steps, over which the rate falls to zero"},
    {"anneal", 0, OPTION_REAL, FIELD(anneal), "0.1", 0, 1, NULL, "SHARE",
     "first part of the steps, over which k falls from 4k to k"},
    {"aux", 0, OPTION_REAL, FIELD(aux), "0.03125", 0, 10, NULL, "ALPHA",
     "weight of AuxK, by which dead features learn from what the others leave "
     "over; 0: off"},
    {"aux-rows", 0, OPTION_REAL, FIELD(aux_rows), TRAIN_AUX_ROWS, 0.001, 1,
     NULL, "SHARE",
     "part of a batch's rows that AuxK looks at, another part each step, "
     "rounded to one of N equal parts; 1: all"},
    {"dead-tokens", 0, OPTION_COUNT, FIELD(dead_tokens), "0", 0, 1e15, NULL,
     "N",
     "a feature that was silent for so many tokens is dead; 0: 3 % of the "
     "run, at least 500k, at most 10M"},
    {"held-out", 0, OPTION_REAL, FIELD(held_out), "0.05", 0.0001, 0.9, NULL,
     "SHARE",
     "part of the contexts that is kept out of training, for "
     "measuring and for the threshold"},
    {"memory", 0, OPTION_COUNT, FIELD(memory), "2G", 1e6, 1e13, NULL, "BYTES",
     "size of the reservoirs in which rows are shuffled"},
    {"skip-bos", 0, OPTION_FLAG, FIELD(skip_bos), NULL, 0, 0, NULL, NULL,
     "leave out the first token of every context, where BOS stands and "
     "attention is parked"},
    {"skip-outliers", 0, OPTION_REAL, FIELD(skip_outliers), "0", 0, 1e6, NULL,
     "TIMES",
     "leave out tokens whose norm is more than so many times the median; 0: "
     "none"},
    {"init", 0, OPTION_CHOICE, FIELD(init), "random", 0, 0, "random|active",
     NULL,
     "decoder rows to begin with: drawn from the whole sphere, or from the "
     "dimensions that hold 99 % of the variance"},
    {"encoder-scale", 0, OPTION_REAL, FIELD(encoder_scale), "0", 0, 100, NULL,
     "C",
     "encoder to begin with: C times the decoder; 0: what reconstructs the "
     "first batch best. Near 1 fewer features die, and FVU is higher for long"},
    {"start", 0, OPTION_TEXT, FIELD(start), NULL, 0, 0, NULL, "SAE",
     "begin with the weights of this SAE folder in place of random ones; "
     "--features is then its own number"},
    {"metrics-every", 0, OPTION_COUNT, FIELD(metrics_every), "0", 0, 1e15, NULL,
     "STEPS",
     "steps from one line of metrics.jsonl to the next; 0: about 50 lines a "
     "run"},
};

const char *train_architecture_name(enum train_architecture a)
{
    static const char *const names[] = {"batchtopk", "topk", "matryoshka"};
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
    if (c->warmup > c->steps)
        return err_set(e, ERR_INPUT,
                       "a warm-up of %" PRIu64 " steps in a run of %" PRIu64,
                       c->warmup, c->steps);
    return 0;
}

int train_configure(struct train_config *c, const struct train_options *o,
                    size_t d, uint64_t rows, struct err *e)
{
    static const uint64_t least_tokens = 2000000;
    *c = (struct train_config){
        .architecture = (enum train_architecture)o->architecture,
        .rule = o->architecture == TRAIN_TOPK ? RULE_TOPK : RULE_BATCH_TOPK,
        .d = d,
        .m = o->features > 0 ? (size_t)o->features : d * (d < 2048 ? 16 : 8),
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
    c->aux_parts = train_aux_parts(o->aux_rows);
    c->rate = o->rate > 0 ? o->rate : 2e-4 / sqrt((double)c->m / 16384.0);
    if (c->architecture == TRAIN_MATRYOSHKA)
        TRY(groups_parse(&c->groups, o->groups, c->m, e));
    return check(c, e);
}

void train_extend(struct train_config *c, uint64_t from, uint64_t steps)
{
    c->steps = steps;
    c->decay_from = steps - (uint64_t)((double)(steps - from) * c->decay);
    c->anneal_until = c->anneal_until < from ? c->anneal_until : from;
}

double train_rate_at(const struct train_config *c, uint64_t t)
{
    double rate = c->rate;
    if (t < c->warmup)
        rate *= (double)t / (double)c->warmup;
    if (t > c->decay_from)
        rate *=
            (double)(c->steps - t + 1) / (double)(c->steps - c->decay_from + 1);
    return rate;
}

size_t train_k_at(const struct train_config *c, uint64_t t)
{
    size_t most = 4 * c->k < c->m / 8 ? 4 * c->k : c->m / 8;
    if (t > c->anneal_until || most <= c->k)
        return c->k;
    double done = (double)(t - 1) / (double)c->anneal_until;
    return c->k + (size_t)((1 - done) * (double)(most - c->k));
}
