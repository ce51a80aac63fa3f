/* SPDX-License-Identifier: MIT
 *
 * plant OUT [options]: writes OUT.dump and OUT.sae, as large as wanted and
 * without any training: z is a sum of directions of a random dictionary, and
 * the SAE has that dictionary as its weights. For measuring headscope encode.
 *
 * Token strings have Zipf's frequencies. What a token's row is made of follows
 * from what stands there: most features belong to its string, some to the
 * string before, some to the topics of its context, a few are drawn at random.
 * So a feature's top tokens mean something, and pairs of feature and string
 * come again as they do in text. Half of a feature's direction lies in one
 * head. Everything is a function of the options; one thread.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/options.h"
#include "base/output.h"
#include "base/rng.h"
#include "dump/writer.h"
#include "kernels/kernels.h"
#include "sae/sae.h"

enum {
    BLOCK = 1024,       /* rows written at once */
    SHORTEST = 128,     /* contexts, in tokens */
    LONGEST = 256,      /* the same */
    TOPICS = 512,       /* that there are */
    CONTEXT_TOPICS = 6, /* of a context */
    TOPIC_FEATURES = 4, /* of a topic */
};

/* Lanes of the random numbers, one for each purpose. */
enum lane { CONTEXTS = 1, STRINGS, NOISE, CENTRE, DICTIONARY, OF_STRING = 16 };

static struct plant_options {
    int64_t tokens, heads, d_head, features, k, strings, seed;
    int rule;
} options;

enum { RULE_IS_TOPK, RULE_IS_JUMPRELU };

#define FIELD(name) offsetof(struct plant_options, name)
static const struct option table[] = {
    {"tokens", 0, OPTION_COUNT, FIELD(tokens), "1M", 1, 1e9, NULL, "N", ""},
    {"heads", 0, OPTION_COUNT, FIELD(heads), "12", 1, 1024, NULL, "N", ""},
    {"d-head", 0, OPTION_COUNT, FIELD(d_head), "64", 1, 1024, NULL, "N", ""},
    {"features", 0, OPTION_COUNT, FIELD(features), "24576", 64, 1e7, NULL, "N",
     ""},
    {"k", 'k', OPTION_COUNT, FIELD(k), "32", 4, 1024, NULL, "N",
     "directions in a row; jumprelu is active about as often"},
    {"strings", 0, OPTION_COUNT, FIELD(strings), "30000", 1, 1e6, NULL, "N",
     ""},
    {"seed", 0, OPTION_COUNT, FIELD(seed), "0", 0, 0, NULL, "N", ""},
    {"rule", 0, OPTION_CHOICE, FIELD(rule), "topk", 0, 0, "topk|jumprelu",
     "NAME", ""},
};

/* ---- the text ---- */

struct text {
    size_t n, n_contexts;
    int32_t *token;    /* [n] */
    int64_t *contexts; /* [n_contexts + 1] */
    struct arena arena;
};

/* A string by Zipf's law, p(r) ~ 1/(r + 1), by inversion. */
static int32_t draw_string(struct rng *r)
{
    double n = (double)options.strings;
    double rank = exp((double)rng_float(r) * log(n + 1)) - 1;
    return rank < n ? (int32_t)rank : (int32_t)n - 1;
}

static int write_text(struct text *t, struct err *e)
{
    *t = (struct text){.n = (size_t)options.tokens};
    TRY(arena_get(&t->arena, &t->token, t->n, sizeof *t->token, "tokens", e));
    TRY(arena_get(&t->arena, &t->contexts, t->n / SHORTEST + 2,
                  sizeof *t->contexts, "contexts", e));
    struct rng lengths = rng_at((uint64_t)options.seed, RNG_TEST, CONTEXTS);
    for (size_t at = 0; at < t->n;) {
        t->contexts[t->n_contexts++] = (int64_t)at;
        at += SHORTEST + (size_t)rng_below(&lengths, LONGEST - SHORTEST + 1);
    }
    t->contexts[t->n_contexts] = (int64_t)t->n;
    struct rng strings = rng_at((uint64_t)options.seed, RNG_TEST, STRINGS);
    for (size_t i = 0; i < t->n; i++)
        t->token[i] = draw_string(&strings);
    return 0;
}

static int name_strings(struct vocab *v, struct err *e)
{
    TRY(vocab_init(v, (size_t)options.strings, e));
    for (size_t id = 0; id < v->n; id++) {
        char word[24];
        int length =
            snprintf(word, sizeof word, id == 0 ? " the" : " w%zu", id);
        TRY(vocab_set(v, id, word, (size_t)length, e));
    }
    return 0;
}

/* ---- the dictionary ---- */

/* Half of a direction's square lies in head f mod heads. */
static void fill_direction(float *row, size_t f, struct rng *r)
{
    size_t d_head = (size_t)options.d_head, heads = (size_t)options.heads;
    size_t d = d_head * heads;
    float rest = heads > 1 ? 1 / sqrtf((float)(heads - 1)) : 0;
    for (size_t i = 0; i < d; i++)
        row[i] = (i / d_head == f % heads ? 1 : rest) * rng_normal(r);
    kernels.scale(row, 1 / sqrtf(kernels.dot(row, row, d)), d);
}

static int make_sae(struct sae *s, struct err *e)
{
    static char model[] = "planted", hook[] = "blocks.0.attn.hook_z";
    bool jumprelu = options.rule == RULE_IS_JUMPRELU;
    *s = (struct sae){.architecture = jumprelu ? SAE_JUMPRELU : SAE_TOPK,
                      .d = (size_t)(options.heads * options.d_head),
                      .m = (size_t)options.features,
                      .k = jumprelu ? 0 : (size_t)options.k,
                      .apply_b_dec_to_input = true,
                      .heads = (int)options.heads,
                      .model = model,
                      .hook = hook};
    struct arena *a = &s->arena;
    TRY(arena_get(a, &s->w_dec, s->m * s->d, sizeof(float), "W_dec", e));
    TRY(arena_get(a, &s->b_enc, s->m, sizeof(float), "b_enc", e));
    TRY(arena_get(a, &s->b_dec, s->d, sizeof(float), "b_dec", e));
    if (jumprelu)
        TRY(arena_get(a, &s->threshold, s->m, sizeof(float), "threshold", e));
    s->w_enc = s->w_dec;
    struct rng r = rng_at((uint64_t)options.seed, RNG_TEST, DICTIONARY);
    for (size_t f = 0; f < s->m; f++) {
        fill_direction(s->w_dec + f * s->d, f, &r);
        if (jumprelu)
            s->threshold[f] = 1.07F;
    }
    r = rng_at((uint64_t)options.seed, RNG_TEST, CENTRE);
    for (size_t i = 0; i < s->d; i++)
        s->b_dec[i] = 0.1F * rng_normal(&r);
    return 0;
}

static int write_sae(const struct sae *s, const char *folder, struct err *e)
{
    if (mkdir(folder, 0777) != 0)
        return err_errno(e, "cannot make %s", folder);
    json_t *extra = json_pack("{s:i}", "heads", s->heads);
    if (extra == NULL)
        return err_memory(e, "headscope.json", sizeof(void *));
    int code = sae_write(s, folder, extra, e);
    json_decref(extra);
    return code;
}

/* ---- rows ---- */

/* Feature number `i` of something that has a lane of its own. */
static uint32_t feature_of(uint32_t lane, size_t i, const struct sae *s)
{
    struct rng r = rng_at((uint64_t)options.seed, RNG_TEST, lane);
    r.next = 2 * i;
    return (uint32_t)rng_below(&r, s->m);
}

/* The features of a row, k of them: half of its string, a quarter of the
 * string before, an eighth of the context's topics, the rest at random. */
static void choose(uint32_t *feature, const struct text *t, size_t context,
                   size_t row, const struct sae *s, struct rng *r)
{
    size_t k = (size_t)options.k, i = 0;
    uint32_t strings = (uint32_t)options.strings;
    bool first = (int64_t)row == t->contexts[context];
    uint32_t own = OF_STRING + (uint32_t)t->token[row];
    uint32_t before =
        OF_STRING + strings + (first ? 0 : (uint32_t)t->token[row - 1]);
    uint32_t topics = OF_STRING + 2 * strings;
    for (; i < k / 2; i++)
        feature[i] = feature_of(own, i, s);
    for (; i < k / 2 + k / 4; i++)
        feature[i] = feature_of(before, i, s);
    for (; i < k / 2 + k / 4 + k / 8; i++) {
        uint64_t mine = rng_below(r, CONTEXT_TOPICS) + context * CONTEXT_TOPICS;
        uint32_t topic = (uint32_t)(mine * UINT64_C(2654435761) % TOPICS);
        feature[i] =
            feature_of(topics + topic, (size_t)rng_below(r, TOPIC_FEATURES), s);
    }
    for (; i < k; i++)
        feature[i] = (uint32_t)rng_below(r, s->m);
}

/* How strong a feature is: mostly weak, as features are. */
static float draw_strength(struct rng *r)
{
    float value = 1 - 0.4F * logf(1 - rng_float(r));
    return value < 4 ? value : 4;
}

/* x = b_dec + the chosen directions + a little noise. */
static void fill_row(float *x, const uint32_t *feature, const struct sae *s,
                     struct rng *r)
{
    float value[1024];
    size_t k = (size_t)options.k;
    for (size_t i = 0; i < k; i++)
        value[i] = draw_strength(r);
    for (size_t i = 0; i < s->d; i++)
        x[i] = s->b_dec[i] + 0.05F * (rng_float(r) - 0.5F);
    kernels.add_rows(x, s->w_dec, feature, value, k, s->d);
}

static int write_rows(struct dump_writer *w, const struct text *t,
                      const struct sae *s, struct err *e)
{
    struct arena scratch = {0};
    float *x;
    TRY(arena_get(&scratch, &x, BLOCK * s->d, sizeof *x, "rows", e));
    struct rng r = rng_at((uint64_t)options.seed, RNG_TEST, NOISE);
    size_t context = 0;
    int code = 0;
    for (size_t first = 0; code == 0 && first < t->n; first += BLOCK) {
        size_t n = t->n - first < BLOCK ? t->n - first : BLOCK;
        for (size_t i = 0; i < n; i++) {
            uint32_t feature[1024];
            while ((int64_t)(first + i) >= t->contexts[context + 1])
                context++;
            choose(feature, t, context, first + i, s, &r);
            fill_row(x + i * s->d, feature, s, &r);
        }
        code = dump_writer_rows(w, 0, x, n, e);
    }
    arena_free(&scratch);
    return code;
}

static int write_dump(const char *path, const struct text *t,
                      const struct sae *s, struct err *e)
{
    struct dump_info info = {.model = "planted",
                             .layers = 1,
                             .heads = (int)options.heads,
                             .d_head = (int)options.d_head,
                             .tokens = t->n,
                             .contexts = t->n_contexts,
                             .dtype = DTYPE_BF16,
                             .bos = "never",
                             .fold_value_biases = -1};
    struct dump_writer *w = NULL;
    struct vocab v;
    TRY(name_strings(&v, e));
    int code = dump_writer_open(&w, path, &info, false, e);
    if (code == 0)
        code = dump_writer_tokens(w, t->token, t->contexts, e);
    if (code == 0)
        code = dump_writer_vocab(w, &v, e);
    if (code == 0)
        code = write_rows(w, t, s, e);
    if (code == 0)
        code = dump_writer_commit(&w, e);
    dump_writer_abort(&w);
    vocab_free(&v);
    return code;
}

static int plant(const char *out, struct err *e)
{
    char dump[OUTPUT_PATH_MAX], folder[OUTPUT_PATH_MAX];
    (void)snprintf(dump, sizeof dump, "%.1000s.dump", out);
    (void)snprintf(folder, sizeof folder, "%.1000s.sae", out);
    struct text t;
    struct sae s = {.head = -1};
    int code = write_text(&t, e);
    if (code == 0)
        code = make_sae(&s, e);
    if (code == 0)
        code = write_sae(&s, folder, e);
    if (code == 0)
        code = write_dump(dump, &t, &s, e);
    arena_free(&s.arena);
    arena_free(&t.arena);
    return code;
}

int main(int argc, char **argv)
{
    struct err e = {0};
    struct option_group group = {"", table, sizeof table / sizeof *table,
                                 &options};
    int n_args = 0;
    int code = options_parse(&group, 1, argc - 1, argv + 1, &n_args, &e);
    if (code == 0 && n_args != 1)
        code = err_set(&e, ERR_USAGE, "usage: plant OUT [--tokens N] ...");
    if (code == 0)
        code = plant(argv[1], &e);
    if (code != 0)
        (void)fprintf(stderr, "%s\n", e.msg);
    return err_exit_status(code);
}
