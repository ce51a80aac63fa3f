/* SPDX-License-Identifier: MIT
 *
 * A whole training run on planted data: what it finds, what it writes, that
 * equal runs give equal bytes, and what it refuses. And the schedules.
 */
#include "tests/unit/scratch.h"

#include <math.h>

#include "base/log.h"
#include "base/map.h"
#include "base/output.h"
#include "base/rng.h"
#include "dump/writer.h"
#include "train/schedule.h"
#include "train/train.h"

enum { D = 32, HEADS = 4, PLANTED = 48, TOKENS = 20000, CONTEXT = 100 };

/* Rows are a mean plus three of 48 planted unit directions, amplitudes in
 * [0.5, 1.5). */
static void plant(float *z)
{
    float direction[PLANTED][D];
    struct rng r = rng_at(1, RNG_TEST, 1);
    for (size_t i = 0; i < PLANTED; i++) {
        float square = 0;
        for (size_t j = 0; j < D; j++) {
            direction[i][j] = rng_normal(&r);
            square += direction[i][j] * direction[i][j];
        }
        for (size_t j = 0; j < D; j++)
            direction[i][j] /= sqrtf(square);
    }
    for (size_t t = 0; t < TOKENS; t++) {
        for (size_t j = 0; j < D; j++)
            z[t * D + j] = 3;
        for (size_t a = 0; a < 3; a++) {
            size_t i = (size_t)rng_below(&r, PLANTED);
            float v = 0.5f + rng_float(&r);
            for (size_t j = 0; j < D; j++)
                z[t * D + j] += v * direction[i][j];
        }
    }
}

static void make_dump(const char *name, const float *z)
{
    struct err e;
    static int32_t ids[TOKENS];
    static int64_t contexts[TOKENS / CONTEXT + 1];
    for (size_t i = 0; i <= TOKENS / CONTEXT; i++)
        contexts[i] = (int64_t)(i * CONTEXT);
    const struct dump_info info = {.model = "planted",
                                   .first_layer = 2,
                                   .layers = 1,
                                   .heads = HEADS,
                                   .d_head = D / HEADS,
                                   .tokens = TOKENS,
                                   .contexts = TOKENS / CONTEXT,
                                   .dtype = DTYPE_F32,
                                   .bos = "never",
                                   .fold_value_biases = -1};
    struct vocab v;
    assert_int_equal(vocab_init(&v, 1, &e), 0);
    struct dump_writer *w;
    assert_int_equal(dump_writer_open(&w, name, &info, true, &e), 0);
    assert_int_equal(dump_writer_tokens(w, ids, contexts, &e), 0);
    assert_int_equal(dump_writer_vocab(w, &v, &e), 0);
    assert_int_equal(dump_writer_rows(w, 2, z, TOKENS, &e), 0);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    vocab_free(&v);
}

static float z[TOKENS * D];

static int begin(void **state)
{
    log_set_level(LOG_ERROR);
    if (scratch_begin(state) != 0)
        return 1;
    plant(z);
    make_dump("planted.dump", z);
    return 0;
}

static struct train_options options_make(void)
{
    return (struct train_options){.architecture = TRAIN_BATCHTOPK,
                                  .features = 96,
                                  .k = 3,
                                  .tokens = 150000,
                                  .batch = 500,
                                  .rate = 5e-3,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .clip = 1,
                                  .decay = 0.2,
                                  .anneal = 0.1,
                                  .aux_rows = 0.125,
                                  .held_out = 0.1,
                                  .memory = 100000000};
}

static int run(struct train_result *out, const struct train_options *o,
               const char *dump, const char *name, int threads, uint64_t seed,
               bool force, struct err *e)
{
    struct team team = team_make(threads);
    struct dump_options none = {0};
    struct dump *d;
    json_t *recorded = json_object();
    assert_int_equal(dump_open(&d, &dump, 1, &none, e), 0);
    struct view view;
    assert_int_equal(view_of_layer(&view, d, 2, NULL, 0, e), 0);
    struct train_spec spec = {.options = o,
                              .recorded = recorded,
                              .d = D,
                              .heads = HEADS,
                              .rows = "layer",
                              .hook = "blocks.2.attn.hook_z",
                              .head = -1,
                              .output = name};
    struct train_job job = {.view = &view,
                            .reading = {.held_out = o->held_out,
                                        .seed = seed,
                                        .memory = (uint64_t)o->memory},
                            .specs = &spec,
                            .n_specs = 1,
                            .force = force,
                            .team = &team};
    int code = train_run(out, &job, e);
    view_free(&view);
    json_decref(recorded);
    dump_close(&d);
    return code;
}

static bool same_file(const char *a, const char *b, const char *name)
{
    char path[2][OUTPUT_PATH_MAX];
    struct map m[2];
    struct err e;
    assert_int_equal(output_join(path[0], a, name, &e), 0);
    assert_int_equal(output_join(path[1], b, name, &e), 0);
    assert_int_equal(map_open(&m[0], path[0], &e), 0);
    assert_int_equal(map_open(&m[1], path[1], &e), 0);
    assert_true(m[0].size > 0);
    bool same =
        m[0].size == m[1].size && memcmp(m[0].data, m[1].data, m[0].size) == 0;
    map_close(&m[0]);
    map_close(&m[1]);
    return same;
}

/* All rules explain the planted rows, with the L0 that was asked for, and the
 * folder says the same as the result. */
static void test_planted_features_are_explained(void **state)
{
    (void)state;
    struct train_options o = options_make();
    for (int a = TRAIN_BATCHTOPK; a <= TRAIN_MATRYOSHKA; a++) {
        struct train_result r;
        struct err e = {0};
        struct sae s;
        o.architecture = a;
        o.groups = "3/4";
        assert_int_equal(run(&r, &o, "planted.dump", "p.sae", 2, 1, true, &e),
                         0);
        if (!(r.held_out.fvu < 0.1))
            fail_msg("FVU %g", r.held_out.fvu);
        assert_true(r.held_out.l0 == 3); /* exactly, as there are no ties */
        assert_int_equal(r.held_out.rows, TOKENS / 10);
        assert_int_equal(r.tokens, 150000);
        assert_int_equal(sae_load(&s, "p.sae", &e), 0);
        assert_int_equal(s.architecture,
                         a == TRAIN_TOPK ? SAE_TOPK : SAE_JUMPRELU);
        assert_int_equal(s.layer, 2);
        assert_int_equal(s.heads, HEADS);
        for (size_t f = 0; f < s.m; f++) {
            double square = 0;
            for (size_t j = 0; j < D; j++)
                square += pow((double)s.w_dec[f * D + j], 2);
            assert_true(fabs(square - 1) < 1e-5);
        }
        sae_free(&s);
    }
}

static void check_eightfold(const float *eight, const float *one, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_true(eight[i] == 8 * one[i] && isfinite(one[i]));
}

/* Rows eight times as large give, to the bit, the same directions and eight
 * times the biases, the threshold and so the activations. */
static void test_units_are_those_of_the_rows(void **state)
{
    (void)state;
    struct train_options o = options_make();
    struct train_result r[2];
    struct sae s[2];
    struct err e;
    static float large[TOKENS * D];
    o.tokens = 20000;
    for (size_t i = 0; i < TOKENS * D; i++)
        large[i] = 8 * z[i];
    make_dump("large.dump", large);
    assert_int_equal(run(&r[0], &o, "planted.dump", "u1.sae", 1, 1, false, &e),
                     0);
    assert_int_equal(run(&r[1], &o, "large.dump", "u8.sae", 1, 1, false, &e),
                     0);
    assert_int_equal(sae_load(&s[0], "u1.sae", &e), 0);
    assert_int_equal(sae_load(&s[1], "u8.sae", &e), 0);
    size_t m = s[0].m;
    assert_memory_equal(s[0].w_enc, s[1].w_enc, m * D * sizeof(float));
    assert_memory_equal(s[0].w_dec, s[1].w_dec, m * D * sizeof(float));
    check_eightfold(s[1].b_enc, s[0].b_enc, m);
    check_eightfold(s[1].b_dec, s[0].b_dec, D);
    check_eightfold(s[1].threshold, s[0].threshold, m);
    assert_true(r[0].held_out.fvu == r[1].held_out.fvu);
    sae_free(&s[0]);
    sae_free(&s[1]);
}

static void test_equal_runs_give_equal_bytes(void **state)
{
    (void)state;
    static const char *const files[] = {"cfg.json", "sae_weights.safetensors",
                                        "headscope.json", "metrics.jsonl"};
    struct train_options o = options_make();
    o.tokens = 20000;
    struct train_result r;
    struct err e;
    assert_int_equal(run(&r, &o, "planted.dump", "t1.sae", 1, 1, false, &e), 0);
    assert_int_equal(run(&r, &o, "planted.dump", "t2.sae", 2, 1, false, &e), 0);
    assert_int_equal(run(&r, &o, "planted.dump", "t7.sae", 7, 1, false, &e), 0);
    assert_int_equal(run(&r, &o, "planted.dump", "s2.sae", 1, 2, false, &e), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(same_file("t1.sae", "t2.sae", files[i]));
        assert_true(same_file("t1.sae", "t7.sae", files[i]));
    }
    assert_false(same_file("t1.sae", "s2.sae", "sae_weights.safetensors"));
}

static void test_refusals(void **state)
{
    (void)state;
    struct train_options o = options_make();
    struct train_result r;
    struct err e = {0};
    o.tokens = 2000;
    assert_int_equal(run(&r, &o, "planted.dump", "old.sae", 1, 1, false, &e),
                     0);
    assert_refused(run(&r, &o, "planted.dump", "old.sae", 1, 1, false, &e), &e,
                   "--force");
    o.k = 97;
    assert_refused(run(&r, &o, "planted.dump", "new.sae", 1, 1, false, &e), &e,
                   "k 97 is more than the 96 features");
    o.k = 3;
    o.warmup = 5;
    assert_refused(run(&r, &o, "planted.dump", "new.sae", 1, 1, false, &e), &e,
                   "warm-up of 5 steps");
    o.warmup = 0;
    o.architecture = TRAIN_MATRYOSHKA;
    o.groups = "50,40";
    assert_refused(run(&r, &o, "planted.dump", "new.sae", 1, 1, false, &e), &e,
                   "--groups 50,40: a prefix of 40 features after one of 50");
    o.architecture = TRAIN_BATCHTOPK;
    static float bad[TOKENS * D];
    for (size_t i = 0; i < TOKENS * D; i++)
        bad[i] = 0.7f;
    make_dump("same.dump", bad);
    assert_refused(run(&r, &o, "same.dump", "new.sae", 1, 1, false, &e), &e,
                   "all rows are the same");
    assert_int_not_equal(access("new.sae", F_OK), 0);
    assert_int_not_equal(access(".new.sae.partial", F_OK), 0);
}

/* Rows that no float arithmetic can carry are refused before the first step:
 * a single outlier of 3e38, and values near the smallest floats. */
static void test_extreme_rows(void **state)
{
    (void)state;
    struct train_options o = options_make();
    struct train_result r;
    struct err e = {0};
    static float extreme[TOKENS * D];
    memcpy(extreme, z, sizeof z);
    extreme[777 * D + 5] = 3e38f;
    make_dump("extreme.dump", extreme);
    assert_refused(run(&r, &o, "extreme.dump", "new.sae", 1, 1, false, &e), &e,
                   "standard deviation");
    for (size_t i = 0; i < TOKENS * D; i++)
        extreme[i] = 1e-37f * z[i];
    make_dump("extreme.dump", extreme);
    assert_refused(run(&r, &o, "extreme.dump", "new.sae", 1, 1, false, &e), &e,
                   "standard deviation");
    assert_int_not_equal(access("new.sae", F_OK), 0);
}

static void test_schedules(void **state)
{
    (void)state;
    struct train_options o = options_make();
    struct train_config c;
    struct err e;
    o.tokens = 1000 * 500;
    assert_int_equal(train_configure(&c, &o, D, 100, &e), 0);
    assert_int_equal(c.steps, 1000);
    assert_int_equal(c.warmup, 50);
    assert_true(fabs(train_rate_at(&c, 1) - 5e-3 / 50) < 1e-12);
    assert_true(train_rate_at(&c, 50) == 5e-3);
    assert_true(train_rate_at(&c, 800) == 5e-3);
    assert_true(train_rate_at(&c, 801) < 5e-3);
    assert_true(train_rate_at(&c, 1000) > 0);
    assert_true(train_rate_at(&c, 1000) < 5e-3 / 150);
    assert_int_equal(train_k_at(&c, 1), 12); /* min(4k, m/8) */
    assert_int_equal(train_k_at(&c, 51), 7);
    assert_int_equal(train_k_at(&c, 101), 3);
    assert_int_equal(train_k_at(&c, 1000), 3);
    for (uint64_t t = 2; t <= 1000; t++)
        assert_true(train_k_at(&c, t) <= train_k_at(&c, t - 1));
}

static void test_defaults_follow_the_width(void **state)
{
    (void)state;
    static const struct {
        size_t d, m, k;
    } rows[] = {{64, 1024, 8},
                {128, 2048, 16},
                {256, 4096, 32},
                {768, 12288, 32},
                {2048, 16384, 64}};
    struct train_options o = {
        .batch = 4096, .decay = 0.2, .anneal = 0.1, .aux_rows = 0.125};
    struct train_config c;
    struct err e;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(train_configure(&c, &o, rows[i].d, 5000000, &e), 0);
        assert_int_equal(c.m, rows[i].m);
        assert_int_equal(c.k, rows[i].k);
        assert_true(fabs(c.rate / (2e-4 / sqrt((double)c.m / 16384)) - 1) <
                    1e-9);
        assert_int_equal(c.steps, (5000000 + 4095) / 4096);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted_features_are_explained),
        cmocka_unit_test(test_units_are_those_of_the_rows),
        cmocka_unit_test(test_equal_runs_give_equal_bytes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_extreme_rows),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_defaults_follow_the_width),
    };
    return cmocka_run_group_tests(tests, begin, scratch_end);
}
