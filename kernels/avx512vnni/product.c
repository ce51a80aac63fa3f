/* SPDX-License-Identifier: MIT
 *
 * The coarse product by VPDPBUSD, which multiplies unsigned bytes by signed
 * ones, four depths at a time, and adds them up as 32-bit integers, exactly.
 * Features are stored as q + 128. The sums of a segment therefore begin at
 * −128·Σq of the row's bytes; at its end they become floats, which represent
 * them exactly, times both scales.
 *
 * A step is a segment. Packed, it is: of a group, the rows' beginnings, bytes
 * (32 quads of depths, rows, 4) and scales; of a panel, bytes (32 quads,
 * features, 4) and scales.
 */
#include "kernels/avx512/transpose.h"
#include "kernels/avx512vnni/avx512vnni.h"
#include "kernels/avx512vnni/segment.h"

#include <string.h>

enum {
    ROWS = 14, /* tiles as in avx512/product.c */
    FEATURES = 2 * LANES,
    GROUP_STEP = (SEGMENT / 4 + 2) * ROWS,     /* numbers of 4 bytes */
    PANEL_STEP = (SEGMENT / 4 + 1) * FEATURES, /* likewise */
};

/* ---- packing ---- */

/* Row r's part of a step of a group, from depth j on. */
static void pack_row(int32_t *step, size_t r, const float *row, size_t j,
                     size_t d)
{
    const __m512i ones = _mm512_set1_epi8(1);
    const struct scale scale = segment_scale(row, j, d);
    __m512i sum = _mm512_setzero_si512();
    int32_t *quads = step + ROWS;
    for (size_t at = 0; at < SEGMENT;
         at += QUAD_DEPTHS, quads += QUADS * ROWS) {
        int32_t quad[QUADS];
        __m512i bytes = segment_bytes(row, j + at, d, scale.inverse);
        sum = _mm512_dpbusd_epi32(sum, ones, bytes);
        _mm512_storeu_si512(quad, bytes);
        for (size_t i = 0; i < QUADS; i++)
            quads[i * ROWS + r] = quad[i];
    }
    step[r] = -128 * _mm512_reduce_add_epi32(sum);
    memcpy(quads + r, &scale.size, sizeof scale.size);
}

static void pack_rows(void *group, const float *x, size_t n, size_t d)
{
    int32_t *step = group;
    for (size_t j = 0; j < d; j += SEGMENT, step += GROUP_STEP)
        for (size_t r = 0; r < ROWS; r++)
            if (r < n)
                pack_row(step, r, x + r * d, j, d);
            else
                pack_row(step, r, NULL, 0, 0);
}

/* LANES features, or as many as there are, of a step of a panel. */
static void pack_lanes(float *step, const float *w, const uint32_t *index,
                       size_t n, size_t j, size_t d)
{
    struct scale scale[LANES] = {{0}};
    for (size_t i = 0; i < n; i++) {
        scale[i] = segment_scale(w + index[i] * d, j, d);
        step[SEGMENT / 4 * FEATURES + i] = scale[i].size;
    }
    for (size_t i = n; i < LANES; i++)
        step[SEGMENT / 4 * FEATURES + i] = 0;
    for (size_t at = 0; at < SEGMENT; at += QUAD_DEPTHS) {
        __m512 v[LANES];
        for (size_t i = 0; i < LANES; i++) {
            __m512i bytes = _mm512_setzero_si512();
            if (i < n)
                bytes = segment_bytes(w + index[i] * d, j + at, d,
                                      scale[i].inverse);
            /* Adds 128. */
            bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8(-128));
            v[i] = _mm512_castsi512_ps(bytes);
        }
        transpose(v);
        for (size_t i = 0; i < QUADS; i++)
            lanes_store(step + (at / 4 + i) * FEATURES, v[i]);
    }
}

static void pack_features(void *panel, const float *w, const uint32_t *index,
                          size_t n, size_t d)
{
    float *step = panel;
    for (size_t j = 0; j < d; j += SEGMENT, step += PANEL_STEP)
        for (size_t first = 0; first < FEATURES; first += LANES) {
            size_t left = n > first ? n - first : 0;
            pack_lanes(step + first, w, index + first,
                       left < LANES ? left : LANES, j, d);
        }
}

/* ---- the product ---- */

/* Sums of 32-bit integers, in a type that gcc 12 keeps in registers: of
 * __m512i, which it takes for 64-bit ones, it stores each as it is made. */
typedef int32_t ints __attribute__((vector_size(64)));

static inline ints ints_set(int32_t x)
{
    return (ints)_mm512_set1_epi32(x);
}

static inline ints multiply_add(ints sum, ints x, ints w)
{
    return (ints)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, (__m512i)x);
}

/* out, or zero unless `more`, plus sums of a segment times both scales. */
static inline void store(float *out, ints sum, lanes row, lanes features,
                         bool more)
{
    lanes part = lanes_mul(_mm512_cvtepi32_ps((__m512i)sum), row);
    lanes begin = more ? lanes_load(out) : lanes_zero();
    lanes_store(out, lanes_fma(part, features, begin));
}

/* One step. */
static inline void tile(float *out, const int32_t *x, const int32_t *w,
                        bool more)
{
    ints sum[ROWS][2];
    for (int r = 0; r < ROWS; r++)
        sum[r][0] = sum[r][1] = ints_set(x[r]);
    x += ROWS;
    for (size_t j = 0; j < SEGMENT / 4; j++) {
        ints w0 = (ints)_mm512_loadu_si512(w);
        ints w1 = (ints)_mm512_loadu_si512(w + LANES);
        for (int r = 0; r < ROWS; r++) {
            ints xr = ints_set(x[r]);
            sum[r][0] = multiply_add(sum[r][0], xr, w0);
            sum[r][1] = multiply_add(sum[r][1], xr, w1);
        }
        x += ROWS;
        w += FEATURES;
    }
    lanes s0 = lanes_load((const void *)w);
    lanes s1 = lanes_load((const void *)(w + LANES));
    for (int r = 0; r < ROWS; r++) {
        lanes row = _mm512_castsi512_ps((__m512i)ints_set(x[r]));
        store(out + r * FEATURES, sum[r][0], row, s0, more);
        store(out + r * FEATURES + LANES, sum[r][1], row, s1, more);
    }
}

static void run(float *tiles, const void *groups, size_t n_groups,
                size_t group_bytes, const void *panel, size_t depth, bool more)
{
    for (size_t g = 0; g < n_groups; g++) {
        const int32_t *w = panel;
        const int32_t *x =
            (const void *)((const char *)groups + g * group_bytes);
        for (size_t j = 0; j < depth; j += SEGMENT) {
            tile(tiles + g * ROWS * FEATURES, x, w, more || j > 0);
            x += GROUP_STEP;
            w += PANEL_STEP;
        }
    }
}

static double peak(double flop)
{
    enum { ROUNDS = 1024, SUMS = 12 };
    ints sum[SUMS], x = ints_set(0x01010101);
    for (int i = 0; i < SUMS; i++)
        sum[i] = x; /* zeros would become a memset */
    double done = 0;
    for (; done < flop; done += 8.0 * LANES * SUMS * ROUNDS)
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < SUMS; i++) {
                ints next = multiply_add(sum[i], x, x);
                __asm__ volatile("" : "+v"(next));
                sum[i] = next;
            }
    return done;
}

/* ---- rounding ---- */

/* A segment's scale squared over 12, the variance of rounding to it, and the
 * sum of its squares. */
struct spread {
    double variance, squares;
};

static struct spread spread_of(const float *row, size_t j, size_t d)
{
    const struct scale scale = segment_scale(row, j, d);
    lanes sum = lanes_zero(); /* of squares over the scale's: no overflow */
    for (size_t i = j; i < j + SEGMENT && i < d; i += LANES) {
        lanes x = lanes_mul(segment_load(row, i, d), lanes_set(scale.inverse));
        sum = lanes_fma(x, x, sum);
    }
    double square = (double)scale.size * (double)scale.size;
    return (struct spread){square / 12, square * (double)lanes_sum(sum)};
}

static size_t terms(size_t d)
{
    return 2 * ((d + SEGMENT - 1) / SEGMENT);
}

static void raise_terms(double *terms, const float *w, size_t d)
{
    for (size_t j = 0; j < d; j += SEGMENT, terms += 2) {
        const struct spread s = spread_of(w, j, d);
        terms[0] = s.squares > terms[0] ? s.squares : terms[0];
        terms[1] = s.variance > terms[1] ? s.variance : terms[1];
    }
}

static double margin(const float *x, size_t d, const double *terms)
{
    double sum = 0;
    for (size_t j = 0; j < d; j += SEGMENT, terms += 2) {
        const struct spread s = spread_of(x, j, d);
        sum += s.variance * terms[0] + s.squares * terms[1];
    }
    return 6 * sqrt(sum);
}

void avx512vnni_product(struct kernels *k)
{
    k->coarse = (struct product){
        .numbers = "int8",
        .rows = ROWS,
        .features = FEATURES,
        .step = SEGMENT,
        .group_step = GROUP_STEP * 4,
        .panel_step = PANEL_STEP * 4,
        .pack_rows = pack_rows,
        .pack_features = pack_features,
        .run = run,
        .peak = peak,
        .rounding = {terms, raise_terms, margin},
    };
}
