/* SPDX-License-Identifier: MIT
 *
 * Selection rules against a full sort of all pre-activations, with ties,
 * NaN, too few positive values, and shapes around the block sizes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "sae/forward.h"

struct problem {
    size_t n, d, m;
    float *x, *w, *b, *h; /* h by the same product as the kernel's is exact
                             because values are small integers */
};

/* Small integers: every sum is exact whatever its order, and there are ties
 * in plenty. */
static struct problem problem_make(size_t n, size_t d, size_t m, uint32_t lane)
{
    struct problem p = {.n = n, .d = d, .m = m};
    struct rng r = rng_at(1, RNG_TEST, lane);
    p.x = calloc(n * d + 1, sizeof(float));
    p.w = calloc(m * d + 1, sizeof(float));
    p.b = calloc(m + 1, sizeof(float));
    p.h = calloc(n * m + 1, sizeof(float));
    assert_true(p.x && p.w && p.b && p.h);
    for (size_t i = 0; i < n * d; i++)
        p.x[i] = (float)rng_below(&r, 9) - 4;
    for (size_t i = 0; i < m * d; i++)
        p.w[i] = (float)rng_below(&r, 5) - 2;
    for (size_t i = 0; i < m; i++)
        p.b[i] = (float)rng_below(&r, 7) - 3;
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < m; f++) {
            p.h[i * m + f] = p.b[f];
            for (size_t j = 0; j < d; j++)
                p.h[i * m + f] += p.x[i * d + j] * p.w[f * d + j];
        }
    return p;
}

static void problem_free(struct problem *p)
{
    free(p->x);
    free(p->w);
    free(p->b);
    free(p->h);
}

static int rank(const void *a, const void *b)
{
    const struct hit *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

/* Marks in keep (n, m) what a rule selects among h > 0, by full sorting. */
static void select_slowly(char *keep, const struct problem *p,
                          const struct selection *s)
{
    struct hit *all = calloc(p->n * p->m + 1, sizeof *all);
    assert_non_null(all);
    memset(keep, 0, p->n * p->m);
    size_t groups = s->rule == RULE_TOPK ? p->n : 1;
    size_t rows = p->n / groups;
    for (size_t g = 0; g < groups; g++) {
        size_t count = 0;
        for (size_t r = g * rows; r < (g + 1) * rows; r++)
            for (size_t f = 0; f < p->m; f++) {
                float v = p->h[r * p->m + f];
                bool in =
                    v > 0 && (s->threshold == NULL || v > s->threshold[f]);
                if (in)
                    all[count++] = (struct hit){v, (uint32_t)r, (uint32_t)f};
            }
        qsort(all, count, sizeof *all, rank);
        size_t most = s->rule == RULE_TOPK || s->rule == RULE_BATCH_TOPK
                          ? rows * s->k
                          : count;
        for (size_t i = 0; i < count && i < most; i++)
            keep[all[i].row * p->m + all[i].feature] = 1;
    }
    free(all);
}

static void check_codes(const struct codes *c, const char *keep,
                        const struct problem *p)
{
    size_t at = 0;
    assert_int_equal(c->n, p->n);
    for (size_t r = 0; r < p->n; r++) {
        assert_int_equal(c->start[r], at);
        for (size_t f = 0; f < p->m; f++)
            if (keep[r * p->m + f]) {
                assert_true(at < c->start[p->n]);
                assert_int_equal(c->feature[at], f);
                assert_true(c->value[at] == p->h[r * p->m + f]);
                at++;
            }
    }
    assert_int_equal(c->start[p->n], at);
}

static void open_encoder(struct encoder *enc, const struct problem *p,
                         const struct team *team)
{
    struct err e;
    assert_int_equal(encoder_init(enc, p->d, p->m, ENCODER_COARSE, &e), 0);
    encoder_set(enc, p->w, p->b, NULL, p->m);
    encoder_pack(enc, team);
}

static void check_rule(const struct problem *p, struct forward *f,
                       const struct selection *s)
{
    struct err e;
    struct codes c = {0};
    struct encoder enc;
    open_encoder(&enc, p, f->team);
    char *keep = malloc(p->n * p->m + 1);
    assert_non_null(keep);
    select_slowly(keep, p, s);
    assert_int_equal(forward_run(f, &enc, s, p->x, p->n, &c, &e), 0);
    check_codes(&c, keep, p);
    codes_free(&c);
    encoder_free(&enc);
    free(keep);
}

static void test_rules_on_shapes(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {1, 1, 1},     {1, 3, 5},       {127, 2, 513},
        {128, 5, 512}, {129, 4, 9},     {300, 3, 1030},
        {257, 16, 64}, {200, 130, 700}, {200, 130, 700},
    };
    struct team team = team_make(3);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct problem p =
            problem_make(shapes[i][0], shapes[i][1], shapes[i][2], (uint32_t)i);
        float *threshold = malloc(p.m * sizeof *threshold);
        assert_non_null(threshold);
        for (size_t f = 0; f < p.m; f++)
            threshold[f] = (float)(f % 7) - 2;
        struct forward f;
        struct err e;
        assert_int_equal(forward_init(&f, &team, &e), 0);
        const size_t ks[] = {1, 3 < p.m ? 3 : p.m, p.m};
        for (size_t j = 0; j < 3; j++) {
            check_rule(&p, &f,
                       &(struct selection){.rule = RULE_TOPK, .k = ks[j]});
            check_rule(
                &p, &f,
                &(struct selection){.rule = RULE_BATCH_TOPK, .k = ks[j]});
        }
        check_rule(&p, &f, &(struct selection){.rule = RULE_POSITIVE});
        check_rule(&p, &f,
                   &(struct selection){.rule = RULE_THRESHOLD,
                                       .threshold = threshold});
        forward_free(&f);
        free(threshold);
        problem_free(&p);
    }
}

/* ---- coarse and exact ---- */

/* Normal numbers with some rows and features much larger than others. */
static void fill_unevenly(float *out, size_t n, size_t d, uint32_t lane)
{
    struct rng r = rng_at(9, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++) {
        float size = expf(0.5f * rng_normal(&r));
        for (size_t j = 0; j < d; j++)
            out[i * d + j] = size * rng_normal(&r) * (j % 50 == 7 ? 6 : 1);
    }
}

static size_t count_differences(const struct codes *a, const struct codes *b)
{
    size_t differ = 0;
    for (size_t r = 0; r < a->n; r++) {
        size_t i = a->start[r], j = b->start[r];
        while (i < a->start[r + 1] || j < b->start[r + 1]) {
            uint32_t x = i < a->start[r + 1] ? a->feature[i] : UINT32_MAX;
            uint32_t y = j < b->start[r + 1] ? b->feature[j] : UINT32_MAX;
            differ += x != y;
            i += x <= y;
            j += y <= x;
        }
    }
    return differ;
}

/* On a coarse product at most one selected pair in 10,000 may differ from what
 * fp32 selects (none does, but for equals within rounding), and the rest have
 * fp32's values. Catches a margin that is too small and a cut that forgets it.
 */
static void check_coarse(size_t m)
{
    static const size_t widths[] = {128, 201, 300};
    enum { N = 512, M = 3000 };
    struct team team = team_make(2);
    for (size_t w = 0; w < 3; w++) {
        size_t d = widths[w];
        float *x = malloc(N * d * sizeof *x), *f = malloc(m * d * sizeof *f);
        float bias[M], threshold[M];
        assert_true(x != NULL && f != NULL);
        fill_unevenly(x, N, d, (uint32_t)w);
        fill_unevenly(f, m, d, (uint32_t)(10 + w));
        fill_unevenly(bias, M, 1, (uint32_t)(20 + w));
        for (size_t i = 0; i < M; i++)
            threshold[i] = 2 * sqrtf((float)d);
        const struct selection rules[] = {
            {.rule = RULE_TOPK, .k = 16},
            {.rule = RULE_BATCH_TOPK, .k = 16},
            {.rule = RULE_THRESHOLD, .threshold = threshold},
            {.rule = RULE_THRESHOLD, .threshold = threshold, .below = 0.5f},
            {.rule = RULE_POSITIVE},
        };
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            struct codes codes[2] = {{0}, {0}};
            for (int coarse = 0; coarse < 2; coarse++) {
                struct encoder enc;
                struct forward fw;
                struct err e;
                assert_int_equal(
                    encoder_init(&enc, d, m,
                                 coarse ? ENCODER_COARSE : ENCODER_EXACT, &e),
                    0);
                encoder_set(&enc, f, bias, NULL, m);
                encoder_pack(&enc, &team);
                assert_int_equal(forward_init(&fw, &team, &e), 0);
                assert_int_equal(
                    forward_run(&fw, &enc, &rules[i], x, N, &codes[coarse], &e),
                    0);
                forward_free(&fw);
                encoder_free(&enc);
            }
            size_t pairs = codes[0].start[N];
            size_t differ = count_differences(&codes[0], &codes[1]);
            assert_true(pairs > 2000);
            if (differ * 10000 > pairs)
                fail_msg("d %zu, rule %zu: %zu of %zu pairs differ", d, i,
                         differ, pairs);
            codes_free(&codes[0]);
            codes_free(&codes[1]);
        }
        free(x);
        free(f);
    }
}

static void test_coarse_selects_as_exact(void **state)
{
    (void)state;
    /* One slab, whose own k largest are cut within the scan, and several. */
    check_coarse(500);
    check_coarse(3000);
}

/* A floor left by a batch of larger values must not hide this batch's. */
static void test_floor_of_another_batch(void **state)
{
    (void)state;
    struct team team = team_make(1);
    struct problem p = problem_make(200, 4, 100, 77);
    struct selection s = {.rule = RULE_BATCH_TOPK, .k = 5};
    struct forward f;
    struct err e;
    assert_int_equal(forward_init(&f, &team, &e), 0);
    f.floor = 1e6f;
    check_rule(&p, &f, &s);
    f.floor = 1e-3f;
    check_rule(&p, &f, &s);
    forward_free(&f);
    problem_free(&p);
}

/* NaN passes no rule and does not disturb the other rows. */
static void test_nan_is_not_selected(void **state)
{
    (void)state;
    struct team team = team_make(1);
    struct problem p = problem_make(40, 3, 30, 78);
    p.x[7 * p.d] = NAN;
    for (size_t f = 0; f < p.m; f++)
        p.h[7 * p.m + f] = NAN;
    struct forward f;
    struct err e;
    assert_int_equal(forward_init(&f, &team, &e), 0);
    check_rule(&p, &f, &(struct selection){.rule = RULE_TOPK, .k = 4});
    check_rule(&p, &f, &(struct selection){.rule = RULE_BATCH_TOPK, .k = 4});
    check_rule(&p, &f, &(struct selection){.rule = RULE_POSITIVE});
    forward_free(&f);
    problem_free(&p);
}

static void test_no_rows(void **state)
{
    (void)state;
    struct team team = team_make(2);
    struct problem p = problem_make(0, 3, 30, 79);
    struct forward f;
    struct err e;
    struct codes c = {0};
    struct encoder enc;
    struct selection s = {.rule = RULE_BATCH_TOPK, .k = 4};
    open_encoder(&enc, &p, &team);
    assert_int_equal(forward_init(&f, &team, &e), 0);
    assert_int_equal(forward_run(&f, &enc, &s, p.x, 0, &c, &e), 0);
    assert_int_equal(c.n, 0);
    assert_int_equal(c.start[0], 0);
    codes_free(&c);
    forward_free(&f);
    encoder_free(&enc);
    problem_free(&p);
}

/* hits_select on equal values, sorted and reversed lists of many lengths. */
static void test_select_splits_by_rank(void **state)
{
    (void)state;
    struct rng r = rng_at(2, RNG_TEST, 0);
    for (size_t n = 1; n < 60; n++) {
        struct hit item[60], sorted[60];
        for (size_t i = 0; i < n; i++)
            item[i] = (struct hit){(float)rng_below(&r, n % 3 == 0 ? 1 : 9),
                                   (uint32_t)rng_below(&r, 4), (uint32_t)i};
        memcpy(sorted, item, sizeof item);
        qsort(sorted, n, sizeof *sorted, rank);
        size_t k = 1 + (size_t)rng_below(&r, n);
        hits_select(item, n, k);
        assert_int_equal(rank(&item[k - 1], &sorted[k - 1]), 0);
        qsort(item, k, sizeof *item, rank);
        for (size_t i = 0; i < k; i++)
            assert_int_equal(rank(&item[i], &sorted[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules_on_shapes),
        cmocka_unit_test(test_coarse_selects_as_exact),
        cmocka_unit_test(test_floor_of_another_batch),
        cmocka_unit_test(test_nan_is_not_selected),
        cmocka_unit_test(test_no_rows),
        cmocka_unit_test(test_select_splits_by_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
