/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "train/options.h"

#define FIELD(name) offsetof(struct train_options, name)

const struct option train_option_table[TRAIN_OPTION_COUNT] = {
    {"architecture", 0, OPTION_CHOICE, FIELD(architecture), "batchtopk", 0, 0,
     TRAIN_ARCHITECTURES, NULL,
     "batchtopk selects the n·k largest pre-activations of a batch of n rows, "
     "topk the k largest of each row; matryoshka selects as batchtopk and "
     "reconstructs from each of several prefixes of the features; relu, "
     "jumprelu "
     "and gated take what is above 0, a threshold or a gate, and are made "
     "sparse "
     "by a penalty"},
    {"preset", 0, OPTION_TEXT, FIELD(preset), NULL, 0, 0, NULL, "NAME",
     "begin with the options of a published recipe, " TRAIN_PRESETS
     "; options that are typed go before, --print-config shows them all"},
    {"groups", 0, OPTION_TEXT, FIELD(groups), GROUPS_DEFAULT, 0, 0, NULL,
     "SIZE,...",
     "sizes of matryoshka's prefixes, as numbers of features or shares of "
     "them; all features are the last"},
    {"features", 'm', OPTION_COUNT, FIELD(features), "0", 0, 1 << 20, NULL, "M",
     "number of features; 0: 16 times the input width, 8 times from 2048"},
    {"expansion", 0, OPTION_REAL, FIELD(expansion), "0", 0, 1e6, NULL, "TIMES",
     "number of features where --features is 0: so many times the width"},
    {"k", 'k', OPTION_COUNT, FIELD(k), "0", 0, 1024, NULL, "K",
     "active features a row; 0: 8 up to width 64, 16 up to 128, 32, and 64 "
     "from 2048"},
    {"penalty", 0, OPTION_CHOICE, FIELD(penalty), "auto", 0, 0,
     "auto|l1|l0|target|tanh", NULL,
     "of relu, jumprelu and gated: l1 the activations' sum, l0 their number, "
     "target that number's squared distance from --target-l0, tanh between l1 "
     "and l0; auto: l1, of jumprelu l0"},
    {"target-l0", 0, OPTION_REAL, FIELD(target_l0), "0", 0, 1e6, NULL, "L0",
     "active features a row that the penalty's coefficient is steered to; 0: "
     "k"},
    {"lambda", 0, OPTION_REAL, FIELD(lambda), "0", 0, 1e9, NULL, "L",
     "the penalty's coefficient, at inputs scaled as training has them; 0: "
     "steered to --target-l0 (with --penalty target: the width)"},
    {"sparsity-warmup", 0, OPTION_REAL, FIELD(sparsity_warmup), "0.3", 0, 1,
     NULL, "SHARE",
     "first part of the steps, over which a fixed coefficient rises from 0, or "
     "a steered L0 comes down to its target"},
    {"p-end", 0, OPTION_REAL, FIELD(p_end), "1", 0.05, 1, NULL, "P",
     "power of l1 at the end, to which it falls from 1 (p-annealing)"},
    {"p-from", 0, OPTION_REAL, FIELD(p_from), "0.3", 0, 1, NULL, "SHARE",
     "part of the steps before the power falls"},
    {"free-rows", 0, OPTION_FLAG, FIELD(free_rows), NULL, 0, 0, NULL, NULL,
     "of relu: decoder rows may have any norm, which then weighs in the "
     "penalty; they are written as unit rows"},
    {"bandwidth", 0, OPTION_REAL, FIELD(bandwidth), TRAIN_BANDWIDTH, 1e-6, 100,
     NULL, "E",
     "of jumprelu: width of the rectangle by which thresholds learn, at scaled "
     "inputs"},
    {"threshold-start", 0, OPTION_REAL, FIELD(threshold_start), "0", 0, 1000,
     NULL, "T",
     "of jumprelu: all thresholds at the start; 0: what leaves four times the "
     "target active on the first batch"},
    {"threshold-rate", 0, OPTION_REAL, FIELD(threshold_rate), "3", 0, 1000,
     NULL, "TIMES",
     "of jumprelu: the thresholds' learning rate, in that of the others"},
    {"pull", 0, OPTION_REAL, FIELD(pull), "3e-3", 0, 1000, NULL, "C",
     "of jumprelu: weight of the pre-activation loss, which pulls dead "
     "features "
     "up to their thresholds; 0: off"},
    {"tokens", 0, OPTION_COUNT, FIELD(tokens), "0", 0, 1e15, NULL, "N",
     "rows to train on, in as many passes over the dump as that takes; 0: one "
     "pass, but at least 2M"},
    {"batch", 0, OPTION_COUNT, FIELD(batch), "4096", 1, 1 << 20, NULL, "N",
     "rows a step"},
    {"rate", 0, OPTION_REAL, FIELD(rate), "0", 0, 1, NULL, "R",
     "learning rate; 0: 2e-4 / sqrt(features / 16384)"},
    {"warmup", 0, OPTION_COUNT, FIELD(warmup), "0", 0, 1e9, NULL, "STEPS",
     "steps over which the rate rises; 0: 5 % of the steps, at most 1000"},
    {"warmup-floor", 0, OPTION_REAL, FIELD(warmup_floor), "0", 0, 1, NULL,
     "SHARE", "share of the rate that a warm-up begins at"},
    {"warmup-shape", 0, OPTION_CHOICE, FIELD(warmup_shape), "linear", 0, 0,
     "linear|cosine", NULL, "how the rate rises"},
    {"beta1", 0, OPTION_REAL, FIELD(beta1), "0.9", 0, 0.9999, NULL, "B",
     "Adam's memory of gradients"},
    {"beta2", 0, OPTION_REAL, FIELD(beta2), "0.999", 0, 0.999999, NULL, "B",
     "Adam's memory of their squares"},
    {"clip", 0, OPTION_REAL, FIELD(clip), "1", 0, 1e9, NULL, "TIMES",
     "gradients are clipped to a norm of so many times the root of the width; "
     "0: not"},
    {"loss", 0, OPTION_CHOICE, FIELD(loss), "sum", 0, 0, "sum|mean", NULL,
     "what --lambda is typed for: squared errors summed over a row's numbers, "
     "or their mean; then it weighs as many times more as there are numbers"},
    {"decay", 0, OPTION_REAL, FIELD(decay), "0.2", 0, 1, NULL, "SHARE",
     "last part of the steps, over which the rate falls to zero"},
    {"anneal", 0, OPTION_REAL, FIELD(anneal), "0.1", 0, 1, NULL, "SHARE",
     "first part of the steps, over which k falls from 4k to k"},
    {"aux", 0, OPTION_REAL, FIELD(aux), "-1", -1, 10, NULL, "ALPHA",
     "weight of AuxK, by which dead features learn from what the others leave "
     "over; 0: off; -1: 1/32, but off where a penalty makes sparse"},
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
    {"init", 0, OPTION_CHOICE, FIELD(init), "random", 0, 0,
     "random|active|untied", NULL,
     "decoder rows to begin with: drawn from the whole sphere, or from the "
     "dimensions that hold 99 % of the variance; the encoder is tied to them, "
     "but drawn for itself with untied"},
    {"unit-encoder", 0, OPTION_FLAG, FIELD(unit_encoder), NULL, 0, 0, NULL,
     NULL, "hold encoder rows at unit length, too"},
    {"raw-inputs", 0, OPTION_FLAG, FIELD(raw_inputs), NULL, 0, 0, NULL, NULL,
     "train on rows as they are, not scaled"},
    {"zero-bias", 0, OPTION_FLAG, FIELD(zero_bias), NULL, 0, 0, NULL, NULL,
     "b_dec begins at zero, not at the mean"},
    {"resample", 0, OPTION_COUNT, FIELD(resample), "0", 0, 1000, NULL, "TIMES",
     "so many times, dead features begin anew at rows that are reconstructed "
     "badly"},
    {"resample-every", 0, OPTION_COUNT, FIELD(resample_every), "25000", 1, 1e9,
     NULL, "STEPS", "steps from one resampling to the next"},
    {"resample-window", 0, OPTION_COUNT, FIELD(resample_window), "12500", 1,
     1e9, NULL, "STEPS", "steps before one over which activations are counted"},
    {"resample-below", 0, OPTION_REAL, FIELD(resample_below), "1e-6", 0, 1,
     NULL, "SHARE",
     "features are dead for resampling that were active at this share of the "
     "window's rows, or less"},
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
