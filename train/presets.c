/* SPDX-License-Identifier: MIT */
#include "train/presets.h"

#include <stddef.h>

/* Kissane et al. 2024: the runs of the published GPT-2 small SAEs. Their
 * coefficients are 0.8 to 3.0, one for each layer. */
static const char *const kissane[][2] = {
    {"architecture", "relu"},
    {"penalty", "l1"},
    {"lambda", "1"},
    {"sparsity-warmup", "0"},
    {"raw-inputs", "true"},
    {"zero-bias", "true"},
    {"expansion", "32"},
    {"init", "untied"},
    {"encoder-scale", "0.25"},
    {"batch", "4096"},
    {"tokens", "2G"},
    {"rate", "1.2e-3"},
    {"beta1", "0.9"},
    {"beta2", "0.99"},
    {"clip", "0"},
    {"warmup", "1000"},
    {"warmup-floor", "0.1"},
    {"warmup-shape", "cosine"},
    {"decay", "0"},
    {"aux", "0"},
    {"resample", "4"},
    {"resample-every", "25000"},
    {"resample-window", "12500"},
    {"resample-below", "1e-6"},
    {NULL, NULL},
};

/* O'Neill & Bui 2024: 500 steps on all heads of ten examples (GPT-2 small: 1440
 * rows); goes with --shared-heads --result. */
static const char *const oneill[][2] = {
    {"architecture", "relu"},
    {"penalty", "l1"},
    {"lambda", "0.02"},
    {"loss", "mean"},
    {"sparsity-warmup", "0"},
    {"raw-inputs", "true"},
    {"zero-bias", "true"},
    {"features", "200"},
    {"init", "untied"},
    {"encoder-scale", "1"},
    {"unit-encoder", "true"},
    {"batch", "1440"},
    {"tokens", "720000"},
    {"rate", "1e-3"},
    {"beta1", "0.9"},
    {"beta2", "0.999"},
    {"clip", "0"},
    {"warmup", "1"},
    {"decay", "0"},
    {"aux", "0"},
    {NULL, NULL},
};

const struct option_preset train_presets[] = {
    {"kissane", kissane}, {"oneill", oneill}, {NULL, NULL}};
