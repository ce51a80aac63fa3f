/* SPDX-License-Identifier: MIT
 *
 * Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel
 * random numbers: as easy as 1, 2, 3"). A number is a pure function of
 * (seed, stream, index): any thread can compute any part of a sequence, and a
 * resumed run needs no generator state.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for; each use has its own, so that no two correlate. */
enum rng_stream {
    RNG_INIT = 1,      /* initial weights */
    RNG_BLOCKS = 2,    /* order of blocks in an epoch */
    RNG_RESERVOIR = 3, /* order within the reservoir */
    RNG_SPLIT = 4,     /* contexts held out */
    RNG_SAMPLE = 5,    /* contexts whose rows the database keeps */
    RNG_TEST = 6,
    RNG_EXAMPLES = 8,   /* active tokens that are examples of a feature */
    RNG_SILENT = 9,     /* tokens at which it might be silent */
    RNG_CIRCUIT = 10,   /* examples of a task that train */
    RNG_INDUCTION = 11, /* random tokens with a repeated prefix */
};

/* One sequence: `lane` tells apart several of one stream (an epoch, a
 * feature). Plain data; copy it freely. */
struct rng {
    uint64_t seed;
    uint32_t stream, lane;
    uint64_t next; /* index of the next 32-bit number */
};

/* Ten rounds of Philox4x32 on `counter` with `key`; for tests against the
 * published vectors. */
void rng_philox(uint32_t out[4], const uint32_t counter[4],
                const uint32_t key[2]);

struct rng rng_at(uint64_t seed, enum rng_stream stream, uint32_t lane);

uint32_t rng_u32(struct rng *r);
/* Numbers 4·block to 4·block + 3 of the sequence, at the cost of one. */
void rng_block(const struct rng *r, uint64_t block, uint32_t out[4]);
/* Uniform in [0, 1), 24 bits. */
float rng_float(struct rng *r);
/* Uniform in [0, bound), without bias; bound > 0. */
uint64_t rng_below(struct rng *r, uint64_t bound);
/* Standard normal, Box-Muller. */
float rng_normal(struct rng *r);
/* The numbers 0..n-1 in random order (Fisher-Yates). */
void rng_permutation(struct rng *r, uint64_t *out, size_t n);

#endif
