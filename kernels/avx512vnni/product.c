/* SPDX-License-Identifier: MIT
 *
 * The coarse product by VPDPBUSD, which multiplies unsigned bytes by signed
 * ones, four depths at a time, and adds them up as 32-bit integers, exactly.
 * Features are stored as q + 128. The sums of a segment therefore begin at
 * −128·Σq of the row's bytes; at its end they become floats, which represent
 * them exactly, times both scales.
 *
 * A step is a segment. Packed, it is: of a group, the rows' beginnings, bytes
 * (32 quads of depths, rows, 4), scales and what was lost, for margins; of a
 * panel, bytes (32 quads, features, 4), scales, and what was lost.
 */
#include "kernels/avx512/transpose.h"
#include "kernels/avx512vnni/avx512vnni.h"
#include "kernels/avx512vnni/segment.h"

#include <string.h>

enum {
    ROWS = 14, /* tiles as in avx512/product.c */
    FEATURES = 2 * LANES,
    GROUP_STEP = (SEGMENT / 4 + 3) * ROWS,     /* numbers of 4 bytes */
    PANEL_STEP = (SEGMENT / 4 + 2) * FEATURES, /* likewise */
};

/* ---- packing ---- */

/* Row r's part of a step of a group, from depth j on. */
static void pack_row(int32_t *step, size_t r, const float *row, size_t j,
                     size_t d)
{
    const __m512i ones = _mm512_set1_epi8(1);
    const struct scale scale = segment_scale(row, j, d);
    const float lost = segment_lost(row, j, d, scale.inverse);
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
    memcpy(quads + ROWS + r, &lost, sizeof lost);
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

/* Scales of n features in a step that begins at depth j, and behind those of
 * all features what is lost: into the panel; and the scales' inverses. */
static void scale_lanes(float *size, float inverse[LANES], const float *w,
                        const uint32_t *index, size_t n, size_t j, size_t d)
{
    __m512 largest[LANES];
    for (size_t i = 0; i < LANES; i++)
        largest[i] =
            i < n ? _mm512_castsi512_ps(segment_largest(w + index[i] * d, j, d))
                  : lanes_zero();
    transpose(largest);
    __m512i most = _mm512_castps_si512(largest[0]);
    for (size_t i = 1; i < LANES; i++)
        most = _mm512_max_epu32(most, _mm512_castps_si512(largest[i]));
    const struct scales s = segment_scales(most);
    lanes_store(size, s.size);
    lanes_store(inverse, s.inverse);
    for (size_t i = 0; i < LANES; i++)
        size[FEATURES + i] =
            i < n ? segment_lost(w + index[i] * d, j, d, inverse[i]) : 0;
}

/* LANES features, or the n <= LANES that there are, of a step of a panel. Bits
 * are flipped for q + 128. */
static void pack_lanes(float *step, const float *w, const uint32_t *index,
                       size_t n, size_t j, size_t d)
{
    const __m512i offset = _mm512_set1_epi8(-128);
    float inverse[LANES];
    scale_lanes(step + SEGMENT / 4 * FEATURES, inverse, w, index, n, j, d);
    for (size_t at = 0; at < SEGMENT; at += QUAD_DEPTHS) {
        __m512 v[LANES];
        for (size_t i = 0; i < LANES; i++) {
            __m512i bytes = offset;
            if (i < n)
                bytes = _mm512_xor_si512(
                    bytes,
                    segment_bytes(w + index[i] * d, j + at, d, inverse[i]));
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

/* Σq² over a segment of LANES rows or features, of which `which` are there.
 * Their quads lie `stride` numbers apart; flip makes their bytes signed. */
static inline lanes sum_squares(const int32_t *quads, size_t stride,
                                __mmask16 which, __m512i flip)
{
    ints sum = ints_set(0);
    for (size_t i = 0; i < SEGMENT / 4; i++) {
        __m512i q = _mm512_maskz_loadu_epi32(which, quads + i * stride);
        q = _mm512_abs_epi8(_mm512_xor_si512(q, flip));
        sum = multiply_add(sum, (ints)q, (ints)q);
    }
    return _mm512_cvtepi32_ps((__m512i)sum);
}

static size_t terms(size_t d)
{
    return 2 * ((d + SEGMENT - 1) / SEGMENT);
}

/* Largest of most and each of v, of which NaNs are not. */
static inline double largest(double most, doubles v)
{
    return _mm512_reduce_max_pd(_mm512_max_pd(v, _mm512_set1_pd(most)));
}

/* Terms of a segment: s²·Σq², and s²·max(3, lost), 3 being 6² over 12. */
static void raise_terms(double *terms, const void *panel, size_t d)
{
    const int32_t *w = panel;
    const __m512i flip = _mm512_set1_epi8(-128);
    for (size_t j = 0; j < d; j += SEGMENT, terms += 2, w += PANEL_STEP)
        for (size_t first = 0; first < FEATURES; first += LANES) {
            const int32_t *scale = w + SEGMENT / 4 * FEATURES + first;
            lanes size = lanes_load((const void *)scale);
            lanes sum = sum_squares(w + first, FEATURES, 0xffff, flip);
            doubles low = doubles_low(size), high = doubles_high(size);
            low = doubles_mul(low, low);
            high = doubles_mul(high, high);
            lanes lost = lanes_load((const void *)(scale + FEATURES));
            doubles worst = _mm512_max_pd(doubles_low(lost), _mm512_set1_pd(3));
            terms[1] = largest(terms[1], doubles_mul(low, worst));
            worst = _mm512_max_pd(doubles_high(lost), _mm512_set1_pd(3));
            terms[1] = largest(terms[1], doubles_mul(high, worst));
            low = doubles_mul(low, doubles_low(sum));
            high = doubles_mul(high, doubles_high(sum));
            terms[0] = largest(largest(terms[0], low), high);
        }
}

/* Adds a segment's part of the margins squared: s²·(max(3, lost)·terms[0] +
 * Σq²·terms[1]). */
static inline doubles add_variance(doubles sum, doubles size, doubles q,
                                   doubles lost, const double *terms)
{
    doubles row = _mm512_max_pd(lost, _mm512_set1_pd(3));
    row = doubles_mul(row, _mm512_set1_pd(terms[0]));
    doubles both = doubles_fma(q, _mm512_set1_pd(terms[1]), row);
    return doubles_fma(doubles_mul(size, size), both, sum);
}

static void margins(float *margin, const void *group, size_t n, size_t d,
                    const double *terms)
{
    const int32_t *x = group;
    const __mmask16 rows = lanes_mask(ROWS);
    doubles low = doubles_zero(), high = low;
    double sum[LANES];
    for (size_t j = 0; j < d; j += SEGMENT, terms += 2, x += GROUP_STEP) {
        const int32_t *scale = x + (1 + SEGMENT / 4) * ROWS;
        lanes size = lanes_load_first((const void *)scale, ROWS);
        lanes q = sum_squares(x + ROWS, ROWS, rows, _mm512_setzero_si512());
        lanes lost = lanes_load_first((const void *)(scale + ROWS), ROWS);
        low = add_variance(low, doubles_low(size), doubles_low(q),
                           doubles_low(lost), terms);
        high = add_variance(high, doubles_high(size), doubles_high(q),
                            doubles_high(lost), terms);
    }
    _mm512_storeu_pd(sum, low);
    _mm512_storeu_pd(sum + LANES / 2, high);
    for (size_t r = 0; r < n; r++)
        margin[r] = (float)sqrt(sum[r]);
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
        .rounding = {terms, raise_terms, margins},
    };
}
