/* SPDX-License-Identifier: MIT
 *
 * What the parts of check_kernels share. A check makes up the arguments of one
 * case from c->rng, calls the kernel under test on guarded memory
 * (tests/kernels/buffers.h) and compares the outcome with the portable kernel
 * and, where numbers are rounded, with sums in double, by the bounds stated in
 * kernels/kernels.h. Each case runs twice with the same numbers, at either
 * end of memory; both must give the same bits.
 */
#ifndef TESTS_KERNELS_CHECK_H
#define TESTS_KERNELS_CHECK_H

#include "base/rng.h"
#include "kernels/kernels.h"
#include "tests/kernels/bench.h"
#include "tests/kernels/buffers.h"
#include "tests/kernels/fills.h"

struct check {
    const struct kernels *k;        /* under test */
    const struct kernels *portable; /* the definition */
    struct rng rng;                 /* of shapes and values */
    size_t number;                  /* of the case */
    char setting[160];              /* shapes and fills, for messages */
    char why[320];                  /* what is wrong; empty: nothing */
    uint64_t digest;                /* of results */
};

#define EPSILON 0x1p-24
/* Rounding of a product or quotient that is subnormal in f32. */
#define TINY 0x1p-150

/* Notes what is wrong; the first note stays. */
void check_fail(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Notes the shapes and fills of the case. */
void check_setting(struct check *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline bool check_failed(const struct check *c)
{
    return c->why[0] != '\0';
}

/* Fails if memory outside of outputs changed. */
void check_memory(struct check *c);
/* Takes a result into the digest that both runs of the case must have. */
void check_digest(struct check *c, const void *bytes, size_t n);

/* Fails unless |got − want| <= bound; NaN and infinities must be the same,
 * and what is beyond the largest float may be an infinity. */
void check_near(struct check *c, const char *what, size_t i, double got,
                double want, double bound);
/* Fails unless the bits are the same, or both are NaN. */
void check_same(struct check *c, const char *what, size_t i, float got,
                float want);

/* Σ in twice the precision of double (Neumaier 1974), and Σ|·|. Zero it to
 * begin. */
struct sum {
    double high, low, plain, magnitude;
};
void sum_add(struct sum *s, double term);
/* As check_near; what the sum itself leaves out is far below any bound. */
void check_sum(struct check *c, const char *what, size_t i, double got,
               const struct sum *want, double bound);

/* A matrix of floats (rows, n), rows `stride` apart. */
struct shape {
    size_t rows, n, stride;
};
struct shape shape_pick(struct rng *r);
/* An input so filled, or an output if `use` says so. */
float *shape_buffer(struct check *c, const char *name, enum buffer_use use,
                    const struct shape *s, enum fill f);
/* A buffer of n numbers of `bytes` each, aligned to that. */
void *array_buffer(const char *name, enum buffer_use use, size_t n,
                   size_t bytes);

/* One case each. */
void check_exact(struct check *c);
void check_coarse(struct check *c);
void check_above(struct check *c);
void check_dot(struct check *c);
void check_dot_double(struct check *c);
void check_add_scaled(struct check *c);
void check_subtract(struct check *c);
void check_scale(struct check *c);
void check_add_rows(struct check *c);
void check_dot_rows(struct check *c);
void check_dot_heads(struct check *c);
void check_adam(struct check *c);
void check_f16_to_f32(struct check *c);
void check_bf16_to_f32(struct check *c);
void check_f32_to_f16(struct check *c);
void check_f32_to_bf16(struct check *c);
void check_first_not_finite(struct check *c);

#endif
