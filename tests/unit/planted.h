/* SPDX-License-Identifier: MIT
 *
 * A small dump with tokens, contexts and hostile strings, and SAEs over it, for
 * the tests of encoding. Everything is a function of its index.
 */
#ifndef TESTS_UNIT_PLANTED_H
#define TESTS_UNIT_PLANTED_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "dump/writer.h"
#include "sae/sae.h"
#include "scratch.h"

enum {
    HEADS = 3,
    D_HEAD = 4,
    D = HEADS * D_HEAD,
    M = 96,
    LAYERS = 2,
    TOKENS = 9000, /* more than two chunks */
    VOCAB = 120,
    DEAD_FEATURE = 5,
    DENSE_FEATURE = 7,  /* active at most tokens, where the rule lets it */
    ALWAYS_FEATURE = 9, /* at all */
};

struct planted {
    int32_t tokens[TOKENS];
    int64_t contexts[TOKENS + 1];
    int64_t n_contexts;
    int32_t groups[TOKENS]; /* of contexts */
    float z[LAYERS][TOKENS * D];
};

static struct planted planted;

enum { PLANTED_GROUPS = 3 };
static char *planted_group_names[PLANTED_GROUPS] = {"odd", "'; --", "none"};

static const struct {
    const char *bytes;
    size_t length;
} planted_strings[] = {
    {" Lily", 5},
    {"<img onerror=alert(1)>", 22},
    {"'); DROP TABLE token; --", 24},
    {"\xe2", 1},
    {"a\0b", 3},
    {"\xe2\x80\xae right to left", 17},
    {"\n", 1},
    {"", 0},
    {"%s%n", 4},
};
enum { PLANTED_STRINGS = sizeof planted_strings / sizeof *planted_strings };

/* Every third context repeats the one before it, but for its first token: texts
 * that are equal as far as some tokens back, and no further. */
static inline void planted_repeat(void)
{
    struct planted *p = &planted;
    for (int64_t c = 2; c < p->n_contexts; c += 3)
        for (int64_t i = p->contexts[c] + 1, from = p->contexts[c - 1] + 1;
             i < p->contexts[c + 1] && from < p->contexts[c]; i++, from++)
            p->tokens[i] = p->tokens[from];
}

/* Contexts of 1 to 60 tokens, strings of falling frequency; a string pushes z
 * into its own direction, so that features and strings belong together. */
static inline void planted_fill(void)
{
    struct planted *p = &planted;
    struct rng r = rng_at(1, RNG_TEST, 0);
    int64_t at = 0;
    p->n_contexts = 0;
    while (at < TOKENS) {
        p->contexts[p->n_contexts++] = at;
        at += 1 + (int64_t)rng_below(&r, 60);
    }
    p->contexts[p->n_contexts] = TOKENS;
    /* A third of the contexts is in no group, and one group has none. */
    for (int64_t c = 0; c < p->n_contexts; c++)
        p->groups[c] = (int32_t)(c % 3) - 1;
    for (int i = 0; i < TOKENS; i++) {
        uint64_t a = rng_below(&r, VOCAB), b = rng_below(&r, VOCAB);
        p->tokens[i] = (int32_t)(a < b ? a : b);
    }
    planted_repeat();
    for (int layer = 0; layer < LAYERS; layer++)
        for (int i = 0; i < TOKENS * D; i++) {
            struct rng own = rng_at((uint64_t)p->tokens[i / D], RNG_TEST,
                                    (uint32_t)(100 + i % D));
            p->z[layer][i] = rng_normal(&own) + 0.5F * rng_normal(&r);
        }
}

static inline void planted_vocab(struct vocab *v)
{
    struct err e = {0};
    assert_int_equal(vocab_init(v, VOCAB, &e), 0);
    for (size_t id = 0; id < VOCAB; id++) {
        char word[16];
        (void)snprintf(word, sizeof word, " w%zu", id);
        bool hostile = id < PLANTED_STRINGS;
        assert_int_equal(
            vocab_set(v, id, hostile ? planted_strings[id].bytes : word,
                      hostile ? planted_strings[id].length : strlen(word), &e),
            0);
    }
}

/* Writes planted.dump. */
static inline void planted_write_dump(void)
{
    struct err e = {0};
    struct dump_info info = {.model = "test-model",
                             .layers = LAYERS,
                             .heads = HEADS,
                             .d_head = D_HEAD,
                             .d_model = D,
                             .tokens = TOKENS,
                             .contexts = (uint64_t)planted.n_contexts,
                             .dtype = DTYPE_F32,
                             .bos = "never",
                             .fold_value_biases = 0};
    struct dump_writer *w;
    struct vocab v;
    planted_vocab(&v);
    assert_int_equal(dump_writer_open(&w, "planted.dump", &info, true, &e), 0);
    assert_int_equal(
        dump_writer_tokens(w, planted.tokens, planted.contexts, &e), 0);
    const struct dump_groups groups = {PLANTED_GROUPS, planted_group_names,
                                       planted.groups};
    assert_int_equal(dump_writer_groups(w, &groups, &e), 0);
    assert_int_equal(dump_writer_vocab(w, &v, &e), 0);
    for (int layer = 0; layer < LAYERS; layer++)
        assert_int_equal(
            dump_writer_rows(w, layer, planted.z[layer], TOKENS, &e), 0);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    vocab_free(&v);
}

/* Writes an SAE folder of input width d. Feature DEAD_FEATURE never fires. */
static inline void planted_write_sae(const char *folder,
                                     enum sae_architecture architecture,
                                     const char *hook, size_t d)
{
    struct err e = {0};
    struct arena a = {0};
    struct sae s = {.architecture = architecture,
                    .d = d,
                    .m = M,
                    .k = architecture == SAE_TOPK ? 6 : 0,
                    .apply_b_dec_to_input = architecture != SAE_STANDARD,
                    .heads = d == D ? HEADS : 0,
                    .head = -1};
    static char model[] = "test-model";
    s.model = model;
    assert_int_equal(arena_string(&a, &s.hook, hook, &e), 0);
    assert_int_equal(arena_get(&a, &s.w_enc, M * d, 4, "", &e), 0);
    assert_int_equal(arena_get(&a, &s.w_dec, M * d, 4, "", &e), 0);
    assert_int_equal(arena_get(&a, &s.b_enc, M, 4, "", &e), 0);
    assert_int_equal(arena_get(&a, &s.b_dec, d, 4, "", &e), 0);
    if (architecture == SAE_JUMPRELU)
        assert_int_equal(arena_get(&a, &s.threshold, M, 4, "", &e), 0);
    struct rng r = rng_at(2, RNG_TEST, (uint32_t)architecture);
    for (size_t i = 0; i < M * d; i++) {
        s.w_enc[i] = rng_normal(&r);
        s.w_dec[i] = rng_normal(&r);
    }
    for (size_t i = 0; i < d; i++)
        s.b_dec[i] = 0.1F * rng_normal(&r);
    for (size_t f = 0; f < M; f++) {
        s.b_enc[f] = f == DEAD_FEATURE ? -1e6F : -4 + rng_normal(&r);
        if (f == DENSE_FEATURE || f == ALWAYS_FEATURE)
            s.b_enc[f] = f == DENSE_FEATURE ? 4 : 60;
        if (s.threshold != NULL)
            s.threshold[f] = 0.5F;
    }
    json_t *extra =
        json_pack("{s:i, s:{s:f, s:f, s:f, s:f, s:f, s:[f, n, f]}}", "heads",
                  d == D ? HEADS : 0, "metrics", "fvu", 0.25, "l0", 6.5,
                  "dead_fraction", 0.125, "train_fvu", 0.1875, "pca_fvu", 0.5,
                  "per_head_fvu", 0.375, 0.75);
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(sae_write(&s, folder, extra, &e), 0);
    json_decref(extra);
    arena_free(&a);
}

#endif
