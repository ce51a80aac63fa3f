/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <math.h>

/* Multipliers and Weyl constants of the paper, table 2. */
static const uint32_t mul0 = 0xD2511F53, mul1 = 0xCD9E8D57;
static const uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;

void rng_philox(uint32_t out[4], const uint32_t counter[4],
                const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)mul0 * c0, p1 = (uint64_t)mul1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += weyl0;
        k1 += weyl1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct rng rng_at(uint64_t seed, enum rng_stream stream, uint32_t lane)
{
    return (struct rng){.seed = seed, .stream = stream, .lane = lane};
}

void rng_block(const struct rng *r, uint64_t block, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32),
                                 r->lane, (uint32_t)r->stream};
    const uint32_t key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    rng_philox(out, counter, key);
}

uint32_t rng_u32(struct rng *r)
{
    uint32_t out[4];
    rng_block(r, r->next / 4, out);
    return out[r->next++ % 4];
}

float rng_float(struct rng *r)
{
    return (float)(rng_u32(r) >> 8) * 0x1p-24f;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    /* Numbers below 2^64 mod bound would make the small results too likely:
     * draw again. */
    uint64_t skip = (0 - bound) % bound;
    for (;;) {
        uint64_t high = rng_u32(r);
        uint64_t v = high << 32 | rng_u32(r);
        if (v >= skip)
            return v % bound;
    }
}

float rng_normal(struct rng *r)
{
    /* 1 - u is in (0, 1], so the logarithm is finite. */
    double u = 1.0 - (double)rng_float(r);
    double v = (double)rng_float(r);
    return (float)(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void rng_permutation(struct rng *r, uint64_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t j = (size_t)rng_below(r, i + 1);
        out[i] = out[j];
        out[j] = i;
    }
}
