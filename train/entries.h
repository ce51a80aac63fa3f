/* SPDX-License-Identifier: MIT
 *
 * A stretch of a row's codes in training, with what the architectures other
 * than TopK's need beside the activations.
 */
#ifndef TRAIN_ENTRIES_H
#define TRAIN_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

struct entries {
    const uint32_t *feature;
    float *f;    /* activation; 0 where a feature only learns */
    float *h;    /* pre-activation; a gated SAE's π */
    float *g;    /* ∂L/∂f, which becomes ∂L/∂h */
    float *side; /* ∂L by the feature's own number: θ, or the magnitude */
    size_t count;
};

#endif
