/* SPDX-License-Identifier: MIT
 *
 * Every figure of docs/metrics.md against a direct computation in double, on
 * rows whose mean is far from zero and whose batches have different means:
 * there a variance about zero, a mean of means, a division by the wrong number
 * or sums in float are off by far more than the tolerance. PCA against planted
 * spectra, matching against planted permutations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sae/match.h"
#include "sae/measure.h"

enum { D = 20, HEADS = 4, WIDTH = D / HEADS, M = 50, ROWS = 1000, K = 3 };

static struct err e;

/* ---- rows, an SAE and codes, all planted ---- */

static float x[ROWS * D], w_dec[M * D], b_dec[D];
static size_t start[ROWS + 1];
static uint32_t feature[ROWS * K];
static float value[ROWS * K];
static const struct sae sae = {.d = D, .m = M, .w_dec = w_dec, .b_dec = b_dec};

static void fill(float *out, size_t n, float scale, uint32_t lane)
{
    struct rng r = rng_at(3, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        out[i] = scale * rng_normal(&r);
}

/* Rows near their reconstruction; coordinates with means of their own, which
 * drift along the rows; row 7 is zero; some rows have no code. Features from
 * 40 on never fire. */
static void plant(void)
{
    struct rng r = rng_at(4, RNG_TEST, 0);
    size_t at = 0;
    fill(w_dec, M * D, 0.5f, 1);
    fill(x, ROWS * D, 0.4f, 3);
    for (size_t j = 0; j < D; j++)
        b_dec[j] = 10 + (float)j;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < D; j++)
            x[i * D + j] += b_dec[j] + 0.002f * (float)i;
        for (size_t k = 0; k < i % (K + 1); k++) {
            feature[at] = (uint32_t)(13 * k + rng_below(&r, 13));
            value[at] = 0.5f + rng_float(&r);
            for (size_t j = 0; j < D; j++)
                x[i * D + j] += value[at] * w_dec[feature[at] * D + j];
            at++;
        }
        start[i + 1] = at;
    }
    memset(x + 7 * D, 0, D * sizeof *x);
}

static int make(void **state)
{
    (void)state;
    plant();
    return 0;
}

/* Rows [first, first + n) with their codes; the caller frees `start`. */
static struct codes codes_of(size_t first, size_t n)
{
    struct codes c = {.n = n, .start = malloc((n + 1) * sizeof *c.start)};
    c.feature = feature + start[first];
    c.value = value + start[first];
    for (size_t i = 0; i <= n; i++)
        c.start[i] = start[first + i] - start[first];
    return c;
}

static void add(struct metrics *q, size_t first, size_t n, int threads)
{
    struct team team = team_make(threads);
    struct codes c = codes_of(first, n);
    assert_int_equal(metrics_add(q, &sae, &team, x + first * D, &c, &e), 0);
    free(c.start);
}

static void measured(struct metrics *q, size_t piece, int threads)
{
    assert_int_equal(metrics_init(q, D, M, HEADS, &e), 0);
    for (size_t i = 0; i < ROWS; i += piece)
        add(q, i, i + piece < ROWS ? piece : ROWS - i, threads);
}

/* ---- the same, directly ---- */

static double decoded(size_t row, size_t j)
{
    double sum = (double)b_dec[j];
    for (size_t i = start[row]; i < start[row + 1]; i++)
        sum += (double)value[i] * (double)w_dec[feature[i] * D + j];
    return sum;
}

static double mean(size_t j, size_t first, size_t n)
{
    double sum = 0;
    for (size_t i = first; i < first + n; i++)
        sum += (double)x[i * D + j];
    return sum / (double)n;
}

/* Σ(x − x̄)² and Σ(x̂ − x)² over coordinates [from, to). */
static void sums(double *variance, double *error, size_t from, size_t to)
{
    *variance = *error = 0;
    for (size_t j = from; j < to; j++) {
        double centre = mean(j, 0, ROWS);
        for (size_t i = 0; i < ROWS; i++) {
            *variance += pow((double)x[i * D + j] - centre, 2);
            *error += pow(decoded(i, j) - (double)x[i * D + j], 2);
        }
    }
}

/* Rounding of x̂ to float, about 30, is the least that stays. */
static void assert_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-5 * fabs(want)))
        fail_msg("%.12g, not %.12g", got, want);
}

/* That a wrong definition could not pass for the right one here. */
static void assert_far(double wrong, double right)
{
    assert_true(fabs(wrong - right) > 1e-3 * fabs(right));
}

static void test_fvu(void **state)
{
    (void)state;
    struct metrics q;
    double variance, error, about_zero = 0, of_means = 0;
    measured(&q, 300, 2); /* 300, 300, 300, 100: no equal weights */
    sums(&variance, &error, 0, D);
    assert_near(metrics_fvu(&q), error / variance);
    assert_near(metrics_mse(&q), error / ROWS);
    for (size_t i = 0; i < ROWS * D; i++)
        about_zero += pow((double)x[i], 2);
    assert_far(error / about_zero, error / variance);
    for (size_t i = 0; i < ROWS; i += 300)
        for (size_t j = 0; j < D; j++) {
            size_t n = i + 300 < ROWS ? 300 : ROWS - i;
            double centre = mean(j, i, n);
            for (size_t r = i; r < i + n; r++)
                of_means += pow((double)x[r * D + j] - centre, 2);
        }
    assert_far(error / of_means, error / variance);
    metrics_free(&q);
}

static void test_fvu_of_heads(void **state)
{
    (void)state;
    struct metrics q;
    double fvu[HEADS];
    measured(&q, 300, 2);
    for (size_t h = 0; h < HEADS; h++) {
        double variance, error;
        sums(&variance, &error, h * WIDTH, (h + 1) * WIDTH);
        fvu[h] = error / variance;
        assert_near(metrics_head_fvu(&q, h), fvu[h]);
    }
    for (size_t h = 1; h < HEADS; h++)
        assert_far(fvu[h], fvu[0]);
    metrics_free(&q);
}

/* The mean over rows of ratios, with the mean of each call's rows. */
static void test_legacy_fvu(void **state)
{
    (void)state;
    struct metrics q;
    double sum = 0, variance, error, centre[D];
    measured(&q, 300, 2);
    for (size_t i = 0; i < ROWS; i++) {
        double e2 = 0, v2 = 0;
        for (size_t j = 0; i % 300 == 0 && j < D; j++)
            centre[j] = mean(j, i, i + 300 < ROWS ? 300 : ROWS - i);
        for (size_t j = 0; j < D; j++) {
            e2 += pow(decoded(i, j) - (double)x[i * D + j], 2);
            v2 += pow((double)x[i * D + j] - centre[j], 2);
        }
        sum += e2 / v2;
    }
    assert_near(metrics_fvu_legacy(&q), sum / ROWS);
    sums(&variance, &error, 0, D);
    assert_far(sum / ROWS, error / variance);
    /* And the error about its own mean. */
    double offset = 0;
    for (size_t j = 0; j < D; j++) {
        double own = 0;
        for (size_t i = 0; i < ROWS; i++)
            own += decoded(i, j) - (double)x[i * D + j];
        offset += own * own / ROWS;
    }
    assert_near(metrics_fvu_error_variance(&q), (error - offset) / variance);
    assert_far((error - offset) / variance, error / variance);
    metrics_free(&q);
}

static void test_angles_and_lengths(void **state)
{
    (void)state;
    struct metrics q;
    double cosine = 0, ratio = 0, bias[2] = {0};
    measured(&q, ROWS, 2);
    for (size_t i = 0; i < ROWS; i++) {
        double xx = 0, dd = 0, xd = 0;
        for (size_t j = 0; j < D; j++) {
            double a = (double)x[i * D + j], b = decoded(i, j);
            xx += a * a;
            dd += b * b;
            xd += a * b;
        }
        cosine += i == 7 ? 0 : xd / sqrt(xx * dd);
        ratio += i == 7 ? 0 : sqrt(dd / xx);
        bias[0] += dd;
        bias[1] += xd;
    }
    assert_near(metrics_cosine(&q), cosine / ROWS);
    assert_near(metrics_length_ratio(&q), ratio / (ROWS - 1));
    assert_near(metrics_relative_bias(&q), bias[0] / bias[1]);
    assert_far(cosine / (ROWS - 1), cosine / ROWS); /* row 7 counts, as 0 */
    metrics_free(&q);
}

static void test_activity(void **state)
{
    (void)state;
    struct metrics q;
    double l1 = 0;
    uint64_t fires[M] = {0};
    size_t dead = 0;
    measured(&q, 300, 2);
    for (size_t i = 0; i < start[ROWS]; i++) {
        l1 += (double)value[i];
        fires[feature[i]]++;
    }
    assert_near(metrics_l1(&q), l1 / ROWS);
    assert_true(metrics_l0(&q) == (double)start[ROWS] / ROWS);
    for (size_t f = 0; f < M; f++) {
        assert_int_equal(q.fires[f], fires[f]);
        dead += fires[f] == 0;
    }
    assert_true(dead >= 11);
    assert_int_equal(metrics_dead(&q), dead);
    metrics_free(&q);
}

/* Bins begin at their lower edge: 1 of 1000 is in that of 10^-3, and every
 * token in the last. */
static void test_densities(void **state)
{
    (void)state;
    static const struct {
        uint64_t fires;
        size_t bin;
    } rows[] = {{1, 0},        {10, 2},        {31, 2},        {32, 3},
                {100000, 10},  {316227, 10},   {316228, 11},   {999999, 11},
                {1000000, 12}, {10000000, 14}, {100000000, 15}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct metrics q;
        uint64_t count[METRICS_DENSITY_BINS], all = 0;
        assert_int_equal(metrics_init(&q, D, M, 1, &e), 0);
        q.rows = 100000000;
        q.fires[5] = rows[i].fires;
        metrics_densities(&q, count);
        for (size_t b = 0; b < METRICS_DENSITY_BINS; b++)
            all += count[b];
        assert_int_equal(all, 1); /* the dead are in no bin */
        assert_int_equal(count[rows[i].bin], 1);
        metrics_free(&q);
    }
}

/* Without rows, or without variance, there is no figure. */
static void test_no_figure(void **state)
{
    (void)state;
    struct metrics q;
    assert_int_equal(metrics_init(&q, D, M, HEADS, &e), 0);
    for (int added = 0; added < 2; added++) {
        assert_true(isnan(metrics_fvu(&q)));
        assert_true(isnan(metrics_head_fvu(&q, 1)));
        assert_true(isnan(metrics_fvu_legacy(&q)));
        assert_true(isnan(metrics_fvu_error_variance(&q)));
        assert_true(!isnan(metrics_mse(&q)) == (added > 0));
        add(&q, 11, 1, 1); /* one row alone */
    }
    metrics_free(&q);
}

/* Sums in the order of threads would show here. The last bits may depend on
 * how rows come in pieces; no more than those. */
static void test_threads_and_pieces(void **state)
{
    (void)state;
    struct metrics one, other;
    measured(&one, ROWS, 1);
    for (int threads = 2; threads < 8; threads += 5) {
        measured(&other, ROWS, threads);
        assert_memory_equal(one.total, other.total, 4 * D * sizeof(double));
        assert_true(metrics_cosine(&one) == metrics_cosine(&other));
        assert_true(metrics_fvu_legacy(&one) == metrics_fvu_legacy(&other));
        assert_true(metrics_relative_bias(&one) ==
                    metrics_relative_bias(&other));
        metrics_free(&other);
    }
    measured(&other, 37, 2);
    assert_true(fabs(metrics_fvu(&one) / metrics_fvu(&other) - 1) < 1e-12);
    assert_far(metrics_fvu_legacy(&one), metrics_fvu_legacy(&other));
    metrics_free(&other);
    metrics_free(&one);
}

/* ---- PCA ---- */

enum { PCA_D = 130, PCA_ROWS = 2 * PCA_D }; /* two tiles, one nearly empty */

/* Eigenvalue i: falling, far apart; the last ones 0. */
static double planted_value(size_t i)
{
    return i < 100 ? 4.0 * pow(0.95, (double)i) : 0;
}

/* Rows mean ± √(λ_i·d)·q_i, whose covariance is Σ λ_i·q_i·q_iᵀ; q is the
 * reflection 1 − 2·u·uᵀ/‖u‖² with u of no special place. */
static void plant_spectrum(float *rows)
{
    double u[PCA_D], uu = 0;
    for (size_t i = 0; i < PCA_D; i++) {
        u[i] = 1 + (double)(i * i % 17);
        uu += u[i] * u[i];
    }
    for (size_t i = 0; i < PCA_D; i++)
        for (size_t j = 0; j < PCA_D; j++) {
            double q = (i == j) - 2 * u[i] * u[j] / uu;
            double v = sqrt(planted_value(i) * PCA_D) * q;
            rows[2 * i * PCA_D + j] = (float)(30 + v);
            rows[(2 * i + 1) * PCA_D + j] = (float)(30 - v);
        }
}

static void spectrum_of(struct spectrum *s, const float *rows, size_t piece,
                        int threads)
{
    struct team team = team_make(threads);
    struct covariance c;
    assert_int_equal(covariance_init(&c, PCA_D, &e), 0);
    for (size_t i = 0; i < PCA_ROWS; i += piece)
        covariance_add(&c, &team, rows + i * PCA_D,
                       i + piece < PCA_ROWS ? piece : PCA_ROWS - i);
    assert_int_equal(covariance_spectrum(s, &c, &e), 0);
    covariance_free(&c);
}

static void test_planted_spectrum(void **state)
{
    (void)state;
    static float rows[PCA_ROWS * PCA_D];
    struct spectrum s;
    double all = 0, square = 0, entropy = 0;
    plant_spectrum(rows);
    spectrum_of(&s, rows, 77, 2);
    for (size_t i = 0; i < PCA_D; i++) {
        all += planted_value(i);
        square += pow(planted_value(i), 2);
        assert_true(fabs(s.value[i] - planted_value(i)) < 1e-4);
    }
    for (size_t i = 0; i < 100; i++)
        entropy -= planted_value(i) / all * log(planted_value(i) / all);
    for (size_t rank = 0; rank <= 100; rank += 10) {
        double rest = 0;
        for (size_t i = rank; i < PCA_D; i++)
            rest += planted_value(i);
        assert_true(fabs(spectrum_fvu(&s, rank) - rest / all) < 1e-5);
    }
    assert_true(spectrum_fvu(&s, 0) == 1);
    assert_true(spectrum_fvu(&s, PCA_D) == 0);
    assert_true(spectrum_fvu(&s, 10 * PCA_D) == 0);
    assert_true(fabs(spectrum_effective_rank(&s) / exp(entropy) - 1) < 1e-4);
    assert_true(fabs(spectrum_participation(&s) / (all * all / square) - 1) <
                1e-4);
    spectrum_free(&s);
}

static void test_spectrum_and_threads(void **state)
{
    (void)state;
    static float rows[PCA_ROWS * PCA_D];
    struct spectrum one, other;
    plant_spectrum(rows);
    spectrum_of(&one, rows, PCA_ROWS, 1);
    for (int threads = 2; threads < 8; threads += 5) {
        spectrum_of(&other, rows, PCA_ROWS, threads);
        assert_memory_equal(one.value, other.value, PCA_D * sizeof(double));
        spectrum_free(&other);
    }
    spectrum_free(&one);
    for (size_t i = 0; i < PCA_ROWS * PCA_D; i++)
        rows[i] = (float)(i % PCA_D) * 0.3f;
    spectrum_of(&one, rows, 100, 2); /* all rows are the same */
    assert_true(isnan(spectrum_fvu(&one, 3)));
    assert_true(isnan(spectrum_effective_rank(&one)));
    assert_true(isnan(spectrum_participation(&one)));
    spectrum_free(&one);
}

/* Uncentred, the mean would be the largest direction by far, and a third one.
 */
static void test_pca_is_about_the_mean(void **state)
{
    (void)state;
    static float rows[PCA_ROWS * PCA_D];
    struct spectrum s;
    for (size_t i = 0; i < PCA_ROWS * PCA_D; i++)
        rows[i] = 100;
    for (size_t i = 0; i < PCA_ROWS; i++)
        rows[i * PCA_D + i % 2] += i % 4 < 2 ? 1.0f : -1.0f;
    spectrum_of(&s, rows, 64, 1);
    assert_true(fabs(s.value[0] - 0.5) < 1e-9);
    assert_true(fabs(s.value[1] - 0.5) < 1e-9);
    assert_true(s.value[2] < 1e-9);
    assert_true(fabs(spectrum_effective_rank(&s) - 2) < 1e-6);
    spectrum_free(&s);
}

/* ---- matching ---- */

enum { ONE = 700, OTHER = 600, MATCH_D = 64 }; /* blocks and panels not full */

static float one_w[ONE * MATCH_D], other_w[OTHER * MATCH_D];

/* Feature i of the other is that of number 7·i mod 701 − 1 in the one, made
 * longer or shorter, with noise for i in [200, 400); from 400 on new ones. The
 * other's 5 points the opposite way; the one's 6 is zero. */
static size_t twin(size_t i)
{
    return 7 * (i + 1) % 701 - 1;
}

static void plant_decoders(void)
{
    fill(one_w, ONE * MATCH_D, 0.1f, 11);
    fill(other_w, OTHER * MATCH_D, 0.1f, 12);
    for (size_t i = 0; i < 400; i++)
        for (size_t j = 0; j < MATCH_D; j++) {
            float noise = i < 200 ? 0 : 0.75f * other_w[i * MATCH_D + j];
            other_w[i * MATCH_D + j] =
                (1 + 0.01f * (float)i) * (one_w[twin(i) * MATCH_D + j] + noise);
        }
    for (size_t j = 0; j < MATCH_D; j++)
        other_w[5 * MATCH_D + j] *= -1;
    memset(one_w + 6 * MATCH_D, 0, MATCH_D * sizeof *one_w);
}

static double cosine(const float *a, const float *b)
{
    double aa = 0, bb = 0, ab = 0;
    for (size_t j = 0; j < MATCH_D; j++) {
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
        ab += (double)a[j] * (double)b[j];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static void matched(struct match *q, int threads)
{
    const struct sae one = {.d = MATCH_D, .m = ONE, .w_dec = one_w};
    const struct sae other = {.d = MATCH_D, .m = OTHER, .w_dec = other_w};
    struct team team = team_make(threads);
    assert_int_equal(match_decoders(q, &one, &other, &team, &e), 0);
}

static void check_shares(const struct match *q, const double *best)
{
    struct match_shares s = match_shares(q, NULL);
    double mean_cosine = 0, above[2] = {0}, mutual = 0;
    for (size_t i = 0; i < ONE; i++) {
        mean_cosine += best[i] / ONE;
        above[0] += best[i] > 0.7;
        above[1] += best[i] > 0.9;
        mutual += q->back[q->best[i]] == i;
    }
    assert_int_equal(s.features, ONE);
    assert_true(fabs(s.mean - mean_cosine) < 1e-6);
    assert_true(s.above_07 == above[0] / ONE);
    assert_true(s.above_09 == above[1] / ONE);
    assert_true(s.mutual == mutual / ONE);
    assert_in_range(above[0], 300, 399);
    assert_in_range(above[1], 198, 199);
    uint64_t fires[ONE] = {0};
    fires[twin(1)] = 3;
    fires[6] = 1;
    s = match_shares(q, fires);
    assert_int_equal(s.features, 2);
    assert_true(s.above_09 == 0.5);
    memset(fires, 0, sizeof fires);
    assert_true(isnan(match_shares(q, fires).mean));
}

static void test_planted_matches(void **state)
{
    (void)state;
    struct match q;
    double best[ONE], back[OTHER];
    plant_decoders();
    matched(&q, 2);
    for (size_t i = 0; i < OTHER; i++)
        back[i] = -2;
    for (size_t i = 0; i < ONE; i++) {
        best[i] = -2;
        for (size_t k = 0; k < OTHER; k++) {
            double c = cosine(one_w + i * MATCH_D, other_w + k * MATCH_D);
            best[i] = c > best[i] ? c : best[i];
            back[k] = c > back[k] ? c : back[k];
        }
        assert_true(fabs((double)q.cosine[i] - best[i]) < 1e-6);
        const float *found = other_w + q.best[i] * MATCH_D;
        assert_true(fabs(cosine(one_w + i * MATCH_D, found) - best[i]) < 1e-6);
    }
    for (size_t k = 0; k < OTHER; k++)
        assert_true(
            fabs(cosine(one_w + q.back[k] * MATCH_D, other_w + k * MATCH_D) -
                 back[k]) < 1e-6);
    for (size_t i = 0; i < 200; i++) {
        if (i == 5 || twin(i) == 6)
            continue;
        assert_int_equal(q.best[twin(i)], i);
        assert_int_equal(q.back[i], twin(i));
        assert_true(q.cosine[twin(i)] > 0.99999f);
    }
    assert_true(q.cosine[twin(5)] < 0.7f); /* opposite is not alike */
    assert_true(q.cosine[6] == 0);
    check_shares(&q, best);
    match_free(&q);
}

static void test_matches_and_threads(void **state)
{
    (void)state;
    struct match one, other;
    plant_decoders();
    matched(&one, 1);
    matched(&other, 7);
    assert_memory_equal(one.cosine, other.cosine, ONE * sizeof(float));
    assert_memory_equal(one.best, other.best, ONE * sizeof(uint32_t));
    assert_memory_equal(one.back, other.back, OTHER * sizeof(uint32_t));
    match_free(&one);
    match_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fvu),
        cmocka_unit_test(test_fvu_of_heads),
        cmocka_unit_test(test_legacy_fvu),
        cmocka_unit_test(test_angles_and_lengths),
        cmocka_unit_test(test_activity),
        cmocka_unit_test(test_densities),
        cmocka_unit_test(test_no_figure),
        cmocka_unit_test(test_threads_and_pieces),
        cmocka_unit_test(test_planted_spectrum),
        cmocka_unit_test(test_spectrum_and_threads),
        cmocka_unit_test(test_pca_is_about_the_mean),
        cmocka_unit_test(test_planted_matches),
        cmocka_unit_test(test_matches_and_threads),
    };
    return cmocka_run_group_tests(tests, make, NULL);
}
