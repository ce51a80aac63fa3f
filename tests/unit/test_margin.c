/* SPDX-License-Identifier: MIT
 *
 * The margins of coarse products (kernels/encoder.h) against errors of tiles.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sae/forward.h"

enum { MARGIN_ROWS = 60, MARGIN_FEATURES = 400, MARGIN_WIDTH = 300 };

static float x[MARGIN_ROWS * MARGIN_WIDTH];
static float w[MARGIN_FEATURES * MARGIN_WIDTH];

/* Constants, which bf16 rounds all the same way, are beyond its margin. */
enum kind { NORMAL, HEAVY, OUTLIER, SPARSE, CONSTANT };
enum { OUTLIER_AT = 77 };

static float draw(enum kind kind, size_t j, struct rng *r)
{
    float z = rng_normal(r);
    switch (kind) {
    case HEAVY:
        return z * z * z;
    case OUTLIER:
        return j == OUTLIER_AT ? 30 * z : z;
    case SPARSE:
        return rng_below(r, 10) == 0 ? z : 0;
    case CONSTANT:
        return 1.1f;
    default:
        return z;
    }
}

static void draw_all(float *out, size_t n, size_t d, enum kind kind,
                     uint32_t lane)
{
    struct rng r = rng_at(4, RNG_TEST, lane);
    for (size_t i = 0; i < n * d; i++)
        out[i] = draw(kind, i % d, &r);
}

/* The largest error of the coarse product over its row's margin. */
static double largest_error(const struct encoder *enc,
                            const struct encoder_rows *rows)
{
    enum { TILE = 32 * 32 };
    static _Alignas(64) float tile[TILE];
    const struct product *p = &enc->product;
    double largest = 0;
    assert_true(p->rows * p->features <= TILE);
    for (size_t i = 0; i < rows->groups * enc->panels; i++) {
        size_t g = i / enc->panels, panel = i % enc->panels;
        p->run(tile, rows->packed + g * rows->group_bytes, 1, 0,
               enc->packed + panel * enc->panel_bytes, product_depth(p, enc->d),
               false);
        for (size_t t = 0; t < p->rows * p->features; t++) {
            size_t r = g * p->rows + t / p->features;
            size_t f = panel * p->features + t % p->features;
            if (r >= rows->n || f >= enc->m)
                continue;
            double want =
                kernels.dot_double(x + r * enc->d, enc->w + f * enc->d, enc->d);
            double error =
                fabs((double)tile[t] - want) / (double)rows->margin[r];
            largest = error > largest ? error : largest;
        }
    }
    return largest;
}

/* Of rows x and the first m features w, both d wide. */
static double measure(size_t m, size_t d)
{
    static const float bias[MARGIN_FEATURES];
    struct team team = team_make(1);
    struct encoder enc;
    struct encoder_rows rows = {0};
    struct err e;
    assert_int_equal(encoder_init(&enc, d, m, ENCODER_COARSE, &e), 0);
    encoder_set(&enc, w, bias, NULL, m);
    encoder_pack(&enc, &team);
    assert_true(encoder_rows_begin(&rows, &enc, MARGIN_ROWS));
    for (size_t g = 0; g < rows.groups; g++)
        encoder_pack_group(&rows, &enc, x, g);
    double largest = largest_error(&enc, &rows);
    encoder_rows_free(&rows);
    encoder_free(&enc);
    return largest;
}

static double error_of(enum kind of_x, enum kind of_w, size_t d)
{
    draw_all(x, MARGIN_ROWS, d, of_x, 1);
    draw_all(w, MARGIN_FEATURES, d, of_w, 2);
    return measure(MARGIN_FEATURES, d);
}

/* The margin of a row covers what rounding x and w does to every product, and
 * of normal numbers is not many times what it has to be. */
static void test_margin_covers_rounding(void **state)
{
    (void)state;
    if (kernels.coarse.run == NULL)
        skip();
    int kinds =
        strcmp(kernels.coarse.numbers, "int8") == 0 ? CONSTANT + 1 : CONSTANT;
    for (size_t d = 130; d <= MARGIN_WIDTH; d += 170) {
        for (int i = 0; i < kinds * kinds; i++) {
            enum kind of_x = (enum kind)(i / kinds);
            enum kind of_w = (enum kind)(i % kinds);
            double largest = error_of(of_x, of_w, d);
            if (largest > 1)
                fail_msg("x %d, w %d, d %zu: %.2f of the margin", of_x, of_w, d,
                         largest);
        }
        assert_true(error_of(NORMAL, NORMAL, d) > 0.25);
    }
}

/* Features in the direction of rows whose numbers, but for one, the packed rows
 * have lost. */
static void test_margin_covers_what_is_lost(void **state)
{
    (void)state;
    if (kernels.coarse.run == NULL)
        skip();
    for (float size = 30; size < 1e6f; size *= 1.5f) {
        draw_all(x, MARGIN_ROWS, MARGIN_WIDTH, NORMAL, 5);
        memcpy(w, x, sizeof x);
        for (size_t i = 0; i < MARGIN_ROWS; i++) {
            w[i * MARGIN_WIDTH + OUTLIER_AT] = 0;
            x[i * MARGIN_WIDTH + OUTLIER_AT] = size;
        }
        double largest = measure(MARGIN_ROWS, MARGIN_WIDTH);
        if (largest > 1)
            fail_msg("an outlier of %.0f: %.2f of the margin", (double)size,
                     largest);
    }
}

/* Features that are one number many times the others, all of one sign: what
 * panels have lost adds up beside rows of positive numbers. */
static void test_margin_covers_what_features_lose(void **state)
{
    (void)state;
    if (kernels.coarse.run == NULL)
        skip();
    for (float rest = 1e-4f; rest < 3.9e-3f; rest *= 1.5f) {
        draw_all(x, MARGIN_ROWS, MARGIN_WIDTH, NORMAL, 6);
        for (size_t i = 0; i < MARGIN_ROWS * MARGIN_WIDTH; i++) {
            x[i] = fabsf(x[i]);
            w[i] = i % MARGIN_WIDTH == i / MARGIN_WIDTH ? 1 : rest;
        }
        double largest = measure(MARGIN_ROWS, MARGIN_WIDTH);
        if (largest > 1)
            fail_msg("features that are %g but for one number: %.2f of the "
                     "margin",
                     (double)rest, largest);
    }
}

/* Rows and features that are all zero, the smallest numbers and large ones
 * beside others neither disturb those nor give anything that is not a number.
 */
static void test_scales_of_any_size(void **state)
{
    (void)state;
    enum { N = 20, M = 40, D = 256 }; /* within x and w */
    static const float sizes[] = {0, 0x1p-149f, 1e-38f, 1e-30f, 1, 1e15f};
    static const float bias[M];
    struct team team = team_make(1);
    draw_all(x, N, D, NORMAL, 3);
    draw_all(w, M, D, NORMAL, 4);
    for (size_t i = 0; i < N * D; i++)
        x[i] *= sizes[i / D % 6];
    for (size_t i = 0; i < M * D; i++)
        w[i] *= sizes[i / D % 6];
    struct codes codes[2] = {{0}, {0}};
    const struct selection rule = {.rule = RULE_TOPK, .k = 3};
    for (int coarse = 0; coarse < 2; coarse++) {
        struct encoder enc;
        struct forward f;
        struct err e;
        assert_int_equal(encoder_init(&enc, D, M,
                                      coarse ? ENCODER_COARSE : ENCODER_EXACT,
                                      &e),
                         0);
        encoder_set(&enc, w, bias, NULL, M);
        encoder_pack(&enc, &team);
        assert_int_equal(forward_init(&f, &team, &e), 0);
        assert_int_equal(forward_run(&f, &enc, &rule, x, N, &codes[coarse], &e),
                         0);
        for (size_t r = 0; r < N; r++)
            assert_true(isfinite(f.rows.margin[r]));
        forward_free(&f);
        encoder_free(&enc);
    }
    for (size_t r = 0; r < N; r++)
        if (sizes[r % 6] >= 1e-30f) { /* smaller ones count as zero */
            size_t a = codes[0].start[r], b = codes[1].start[r];
            assert_int_equal(codes[0].start[r + 1] - a, 3);
            assert_int_equal(codes[1].start[r + 1] - b, 3);
            assert_memory_equal(codes[0].feature + a, codes[1].feature + b,
                                3 * sizeof(uint32_t));
        }
    codes_free(&codes[0]);
    codes_free(&codes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_margin_covers_rounding),
        cmocka_unit_test(test_margin_covers_what_is_lost),
        cmocka_unit_test(test_margin_covers_what_features_lose),
        cmocka_unit_test(test_scales_of_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
