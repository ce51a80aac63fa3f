/* SPDX-License-Identifier: MIT
 *
 * Catches: rows that are written out of order or under another layer's name, a
 * dump that depends on the number of threads, and input that is only refused
 * after something was written.
 */
#include "scratch.h"

#include <math.h>
#include <signal.h>

#include "base/interrupt.h"
#include "base/json.h"
#include "base/log.h"
#include "capture/capture.h"
#include "capture/gpt2.h"
#include "dump/dump.h"
#include "dump/weights.h"

#define MODEL SOURCE_DIR "/examples/tiny-gpt2"
#define CORPUS MODEL "/corpus.txt"

enum { EOS = 2047 };

static int begin(void **state)
{
    log_set_level(LOG_RESULT); /* no bars among the results */
    interrupt_install();
    return scratch_begin(state);
}

/* ---- layers ---- */

static void layer_lists_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int first, count;
    } good[] = {
        {"all", 0, 4}, {"0", 0, 1},   {"3", 3, 1},
        {"1-2", 1, 2}, {"0-3", 0, 4}, {"0,1,2-3", 0, 4},
        {"1,2", 1, 2}, {"2-2", 2, 1}, {"0-1,2", 0, 3},
    };
    static const char *const bad[] = {
        "",    "4",   "-1",  "1-",    "1-4",
        "2-1", "0,2", "1,1", "0,",    ",0",
        "0 1", "x",   "+1",  "0-1-2", "99999999999999999999",
        "All",
    };
    struct err e = {0};
    int first, count;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(
            capture_parse_layers(&first, &count, good[i].text, 4, &e), 0);
        assert_int_equal(first, good[i].first);
        assert_int_equal(count, good[i].count);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_refused(capture_parse_layers(&first, &count, bad[i], 4, &e), &e,
                       "--layers");
}

/* ---- dumps ---- */

static struct capture_options options_for(const char *output)
{
    return (struct capture_options){.output = output,
                                    .text = CORPUS,
                                    .text_field = "text",
                                    .layers = "all",
                                    .dtype = 1,
                                    .tokens = 2500};
}

static int try_capture(const char *model, const struct capture_options *o,
                       int threads, bool force, struct err *e)
{
    struct team team = team_make(threads);
    struct capture *c;
    double seconds;
    int code = capture_open(&c, model, o, &team, e);
    if (code == 0)
        code = capture_run(c, force, &seconds, e);
    capture_close(&c);
    return code;
}

static struct dump *capture_and_open(const struct capture_options *o,
                                     int threads)
{
    const struct dump_options none = {0};
    struct dump *d = NULL;
    struct err e = {0};
    if (try_capture(MODEL, o, threads, true, &e) != 0 ||
        dump_open(&d, &o->output, 1, &none, &e) != 0 || dump_verify(d, &e) != 0)
        fail_msg("%s", e.msg);
    return d;
}

/* The fingerprint covers the manifest and with it every file's checksum. */
static void the_dump_is_the_same_for_any_number_of_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 7};
    char first[64] = "";
    for (size_t i = 0; i < 3; i++) {
        struct capture_options o = options_for("same.dump");
        o.tokens = 5200; /* two waves of one thread, less than one of two */
        struct dump *d = capture_and_open(&o, threads[i]);
        const char *fingerprint = dump_info(d)->fingerprint;
        if (i == 0)
            (void)snprintf(first, sizeof first, "%s", fingerprint);
        assert_string_equal(fingerprint, first);
        dump_close(&d);
    }
}

/* From z·W_O and what else is in the stream, W_U and the last norm make the
 * model's logits: those of gpt2_logits, worked out from the dump's weights. */
static void the_dump_has_the_unembedding(void **state)
{
    (void)state;
    struct err e = {0};
    struct gpt2 g;
    struct gpt2_workspace w;
    struct capture_options o = options_for("weights.dump");
    struct dump *d = capture_and_open(&o, 2);
    const struct unembedding *u = dump_unembedding(d);
    assert_non_null(u);
    assert_int_equal(gpt2_open(&g, MODEL, &e), 0);
    assert_int_equal(gpt2_workspace_open(&w, &g, 3, &e), 0);
    enum { VOCAB = 2048 };
    static float logits[3 * VOCAB], column[256];
    const struct gpt2_batch batch = {.ids = dump_tokens(d),
                                     .starts = (const int64_t[]){0, 3},
                                     .contexts = 1};
    assert_int_equal(u->vocab, VOCAB);
    assert_int_equal(u->d_model, 256);
    const struct gpt2_tap tap = {.to_end = true};
    gpt2_forward(&g, &w, &batch, &tap);
    double mean = 0, variance = 0;
    for (int i = 0; i < 256; i++)
        mean += (double)w.x[2 * 256 + i] / 256;
    for (int i = 0; i < 256; i++)
        variance += pow((double)w.x[2 * 256 + i] - mean, 2) / 256;
    double normed[256];
    for (int i = 0; i < 256; i++)
        normed[i] = ((double)w.x[2 * 256 + i] - mean) /
                        sqrt(variance + (double)g.config.epsilon) *
                        (double)u->ln_gain[i] +
                    (double)u->ln_bias[i];
    gpt2_logits(&g, &w, logits, w.x, 3);
    for (size_t v = 0; v < VOCAB; v += 97) {
        double logit = 0;
        assert_int_equal(unembedding_read(u, column, v, 1, &e), 0);
        for (int i = 0; i < 256; i++)
            logit += normed[i] * (double)column[i];
        assert_true(fabs(logit - (double)logits[2 * VOCAB + v]) < 1e-3);
    }
    gpt2_workspace_close(&w);
    gpt2_close(&g);
    dump_close(&d);
}

static void several_texts_are_groups(void **state)
{
    (void)state;
    struct capture_options o = options_for("texts.dump");
    o.text = "one,two";
    o.layers = "1";
    write_text("one", "a\nb<|endoftext|>c");
    write_text("two", "d<|endoftext|>e");
    struct dump *d = capture_and_open(&o, 2);
    const struct dump_groups *g = dump_groups(d);
    assert_int_equal(g->n, 2);
    assert_string_equal(g->names[0], "one");
    assert_string_equal(g->names[1], "two");
    assert_int_equal(dump_info(d)->contexts, 4);
    assert_memory_equal(g->of_context, ((const int32_t[]){0, 0, 1, 1}), 16);
    dump_close(&d);
    o.text = "one";
    d = capture_and_open(&o, 2);
    assert_null(dump_groups(d));
    dump_close(&d);
}

/* Row by row against contexts run one at a time: the order of groups, the
 * layers' names and the manifest's words. */
static void the_dump_holds_the_z_of_every_context(void **state)
{
    (void)state;
    enum { D = 256 };
    struct capture_options o = options_for("rows.dump");
    o.layers = "1-3";
    struct dump *d = capture_and_open(&o, 2);
    const struct dump_info *info = dump_info(d);
    assert_string_equal(info->model, "tiny-gpt2");
    assert_string_equal(info->bos, "always");
    assert_int_equal(info->fold_value_biases, 0);
    assert_int_equal(info->first_layer, 1);
    assert_int_equal(info->layers, 3);
    assert_int_equal(info->heads, 8);
    assert_int_equal(info->d_head, 32);
    assert_int_equal(info->d_model, D);
    assert_in_range(info->tokens, 2500, 2755);
    assert_int_equal(dump_vocab(d)->n, 2048);
    struct gpt2 g;
    struct gpt2_workspace w;
    struct err e = {0};
    static float expected[3][256 * D], got[256 * D];
    float *const z[4] = {NULL, expected[0], expected[1], expected[2]};
    assert_int_equal(gpt2_open(&g, MODEL, &e), 0);
    assert_int_equal(gpt2_workspace_open(&w, &g, 256, &e), 0);
    for (size_t k = 0; k < info->contexts; k++) {
        const int64_t *starts = dump_contexts(d) + k;
        const struct gpt2_batch batch = {dump_tokens(d), starts, 1};
        size_t n = gpt2_batch_rows(&batch);
        const struct gpt2_tap tap = {.z = z};
        gpt2_forward(&g, &w, &batch, &tap);
        for (int l = 1; l <= 3; l++) {
            assert_int_equal(dump_read(d, l, (uint64_t)starts[0], n, got, &e),
                             0);
            for (size_t i = 0; i < n * D; i++)
                assert_true(fabsf(got[i] - expected[l - 1][i]) < 1e-4f);
        }
    }
    gpt2_workspace_close(&w);
    gpt2_close(&g);
    dump_close(&d);
}

static void other_types_and_no_bos_are_recorded(void **state)
{
    (void)state;
    struct capture_options o = options_for("half.dump");
    o.dtype = 0;
    o.bos = 1;
    o.tokens = 300;
    o.context = 100;
    struct dump *d = capture_and_open(&o, 1);
    assert_int_equal(dump_info(d)->dtype, DTYPE_F16);
    assert_string_equal(dump_info(d)->bos, "never");
    const int64_t *starts = dump_contexts(d);
    for (size_t k = 0; k < dump_info(d)->contexts; k++) {
        assert_in_range(starts[k + 1] - starts[k], 1, 100);
        assert_int_not_equal(dump_tokens(d)[starts[k]], EOS);
    }
    dump_close(&d);
}

static void folded_biases_are_recorded_and_gone(void **state)
{
    (void)state;
    enum { D = 256 };
    struct capture_options o = options_for("whole.dump");
    struct gpt2 g;
    struct err e = {0};
    static float with[D], without[D];
    o.tokens = 100;
    struct dump *whole = capture_and_open(&o, 1);
    o.output = "folded.dump";
    o.fold_value_biases = true;
    struct dump *folded = capture_and_open(&o, 1);
    assert_int_equal(dump_info(whole)->fold_value_biases, 0);
    assert_int_equal(dump_info(folded)->fold_value_biases, 1);
    assert_int_equal(gpt2_open(&g, MODEL, &e), 0);
    assert_int_equal(dump_read(whole, 0, 50, 1, with, &e), 0);
    assert_int_equal(dump_read(folded, 0, 50, 1, without, &e), 0);
    for (int i = 0; i < D; i++)
        assert_true(fabsf(with[i] - without[i] -
                          g.layer[0].c_attn.bias[2 * D + i]) < 1e-6f);
    gpt2_close(&g);
    dump_close(&whole);
    dump_close(&folded);
}

static void a_measure_writes_nothing(void **state)
{
    (void)state;
    const struct capture_options o = options_for("measured.dump");
    struct team team = team_make(2);
    struct capture *c;
    struct err e = {0};
    double rate;
    assert_int_equal(capture_open(&c, MODEL, &o, &team, &e), 0);
    assert_int_equal(capture_measure(c, &rate, &e), 0);
    assert_true(rate > 0);
    const struct capture_plan *p = capture_plan(c);
    assert_true(p->output_bytes > p->tokens * 4 * 256 * 4);
    assert_true(p->memory_bytes > 15000000);
    capture_close(&c);
    assert_int_not_equal(access("measured.dump", F_OK), 0);
}

/* ---- refusals ---- */

static void assert_capture_refused(const char *model,
                                   const struct capture_options *o,
                                   const char *words)
{
    struct err e = {0};
    assert_refused(try_capture(model, o, 1, false, &e), &e, words);
    assert_int_not_equal(access("refused.dump", F_OK), 0);
    assert_int_not_equal(access(".refused.dump.partial", F_OK), 0);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    struct capture_options o = options_for("refused.dump");
    assert_capture_refused("no-model", &o, "no-model/config.json");
    o.context = 257;
    assert_capture_refused(MODEL, &o, "only 256 positions");
    o.context = 1;
    assert_capture_refused(MODEL, &o, "no room beside the BOS token");
    o = options_for("refused.dump");
    o.layers = "4";
    assert_capture_refused(MODEL, &o, "--layers 4");
    o = options_for("refused.dump");
    o.text = "missing.txt";
    assert_capture_refused(MODEL, &o, "missing.txt");
    o.text = "text.txt";
    write_text("text.txt", "");
    assert_capture_refused(MODEL, &o, "text.txt: no text in it");
    write_text("text.txt", "<|endoftext|><|endoftext|>");
    assert_capture_refused(MODEL, &o, "text.txt: no text in it");
    write_text("text.txt", "fine\nfine\nnot \xc3\x28");
    assert_capture_refused(MODEL, &o, "byte 14 (line 3) is not UTF-8");
}

static void link_file(const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, MODEL "/%s", name);
    assert_int_equal(symlink(path, name), 0);
}

/* The model's own error for a short embedding comes first unless the weights
 * agree with the config; so the vocabulary grows instead. */
static void a_vocabulary_beyond_the_embedding_is_refused(void **state)
{
    (void)state;
    const struct capture_options o = options_for("refused.dump");
    struct err e = {0};
    json_t *ids;
    link_file("config.json");
    link_file("model.safetensors");
    link_file("merges.txt");
    assert_int_equal(json_read(&ids, MODEL "/vocab.json", &e), 0);
    assert_int_equal(json_object_set_new(ids, "qqqq", json_integer(2048)), 0);
    assert_int_equal(json_write("vocab.json", ids, &e), 0);
    json_decref(ids);
    assert_capture_refused(".", &o,
                           "vocab.json has 2049 tokens, but the model embeds "
                           "only 2048");
}

static void an_old_dump_stays_unless_forced(void **state)
{
    (void)state;
    struct capture_options o = options_for("old.dump");
    struct err e = {0};
    o.tokens = 100;
    assert_int_equal(try_capture(MODEL, &o, 1, false, &e), 0);
    assert_refused(try_capture(MODEL, &o, 1, false, &e), &e, "old.dump");
    assert_int_equal(try_capture(MODEL, &o, 1, true, &e), 0);
}

/* Last: the signal stays seen. */
static void a_signal_leaves_nothing(void **state)
{
    (void)state;
    struct capture_options o = options_for("interrupted.dump");
    struct team team = team_make(2);
    struct capture *c;
    struct err e = {0};
    double seconds;
    assert_int_equal(capture_open(&c, MODEL, &o, &team, &e), 0);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(capture_run(c, false, &seconds, &e), ERR_INTERRUPTED);
    assert_int_not_equal(access("interrupted.dump", F_OK), 0);
    assert_int_not_equal(access(".interrupted.dump.partial", F_OK), 0);
    capture_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layer_lists_are_read),
        cmocka_unit_test(the_dump_is_the_same_for_any_number_of_threads),
        cmocka_unit_test(the_dump_has_the_unembedding),
        cmocka_unit_test(several_texts_are_groups),
        cmocka_unit_test(the_dump_holds_the_z_of_every_context),
        cmocka_unit_test(other_types_and_no_bos_are_recorded),
        cmocka_unit_test(folded_biases_are_recorded_and_gone),
        cmocka_unit_test(a_measure_writes_nothing),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(a_vocabulary_beyond_the_embedding_is_refused),
        cmocka_unit_test(an_old_dump_stays_unless_forced),
        cmocka_unit_test(a_signal_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, begin, scratch_end);
}
