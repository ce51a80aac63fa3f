/* SPDX-License-Identifier: MIT
 *
 * What a server wants of lens/prompt.h beside the numbers, which
 * tests/cli/prompt.sh and tests/compare/lens_torch.py check: that every call
 * can be ended at every one of its steps and then leaves the lens usable, that
 * questions leave a run as it was, and that a database of another model or of
 * other SAEs is told apart. Catches a stop that is not asked, or asked and not
 * heeded, an edited pass that spoils the run, SAEs matched by name alone.
 */
#include <sys/stat.h>

#include "base/rng.h"
#include "lens/prompt.h"
#include "sae/sae.h"
#include "scratch.h"

#define MODEL SOURCE_DIR "/examples/tiny-gpt2"

enum { D = 256, M = 300, LAYERS = 4, HEADS = 8 };

static float w_enc[M * D], w_dec[M * D], b_enc[M], b_dec[D];
static struct prompt_lens *lens;
static const char *const folders[] = {"a.sae", "b.sae"};
static const char text[] = "Then, Emma and Rose went to the library.";

/* ---- making it ---- */

static void fill_random(float *x, size_t n, uint32_t lane, float scale)
{
    struct rng r = rng_at(7, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * rng_normal(&r);
}

/* An SAE of a layer with 8 features a token. */
static void write_sae(const char *folder, const char *hook, uint32_t lane)
{
    struct err e = {0};
    char name[] = "x";
    char hook_name[40];
    fill_random(w_enc, M * D, lane, 0.1F);
    fill_random(w_dec, M * D, lane + 1, 0.06F);
    (void)snprintf(hook_name, sizeof hook_name, "%s", hook);
    const struct sae sae = {.architecture = SAE_TOPK,
                            .d = D,
                            .m = M,
                            .k = 8,
                            .apply_b_dec_to_input = true,
                            .name = name,
                            .model = name,
                            .hook = hook_name,
                            .layer = -1,
                            .head = -1,
                            .w_enc = w_enc,
                            .w_dec = w_dec,
                            .b_enc = b_enc,
                            .b_dec = b_dec};
    assert_int_equal(mkdir(folder, 0777), 0);
    json_t *extra = json_pack("{s:i, s:{}}", "heads", HEADS, "metrics");
    if (sae_write(&sae, folder, extra, &e) != 0)
        fail_msg("%s", e.msg);
    json_decref(extra);
}

static int begin(void **state)
{
    struct err e = {0};
    const struct prompt_lens_options options = {
        .model = MODEL, .sae = folders, .n_saes = 2, .threads = 2};
    if (scratch_begin(state) != 0)
        return -1;
    write_sae("a.sae", "blocks.1.attn.hook_z", 1);
    write_sae("b.sae", "blocks.3.attn.hook_z", 3);
    write_sae("c.sae", "blocks.3.attn.hook_z", 5);
    if (prompt_lens_open(&lens, &options, &e) != 0)
        fail_msg("%s", e.msg);
    return 0;
}

static int end(void **state)
{
    prompt_lens_close(&lens);
    assert_null(lens);
    return scratch_end(state);
}

static const struct prompt_stop never;

static struct prompt_run *open_run(const char *words)
{
    struct err e = {0};
    struct prompt_run *run = NULL;
    const struct prompt_text t = {words, strlen(words), false};
    if (prompt_run_open(&run, lens, &t, &never, &e) != 0)
        fail_msg("%s", e.msg);
    return run;
}

/* ---- stopping ---- */

/* Wants an end when it is asked the n-th time, and only then; several threads
 * ask. */
struct patience {
    int left;
};

static bool lose_patience(void *ctx)
{
    return __atomic_sub_fetch(&((struct patience *)ctx)->left, 1,
                              __ATOMIC_RELAXED) == -1;
}

static void test_stops_a_run(void **state)
{
    (void)state;
    const struct prompt_text t = {text, strlen(text), false};
    int asked = 0, code = ERR_INTERRUPTED;
    for (; code != 0; asked++) {
        struct err e = {0};
        struct patience p = {asked};
        const struct prompt_stop stop = {lose_patience, &p};
        struct prompt_run *run = NULL;
        assert_in_range(asked, 0, 100);
        code = prompt_run_open(&run, lens, &t, &stop, &e);
        if (code != 0) {
            assert_int_equal(code, ERR_INTERRUPTED);
            assert_null(run);
        }
        prompt_run_close(&run);
    }
    /* In front of every layer, and of every layer's features. */
    assert_true(asked > 2 * LAYERS);
}

typedef int question_fn(json_t **out, struct prompt_run *run,
                        const struct prompt_question *q, struct err *e);

static void test_stops_questions(void **state)
{
    (void)state;
    static const struct {
        question_fn *fn;
        int least; /* times that it asks */
    } questions[] = {{prompt_features, LAYERS / 2},
                     {prompt_edit, LAYERS},
                     {prompt_trace, 1},
                     {prompt_compare, 1}};
    struct prompt_run *run = open_run(text);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        int asked = 0, code = ERR_INTERRUPTED;
        for (; code != 0; asked++) {
            struct err e = {0};
            struct patience p = {asked};
            json_t *out = NULL;
            const struct prompt_question q = {.position = -1,
                                              .top = 5,
                                              .feature = "L3F7@-1",
                                              .path = "L3H2@3 L0H1@2",
                                              .edits = "L1H2",
                                              .other = run,
                                              .stop = {lose_patience, &p}};
            assert_in_range(asked, 0, 100);
            code = questions[i].fn(&out, run, &q, &e);
            if (code != 0) {
                assert_int_equal(code, ERR_INTERRUPTED);
                assert_null(out);
            }
            json_decref(out);
        }
        if (asked <= questions[i].least)
            fail_msg("question %zu asked %d times", i, asked);
    }
    prompt_run_close(&run);
}

/* ---- what questions leave behind ---- */

static char *answer(question_fn *fn, struct prompt_run *run,
                    const struct prompt_question *q)
{
    struct err e = {0};
    json_t *out = NULL;
    if (fn(&out, run, q, &e) != 0)
        fail_msg("%s", e.msg);
    char *dumped = json_dumps(out, JSON_COMPACT);
    assert_non_null(dumped);
    json_decref(out);
    return dumped;
}

static void assert_same(question_fn *fn, struct prompt_run *a,
                        struct prompt_run *b, const struct prompt_question *q)
{
    char *one = answer(fn, a, q), *other = answer(fn, b, q);
    assert_string_equal(one, other);
    free(one);
    free(other);
}

/* A run that was asked anything, with others in between, is as one that was
 * not. */
static void test_questions_change_nothing(void **state)
{
    (void)state;
    struct prompt_run *run = open_run(text);
    struct prompt_run *other = open_run("Ben saw a dog.\n\tIt was big.\r\n");
    const struct prompt_question q = {.position = 4,
                                      .top = 1000,
                                      .feature = "L3F7@6",
                                      .edits = "L1H2+L3F7x3",
                                      .other = other};
    question_fn *const all[] = {prompt_edit,    prompt_compare, prompt_features,
                                prompt_sources, prompt_trace,   prompt_logit,
                                prompt_next,    prompt_tokens};
    enum { N = sizeof all / sizeof *all };
    for (size_t i = 0; i < N; i++)
        free(answer(all[i], run, &q));
    struct prompt_run *fresh = open_run(text);
    for (size_t i = 0; i < N; i++)
        assert_same(all[i], run, fresh, &q);
    assert_true(prompt_run_bytes(run) > 0);
    prompt_run_close(&fresh);
    prompt_run_close(&other);
    prompt_run_close(&run);
}

/* ---- texts ---- */

static void test_checks_texts(void **state)
{
    (void)state;
    size_t tokens;
    struct err e = {0};
    static const char nul[] = {'a', '\0', 'b'};
    const struct prompt_text good = {"a\tb\r\n", 5, true};
    assert_int_equal(prompt_lens_check(&tokens, lens, &good, &e), 0);
    assert_in_range(tokens, 3, 5);
    const struct prompt_text empty = {"", 0, false}, zero = {nul, 3, false};
    assert_refused(prompt_lens_check(&tokens, lens, &empty, &e), &e, "empty");
    assert_refused(prompt_lens_check(&tokens, lens, &zero, &e), &e,
                   "control character U+0000 at byte 1");
    const struct prompt_text erased = {"ab\x7f", 3, false};
    assert_refused(prompt_lens_check(&tokens, lens, &erased, &e), &e,
                   "U+007F at byte 2");
}

/* ---- beside a database ---- */

static char *fingerprint_of(size_t sae)
{
    struct err e = {0};
    json_t *about;
    assert_int_equal(prompt_lens_about(&about, lens, &e), 0);
    const json_t *one = json_array_get(json_object_get(about, "saes"), sae);
    char *out = strdup(json_string_value(json_object_get(one, "fingerprint")));
    json_decref(about);
    return out;
}

static void test_matches_a_database(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *about;
    char *a = fingerprint_of(0), *b = fingerprint_of(1);
    struct prompt_known_sae saes[] = {{11, 1, "a", a},
                                      {12, 3, "b", "0123456789abcdef"},
                                      {13, 3, "other name", b}};
    struct prompt_known known = {
        .file = "x.db", .model = "m", .sae = saes, .n = 3};
    assert_int_equal(prompt_lens_match(lens, &known, &e), 0);
    assert_int_equal(prompt_lens_about(&about, lens, &e), 0);
    const json_t *second = json_array_get(json_object_get(about, "saes"), 1);
    assert_int_equal(json_integer_value(json_object_get(second, "id")), 13);
    json_decref(about);
    known.n = 2;
    assert_refused(prompt_lens_match(lens, &known, &e), &e,
                   "b is not the SAE of layer 3 in x.db: its fingerprint is");
    known.n = 1;
    assert_refused(prompt_lens_match(lens, &known, &e), &e,
                   "x.db has no SAE of layer 3");
    known.n = 3;
    known.model_fingerprint = "abc";
    assert_refused(prompt_lens_match(lens, &known, &e), &e,
                   "x.db was made from another model: 'm' with fingerprint "
                   "abc");
    free(a);
    free(b);
}

/* By name, one for a layer, never out of the folder. */
static void test_finds_saes(void **state)
{
    (void)state;
    struct err e = {0};
    struct arena arena = {0};
    char **found;
    size_t n;
    const struct prompt_known_sae saes[] = {{1, 1, "gone", ""},
                                            {2, 1, "a.sae", ""},
                                            {3, 3, "c", ""},
                                            {4, 3, "b", ""},
                                            {5, 2, "../b", ""}};
    const struct prompt_known known = {.file = "x.db", .sae = saes, .n = 5};
    assert_int_equal(prompt_find_saes(&found, &n, &arena, ".", &known, &e), 0);
    assert_int_equal(n, 2);
    assert_string_equal(found[0], "./a.sae");
    assert_string_equal(found[1], "./c.sae");
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stops_a_run),
        cmocka_unit_test(test_stops_questions),
        cmocka_unit_test(test_questions_change_nothing),
        cmocka_unit_test(test_checks_texts),
        cmocka_unit_test(test_matches_a_database),
        cmocka_unit_test(test_finds_saes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
