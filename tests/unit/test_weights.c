/* SPDX-License-Identifier: MIT
 *
 * Catches: W_U written untransposed or with rows lost at the edge of a piece,
 * columns read from another place, a file that lies about its shapes taken at
 * its word, and old dumps refused.
 */
#include "scratch.h"

#include <math.h>
#include <sys/stat.h>

#include "dump/weights.h"

/* More rows of W_U than are turned at once, and not a multiple. */
enum { LAYERS = 2, HEADS = 3, D_HEAD = 2, MODEL = 37, VOCAB = 11 };

static const struct dump_info info = {.first_layer = 5,
                                      .layers = LAYERS,
                                      .heads = HEADS,
                                      .d_head = D_HEAD,
                                      .d_model = MODEL};
static float w_o[LAYERS][HEADS * D_HEAD * MODEL];
static float w_u[VOCAB * MODEL], gain[MODEL], bias[MODEL];

static struct weights_source source(void)
{
    static const float *layers[LAYERS] = {w_o[0], w_o[1]};
    return (struct weights_source){layers, w_u, VOCAB, gain, bias};
}

static int fill(void **state)
{
    for (int i = 0; i < HEADS * D_HEAD * MODEL; i++)
        for (int l = 0; l < LAYERS; l++)
            w_o[l][i] = (float)(i + 1000 * l);
    for (int i = 0; i < VOCAB * MODEL; i++)
        w_u[i] = (float)i / 4;
    for (int i = 0; i < MODEL; i++) {
        gain[i] = 1 + (float)i;
        bias[i] = -(float)i;
    }
    return scratch_begin(state);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct err e = {0};
    struct weights w;
    struct stat st;
    struct weights_source from = source();
    assert_int_equal(weights_write("w", &info, &from, &e), 0);
    assert_int_equal(stat("w", &st), 0);
    assert_in_range(st.st_size - (off_t)weights_bytes(&info, VOCAB), 1, 1000);
    assert_int_equal(weights_open(&w, "w", &info, &e), 0);
    assert_memory_equal(w.w_o, w_o, sizeof w_o);
    const struct unembedding *u = &w.unembedding;
    assert_int_equal(u->vocab, VOCAB);
    assert_memory_equal(u->ln_gain, gain, sizeof gain);
    assert_memory_equal(u->ln_bias, bias, sizeof bias);
    for (size_t first = 0; first < VOCAB; first++)
        for (size_t n = 1; n <= VOCAB - first; n++) {
            float out[MODEL * VOCAB];
            assert_int_equal(unembedding_read(u, out, first, n, &e), 0);
            for (size_t i = 0; i < MODEL; i++)
                for (size_t j = 0; j < n; j++)
                    assert_true(out[i * n + j] == w_u[(first + j) * MODEL + i]);
        }
    weights_close(&w);
}

/* A dump of an older version. */
static void w_o_may_be_alone(void **state)
{
    (void)state;
    struct err e = {0};
    struct weights w;
    struct weights_source from = {.w_o = source().w_o};
    assert_int_equal(weights_write("old", &info, &from, &e), 0);
    assert_int_equal(weights_open(&w, "old", &info, &e), 0);
    assert_null(w.unembedding.w_u);
    assert_memory_equal(w.w_o, w_o, sizeof w_o);
    weights_close(&w);
}

static void refuse(const struct dump_info *as, const char *path,
                   const char *words)
{
    struct err e = {0};
    struct weights w;
    assert_refused(weights_open(&w, path, as, &e), &e, words);
}

/* Copies the file `w` with one text for another of the same length. */
static void damage(const char *path, const char *old, const char *new)
{
    static char bytes[100000];
    FILE *f = fopen("w", "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f), length = strlen(old);
    (void)fclose(f);
    char *at = NULL;
    for (size_t i = 0; at == NULL && i + length < n; i++)
        if (memcmp(bytes + i, old, length) == 0)
            at = bytes + i;
    assert_non_null(at);
    memcpy(at, new, length);
    write_bytes(path, bytes, n);
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    struct dump_info other = info;
    other.layers = DUMP_LAYERS_MAX;
    other.d_model = 1 << 30;
    refuse(&other, "w", "too small for the W_O of 1024 layers");
    other = info;
    other.first_layer = 6;
    refuse(&other, "w", "no tensor W_O.7 of f32 [3, 2, 37]");
    other = info;
    other.d_model = MODEL - 1;
    refuse(&other, "w", "no tensor W_O.5 of f32 [3, 2, 36]");
    damage("turned", "[37,11]", "[11,37]");
    refuse(&info, "turned", "W_U must be f32 [37, vocabulary]");
    damage("no_gain", "ln_f.weight", "ln_f.wEIGHT");
    refuse(&info, "no_gain", "no tensor ln_f.weight of f32 [37]");
}

static void values_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct weights w;
    float out[MODEL];
    struct weights_source from = source();
    gain[3] = (float)NAN;
    assert_int_equal(weights_write("gain", &info, &from, &e), 0);
    refuse(&info, "gain", "ln_f.weight holds a value that is not finite");
    gain[3] = 4;
    w_u[4 * MODEL + 30] = (float)INFINITY;
    assert_int_equal(weights_write("w_u", &info, &from, &e), 0);
    assert_int_equal(weights_open(&w, "w_u", &info, &e), 0);
    assert_int_equal(unembedding_read(&w.unembedding, out, 3, 1, &e), 0);
    assert_refused(unembedding_read(&w.unembedding, out, 4, 1, &e), &e,
                   "W_U[30, 4] is not finite");
    weights_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(w_o_may_be_alone),
        cmocka_unit_test(other_shapes_are_refused),
        cmocka_unit_test(values_that_are_not_finite_are_refused),
    };
    return cmocka_run_group_tests(tests, fill, scratch_end);
}
