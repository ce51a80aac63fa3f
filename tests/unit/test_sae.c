/* SPDX-License-Identifier: MIT
 *
 * The SAE folder (what is written is read back; what cannot be honoured is
 * refused by name), encoding against the formula, attribution, and metrics
 * against two-pass sums.
 */
#include "tests/unit/scratch.h"

#include <math.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "dump/safetensors.h"
#include "kernels/kernels.h"
#include "sae/metrics.h"

enum { D = 12, M = 37, HEADS = 3, ROWS = 150 };

static void fill(float *out, size_t n, float scale, uint32_t lane)
{
    struct rng r = rng_at(9, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        out[i] = scale * rng_normal(&r);
}

/* An SAE with every tensor different, so that a mix-up shows. */
static struct sae sae_make(enum sae_architecture a)
{
    struct sae s = {.architecture = a,
                    .d = D,
                    .m = M,
                    .k = a == SAE_TOPK ? 5 : 0,
                    .apply_b_dec_to_input = true,
                    .layer = 2,
                    .heads = HEADS};
    struct err e;
    assert_int_equal(arena_string(&s.arena, &s.model, "tiny", &e), 0);
    assert_int_equal(
        arena_string(&s.arena, &s.hook, "blocks.2.attn.hook_z", &e), 0);
    arena_get(&s.arena, &s.w_enc, M * D, sizeof(float), "w", &e);
    arena_get(&s.arena, &s.w_dec, M * D, sizeof(float), "w", &e);
    arena_get(&s.arena, &s.b_enc, M, sizeof(float), "w", &e);
    arena_get(&s.arena, &s.b_dec, D, sizeof(float), "w", &e);
    fill(s.w_enc, M * D, 0.4f, 1);
    fill(s.w_dec, M * D, 0.3f, 2);
    fill(s.b_enc, M, 0.2f, 3);
    fill(s.b_dec, D, 0.5f, 4);
    if (a == SAE_JUMPRELU) {
        arena_get(&s.arena, &s.threshold, M, sizeof(float), "w", &e);
        for (size_t i = 0; i < M; i++)
            s.threshold[i] = 0.02f * (float)i - 0.1f;
    }
    return s;
}

/* Writes to a new folder. */
static void put(const struct sae *s, const char *folder)
{
    struct err e;
    json_t *own = json_pack("{s:i, s:s}", "heads", HEADS, "note", "ours");
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(sae_write(s, folder, own, &e), 0);
    json_decref(own);
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int a = SAE_STANDARD; a <= SAE_JUMPRELU; a++) {
        struct sae s = sae_make((enum sae_architecture)a), t;
        struct err e = {0};
        put(&s, "round.sae");
        assert_int_equal(sae_load(&t, "round.sae/", &e), 0);
        assert_int_equal(t.architecture, a);
        assert_int_equal(t.d, D);
        assert_int_equal(t.m, M);
        assert_int_equal(t.k, s.k);
        assert_int_equal(t.layer, 2);
        assert_int_equal(t.heads, HEADS);
        assert_true(t.apply_b_dec_to_input);
        assert_string_equal(t.name, "round");
        assert_string_equal(t.model, "tiny");
        assert_string_equal(t.hook, "blocks.2.attn.hook_z");
        assert_non_null(strstr(t.headscope, "ours"));
        assert_int_equal(strlen(t.fingerprint), 32);
        assert_memory_equal(s.w_enc, t.w_enc, M * D * sizeof(float));
        assert_memory_equal(s.w_dec, t.w_dec, M * D * sizeof(float));
        assert_memory_equal(s.b_enc, t.b_enc, M * sizeof(float));
        assert_memory_equal(s.b_dec, t.b_dec, D * sizeof(float));
        if (a == SAE_JUMPRELU)
            assert_memory_equal(s.threshold, t.threshold, M * sizeof(float));
        sae_free(&s);
        sae_free(&t);
        assert_int_equal(scratch_remove("round.sae"), 0);
    }
}

/* The file holds W_enc as SAELens wants it: one row per input. */
static void test_file_has_input_major_encoder(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD);
    struct err e;
    struct safetensors f;
    put(&s, "major.sae");
    assert_int_equal(
        safetensors_open(&f, "major.sae/sae_weights.safetensors", &e), 0);
    const struct tensor *t = safetensors_find(&f, "W_enc");
    assert_non_null(t);
    assert_int_equal(t->shape[0], D);
    assert_int_equal(t->shape[1], M);
    float w[D * M];
    tensor_to_float(w, t, 0, D * M);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < D; j++)
            assert_true(w[j * M + i] == s.w_enc[i * D + j]);
    safetensors_close(&f);
    sae_free(&s);
}

/* ---- foreign and broken folders ---- */

/* Replaces one piece of text in a file. */
static void edit(const char *path, const char *from, const char *to)
{
    static char text[1 << 16], out[1 << 16];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    (void)fclose(f);
    char *at = strstr(text, from);
    assert_non_null(at);
    (void)snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, to,
                   at + strlen(from));
    write_bytes(path, out, strlen(out));
}

static void expect_refusal(const char *folder, const char *words)
{
    struct sae t;
    struct err e = {0};
    assert_refused(sae_load(&t, folder, &e), &e, words);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *words;
    } edits[] = {
        {"\"jumprelu\"", "\"gated\"", "architecture 'gated'"},
        {"\"normalize_activations\": \"none\"",
         "\"normalize_activations\": \"layer_norm\"", "layer_norm"},
        {"\"hook_z\"", "\"spiral\"", "spiral"},
        {"\"d_in\": 12", "\"d_in\": 13", "W_enc"},
        {"\"d_sae\": 37", "\"d_sae\": 36", "W_enc"},
        {"\"d_in\": 12", "\"d_in\": -1", "d_in"},
        {"\"d_in\": 12", "\"d_in\": 99999999999", "d_in"},
        {"\"d_in\": 12", "\"d_in\": \"12\"", "d_in"},
        {"\"d_in\": 12,", "", "'d_in' is missing"},
        {"\"jumprelu\"", "\"topk\"", "'k' is missing"},
        {"\"jumprelu\"", "\"topk\", \"k\": 38", "'k' is 38"},
        {"\"apply_b_dec_to_input\": true", "\"apply_b_dec_to_input\": 1",
         "apply_b_dec_to_input"},
        {"{", "[", "JSON"},
    };
    struct sae s = sae_make(SAE_JUMPRELU);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        put(&s, "bad.sae");
        edit("bad.sae/cfg.json", edits[i].from, edits[i].to);
        expect_refusal("bad.sae", edits[i].words);
        assert_int_equal(scratch_remove("bad.sae"), 0);
    }
    put(&s, "bad.sae");
    edit("bad.sae/headscope.json", "\"heads\": 3", "\"heads\": 5");
    expect_refusal("bad.sae", "5 heads do not divide");
    write_text("bad.sae/headscope.json", "[1]");
    expect_refusal("bad.sae", "must be an object");
    write_text("bad.sae/headscope.json", "{}");
    assert_int_equal(unlink("bad.sae/sae_weights.safetensors"), 0);
    expect_refusal("bad.sae", "sae_weights.safetensors");
    expect_refusal("nowhere.sae", "cfg.json");
    assert_int_equal(scratch_remove("bad.sae"), 0);
    s.w_dec[100] = NAN;
    put(&s, "bad.sae");
    expect_refusal("bad.sae", "'W_dec' holds NaN or infinity at element 100");
    sae_free(&s);
}

/* A standard SAE in bf16 without its threshold tensor cannot be a jumprelu. */
static void test_missing_tensor_and_bf16(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD), t;
    struct err e;
    put(&s, "half.sae");
    const struct safetensors_entry entries[] = {
        {"W_enc", DTYPE_BF16, 2, {D, M}},
        {"W_dec", DTYPE_BF16, 2, {M, D}},
        {"b_enc", DTYPE_BF16, 1, {M}},
        {"b_dec", DTYPE_BF16, 1, {D}},
    };
    struct safetensors_writer w;
    uint16_t half[D * M];
    float *tensors[] = {s.w_enc, s.w_dec, s.b_enc, s.b_dec};
    const size_t sizes[] = {D * M, D * M, M, D};
    assert_int_equal(safetensors_begin(&w, "half.sae/sae_weights.safetensors",
                                       entries, 4, &e),
                     0);
    for (size_t i = 0; i < 4; i++) {
        kernels.f32_to_bf16(half, tensors[i], sizes[i]);
        assert_int_equal(safetensors_put(&w, half, 2 * sizes[i], &e), 0);
    }
    assert_int_equal(safetensors_end(&w, &e), 0);
    assert_int_equal(sae_load(&t, "half.sae", &e), 0);
    for (size_t i = 0; i < M * D; i++)
        assert_true(fabsf(t.w_dec[i] - s.w_dec[i]) <= fabsf(s.w_dec[i]) / 256);
    sae_free(&t);
    edit("half.sae/cfg.json", "\"standard\"", "\"jumprelu\"");
    expect_refusal("half.sae", "'threshold' is missing");
    sae_free(&s);
}

/* ---- arithmetic ---- */

static double pre_activation(const struct sae *s, const float *x, size_t f)
{
    double h = (double)s->b_enc[f];
    for (size_t j = 0; j < D; j++) {
        double centre = s->apply_b_dec_to_input ? (double)s->b_dec[j] : 0;
        h += ((double)x[j] - centre) * (double)s->w_enc[f * D + j];
    }
    return h;
}

static bool selected(const struct sae *s, const float *x, size_t f)
{
    double h = pre_activation(s, x, f);
    size_t larger = 0;
    switch (s->architecture) {
    case SAE_STANDARD:
        return h > 0;
    case SAE_JUMPRELU:
        return h > 0 && h > (double)s->threshold[f];
    case SAE_TOPK:
        for (size_t i = 0; i < M; i++)
            larger += pre_activation(s, x, i) > h;
        return h > 0 && larger < s->k;
    }
    return false;
}

static void check_encoding(const struct sae *s, const float *x)
{
    struct team team = team_make(2);
    struct codes c = {0};
    struct err e;
    size_t at = 0;
    struct sae_encoder enc;
    assert_int_equal(sae_encoder_open(&enc, s, &team, &e), 0);
    assert_int_equal(sae_encode(&enc, x, ROWS, &c, &e), 0);
    sae_encoder_close(&enc);
    for (size_t r = 0; r < ROWS; r++) {
        double want[D];
        float got[D];
        for (size_t j = 0; j < D; j++)
            want[j] = (double)s->b_dec[j];
        for (size_t f = 0; f < M; f++) {
            if (!selected(s, x + r * D, f))
                continue;
            double h = pre_activation(s, x + r * D, f);
            assert_int_equal(c.feature[at], f);
            assert_true(fabs((double)c.value[at] - h) < 1e-5);
            at++;
            for (size_t j = 0; j < D; j++)
                want[j] += h * (double)s->w_dec[f * D + j];
        }
        assert_int_equal(c.start[r + 1], at);
        sae_decode_row(s, &c, r, got);
        for (size_t j = 0; j < D; j++)
            assert_true(fabs((double)got[j] - want[j]) < 1e-5);
    }
    codes_free(&c);
}

static void test_encoding_follows_the_formula(void **state)
{
    (void)state;
    float x[ROWS * D];
    fill(x, ROWS * D, 1, 20);
    for (int a = SAE_STANDARD; a <= SAE_JUMPRELU; a++) {
        struct sae s = sae_make((enum sae_architecture)a);
        check_encoding(&s, x);
        s.apply_b_dec_to_input = false;
        check_encoding(&s, x);
        sae_free(&s);
    }
}

/* SAELens multiplies h by the decoder norm before selection and divides after:
 * codes are ‖W_dec‖ times larger, the reconstruction is that of the formula. */
static void test_decoder_norms_are_folded(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_TOPK), t;
    struct err e;
    float x[D];
    fill(x, D, 1, 21);
    put(&s, "norm.sae");
    edit("norm.sae/cfg.json", "\"rescale_acts_by_decoder_norm\": false",
         "\"rescale_acts_by_decoder_norm\": true");
    assert_int_equal(sae_load(&t, "norm.sae", &e), 0);
    for (size_t f = 0; f < M; f++) {
        double norm = 0, unit = 0;
        for (size_t j = 0; j < D; j++) {
            norm += pow((double)s.w_dec[f * D + j], 2);
            unit += pow((double)t.w_dec[f * D + j], 2);
        }
        assert_true(fabs(unit - 1) < 1e-5);
        assert_true(fabs(pre_activation(&t, x, f) -
                         sqrt(norm) * pre_activation(&s, x, f)) < 1e-5);
    }
    sae_free(&s);
    sae_free(&t);
}

static void test_attribution_adds_up(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD);
    float x[D], offsets[M * HEADS];
    fill(x, D, 1, 22);
    for (int centred = 0; centred < 2; centred++) {
        s.apply_b_dec_to_input = centred;
        sae_attribute_offsets(&s, HEADS, offsets);
        for (uint32_t f = 0; f < M; f++) {
            float dfa[HEADS];
            double sum = (double)s.b_enc[f];
            sae_attribute(&s, offsets, x, f, HEADS, dfa);
            for (int h = 0; h < HEADS; h++)
                sum += (double)dfa[h];
            assert_true(fabs(sum - pre_activation(&s, x, f)) < 1e-5);
        }
    }
    /* Only head 1's part of the input: the other heads give nothing. */
    s.apply_b_dec_to_input = false;
    sae_attribute_offsets(&s, HEADS, offsets);
    float dfa[HEADS];
    memset(x, 0, sizeof x);
    x[D / HEADS] = 2;
    sae_attribute(&s, offsets, x, 4, HEADS, dfa);
    assert_true(dfa[0] == 0 && dfa[2] == 0);
    assert_true(dfa[1] == 2 * s.w_enc[4 * D + D / HEADS]);
    sae_free(&s);
}

/* FVU with a mean far from zero, where a formula without the mean, or sums in
 * float, would be far off; added in pieces. */
static void test_metrics(void **state)
{
    (void)state;
    struct team team = team_make(2);
    struct sae s = sae_make(SAE_TOPK);
    struct metrics q;
    struct codes c = {0};
    struct err e;
    float x[ROWS * D];
    fill(x, ROWS * D, 1, 23);
    for (size_t i = 0; i < ROWS * D; i++)
        x[i] += 100;
    for (size_t j = 0; j < D; j++)
        s.b_dec[j] = 100;
    assert_int_equal(metrics_init(&q, D, M, HEADS, &e), 0);
    double error = 0, variance = 0, mean[D] = {0};
    for (size_t i = 0; i < ROWS * D; i++)
        mean[i % D] += (double)x[i] / ROWS;
    size_t active = 0;
    struct sae_encoder enc;
    assert_int_equal(sae_encoder_open(&enc, &s, &team, &e), 0);
    for (size_t r = 0; r < ROWS; r += 50) {
        assert_int_equal(sae_encode(&enc, x + r * D, 50, &c, &e), 0);
        assert_int_equal(metrics_add(&q, &s, &team, x + r * D, &c, &e), 0);
        active += c.start[50];
        for (size_t i = 0; i < 50; i++) {
            float got[D];
            sae_decode_row(&s, &c, i, got);
            for (size_t j = 0; j < D; j++) {
                double v = (double)x[(r + i) * D + j];
                error += pow((double)got[j] - v, 2);
                variance += pow(v - mean[j], 2);
            }
        }
    }
    assert_true(fabs(metrics_fvu(&q) / (error / variance) - 1) < 1e-6);
    assert_true(metrics_l0(&q) == (double)active / ROWS);
    size_t dead = 0;
    for (size_t f = 0; f < M; f++) {
        uint64_t fires = 0;
        for (size_t r = 0; r < ROWS; r++)
            fires += selected(&s, x + r * D, f);
        assert_int_equal(q.fires[f], fires);
        dead += fires == 0;
    }
    assert_int_equal(metrics_dead(&q), dead);
    codes_free(&c);
    sae_encoder_close(&enc);
    metrics_free(&q);
    sae_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_file_has_input_major_encoder),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_missing_tensor_and_bf16),
        cmocka_unit_test(test_encoding_follows_the_formula),
        cmocka_unit_test(test_decoder_norms_are_folded),
        cmocka_unit_test(test_attribution_adds_up),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
