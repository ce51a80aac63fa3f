/* SPDX-License-Identifier: MIT
 *
 * Gated SAEs (Rajamanoharan et al. 2024a). One product u = (x − b_dec)·W_enc
 * serves the gate and, scaled, the magnitude:
 *
 *     π = u + b_gate    μ = e^r·u + b_mag    f = 1[π > 0]·relu(μ)
 *     L = (1/n) Σ ‖e‖² + λ·(1/n) Σ relu(π)
 *         + (1/n) Σ ‖x − b_dec − Σ_i relu(π_i)·W_dec[i]‖²
 *
 * In the last term, by which the gate learns to reconstruct, b_dec and W_dec
 * are held constant, as in the paper (SAELens lets them learn from it; then the
 * decoder serves two codes). The first trains the magnitude alone, as 1[π > 0]
 * has no gradient; decoder rows stay unit vectors, else λ could be evaded.
 *
 * Here b_gate is the parameters' b_enc, so the encoder product gives π. With G
 * = ∂L/∂x̂ of the first term, G' that of the last, and μ = e^r·(π − b_gate) +
 * b_mag, the gradients are sums over the rows with π > 0 of
 *
 *     g_μ = 1[μ > 0]·⟨G, W_dec[i]⟩            by b_mag
 *     g_μ·(μ − b_mag)                         by r
 *     g_π = λ/n + ⟨G', W_dec[i]⟩              by b_gate
 *     g_u = e^r·g_μ + g_π                     by u, and so by W_enc and b_dec
 */
#ifndef TRAIN_GATE_H
#define TRAIN_GATE_H

#include "train/entries.h"
#include "train/parameters.h"
#include "train/penalty.h"

struct gate {
    const struct parameters *p;
    const float *gain; /* (m) e^r */
    struct penalty penalty;
    size_t n; /* rows */
};

/* gain (m) of the parameters. */
void gate_gains(float *gain, const struct parameters *p);

/* From π to f. Returns how many are active. */
size_t gate_activate(const struct gate *t, const struct entries *row);

/* A row's ‖·‖² of the last term; leaves ⟨G', W_dec[i]⟩ in side. `centred` (d)
 * is x − b_dec, `scratch` (d). */
double gate_explain(const struct gate *t, const struct entries *row,
                    const float *centred, float *scratch);
/* Of a row whose g is ⟨G, W_dec[i]⟩ and whose side ⟨G', W_dec[i]⟩: g becomes
 * g_u, side g_μ. Returns Σ penalty_value. */
double gate_gradient(const struct gate *t, const struct entries *row);

#endif
