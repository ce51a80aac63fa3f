/* SPDX-License-Identifier: MIT */
#include "sae/unit_rows.h"

#include <math.h>

#include "kernels/kernels.h"

enum { BLOCK = 256 }; /* rows of one item of work */

struct scaling {
    float *out;
    const struct unit_rows_of *of;
    size_t n, d;
};

static void scale_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct scaling *j = ctx;
    const struct unit_rows_of *of = j->of;
    size_t end = (block + 1) * BLOCK, d = j->d;
    for (size_t i = block * BLOCK; i < end && i < j->n; i++) {
        size_t row = of->index != NULL ? of->index[i] : i;
        const float *w = of->w + row * of->stride;
        double norm = sqrt(kernels.dot_double(w, w, d));
        for (size_t c = 0; c < d; c++)
            j->out[i * d + c] = norm > 0 ? (float)((double)w[c] / norm) : 0;
    }
}

void unit_rows(float *out, const struct unit_rows_of *of, size_t n, size_t d,
               const struct team *team)
{
    struct scaling j = {out, of, n, d};
    team_run(team, scale_block, &j, (n + BLOCK - 1) / BLOCK);
}
