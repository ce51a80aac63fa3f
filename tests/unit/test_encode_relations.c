/* SPDX-License-Identifier: MIT
 *
 * Neighbours, pairs, logits and groups of a random SAE that is larger than
 * every tile, worked out a second time in double and without tiles. Catches:
 * a tile's edge, dead features among the others, tokens outside the sample,
 * a mean or a gain left out, W_O of another layer, groups chained together.
 */
#include <math.h>
#include <sys/stat.h>

#include "ask.h"
#include "base/rng.h"
#include "dump/weights.h"
#include "dump/writer.h"
#include "encode/background.h"
#include "encode/encode.h"
#include "encode/pairs.h"

enum {
    HEADS = 3, /* the last is weak: few features are its own */
    D_HEAD = 8,
    D = HEADS * D_HEAD,
    MODEL = 7, /* d_model: no head's width, nor all of them */
    LAYERS = 2,
    LAYER = 1, /* the SAE's */
    M = 700,
    K = 12,
    TOKENS = 3000,
    CONTEXT = 50,
    ROWS = 1500,
    VOCAB = 1100,
    PADDED = VOCAB + 37, /* columns of W_U */
    DEAD_EVERY = 7,      /* features 0, 7, ... never fire */
    ALWAYS = 1,          /* a feature that does at every token */
    BEST = 16,
};

#define WEAK 0.55F
static float z[LAYERS][TOKENS * D], w_o[LAYERS][D * MODEL];
static float w_u[PADDED * MODEL], gain[MODEL], bias[MODEL];
static int32_t tokens[TOKENS];
static int64_t contexts[TOKENS / CONTEXT + 1];
static struct sae sae;
static bool active[TOKENS][M], sampled[TOKENS];
static float value[TOKENS][M];
static int fires[M];

/* ---- making it ---- */

static void fill_random(float *x, size_t n, uint32_t lane)
{
    struct rng r = rng_at(8, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(&r);
}

static void write_dump(const char *path, bool with_w_u)
{
    struct err e = {0};
    struct dump_writer *w;
    struct vocab v;
    const struct dump_info info = {.model = "m",
                                   .layers = LAYERS,
                                   .heads = HEADS,
                                   .d_head = D_HEAD,
                                   .d_model = MODEL,
                                   .tokens = TOKENS,
                                   .contexts = TOKENS / CONTEXT,
                                   .dtype = DTYPE_F32,
                                   .bos = "never",
                                   .fold_value_biases = 0};
    const float *const layers[] = {w_o[0], w_o[1]};
    struct weights_source weights = {layers, w_u, PADDED, gain, bias};
    if (!with_w_u)
        weights.w_u = NULL;
    assert_int_equal(vocab_init(&v, VOCAB, &e), 0);
    assert_int_equal(dump_writer_open(&w, path, &info, false, &e), 0);
    assert_int_equal(dump_writer_tokens(w, tokens, contexts, &e), 0);
    assert_int_equal(dump_writer_vocab(w, &v, &e), 0);
    assert_int_equal(dump_writer_weights(w, &weights, &e), 0);
    for (int l = 0; l < LAYERS; l++)
        assert_int_equal(dump_writer_rows(w, l, z[l], TOKENS, &e), 0);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    vocab_free(&v);
}

static void write_sae(const char *folder)
{
    struct err e = {0};
    static float w_enc[M * D], w_dec[M * D], b_enc[M], b_dec[D];
    static char model[] = "m", hook[] = "blocks.1.attn.hook_z";
    struct sae s = {.architecture = SAE_TOPK,
                    .d = D,
                    .m = M,
                    .k = K,
                    .apply_b_dec_to_input = true,
                    .model = model,
                    .hook = hook,
                    .w_enc = w_enc,
                    .w_dec = w_dec,
                    .b_enc = b_enc,
                    .b_dec = b_dec,
                    .head = -1};
    fill_random(w_enc, M * D, 20);
    fill_random(w_dec, M * D, 21);
    fill_random(b_enc, M, 22); /* some are frequent, some rare */
    for (size_t f = 0; f < M; f++)
        b_enc[f] = f % DEAD_EVERY == 0 ? -1e6F : 2 * b_enc[f];
    b_enc[ALWAYS] = 1000;
    assert_int_equal(mkdir(folder, 0777), 0);
    json_t *extra = json_pack("{s:i, s:{}}", "heads", HEADS, "metrics");
    if (sae_write(&s, folder, extra, &e) != 0)
        fail_msg("%s", e.msg);
    json_decref(extra);
}

static int encode(const char *dump_path, const char *output, int threads)
{
    struct err e = {0};
    struct dump *dump;
    static const char *const folder = "r.sae";
    const struct dump_options none = {0};
    assert_int_equal(dump_open(&dump, &dump_path, 1, &none, &e), 0);
    const struct encode_options options = {.output = output,
                                           .rows = ROWS,
                                           .examples = 1,
                                           .head_examples = 1,
                                           .interval_examples = 1,
                                           .memory = 1 << 30};
    const struct encode_job job = {.dump = dump,
                                   .saes = &folder,
                                   .n_saes = 1,
                                   .options = &options,
                                   .seed = 3,
                                   .team = team_make(threads)};
    int code = encode_run(&job, &e);
    if (code != 0)
        print_message("%s\n", e.msg);
    dump_close(&dump);
    return code;
}

static void take_codes(void)
{
    struct err e = {0};
    struct codes codes = {0};
    struct team team = team_make(1);
    struct sae_encoder enc;
    assert_int_equal(sae_load(&sae, "r.sae", &e), 0);
    assert_int_equal(sae_encoder_open(&enc, &sae, &team, &e), 0);
    assert_int_equal(sae_encode(&enc, z[LAYER], TOKENS, &codes, &e), 0);
    sae_encoder_close(&enc);
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t i = codes.start[t]; i < codes.start[t + 1]; i++) {
            active[t][codes.feature[i]] = true;
            value[t][codes.feature[i]] = codes.value[i];
            fires[codes.feature[i]]++;
        }
    codes_free(&codes);
}

static int make_all(void **state)
{
    if (scratch_begin(state) != 0)
        return 1;
    struct rng r = rng_at(8, RNG_TEST, 0);
    for (size_t c = 0; c <= TOKENS / CONTEXT; c++)
        contexts[c] = (int64_t)c * CONTEXT;
    /* Few strings are frequent, and each has a direction of its own. */
    for (size_t t = 0; t < TOKENS; t++) {
        tokens[t] = (int32_t)rng_below(&r, 1 + rng_below(&r, VOCAB));
    }
    for (size_t i = 0; i < LAYERS * TOKENS * D; i++) {
        size_t l = i / (TOKENS * D), t = i / D % TOKENS;
        struct rng own =
            rng_at((uint64_t)tokens[t], RNG_TEST, (uint32_t)(100 + i % D));
        float weak = i % D < (HEADS - 1) * D_HEAD ? 1 : WEAK;
        z[l][i % (TOKENS * D)] = weak * (rng_normal(&own) + rng_normal(&r));
    }
    fill_random(w_o[0], D * MODEL, 1);
    fill_random(w_o[1], D * MODEL, 2);
    fill_random(w_u, PADDED * MODEL, 3);
    fill_random(gain, MODEL, 4);
    fill_random(bias, MODEL, 5);
    for (size_t i = 0; i < MODEL; i++)
        w_u[i] += 30; /* a token that moves the mean */
    write_dump("r.dump", true);
    write_sae("r.sae");
    if (encode("r.dump", "one.db", 1) != 0)
        return 1;
    take_codes();
    if (sqlite3_open_v2("one.db", &db, SQLITE_OPEN_READONLY, NULL) != 0)
        return 1;
    sqlite3_stmt *row = ask("SELECT first_token FROM context WHERE sampled", 0);
    while (next(row))
        for (int i = 0; i < CONTEXT; i++)
            sampled[sqlite3_column_int(row, 0) + i] = true;
    return 0;
}

static int remove_all(void **state)
{
    sae_free(&sae);
    (void)sqlite3_close(db);
    return scratch_end(state);
}

/* ---- tests ---- */

static void the_same_bytes_for_any_threads(void **state)
{
    (void)state;
    static const int threads[] = {2, 7};
    for (size_t i = 0; i < 2; i++) {
        (void)remove("again.db");
        assert_int_equal(encode("r.dump", "again.db", threads[i]), 0);
        assert_int_equal(system("cmp one.db again.db"), 0);
    }
}

static int falling(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a < *b) - (*a > *b);
}

static double part_cosine(int f, int g, int first, int n)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = first; i < first + n; i++) {
        double a = (double)sae.w_dec[f * D + i],
               b = (double)sae.w_dec[g * D + i];
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    return ab / sqrt(aa * bb);
}

/* Rows (feature, rank, other, score): of each feature with fires the `n` others
 * with the largest `score`, which is given from `scores` by their number. */
static void assert_best(sqlite3_stmt *row, int f, const double *scores,
                        const double *sorted, int n, double off)
{
    for (int rank = 1; rank <= n; rank++) {
        assert_true(next(row));
        assert_int_equal(sqlite3_column_int(row, 0), f);
        assert_int_equal(sqlite3_column_int(row, 1), rank);
        int other = sqlite3_column_int(row, 2);
        double score = sqlite3_column_double(row, 3);
        if (fabs(score - sorted[rank - 1]) > off ||
            fabs(score - scores[other]) > off)
            fail_msg("feature %d, rank %d: %d with %.9g; it has %.9g, and the "
                     "rank %.9g",
                     f, rank, other, score, scores[other], sorted[rank - 1]);
    }
}

static void neighbours(void **state)
{
    (void)state;
    sqlite3_stmt *row = ask("SELECT feature, rank, neighbour, cosine FROM "
                            "feature_neighbour ORDER BY feature, rank",
                            0);
    for (int f = 0; f < M; f++) {
        double scores[M], sorted[M];
        if (fires[f] == 0)
            continue;
        for (int g = 0; g < M; g++)
            scores[g] = g != f && fires[g] > 0 ? part_cosine(f, g, 0, D) : -9;
        memcpy(sorted, scores, sizeof sorted);
        qsort(sorted, M, sizeof *sorted, falling);
        assert_best(row, f, scores, sorted, 8, 1e-6);
    }
    assert_false(next(row));
}

static void logits(void **state)
{
    (void)state;
    sqlite3_stmt *up = ask("SELECT feature, rank, vocab, logit FROM "
                           "feature_logit WHERE rank > 0 ORDER BY 1, 2",
                           0);
    sqlite3_stmt *down = ask("SELECT feature, -rank, vocab, -logit FROM "
                             "feature_logit WHERE rank < 0 ORDER BY 1, 2",
                             0);
    for (int f = 0; f < M; f++) {
        double r[MODEL] = {0}, r_mean = 0, mean = 0;
        static double scores[VOCAB], sorted[VOCAB];
        if (fires[f] == 0)
            continue;
        for (int i = 0; i < D * MODEL; i++) {
            double x =
                (double)sae.w_dec[f * D + i / MODEL] * (double)w_o[LAYER][i];
            r[i % MODEL] += x;
            r_mean += x / MODEL;
        }
        for (int v = 0; v < VOCAB; v++) {
            scores[v] = 0;
            for (int i = 0; i < MODEL; i++)
                scores[v] += (r[i] - r_mean) * (double)gain[i] *
                             (double)w_u[v * MODEL + i];
            mean += scores[v] / VOCAB;
        }
        for (int sign = 1; sign >= -1; sign -= 2) {
            for (int v = 0; v < VOCAB; v++)
                scores[v] = sign > 0 ? scores[v] - mean : -scores[v];
            memcpy(sorted, scores, sizeof sorted);
            qsort(sorted, VOCAB, sizeof *sorted, falling);
            assert_best(sign > 0 ? up : down, f, scores, sorted, 20, 1e-4);
        }
    }
    assert_false(next(up));
    assert_false(next(down));
}

/* What goes wrong beside the writing fails the whole. */
static void a_bad_w_u_fails_the_encoding(void **state)
{
    (void)state;
    float good = w_u[700 * MODEL];
    w_u[700 * MODEL] = (float)NAN;
    write_dump("bad.dump", true);
    w_u[700 * MODEL] = good;
    for (int threads = 1; threads <= 2; threads++)
        assert_int_equal(encode("bad.dump", "bad.db", threads), ERR_INPUT);
    assert_int_not_equal(access("bad.db", F_OK), 0);
}

static void damaged_weights_fail_the_encoding(void **state)
{
    (void)state;
    write_dump("torn.dump", true);
    FILE *f = fopen("torn.dump/weights.safetensors", "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -1, SEEK_END), 0);
    assert_int_equal(fputc(0x3f, f), 0x3f); /* of a bias; it is not used */
    assert_int_equal(fclose(f), 0);
    assert_int_equal(encode("torn.dump", "torn.db", 1), ERR_INPUT);
}

/* Ends when it is told to. */
static int go_on(void *ctx, struct background *b, struct err *e)
{
    uint64_t *steps = ctx;
    for (;; ++*steps)
        TRY(background_step(b, 1, e));
}

static void work_beside_stops_when_it_is_left(void **state)
{
    (void)state;
    struct background b;
    uint64_t steps = 0;
    background_begin(&b, go_on, &steps, false);
    background_end(&b);
    background_begin(&b, go_on, &steps, true);
    assert_false(b.threaded);
    background_end(&b);
}

static void without_w_u_there_are_no_logits(void **state)
{
    (void)state;
    write_dump("old.dump", false);
    assert_int_equal(encode("old.dump", "old.db", 2), 0);
    assert_int_equal(
        sqlite3_exec(db, "ATTACH 'old.db' AS old", NULL, NULL, NULL), 0);
    assert_false(next(ask("SELECT 1 FROM old.feature_logit", 0)));
    assert_true(next(ask("SELECT 1 FROM old.feature_neighbour", 0)));
}

struct candidate {
    int other, count;
    float score;
};

static int by_score(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return a->other - b->other;
}

static void pairs(void **state)
{
    (void)state;
    static int count[M][M];
    int n = 0, rows = 0;
    for (int t = 0; t < TOKENS; t++) {
        n += sampled[t];
        for (int f = 0; sampled[t] && f < M; f++)
            for (int g = 0; active[t][f] && g < M; g++)
                count[f][g] += active[t][g];
    }
    sqlite3_stmt *row = ask("SELECT pair_tokens FROM sae", 0);
    assert_true(next(row));
    assert_int_equal(sqlite3_column_int(row, 0), n);
    row = ask("SELECT feature, rank, other, count, expected FROM feature_pair "
              "ORDER BY feature, rank",
              0);
    for (int f = 0; f < M; f++) {
        struct candidate list[M];
        int found = 0;
        for (int g = 0; g < M; g++) {
            double expected =
                (double)count[f][f] * (double)count[g][g] / (double)n;
            double over = (count[f][g] - expected) / sqrt(expected);
            if (g != f && count[f][g] >= 2 && over > 0)
                list[found++] = (struct candidate){g, count[f][g], (float)over};
        }
        qsort(list, (size_t)found, sizeof *list, by_score);
        for (int i = 0; i < found && i < BEST; i++, rows++) {
            assert_true(next(row));
            assert_int_equal(sqlite3_column_int(row, 0), f);
            assert_int_equal(sqlite3_column_int(row, 1), i + 1);
            assert_int_equal(sqlite3_column_int(row, 2), list[i].other);
            assert_int_equal(sqlite3_column_int(row, 3), list[i].count);
            double expected = (double)count[f][f] *
                              (double)count[list[i].other][list[i].other] / n;
            assert_true(fabs(sqlite3_column_double(row, 4) - expected) < 1e-9);
        }
    }
    assert_false(next(row));
    assert_true(rows > 1000);
    assert_int_equal(fires[ALWAYS], TOKENS);
    assert_false(next(ask("SELECT 1 FROM feature_pair WHERE feature = 1", 0)));
}

/* ---- which tokens pairs are counted on ---- */

/* Feeds tokens of `k` features each, of which every third is not sampled; token
 * t has features t, t + 1, ... Returns how many were sampled. */
static size_t feed(struct pairs *p, uint64_t all, size_t k, size_t m)
{
    enum { CHUNK = 1000 };
    struct err e = {0};
    bool in[] = {true, true, false};
    const struct sample sample = {.in = in};
    size_t start[CHUNK + 1], n_sampled = 0;
    uint32_t context[CHUNK];
    uint32_t *feature = calloc(CHUNK * k, sizeof *feature);
    for (uint64_t first = 0; first < all; first += CHUNK) {
        size_t n = all - first < CHUNK ? (size_t)(all - first) : CHUNK;
        for (size_t r = 0; r <= n; r++)
            start[r] = r * k;
        for (size_t i = 0; i < n * k; i++)
            feature[i] = (uint32_t)((first + i / k + i % k) % m);
        for (size_t r = 0; r < n; r++) {
            context[r] = (uint32_t)((first + r) % 3);
            n_sampled += in[context[r]];
        }
        struct chunk c = {
            .sample = &sample,
            .context = context,
            .n = n,
            .codes = {.n = n, .start = start, .feature = feature}};
        assert_int_equal(pairs_add(p, &c, &e), 0);
    }
    free(feature);
    return n_sampled;
}

/* Every step-th sampled token, from the first on. */
static void assert_spread(const struct pairs *p, uint64_t step,
                          size_t sampled_n, size_t k, size_t m)
{
    assert_int_equal(p->step, step);
    assert_int_equal(p->tokens, (sampled_n + step - 1) / step);
    assert_int_equal(p->work, p->tokens * k * k);
    for (size_t i = 0; i < p->tokens; i++) {
        uint64_t j = i * step, token = j / 2 * 3 + j % 2;
        assert_int_equal(p->start[i + 1] - p->start[i], k);
        assert_int_equal(p->feature[p->start[i]], token % m);
        assert_int_equal(p->feature[p->start[i + 1] - 1], (token + k - 1) % m);
    }
}

static void pairs_rest_on_tokens_spread_evenly(void **state)
{
    (void)state;
    struct err e = {0};
    struct pairs p;
    /* More tokens than are taken. */
    assert_int_equal(pairs_init(&p, 5000, 200000, &e), 0);
    size_t n = feed(&p, 300000, 3, 5000);
    assert_int_equal(n, 200000);
    assert_spread(&p, 4, n, 3, 5000);
    pairs_free(&p);
    /* Too many pairs: 400 sampled tokens of 4 million, where there is room for
     * 67. */
    assert_int_equal(pairs_init(&p, 5000, 400, &e), 0);
    n = feed(&p, 600, 2000, 5000);
    assert_int_equal(n, 400);
    assert_spread(&p, 8, n, 2000, 5000);
    assert_true(p.work <= PAIR_WORK);
    pairs_free(&p);
}

/* ---- groups ---- */

enum { LIMIT = 64 };

static double head_share(int f, int h)
{
    static float offsets[M * HEADS];
    static bool known;
    if (!known)
        sae_attribute_offsets(&sae, HEADS, offsets);
    known = true;
    double sum[HEADS] = {0}, all = 0;
    for (size_t t = 0; t < TOKENS; t++) {
        float dfa[HEADS];
        if (!active[t][f])
            continue;
        sae_attribute(&sae, offsets, z[LAYER] + t * D, (uint32_t)f, HEADS, dfa);
        for (int i = 0; i < HEADS; i++) {
            sum[i] += fmax((double)dfa[i], 0);
            all += fmax((double)dfa[i], 0);
        }
    }
    return sum[h] / all;
}

struct own {
    int feature, codes;
    double prefers[VOCAB];
    int group; /* by its first member */
};
static struct own own[LIMIT];
static int long_lists; /* features with more strings than count */

static int by_own_codes(const void *left, const void *right)
{
    const struct own *a = left, *b = right;
    return a->codes != b->codes ? b->codes - a->codes : a->feature - b->feature;
}

/* The 128 strings that a feature prefers most, by how much. */
static void find_preferences(struct own *o)
{
    double sum = 0, sorted[VOCAB];
    memset(o->prefers, 0, sizeof o->prefers);
    for (int t = 0; t < TOKENS; t++)
        sum += (double)value[t][o->feature];
    for (int t = 0; t < TOKENS; t++)
        o->prefers[tokens[t]] +=
            (double)value[t][o->feature] / sum - 1.0 / TOKENS;
    memcpy(sorted, o->prefers, sizeof sorted);
    qsort(sorted, VOCAB, sizeof *sorted, falling);
    long_lists += sorted[128] > 0;
    for (int v = 0; v < VOCAB; v++)
        if (o->prefers[v] < fmax(sorted[127], 0))
            o->prefers[v] = 0;
}

static int find_own(int h)
{
    static struct own all[M];
    int n = 0;
    for (int f = 0; f < M; f++) {
        int codes = (int)number("SELECT count(*) FROM head_code WHERE head = ? "
                                "AND feature = ?",
                                h, f);
        if (codes > 0 && fires[f] >= 10 && head_share(f, h) >= 0.25)
            all[n++] = (struct own){.feature = f, .codes = codes};
    }
    qsort(all, (size_t)n, sizeof *all, by_own_codes);
    n = n < LIMIT ? n : LIMIT;
    memcpy(own, all, (size_t)n * sizeof *own);
    for (int i = 0; i < n; i++) {
        find_preferences(&own[i]);
        own[i].group = i;
    }
    return n;
}

static double related(const struct own *a, const struct own *b, int h)
{
    double cosine = part_cosine(a->feature, b->feature, h * D_HEAD, D_HEAD);
    double shared = 0;
    for (int v = 0; v < VOCAB; v++)
        shared += fmin(a->prefers[v], b->prefers[v]);
    return fmax(fmax(cosine / 0.5, shared / 0.25), 0);
}

/* The mean over all pairs between two groups. */
static double mean_between(double relation[LIMIT][LIMIT], int a, int b, int n)
{
    double sum = 0;
    int pairs = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            if (own[i].group == a && own[k].group == b) {
                sum += relation[i][k];
                pairs++;
            }
    return pairs > 0 ? sum / pairs : -1;
}

static void join_groups(int h, int n)
{
    static double relation[LIMIT][LIMIT];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            relation[i][k] = related(&own[i], &own[k], h);
    for (;;) {
        double most = 0;
        int a = 0, b = 0;
        for (int i = 0; i < n; i++)
            for (int k = i + 1; k < n; k++) {
                double mean = mean_between(relation, i, k, n);
                if (mean > most) {
                    most = mean;
                    a = i;
                    b = k;
                }
            }
        if (most < 1)
            return;
        for (int i = 0; i < n; i++)
            own[i].group = own[i].group == b ? a : own[i].group;
    }
}

static int codes_of(int group, int n)
{
    int codes = 0;
    for (int i = 0; i < n; i++)
        codes += own[i].group == group ? own[i].codes : 0;
    return codes;
}

static void groups(void **state)
{
    (void)state;
    sqlite3_stmt *row = ask("SELECT head, number, feature FROM head_group "
                            "ORDER BY head, number, feature",
                            0);
    for (int h = 0; h < HEADS; h++) {
        /* The limit decides about most heads, the other rules about one. */
        int n = find_own(h), last = INT32_MAX, numbers = 0;
        assert_true((n == LIMIT) == (h < HEADS - 1));
        join_groups(h, n);
        for (int left = n; left > 0; numbers++) {
            assert_true(next(row));
            assert_int_equal(sqlite3_column_int(row, 0), h);
            assert_int_equal(sqlite3_column_int(row, 1), numbers + 1);
            int first = sqlite3_column_int(row, 2), group = -1, size = 0;
            for (int i = 0; i < n; i++)
                group = own[i].feature == first ? own[i].group : group;
            assert_true(group >= 0 && codes_of(group, n) <= last);
            last = codes_of(group, n);
            for (int f = 0; f < M; f++)
                for (int i = 0; i < n; i++)
                    if (own[i].feature == f && own[i].group == group) {
                        if (size++ > 0)
                            assert_true(next(row));
                        assert_int_equal(sqlite3_column_int(row, 1),
                                         numbers + 1);
                        assert_int_equal(sqlite3_column_int(row, 2), f);
                        left--;
                    }
        }
        assert_true(numbers > 1 && numbers < n - 5); /* some joined */
    }
    assert_false(next(row));
    assert_true(long_lists > 10);
}

/* The view against the table's rows. */
static void polysemantic_heads(void **state)
{
    (void)state;
    sqlite3_stmt *row = ask("SELECT features, groups, effective_groups, "
                            "largest_share, covered, head FROM "
                            "polysemantic_heads ORDER BY head",
                            0);
    for (int h = 0; h < HEADS; h++) {
        double sum = 0, squares = 0, most = 0, all = 0;
        int group = 0, codes = 0;
        sqlite3_stmt *member =
            ask("SELECT g.number, c.count FROM head_group AS g JOIN "
                "head_code_count AS c USING (sae, head, feature) "
                "WHERE g.head = ? ORDER BY 1",
                h);
        for (bool more = next(member);;) {
            if (!more || sqlite3_column_int(member, 0) != group) {
                sum += codes;
                squares += (double)codes * codes;
                most = fmax(most, codes);
                codes = 0;
                group++;
            }
            if (!more)
                break;
            codes += sqlite3_column_int(member, 1);
            more = next(member);
        }
        all = number("SELECT codes FROM head WHERE head = ?", h);
        assert_true(next(row));
        assert_in_range(sqlite3_column_int(row, 0), 1, LIMIT);
        assert_int_equal(sqlite3_column_int(row, 1), group - 1);
        assert_true(fabs(sqlite3_column_double(row, 2) - sum * sum / squares) <
                    1e-9);
        assert_true(fabs(sqlite3_column_double(row, 3) - most / sum) < 1e-12);
        assert_true(fabs(sqlite3_column_double(row, 4) - sum / all) < 1e-12);
    }
    assert_false(next(row));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_for_any_threads),
        cmocka_unit_test(neighbours),
        cmocka_unit_test(logits),
        cmocka_unit_test(without_w_u_there_are_no_logits),
        cmocka_unit_test(a_bad_w_u_fails_the_encoding),
        cmocka_unit_test(damaged_weights_fail_the_encoding),
        cmocka_unit_test(work_beside_stops_when_it_is_left),
        cmocka_unit_test(pairs),
        cmocka_unit_test(pairs_rest_on_tokens_spread_evenly),
        cmocka_unit_test(groups),
        cmocka_unit_test(polysemantic_heads),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
