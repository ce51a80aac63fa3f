/* SPDX-License-Identifier: MIT */
#include "tests/kernels/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A batch takes about 1 ms, so that reading the clock does not count; the best
 * of 20 is one that nothing else on the computer disturbed. */
enum { BATCHES = 20, ALLOCATIONS = 64 };
#define BATCH_SECONDS 1e-3

static void *allocated[ALLOCATIONS];
static size_t n_allocated;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *bench_memory(struct bench *b, size_t bytes)
{
    (void)b;
    void *at = n_allocated < ALLOCATIONS
                   ? aligned_alloc(64, (bytes + 63) / 64 * 64)
                   : NULL;
    if (at == NULL) {
        fprintf(stderr, "check_kernels: no memory\n");
        exit(2);
    }
    memset(at, 0, bytes);
    allocated[n_allocated++] = at;
    return at;
}

float *bench_floats(struct bench *b, size_t n)
{
    float *x = bench_memory(b, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(&b->rng);
    return x;
}

void bench_free(void)
{
    while (n_allocated > 0)
        free(allocated[--n_allocated]);
}

void bench_begin(struct bench *b, const char *name, enum bench_unit unit,
                 double amount)
{
    b->row[b->rows] = (struct bench_row){.name = name, .unit = unit};
    b->amount = amount;
    b->batch = 1;
    b->left = 0;
    b->batches = 0;
    b->best = 0;
}

static void end_measurement(struct bench *b)
{
    struct bench_row *row = &b->row[b->rows];
    row->seconds = b->best;
    row->rate = b->amount / b->best;
    if (b->rows < BENCH_ROWS - 1)
        b->rows++;
}

bool bench_again(struct bench *b)
{
    if (b->left > 0) {
        b->left--;
        return true;
    }
    double time = now();
    if (b->batches > 0) {
        double took = time - b->started;
        if (took < BATCH_SECONDS && b->batches == 1) {
            b->batch *= 2; /* still looking for the size of a batch */
            b->batches = 0;
        } else if (b->best == 0 || took / (double)b->batch < b->best) {
            b->best = took / (double)b->batch;
        }
    }
    if (b->batches == BATCHES) {
        end_measurement(b);
        return false;
    }
    b->batches++;
    b->left = b->batch - 1;
    b->started = now();
    return true;
}

void bench_run(struct bench *b, const struct kernels *k)
{
    static void (*const parts[])(const struct kernels *, struct bench *) = {
        bench_product, bench_above, bench_vector,
        bench_rows,    bench_adam,  bench_convert,
    };
    memset(b, 0, sizeof *b);
    b->rng = rng_at(1, RNG_TEST, 0);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i](k, b);
        bench_free();
    }
}

/* The row to compare with: a coarse product has none in the portable tier and
 * is set against the exact one. */
static const struct bench_row *counterpart(const struct bench *b,
                                           const char *name)
{
    const char *part = strncmp(name, "coarse", 6) == 0 ? name + 6 : NULL;
    for (size_t i = 0; i < b->rows; i++) {
        const char *other = b->row[i].name;
        if (strcmp(other, name) == 0 ||
            (part != NULL && strncmp(other, "exact", 5) == 0 &&
             strcmp(other + 5, part) == 0))
            return &b->row[i];
    }
    return NULL;
}

void bench_print(const struct bench_row *row, const struct bench *portable,
                 const char *tier)
{
    const struct bench_row *other = counterpart(portable, row->name);
    printf("%-20s %-11s %9.3f us %9.2f %s %6.2f x\n", row->name, tier,
           1e6 * row->seconds, 1e-9 * row->rate,
           row->unit == BENCH_FLOP ? "Gflop/s" : "GB/s   ",
           other != NULL ? row->rate / other->rate : 0);
}
