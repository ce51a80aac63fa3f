/* SPDX-License-Identifier: MIT */
#include "train/decode.h"

#include <string.h>

#include "base/least.h"
#include "kernels/kernels.h"
#include "train/dense.h"

bool decode_has_own(const struct step *s)
{
    return s->p->threshold.w != NULL || s->p->b_mag.w != NULL;
}

struct gate decode_gate(const struct step *s)
{
    return (struct gate){
        .p = s->p, .gain = s->gain, .penalty = s->penalty, .n = s->codes.n};
}

/* Codes stand in feature order, so a group's are a stretch of a row's. */
static size_t group_end(const struct step *s, size_t p, size_t at, size_t end)
{
    while (at < end && s->codes.feature[at] < s->groups.end[p])
        at++;
    return at;
}

/* e_p of all prefixes, each going on where the one before it stopped:
 * e_p = Σ_{i < w_p} f_i·W_dec[i] − (x − b_dec). */
static void decode_prefixes(struct step *s, size_t r,
                            size_t group[GROUPS_MAX + 1])
{
    const struct codes *c = &s->codes;
    size_t d = s->p->d;
    double loss = 0, error = 0;
    group[0] = c->start[r];
    for (size_t p = 0; p < s->groups.n; p++) {
        float *e = step_gradient_row(s, p, r);
        size_t at = group[p], end = group_end(s, p, at, c->start[r + 1]);
        if (p > 0)
            memcpy(e, step_gradient_row(s, p - 1, r), d * sizeof *e);
        for (size_t j = 0; p == 0 && j < d; j++)
            e[j] = -s->centred[r * d + j];
        kernels.add_rows(e, s->p->w_dec.w, c->feature + at, c->value + at,
                         end - at, d);
        if (p == 0 || end > at)
            error = kernels.dot_double(e, e, d);
        loss += error;
        group[p + 1] = end;
    }
    s->row_loss[r] = loss / (double)s->groups.n;
    s->row_error[r] = error;
}

struct entries decode_entries(const struct step *s, size_t r)
{
    size_t first = s->codes.start[r];
    struct entries row = {
        .feature = s->codes.feature + first,
        .f = s->codes.value + first,
        .g = s->g + first,
        .count = s->codes.start[r + 1] - first,
    };
    if (decode_has_own(s)) {
        row.h = s->h + first;
        row.side = s->side + first;
    }
    return row;
}

/* The penalty of a plain row: adds its slopes to g. Returns Σ φ(u). */
static double penalise(const struct step *s, const struct entries *row)
{
    double sum = 0, n = (double)s->codes.n;
    for (size_t j = 0; j < row->count; j++) {
        double norm =
            s->optimiser.free_rows ? (double)s->norms[row->feature[j]] : 1;
        double u = (double)row->f[j] * norm;
        row->g[j] += (float)(penalty_slope(&s->penalty, u) * norm / n);
        sum += penalty_value(&s->penalty, u);
    }
    return sum;
}

/* G of each group and ⟨G, W_dec⟩ of one row. */
static void decode_row(struct step *s, size_t r)
{
    const struct codes *c = &s->codes;
    size_t d = s->p->d, groups = s->groups.n, group[GROUPS_MAX + 1];
    decode_prefixes(s, r, group);
    for (size_t p = groups; p-- > 0;) {
        float *G = step_gradient_row(s, p, r);
        size_t at = group[p];
        kernels.scale(G, 2.0f / (float)(c->n * groups), d);
        if (p + 1 < groups)
            kernels.add_scaled(G, 1, step_gradient_row(s, p + 1, r), d);
        kernels.dot_rows(s->g + at, G, s->p->w_dec.w, c->feature + at,
                         group[p + 1] - at, d);
    }
}

/* ---- with dense products ---- */

static struct dense_lists lists_of(const struct step *s, size_t first,
                                   size_t count)
{
    return (struct dense_lists){.start = s->codes.start + first,
                                .index = s->codes.feature,
                                .count = count,
                                .universe = s->p->m,
                                .w = s->p->w_dec.w,
                                .d = s->p->d};
}

/* out (rows, d) = Σ value·W_dec − (x − b_dec), and their squares. */
static void explain_block(const struct step *s, const struct dense_lists *rows,
                          float *out, const float *value, size_t first,
                          double *square, float *tile)
{
    size_t d = s->p->d;
    for (size_t i = 0; i < rows->count * d; i++)
        out[i] = -s->centred[first * d + i];
    dense_add(rows, out, value, tile);
    for (size_t r = 0; r < rows->count; r++)
        square[r] = kernels.dot_double(out + r * d, out + r * d, d);
}

/* As decode_row for a block of rows, without prefixes; and what gates explain,
 * whose products go to side, their squares to `auxiliary`. */
static void decode_block(struct step *s, size_t first, size_t count, int thread,
                         double *auxiliary)
{
    size_t d = s->p->d;
    float *tile = s->tiles + (size_t)thread * DENSE_TILE;
    float *block = s->blocks + (size_t)thread * 2 * DENSE_LISTS * d;
    float *G = step_gradient_row(s, 0, first);
    const struct dense_lists rows = lists_of(s, first, count);
    float scale = 2.0f / (float)s->codes.n;
    explain_block(s, &rows, G, s->codes.value, first, s->row_error + first,
                  tile);
    kernels.scale(G, scale, count * d);
    dense_dot(&rows, s->g, G, tile);
    memcpy(s->row_loss + first, s->row_error + first, count * sizeof(double));
    if (s->p->b_mag.w == NULL)
        return;
    explain_block(s, &rows, block, s->h, first, auxiliary, tile);
    kernels.scale(block, scale, count * d);
    dense_dot(&rows, s->side, block, tile);
}

/* ---- all rows ---- */

/* From ∂L/∂f to ∂L/∂h, with what the loss has beside ‖e‖². */
static double add_terms(const struct step *s, const struct entries *row)
{
    if (s->p->threshold.w != NULL)
        return threshold_gradient(&s->threshold, row);
    if (s->p->b_mag.w != NULL) {
        const struct gate gate = decode_gate(s);
        return gate_gradient(&gate, row);
    }
    return s->penalty.kind != PENALTY_NONE ? penalise(s, row) : 0;
}

static void decode_rows(void *ctx, size_t block, int thread)
{
    struct step *s = ctx;
    const struct gate gate = decode_gate(s);
    size_t d = s->p->d, first = block * DECODE_ROWS;
    size_t count = least(DECODE_ROWS, s->codes.n - first);
    double auxiliary[DECODE_ROWS] = {0};
    bool dense = step_is_dense(s);
    float *bias = s->block_bias + block * d;
    float *scratch = s->rows + (size_t)thread * 2 * d;
    memset(bias, 0, d * sizeof *bias);
    if (dense)
        decode_block(s, first, count, thread, auxiliary);
    for (size_t i = 0; i < count; i++) {
        size_t r = first + i;
        struct entries row = decode_entries(s, r);
        if (!dense)
            decode_row(s, r);
        if (!dense && s->p->b_mag.w != NULL)
            auxiliary[i] =
                gate_explain(&gate, &row, s->centred + r * d, scratch);
        s->row_penalty[r] = add_terms(s, &row);
        s->row_loss[r] += auxiliary[i];
        kernels.add_scaled(bias, 1, step_gradient_row(s, 0, r), d);
    }
}

void decode_batch(struct step *s)
{
    team_run(s->team, decode_rows, s,
             (s->codes.n + DECODE_ROWS - 1) / DECODE_ROWS);
}
