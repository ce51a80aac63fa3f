/* SPDX-License-Identifier: MIT
 *
 * The circuit method against PyTorch and numpy in double
 * (tests/golden/make_circuit_golden.py): the shared SAE after thirty steps, its
 * codes, node and edge scores; and what is known of the metrics by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "circuit/controls.h"
#include "circuit/ranking.h"
#include "circuit/scores.h"
#include "circuit/shared.h"
#include "dump/safetensors.h"
#include "kernels/kernels.h"

/* As in the script. */
enum { EXAMPLES = 40, HEADS = 12, D = 144, N = 24, TRAINED = 6, STEPS = 30 };
static const struct shared_options options = {
    .features = N, .steps = STEPS, .lambda = 0.02, .rate = 3e-3};

static struct safetensors golden;

static const float *find(const char *name, size_t count)
{
    const struct tensor *t = safetensors_find(&golden, name);
    if (t == NULL || t->dtype != DTYPE_F32 || tensor_count(t) != count)
        fail_msg("circuit.safetensors: no %s of %zu numbers", name, count);
    return t->data;
}

static void assert_near(const float *got, const char *name, size_t count,
                        double tolerance)
{
    const float *want = find(name, count);
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance))
            fail_msg("%s[%zu]: got %.9g, want %.9g", name, i, (double)got[i],
                     (double)want[i]);
}

static void train(struct shared *s, struct shared_figures *f, int threads)
{
    struct err e = {0};
    struct team team = team_make(threads);
    assert_int_equal(shared_init(s, D, &options, 0, &e), 0);
    memcpy(s->w_enc, find("start.w_enc", N * D), N * D * sizeof(float));
    memcpy(s->w_dec, find("start.w_dec", N * D), N * D * sizeof(float));
    memcpy(s->b, find("start.b", D), D * sizeof(float));
    memcpy(s->c, find("start.c", N), N * sizeof(float));
    if (shared_train(s, f, find("x", (size_t)EXAMPLES * HEADS * D),
                     (size_t)TRAINED * HEADS, &options, &team, &e) != 0)
        fail_msg("%s", e.msg);
}

/* Catches a gradient, projection or constraint along the wrong axis, a mean
 * taken as a sum, Adam's corrections, and the sign of b in x - b. */
static void the_sae_is_that_of_pytorch(void **state)
{
    (void)state;
    struct shared s;
    struct shared_figures f;
    train(&s, &f, 2);
    assert_near(s.w_enc, "end.w_enc", N * D, 2e-5);
    assert_near(s.w_dec, "end.w_dec", N * D, 2e-5);
    assert_near(s.b, "end.b", D, 2e-5);
    assert_near(s.c, "end.c", N, 2e-5);
    float loss = (float)f.loss;
    assert_near(&loss, "loss", 1, 1e-6);
    shared_free(&s);
}

static void threads_do_not_matter(void **state)
{
    (void)state;
    struct shared one, other;
    struct shared_figures f;
    train(&one, &f, 1);
    for (int threads = 2; threads <= 7; threads += 5) {
        train(&other, &f, threads);
        assert_memory_equal(one.w_enc, other.w_enc, N * D * sizeof(float));
        assert_memory_equal(one.w_dec, other.w_dec, N * D * sizeof(float));
        assert_memory_equal(one.b, other.b, D * sizeof(float));
        assert_memory_equal(one.c, other.c, N * sizeof(float));
        shared_free(&other);
    }
    shared_free(&one);
}

static void codes_are_those_of_numpy(void **state)
{
    (void)state;
    static int32_t code[EXAMPLES * HEADS];
    static float found[EXAMPLES * HEADS];
    struct err e = {0};
    struct team team = team_make(2);
    struct shared s = {.n = N, .d = D};
    s.w_enc = malloc(N * D * sizeof(float));
    assert_non_null(s.w_enc);
    memcpy(s.w_enc, find("end.w_enc", N * D), N * D * sizeof(float));
    float b[D], c[N];
    s.b = memcpy(b, find("end.b", D), sizeof b);
    s.c = memcpy(c, find("end.c", N), sizeof c);
    assert_int_equal(shared_codes(&s, code,
                                  find("x", (size_t)EXAMPLES * HEADS * D),
                                  (size_t)EXAMPLES * HEADS, &team, &e),
                     0);
    for (size_t i = 0; i < EXAMPLES * HEADS; i++)
        found[i] = (float)code[i];
    assert_near(found, "code", (size_t)EXAMPLES * HEADS, 0);
    free(s.w_enc);
}

/* ---- scores ---- */

static int32_t golden_code[EXAMPLES * HEADS];
static int8_t golden_label[EXAMPLES];

static struct coded golden_codes(void)
{
    const float *code = find("code", (size_t)EXAMPLES * HEADS);
    const float *label = find("label", EXAMPLES);
    for (size_t i = 0; i < EXAMPLES * HEADS; i++)
        golden_code[i] = (int32_t)code[i];
    for (size_t i = 0; i < EXAMPLES; i++)
        golden_label[i] = (int8_t)label[i];
    return (struct coded){EXAMPLES, HEADS, N, golden_code, golden_label};
}

static void assert_scores(const double *score, const char *name, size_t n)
{
    float found[HEADS * HEADS];
    for (size_t i = 0; i < n; i++)
        found[i] = (float)score[i];
    assert_near(found, name, n, 1e-6);
}

static void scores_are_those_of_numpy(void **state)
{
    (void)state;
    struct err e = {0};
    struct coded c = golden_codes();
    double score[HEADS], edges[HEADS * HEADS];
    uint32_t edge[HEADS * HEADS];
    struct arena arena = {0};
    struct positive_code *list;
    size_t n, at = 0;
    assert_int_equal(scores_node(score, &c, true, &e), 0);
    assert_scores(score, "node_share", HEADS);
    assert_int_equal(scores_node(score, &c, false, &e), 0);
    assert_scores(score, "node", HEADS);
    assert_int_equal(scores_positive_codes(&list, &n, &c, &arena, &e), 0);
    for (size_t h = 0; h < HEADS; h++)
        for (size_t k = 0; k < (size_t)score[h]; k++, at++)
            assert_true(list[at].head == h && list[at].examples > 0);
    assert_int_equal(at, n);
    for (int threads = 1; threads <= 3; threads++) {
        struct team team = team_make(threads);
        assert_int_equal(scores_edge(edge, &c, &team, &e), 0);
        for (size_t i = 0; i < HEADS * HEADS; i++)
            edges[i] = edge[i];
        assert_scores(edges, "edge", HEADS * HEADS);
    }
    assert_int_equal(scores_from_edges(score, edge, HEADS, &e), 0);
    assert_scores(score, "edge_ranking", HEADS);
    arena_free(&arena);
}

/* Catches nats for bits, examples without a class that count, and a missing
 * code left out. */
static void information_is_that_of_numpy(void **state)
{
    (void)state;
    struct err e = {0};
    struct coded c = golden_codes();
    const float *found = find("class", EXAMPLES);
    int32_t class[EXAMPLES];
    double bits[HEADS];
    for (size_t i = 0; i < EXAMPLES; i++)
        class[i] = (int32_t)found[i];
    assert_int_equal(scores_information(bits, &c, class, &e), 0);
    assert_scores(bits, "information", HEADS);
    /* One class tells nothing. */
    memset(class, 0, sizeof class);
    assert_int_equal(scores_information(bits, &c, class, &e), 0);
    for (size_t h = 0; h < HEADS; h++)
        assert_float_equal(bits[h], 0, 1e-12);
}

/* Two heads of one number each, answers 7 and 9 of three positives: by hand. */
static void share_of_answers_is_that_of_the_definition(void **state)
{
    (void)state;
    float x[] = {1, 1, 3, 2, 5, 9, 100, 100};
    int8_t label[] = {1, 1, 1, 0};
    int32_t answer[] = {7, 7, 9, 7};
    const struct task t = {.n = 4,
                           .positives = 3,
                           .heads = 2,
                           .d = 1,
                           .x = x,
                           .label = label,
                           .answer = answer};
    double share[2];
    struct err e = {0};
    assert_int_equal(controls_answer_share(share, &t, &e), 0);
    /* 1, 3 | 5: means 2, 5, all 3: between 2·1 + 4, total 4 + 0 + 4. */
    assert_float_equal(share[0], 6.0 / 8, 1e-6);
    /* 1, 2 | 9: means 1.5, 9, all 4: between 2·6.25 + 25, total 9 + 4 + 25. */
    assert_float_equal(share[1], 37.5 / 38, 1e-6);
    answer[2] = -1;
    assert_int_equal(controls_answer_share(share, &t, &e), 0);
    assert_float_equal(share[0], 0, 1e-6);
}

/* ---- metrics ---- */

/* Five heads, two of them true; one outside has the same score as one of them.
 */
static void metrics_are_those_of_the_definition(void **state)
{
    (void)state;
    const double score[] = {3, 1, 2, 1, 0};
    const bool truth[] = {true, true, false, false, false};
    /* 3 beats three; 1 loses to 2, ties with 1, beats 0. */
    assert_float_equal(ranking_auc(score, truth, 5), 4.5 / 6, 1e-12);
    const bool none[5] = {false};
    assert_true(isnan(ranking_auc(score, none, 5)));
    struct ranking_set s = ranking_above(score, truth, 5, 1);
    assert_int_equal(s.predicted, 4);
    assert_int_equal(s.right, 2);
    assert_float_equal(s.precision, 0.5, 1e-12);
    assert_float_equal(s.recall, 1, 1e-12);
    assert_float_equal(s.f1, 2.0 / 3, 1e-12);
    /* TPR 1, TNR 1/3. */
    assert_float_equal(s.paper_f1, 0.5, 1e-12);
    double sum = exp(3) + exp(1) + exp(2) + exp(1) + 1;
    s = ranking_at(score, truth, 5, exp(2) / sum - 1e-9);
    assert_int_equal(s.predicted, 2);
    s = ranking_at(score, truth, 5, exp(2) / sum + 1e-9);
    assert_int_equal(s.predicted, 1);
    s = ranking_at(score, truth, 5, 1);
    assert_int_equal(s.predicted, 0);
    assert_float_equal(s.f1, 0, 0);
}

static int open_golden(void **state)
{
    (void)state;
    struct err e = {0};
    if (kernels_choose(NULL, &e) != 0 ||
        safetensors_open(
            &golden, SOURCE_DIR "/tests/golden/circuit.safetensors", &e) != 0) {
        print_error("%s\n", e.msg);
        return -1;
    }
    return 0;
}

static int close_golden(void **state)
{
    (void)state;
    safetensors_close(&golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sae_is_that_of_pytorch),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(codes_are_those_of_numpy),
        cmocka_unit_test(scores_are_those_of_numpy),
        cmocka_unit_test(information_is_that_of_numpy),
        cmocka_unit_test(share_of_answers_is_that_of_the_definition),
        cmocka_unit_test(metrics_are_those_of_the_definition),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
