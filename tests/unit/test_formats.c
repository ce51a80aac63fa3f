/* SPDX-License-Identifier: MIT
 *
 * SAEs in the file formats of other trainers: what is written is read back as
 * the same function, whichever way a format treats b_dec; each format is known
 * by its files; what a format cannot carry, and files that disagree, are
 * refused.
 */
#include "tests/unit/scratch.h"

#include <math.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "dump/tensor_file.h"
#include "sae/formats.h"

enum { D = 12, M = 37, K = 5, ROWS = 60 };

static void fill(float *out, size_t n, float scale, uint32_t lane)
{
    struct rng r = rng_at(11, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        out[i] = scale * rng_normal(&r);
}

static float *tensor(struct sae *s, size_t n, float scale, uint32_t lane)
{
    float *out;
    assert_int_equal(arena_get(&s->arena, &out, n, sizeof *out, "t", NULL), 0);
    fill(out, n, scale, lane);
    return out;
}

/* Every tensor different, so that a mix-up shows; rows of W_dec not of unit
 * length, unless told. */
static struct sae sae_make(enum sae_architecture a, bool subtracts, bool unit)
{
    struct sae s = {.architecture = a,
                    .d = D,
                    .m = M,
                    .k = a == SAE_TOPK ? K : 0,
                    .apply_b_dec_to_input = subtracts,
                    .layer = 2,
                    .head = -1};
    assert_int_equal(arena_string(&s.arena, &s.name, "made", NULL), 0);
    assert_int_equal(arena_string(&s.arena, &s.model, "tiny", NULL), 0);
    assert_int_equal(
        arena_string(&s.arena, &s.hook, "blocks.2.attn.hook_z", NULL), 0);
    s.w_enc = tensor(&s, M * D, 0.4f, 1);
    s.w_dec = tensor(&s, M * D, 0.3f, 2);
    s.b_enc = tensor(&s, M, 0.2f, 3);
    s.b_dec = tensor(&s, D, 0.5f, 4);
    if (a == SAE_JUMPRELU || a == SAE_GATED)
        s.threshold = tensor(&s, M, 0.3f, 5);
    for (size_t i = 0; unit && i < M; i++) {
        double sum = 0;
        for (size_t j = 0; j < D; j++)
            sum += (double)s.w_dec[i * D + j] * (double)s.w_dec[i * D + j];
        for (size_t j = 0; j < D; j++)
            s.w_dec[i * D + j] /= (float)sqrt(sum);
    }
    return s;
}

/* The definition of sae.h, in double: f (M) and reconstruction (D) of x. */
static void run(const struct sae *s, const float *x, double *f, double *out)
{
    double h[M];
    for (size_t i = 0; i < M; i++) {
        h[i] = (double)s->b_enc[i];
        for (size_t j = 0; j < D; j++)
            h[i] += (double)s->w_enc[i * D + j] *
                    ((double)x[j] -
                     (s->apply_b_dec_to_input ? (double)s->b_dec[j] : 0));
    }
    for (size_t i = 0; i < M; i++) {
        size_t above = 0;
        for (size_t o = 0; o < M; o++)
            above += h[o] > h[i];
        bool on = h[i] > 0;
        if (s->architecture == SAE_TOPK)
            on = on && above < s->k;
        if (s->threshold != NULL)
            on = on && h[i] > (double)s->threshold[i];
        f[i] = on ? h[i] : 0;
    }
    for (size_t j = 0; j < D; j++) {
        out[j] = (double)s->b_dec[j];
        for (size_t i = 0; i < M; i++)
            out[j] += f[i] * (double)s->w_dec[i * D + j];
    }
}

static void assert_same_function(const struct sae *a, const struct sae *b)
{
    float x[ROWS * D];
    size_t on = 0;
    fill(x, ROWS * D, 1, 9);
    for (size_t r = 0; r < ROWS; r++) {
        double f[2][M], out[2][D];
        run(a, x + r * D, f[0], out[0]);
        run(b, x + r * D, f[1], out[1]);
        for (size_t i = 0; i < M; i++)
            assert_true(fabs(f[0][i] - f[1][i]) <= 1e-6 * fmax(1, f[0][i]));
        for (size_t j = 0; j < D; j++)
            assert_true(fabs(out[0][j] - out[1][j]) <= 1e-6);
        for (size_t i = 0; i < M; i++)
            on += f[0][i] > 0;
    }
    assert_true(on > ROWS); /* else it shows nothing */
}

static const enum sae_format all[] = {
    SAE_FORMAT_SAELENS, SAE_FORMAT_SPARSIFY, SAE_FORMAT_DICTIONARY_LEARNING,
    SAE_FORMAT_GEMMA_SCOPE, SAE_FORMAT_KISSANE};

static void round_trip(const struct sae *s, enum sae_format format)
{
    struct sae t;
    struct err e = {0};
    if (sae_export_check(s, format, &e) != 0) {
        assert_refused(e.code, &e, "cannot hold; these can: ");
        return;
    }
    assert_int_equal(mkdir("round.sae", 0777), 0);
    assert_int_equal(sae_export(s, format, "round.sae", &e), 0);
    assert_int_equal(sae_format_of("round.sae"), format);
    if (sae_load(&t, "round.sae/", &e) != 0)
        fail_msg("%s: %s", sae_format_name(format), e.msg);
    assert_same_function(s, &t);
    assert_int_equal(t.d, D);
    assert_int_equal(t.m, M);
    assert_string_equal(t.name, "round");
    bool has_place =
        format != SAE_FORMAT_GEMMA_SCOPE && format != SAE_FORMAT_SPARSIFY;
    assert_int_equal(t.layer, has_place ? 2 : -1);
    assert_string_equal(t.hook, has_place ? s->hook : "");
    /* The note says whether tensors are other ones. */
    bool moved = memcmp(s->b_enc, t.b_enc, M * sizeof(float)) != 0;
    assert_int_equal(moved, s->apply_b_dec_to_input != t.apply_b_dec_to_input);
    if (s->architecture != SAE_GATED)
        assert_int_equal(moved, *sae_export_note(s, format) != '\0');
    sae_free(&t);
    assert_int_equal(scratch_remove("round.sae"), 0);
}

static void test_round_trips(void **state)
{
    (void)state;
    for (int a = SAE_STANDARD; a <= SAE_GATED; a++)
        for (int form = 0; form < 4; form++) {
            struct sae s =
                sae_make((enum sae_architecture)a, form & 1, form & 2);
            for (size_t i = 0; i < sizeof all / sizeof *all; i++)
                round_trip(&s, all[i]);
            sae_free(&s);
        }
}

/* Which pairs are refused: the table of docs/formats.md. */
static void test_what_formats_carry(void **state)
{
    (void)state;
    static const struct {
        enum sae_format format;
        bool carries[4]; /* standard, topk, jumprelu, gated */
    } rows[] = {
        {SAE_FORMAT_SAELENS, {true, true, true, true}},
        {SAE_FORMAT_SPARSIFY, {false, true, false, false}},
        {SAE_FORMAT_DICTIONARY_LEARNING, {true, true, true, true}},
        {SAE_FORMAT_GEMMA_SCOPE, {true, false, true, true}},
        {SAE_FORMAT_KISSANE, {true, false, false, false}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int a = SAE_STANDARD; a <= SAE_GATED; a++) {
            struct sae s = sae_make((enum sae_architecture)a, true, true);
            struct err e = {0};
            assert_int_equal(sae_export_check(&s, rows[i].format, &e) == 0,
                             rows[i].carries[a]);
            s.head = 3;
            if (rows[i].format == SAE_FORMAT_SAELENS)
                assert_int_equal(sae_export_check(&s, rows[i].format, &e), 0);
            else
                assert_refused(sae_export_check(&s, rows[i].format, &e), &e,
                               "of head 3 alone");
            sae_free(&s);
        }
}

static void export_to(const struct sae *s, enum sae_format format,
                      const char *folder)
{
    struct err e = {0};
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(sae_export(s, format, folder, &e), 0);
}

/* The files by themselves, and what a path says. */
static void test_paths(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD, true, true), t;
    struct err e = {0};
    assert_int_equal(mkdir("layer_7", 0777), 0);
    export_to(&s, SAE_FORMAT_GEMMA_SCOPE, "layer_7/l0_30");
    assert_int_equal(sae_load(&t, "layer_7/l0_30/params.npz", &e), 0);
    assert_int_equal(t.layer, 7);
    assert_string_equal(t.name, "l0_30");
    assert_string_equal(t.hook, "blocks.7.attn.hook_z");
    sae_free(&t);
    export_to(&s, SAE_FORMAT_KISSANE, "pairs");
    assert_int_equal(sae_load(&t, "pairs/made.pt", &e), 0);
    assert_string_equal(t.name, "made");
    assert_same_function(&s, &t);
    sae_free(&t);
    /* Of two pairs a folder does not say which. */
    assert_int_equal(link("pairs/made.pt", "pairs/more.pt"), 0);
    assert_int_equal(link("pairs/made_cfg.json", "pairs/more_cfg.json"), 0);
    assert_int_equal(sae_format_of("pairs"), SAE_FORMAT_NONE);
    assert_refused(sae_load(&t, "pairs", &e), &e, "no SAE");
    assert_int_equal(sae_format_of("pairs/more.pt"), SAE_FORMAT_KISSANE);
    assert_int_equal(unlink("pairs/more_cfg.json"), 0);
    assert_int_equal(sae_format_of("pairs/more.pt"), SAE_FORMAT_NONE);
    export_to(&s, SAE_FORMAT_DICTIONARY_LEARNING, "trainer_0");
    assert_int_equal(sae_load(&t, "trainer_0/ae.pt", &e), 0);
    assert_string_equal(t.name, "trainer_0");
    sae_free(&t);
    sae_free(&s);
}

/* What headscope.json says beyond a format goes with it. */
static void test_record_goes_along(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD, false, true), t;
    struct err e = {0};
    assert_int_equal(
        arena_string(&s.arena, &s.headscope,
                     "{\"heads\": 3, \"layer\": 2, \"note\": \"ours\"}", &e),
        0);
    export_to(&s, SAE_FORMAT_GEMMA_SCOPE, "own.sae");
    assert_int_equal(sae_load(&t, "own.sae", &e), 0);
    assert_int_equal(t.heads, 3);
    assert_int_equal(t.layer, 2);
    assert_string_equal(t.hook, "blocks.2.attn.hook_z");
    assert_non_null(strstr(t.headscope, "ours"));
    sae_free(&t);
    sae_free(&s);
}

/* ---- dictionary_learning, as it trains ---- */

static struct tensor_entry entry(const char *name, enum dtype dtype,
                                 const void *data, int64_t rows,
                                 int64_t columns)
{
    struct tensor_entry it = {name, {.dtype = dtype, .data = data}};
    struct tensor *t = &it.tensor;
    t->rank = columns > 0 ? 2 : rows > 0 ? 1 : 0;
    t->shape[0] = rows;
    t->shape[1] = columns;
    assert_int_equal(
        tensor_bytes(&t->bytes, dtype, t->shape, t->rank, name, NULL), 0);
    return it;
}

static void write_dictionary(const struct sae *s, const int32_t *k,
                             const float *threshold, const char *config)
{
    float decoder[D * M];
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < D; j++)
            decoder[j * M + i] = s->w_dec[i * D + j];
    const struct tensor_entry entries[] = {
        entry("k", DTYPE_I32, k, 0, 0),
        entry("threshold", DTYPE_F32, threshold, 0, 0),
        entry("decoder.weight", DTYPE_F32, decoder, D, M),
        entry("encoder.weight", DTYPE_F32, s->w_enc, M, D),
        entry("encoder.bias", DTYPE_F32, s->b_enc, M, 0),
        entry("b_dec", DTYPE_F32, s->b_dec, D, 0),
    };
    struct err e;
    (void)mkdir("trained", 0777);
    assert_int_equal(
        tensor_file_write_state_dict("trained/ae.pt", entries, 6, &e), 0);
    write_text("trained/config.json", config);
}

static void test_batch_topk_is_a_threshold(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_JUMPRELU, true, true), t;
    struct err e = {0};
    const int32_t k = K;
    const float threshold = 0.3f;
    for (size_t i = 0; i < M; i++)
        s.threshold[i] = threshold;
    write_dictionary(&s, &k, &threshold,
                     "{\"trainer\": {\"dict_class\": \"BatchTopKSAE\", "
                     "\"k\": 5, \"layer\": 4, \"lm_name\": \"m\"}}");
    assert_int_equal(sae_load(&t, "trained", &e), 0);
    assert_int_equal(t.architecture, SAE_JUMPRELU);
    assert_int_equal(t.layer, 4);
    assert_string_equal(t.model, "m");
    assert_same_function(&s, &t);
    sae_free(&t);
    sae_free(&s);
}

/* dictionary_learning makes the rows of this one class unit length when it
 * loads it: the same reconstruction, codes times the norm. */
static void test_auto_encoder_gets_unit_rows(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_STANDARD, true, true), t;
    struct err e = {0};
    float decoder[D * M];
    for (size_t i = 0; i < M; i++) {
        const float norm = 0.5f + (float)(i % 4);
        for (size_t j = 0; j < D; j++) {
            decoder[j * M + i] = s.w_dec[i * D + j] * norm;
            s.w_enc[i * D + j] /= norm;
        }
        s.b_enc[i] /= norm;
    }
    const struct tensor_entry entries[] = {
        entry("encoder.weight", DTYPE_F32, s.w_enc, M, D),
        entry("encoder.bias", DTYPE_F32, s.b_enc, M, 0),
        entry("decoder.weight", DTYPE_F32, decoder, D, M),
        entry("bias", DTYPE_F32, s.b_dec, D, 0),
    };
    assert_int_equal(mkdir("long", 0777), 0);
    assert_int_equal(tensor_file_write_state_dict("long/ae.pt", entries, 4, &e),
                     0);
    write_text("long/config.json",
               "{\"trainer\": {\"dict_class\": \"AutoEncoder\"}}");
    assert_int_equal(sae_load(&t, "long", &e), 0);
    sae_free(&s);
    s = sae_make(SAE_STANDARD, true, true); /* as before it was stretched */
    assert_same_function(&s, &t);
    sae_free(&t);
    sae_free(&s);
}

static void test_dictionary_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *config, *words;
    } rows[] = {
        {"[]", "must be an object"},
        {"{}", "'trainer' is missing"},
        {"{\"trainer\": {}}", "'dict_class' is missing"},
        {"{\"trainer\": {\"dict_class\": \"IdentityDict\"}}",
         "dict_class 'IdentityDict' is not one of AutoEncoder,"},
        {"{\"trainer\": {\"dict_class\": \"AutoEncoderTopK\", \"k\": 6}}",
         "k is 6, that of ae.pt is 5"},
        {"{\"trainer\": {\"dict_class\": \"AutoEncoderTopK\", \"k\": 0}}",
         "outside 1..37"},
        {"{\"trainer\": {\"dict_class\": \"AutoEncoder\"}}",
         "tensor 'bias' is missing"},
        {"{\"trainer\": {\"dict_class\": \"GatedAutoEncoder\"}}",
         "tensor 'decoder_bias' is missing"},
        {"{\"trainer\": {\"dict_class\": \"JumpReluAutoEncoder\"}}",
         "tensor 'W_enc' is missing"},
        {"{\"trainer\": {\"dict_class\": \"AutoEncoderTopK\", "
         "\"submodule_name\": \"resid_post_layer_3\"}}",
         "an SAE of 'resid_post_layer_3'; must be of z"},
    };
    struct sae s = sae_make(SAE_TOPK, true, true), t;
    const int32_t k = K;
    const float threshold = -1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e = {0};
        write_dictionary(&s, &k, &threshold, rows[i].config);
        assert_refused(sae_load(&t, "trained", &e), &e, rows[i].words);
    }
    sae_free(&s);
}

/* ---- sparsify and Kissane: configurations that say something else ---- */

static void refuse_config(const char *folder, const char *name,
                          const char *config, const char *words)
{
    char path[64];
    struct sae t;
    struct err e = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    write_text(path, config);
    assert_refused(sae_load(&t, folder, &e), &e, words);
}

static void test_config_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *config, *words;
    } of_sparsify[] =
        {
            {"{\"k\": 5, \"num_latents\": 37}", "'d_in' is missing"},
            {"{\"k\": 5, \"num_latents\": 36, \"d_in\": 12}", "36 latents"},
            {"{\"k\": 5, \"d_in\": 12}", "384 latents, but encoder.weight is"},
            {"{\"k\": 38, \"num_latents\": 37, \"d_in\": 12}", "outside 1..37"},
            {"{\"activation\": \"groupmax\", \"d_in\": 12}", "'groupmax'"},
            {"{\"transcode\": true, \"d_in\": 12}",
             "transcode is not supported"},
            {"{\"skip_connection\": true, \"d_in\": 12}",
             "skip_connection is not supported"},
        },
      of_kissane[] = {
          {"{}", "'act_name' is missing"},
          {"{\"act_name\": \"blocks.1.hook_resid_pre\"}", "must be of z"},
          {"{\"act_name\": \"blocks.1.attn.hook_z\", \"act_size\": 13}",
           "act_size 13 and dict_size 37, but W_enc is [12, 37]"},
      };
    struct sae s = sae_make(SAE_TOPK, true, true);
    export_to(&s, SAE_FORMAT_SPARSIFY, "sparse.sae");
    s.architecture = SAE_STANDARD;
    export_to(&s, SAE_FORMAT_KISSANE, "kissane.sae");
    for (size_t i = 0; i < sizeof of_sparsify / sizeof *of_sparsify; i++)
        refuse_config("sparse.sae", "cfg.json", of_sparsify[i].config,
                      of_sparsify[i].words);
    for (size_t i = 0; i < sizeof of_kissane / sizeof *of_kissane; i++)
        refuse_config("kissane.sae", "made_cfg.json", of_kissane[i].config,
                      of_kissane[i].words);
    sae_free(&s);
}

/* k is 32 unless given, which 3 latents do not have. */
static void test_default_k(void **state)
{
    (void)state;
    struct sae s = sae_make(SAE_TOPK, true, true);
    s.m = s.k = 3;
    export_to(&s, SAE_FORMAT_SPARSIFY, "default.sae");
    refuse_config("default.sae", "cfg.json",
                  "{\"num_latents\": 3, \"d_in\": 12}",
                  "its default 32 is more than the 3 latents");
    sae_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_what_formats_carry),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_record_goes_along),
        cmocka_unit_test(test_batch_topk_is_a_threshold),
        cmocka_unit_test(test_auto_encoder_gets_unit_rows),
        cmocka_unit_test(test_dictionary_refusals),
        cmocka_unit_test(test_config_refusals),
        cmocka_unit_test(test_default_k),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
