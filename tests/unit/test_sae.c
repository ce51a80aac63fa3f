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
                    .head = -1,
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
        {"\"jumprelu\"", "\"transcoder\"", "architecture 'transcoder'"},
        {"\"jumprelu\"", "\"matching_pursuit\"", "'matching_pursuit'"},
        {"\"jumprelu\"", "\"gated\"", "'b_gate' is missing"},
        {"\"jumprelu\"", "\"standard\"",
         "tensor 'threshold' is not one of architecture 'standard'"},
        {"\"normalize_activations\": \"none\"",
         "\"normalize_activations\": \"layer_norm\"", "layer_norm"},
        {"\"hook_z\"", "\"spiral\"", "spiral"},
        {"blocks.2.attn.hook_z", "blocks.2.hook_mlp_out", "hook_mlp_out"},
        {"blocks.2.attn.hook_z", "blocks.2.attn.hook_q", "'blocks.2.attn"},
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

/* cfg.json of SAELens before 6: every key at the top, TopK as an activation
 * function. A metadata object without a version does not count. */
static void test_old_configurations(void **state)
{
    (void)state;
    static const char common[] =
        "\"d_in\": 12, \"d_sae\": 37, \"model_name\": \"old\", \"hook_name\": "
        "\"blocks.5.attn.hook_z\", \"hook_head_index\": null, "
        "\"metadata\": {\"hook_name\": \"blocks.7.attn.hook_z\"}";
    static const struct {
        const char *more, *refusal;
        enum sae_architecture architecture;
        size_t k;
    } cases[] = {
        {"\"normalize_activations\": false", NULL, SAE_STANDARD, 0},
        {"\"activation_fn_str\": \"relu\"", NULL, SAE_STANDARD, 0},
        {"\"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": "
         "7}",
         NULL, SAE_TOPK, 7},
        {"\"architecture\": \"topk\", \"k\": 3", NULL, SAE_TOPK, 3},
        {"\"activation_fn_str\": \"topk\"", "'k' is missing", 0, 0},
        {"\"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": "
         "{\"k\": 38}",
         "'k' is 38", 0, 0},
        {"\"activation_fn_str\": \"tanh-relu\"", "'tanh-relu'", 0, 0},
        {"\"normalize_activations\": true", "expected_average_only_in", 0, 0},
        {"\"sae_lens_version\": \"6.2.0\"", "'architecture' is missing", 0, 0},
    };
    struct sae s = sae_make(SAE_STANDARD), t;
    put(&s, "old.sae");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        struct err e;
        (void)snprintf(text, sizeof text, "{%s, %s}", common, cases[i].more);
        write_text("old.sae/cfg.json", text);
        if (cases[i].refusal != NULL) {
            expect_refusal("old.sae", cases[i].refusal);
            continue;
        }
        assert_int_equal(sae_load(&t, "old.sae", &e), 0);
        assert_int_equal(t.architecture, cases[i].architecture);
        assert_int_equal(t.k, cases[i].k);
        assert_int_equal(t.layer, 5);
        assert_int_equal(t.head, -1);
        assert_string_equal(t.model, "old");
        sae_free(&t);
    }
    sae_free(&s);
}

/* Tensors of a test's own making, in f32. */
struct piece {
    const char *name;
    const float *data;
    size_t rows, columns; /* columns 0: one dimension */
};

static void put_tensors(const char *path, const struct piece *pieces, size_t n)
{
    struct safetensors_entry entries[8];
    struct safetensors_writer w;
    struct err e;
    for (size_t i = 0; i < n; i++) {
        const struct piece *p = &pieces[i];
        entries[i] =
            (struct safetensors_entry){p->name,
                                       DTYPE_F32,
                                       p->columns > 0 ? 2 : 1,
                                       {(int64_t)p->rows, (int64_t)p->columns}};
    }
    assert_int_equal(safetensors_begin(&w, path, entries, n, &e), 0);
    for (size_t i = 0; i < n; i++) {
        const struct piece *p = &pieces[i];
        size_t count = p->rows * (p->columns > 0 ? p->columns : 1);
        assert_int_equal(safetensors_put(&w, p->data, 4 * count, &e), 0);
    }
    assert_int_equal(safetensors_end(&w, &e), 0);
}

/* Ones change nothing; anything else is a setting that we do not have. */
static void test_scaling_factor(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD), t;
    struct err e;
    float factor[M];
    put(&s, "factor.sae");
    for (size_t i = 0; i < M; i++)
        factor[i] = 1;
    const struct piece pieces[] = {
        {"W_enc", s.w_enc, D, M},         {"W_dec", s.w_dec, M, D},
        {"b_enc", s.b_enc, M, 0},         {"b_dec", s.b_dec, D, 0},
        {"scaling_factor", factor, M, 0},
    };
    static const char path[] = "factor.sae/sae_weights.safetensors";
    put_tensors(path, pieces, 5);
    assert_int_equal(sae_load(&t, "factor.sae", &e), 0);
    sae_free(&t);
    factor[20] = 1.5F;
    put_tensors(path, pieces, 5);
    expect_refusal("factor.sae", "'scaling_factor' is 1.5 at element 20");
    sae_free(&s);
}

/* A gated SAE's own tensors. */
struct gated {
    float w[M * D]; /* (m, d); by_input is its transpose */
    float by_input[D * M];
    float w_dec[M * D], b_dec[D], b_gate[M], b_mag[M], r_mag[M];
};

static void gated_make(struct gated *g)
{
    fill(g->w, M * D, 0.4F, 31);
    fill(g->w_dec, M * D, 0.3F, 32);
    fill(g->b_dec, D, 0.5F, 33);
    fill(g->b_gate, M, 0.3F, 34);
    fill(g->b_mag, M, 0.3F, 35);
    fill(g->r_mag, M, 0.7F, 36);
    for (size_t f = 0; f < M; f++)
        for (size_t j = 0; j < D; j++)
            g->by_input[j * M + f] = g->w[f * D + j];
}

static void gated_put(const struct gated *g, const char *folder, bool subtract)
{
    struct sae s = sae_make(SAE_STANDARD);
    char path[128];
    const struct piece pieces[] = {
        {"W_dec", g->w_dec, M, D}, {"W_enc", g->by_input, D, M},
        {"b_dec", g->b_dec, D, 0}, {"b_gate", g->b_gate, M, 0},
        {"b_mag", g->b_mag, M, 0}, {"r_mag", g->r_mag, M, 0},
    };
    s.apply_b_dec_to_input = subtract;
    put(&s, folder);
    (void)snprintf(path, sizeof path, "%s/cfg.json", folder);
    edit(path, "\"standard\"", "\"gated\"");
    (void)snprintf(path, sizeof path, "%s/sae_weights.safetensors", folder);
    put_tensors(path, pieces, 6);
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
    case SAE_GATED:
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

/* The paper's two paths, the gate in double: what is active, with which value,
 * and through which heads. Both sides of the gate and of the magnitude occur
 * alone, so neither test may be left out. */
static void check_gated(const struct gated *g, const struct sae *s,
                        const float *x, const struct codes *c)
{
    size_t at = 0, shut = 0, below = 0;
    float offsets[M * HEADS];
    sae_attribute_offsets(s, HEADS, offsets);
    for (size_t r = 0; r < ROWS; r++) {
        for (uint32_t f = 0; f < M; f++) {
            double u = 0, gain = exp((double)g->r_mag[f]), sum;
            for (size_t j = 0; j < D; j++)
                u += ((double)x[r * D + j] -
                      (s->apply_b_dec_to_input ? (double)g->b_dec[j] : 0)) *
                     (double)g->w[f * D + j];
            double value = gain * u + (double)g->b_mag[f];
            bool open = u + (double)g->b_gate[f] > 0;
            shut += !open && value > 0;
            below += open && value <= 0;
            if (!open || value <= 0)
                continue;
            assert_true(at < c->start[r + 1]);
            assert_int_equal(c->feature[at], f);
            assert_true(fabs((double)c->value[at] - value) < 2e-5);
            at++;
            float dfa[HEADS];
            sae_attribute(s, offsets, x + r * D, f, HEADS, dfa);
            sum = (double)g->b_mag[f];
            for (int h = 0; h < HEADS; h++)
                sum += (double)dfa[h];
            assert_true(fabs(sum - value) < 2e-5);
        }
        assert_int_equal(c->start[r + 1], at);
    }
    assert_true(at > 100 && shut > 100 && below > 100);
}

static void test_gated_follows_its_paper(void **state)
{
    (void)state;
    static struct gated g;
    static float x[ROWS * D];
    struct team team = team_make(2);
    gated_make(&g);
    fill(x, ROWS * D, 1, 37);
    for (int subtract = 0; subtract < 2; subtract++) {
        struct sae s;
        struct err e = {0};
        struct sae_encoder enc;
        struct codes c = {0};
        gated_put(&g, "gated.sae", subtract);
        assert_int_equal(sae_load(&s, "gated.sae", &e), 0);
        assert_int_equal(s.architecture, SAE_GATED);
        assert_int_equal(sae_encoder_open(&enc, &s, &team, &e), 0);
        assert_int_equal(sae_encode(&enc, x, ROWS, &c, &e), 0);
        check_gated(&g, &s, x, &c);
        /* Written again it is a jumprelu with the same codes. */
        struct sae again;
        struct codes d = {0};
        struct sae_encoder second;
        put(&s, "again.sae");
        assert_int_equal(sae_load(&again, "again.sae", &e), 0);
        assert_int_equal(again.architecture, SAE_JUMPRELU);
        assert_int_equal(sae_encoder_open(&second, &again, &team, &e), 0);
        assert_int_equal(sae_encode(&second, x, ROWS, &d, &e), 0);
        assert_memory_equal(c.start, d.start, (ROWS + 1) * sizeof *c.start);
        assert_memory_equal(c.value, d.value, c.start[ROWS] * sizeof(float));
        codes_free(&c);
        codes_free(&d);
        sae_encoder_close(&enc);
        sae_encoder_close(&second);
        sae_free(&s);
        sae_free(&again);
        assert_int_equal(scratch_remove("gated.sae"), 0);
        assert_int_equal(scratch_remove("again.sae"), 0);
    }
    g.r_mag[5] = 200;
    gated_put(&g, "gated.sae", true);
    expect_refusal("gated.sae", "'r_mag' is 200 at element 5");
}

/* SAELens multiplies h by the decoder norm before selection and divides after:
 * codes are ‖W_dec‖ times larger, the reconstruction is that of the formula. A
 * feature without a decoder row has h 0, so it cannot take another's place. */
static void test_decoder_norms_are_folded(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_TOPK), t;
    struct err e;
    float x[D];
    fill(x, D, 1, 21);
    memset(s.w_dec + 3 * D, 0, D * sizeof *s.w_dec);
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
        assert_true(f == 3 ? unit == 0 : fabs(unit - 1) < 1e-5);
        assert_true(fabs(pre_activation(&t, x, f) -
                         sqrt(norm) * pre_activation(&s, x, f)) < 1e-5);
    }
    sae_free(&s);
    sae_free(&t);
}

/* The setting is topk's alone: SAELens ignores it elsewhere. */
static void test_norms_are_folded_for_topk_only(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_JUMPRELU), t;
    struct err e;
    put(&s, "plain.sae");
    edit("plain.sae/cfg.json", "\"jumprelu\"",
         "\"jumprelu\", \"rescale_acts_by_decoder_norm\": true");
    assert_int_equal(sae_load(&t, "plain.sae", &e), 0);
    assert_memory_equal(s.w_enc, t.w_enc, M * D * sizeof(float));
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
        cmocka_unit_test(test_old_configurations),
        cmocka_unit_test(test_scaling_factor),
        cmocka_unit_test(test_encoding_follows_the_formula),
        cmocka_unit_test(test_gated_follows_its_paper),
        cmocka_unit_test(test_decoder_norms_are_folded),
        cmocka_unit_test(test_norms_are_folded_for_topk_only),
        cmocka_unit_test(test_attribution_adds_up),
        cmocka_unit_test(test_metrics),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
