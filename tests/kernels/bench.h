/* SPDX-License-Identifier: MIT
 *
 * Timing: `for (bench_begin(b, "dot", BENCH_FLOP, 2.0 * n); bench_again(b);)
 * k->dot(x, y, n);` measures the best of several batches of calls and notes it
 * under the name.
 */
#ifndef TESTS_KERNELS_BENCH_H
#define TESTS_KERNELS_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rng.h"
#include "kernels/kernels.h"

enum bench_unit { BENCH_FLOP, BENCH_BYTES };

struct bench_row {
    const char *name;
    enum bench_unit unit;
    double seconds, rate; /* of a call; flop or bytes a second */
};

enum { BENCH_ROWS = 32 };

struct bench {
    struct bench_row row[BENCH_ROWS];
    size_t rows;
    struct rng rng;
    /* Of the measurement in progress. */
    double amount, best, started;
    size_t batch, left, batches;
};

void bench_begin(struct bench *b, const char *name, enum bench_unit unit,
                 double amount);
bool bench_again(struct bench *b);

/* Memory until bench_free, aligned to 64 bytes; floats are N(0, 1). */
void *bench_memory(struct bench *b, size_t bytes);
float *bench_floats(struct bench *b, size_t n);
void bench_free(void);

/* Measures a table of kernels. */
void bench_run(struct bench *b, const struct kernels *k);
/* Prints a row with how many times as fast as the portable one it is. */
void bench_print(const struct bench_row *row, const struct bench *portable,
                 const char *tier);

/* The kernels of one file each. */
void bench_product(const struct kernels *k, struct bench *b);
void bench_above(const struct kernels *k, struct bench *b);
void bench_vector(const struct kernels *k, struct bench *b);
void bench_rows(const struct kernels *k, struct bench *b);
void bench_adam(const struct kernels *k, struct bench *b);
void bench_convert(const struct kernels *k, struct bench *b);

#endif
