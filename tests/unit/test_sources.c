/* SPDX-License-Identifier: MIT
 *
 * DFA by source of a small random model, worked out a second time in double
 * with a plain loop over heads, sources and d_head. Catches: a head's part of
 * W_enc or of the values taken from another head, sources behind the
 * destination, b_dec on the wrong side, blocks of points and groups of contexts
 * that mix, positions and rows of the dump confused, a rule that keeps too much
 * or too little, sums that depend on the number of threads.
 */
#include <math.h>
#include <sys/stat.h>

#include "ask.h"
#include "base/rng.h"
#include "dump/writer.h"
#include "encode/encode.h"
#include "encode/sources.h"
#include "encode/statistics.h"
#include "lens/source_tables.h"
#include "lens/sources.h"

enum {
    HEADS = 3,
    D_HEAD = 8,
    D = HEADS * D_HEAD,
    MLP = 40,
    LAYERS = 2,
    LAYER = 1, /* the SAE's */
    VOCAB = 23,
    M = 200,
    K = 6,
    CONTEXTS = 9,
    LONGEST = 600, /* more than a group */
    TOKENS = 1 + 30 + 7 + LONGEST + 64 + 300 + 2 + 250 + 33,
    STRINGS = 16,
};

static const int64_t starts[CONTEXTS + 1] = {0,
                                             1,
                                             31,
                                             38,
                                             38 + LONGEST,
                                             102 + LONGEST,
                                             402 + LONGEST,
                                             404 + LONGEST,
                                             654 + LONGEST,
                                             TOKENS};
static int32_t tokens[TOKENS];
static float weights[LAYERS][D * (4 * D + 2 * MLP)];
static float norm[2][D], wte[VOCAB * D], wpe[LONGEST * D];
static float w_enc[M * D], w_dec[M * D], b_enc[M], b_dec[D];
static struct gpt2_layer layers[LAYERS];
static struct gpt2 model;
static struct sae sae;

/* Of every context, from a forward pass of its own. */
static float z_store[TOKENS * D], qkv_store[TOKENS * 3 * D];
static double pattern[HEADS][LONGEST][LONGEST]; /* of one context */

/* ---- making it ---- */

static void fill_random(float *x, size_t n, uint32_t lane, float scale)
{
    struct rng r = rng_at(5, RNG_TEST, lane);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * rng_normal(&r);
}

static struct linear linear_at(float **weight, float **bias, int in, int out)
{
    struct linear l = {*weight, *bias, in, out};
    *weight += in * out;
    *bias += out;
    return l;
}

static void make_model(bool fold)
{
    for (int i = 0; i < D; i++)
        norm[0][i] = 1;
    fill_random(norm[1], D, 1, 0.1F);
    fill_random(wte, VOCAB * D, 2, 1);
    fill_random(wpe, LONGEST * D, 3, 0.5F);
    for (int l = 0; l < LAYERS; l++) {
        static float store[LAYERS][8 * D + MLP];
        float *weight = weights[l], *bias = store[l];
        fill_random(weight, D * (4 * D + 2 * MLP), 10 + (uint32_t)l, 0.3F);
        fill_random(bias, 8 * D + MLP, 20 + (uint32_t)l, 0.3F);
        layers[l] =
            (struct gpt2_layer){.ln_1 = {norm[0], norm[1]},
                                .ln_2 = {norm[0], norm[1]},
                                .c_attn = linear_at(&weight, &bias, D, 3 * D),
                                .attn_proj = linear_at(&weight, &bias, D, D),
                                .c_fc = linear_at(&weight, &bias, D, MLP),
                                .mlp_proj = linear_at(&weight, &bias, MLP, D)};
    }
    model = (struct gpt2){.config = {.layers = LAYERS,
                                     .heads = HEADS,
                                     .d_model = D,
                                     .d_head = D_HEAD,
                                     .d_mlp = MLP,
                                     .positions = LONGEST,
                                     .vocab = VOCAB,
                                     .epsilon = 1e-5F},
                          .wte = wte,
                          .wpe = wpe,
                          .head = wte,
                          .ln_f = {norm[0], norm[1]},
                          .layer = layers,
                          .fingerprint = "0123456789abcdef0123456789abcdef"};
    if (fold)
        gpt2_fold_value_biases(&model);
}

static void keep_qkv(void *ctx, int layer, const float *qkv)
{
    int64_t context = *(const int64_t *)ctx;
    if (layer == LAYER)
        memcpy(qkv_store + starts[context] * 3 * D, qkv,
               (size_t)(starts[context + 1] - starts[context]) * 3 * D *
                   sizeof *qkv);
}

static void run_model(void)
{
    struct err e = {0};
    struct gpt2_workspace w;
    assert_int_equal(gpt2_workspace_open(&w, &model, LONGEST, &e), 0);
    for (int64_t c = 0; c < CONTEXTS; c++) {
        float *const z[LAYERS] = {NULL, z_store + starts[c] * D};
        const int64_t own[] = {0, starts[c + 1] - starts[c]};
        const struct gpt2_batch batch = {tokens + starts[c], own, 1};
        const struct gpt2_tap tap = {.z = z, .qkv = keep_qkv, .ctx = &c};
        gpt2_forward(&model, &w, &batch, &tap);
    }
    gpt2_workspace_close(&w);
}

static void make_sae(bool apply_b_dec)
{
    static char name[] = "m", hook[] = "blocks.1.attn.hook_z";
    fill_random(w_enc, M * D, 30, 1);
    fill_random(w_dec, M * D, 31, 1);
    fill_random(b_enc, M, 32, 1);
    fill_random(b_dec, D, 33, 0.5F);
    sae = (struct sae){.architecture = SAE_TOPK,
                       .d = D,
                       .m = M,
                       .k = K,
                       .apply_b_dec_to_input = apply_b_dec,
                       .model = name,
                       .hook = hook,
                       .layer = LAYER,
                       .head = -1,
                       .heads = HEADS,
                       .w_enc = w_enc,
                       .w_dec = w_dec,
                       .b_enc = b_enc,
                       .b_dec = b_dec};
}

static void make(bool fold, bool apply_b_dec)
{
    struct rng r = rng_at(5, RNG_TEST, 0);
    (void)team_make(1);
    for (size_t i = 0; i < TOKENS; i++)
        tokens[i] = (int32_t)rng_below(&r, VOCAB);
    make_model(fold);
    make_sae(apply_b_dec);
    run_model();
}

/* ---- the same in double ---- */

static double dot(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* What the product would be if nothing in it cancelled out: its rounding is a
 * share of this, however small the product. */
static double size_of(const float *a, const float *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += fabs((double)a[i] * (double)b[i]);
    return sum;
}

static const float *qkv_of(int64_t row, int which, int head)
{
    return qkv_store + row * 3 * D + which * D + head * D_HEAD;
}

static void find_pattern(int64_t context)
{
    int64_t first = starts[context], t = starts[context + 1] - first;
    for (int h = 0; h < HEADS; h++)
        for (int64_t dst = 0; dst < t; dst++) {
            double total = 0;
            for (int64_t src = 0; src <= dst; src++)
                total += pattern[h][dst][src] =
                    exp(dot(qkv_of(first + dst, 0, h),
                            qkv_of(first + src, 1, h), D_HEAD) /
                        sqrt(D_HEAD));
            for (int64_t src = 0; src < t; src++)
                pattern[h][dst][src] =
                    src <= dst ? pattern[h][dst][src] / total : 0;
        }
}

static const float *column(size_t f, int head)
{
    return w_enc + f * D + head * D_HEAD;
}

/* After find_pattern. */
static double naive(int64_t first, int64_t dst, int64_t src, int head, size_t f)
{
    double sum = 0;
    for (int i = 0; i < D_HEAD; i++)
        sum += pattern[head][dst][src] *
               (double)qkv_of(first + src, 2, head)[i] *
               (double)column(f, head)[i];
    return sum;
}

static void assert_near(double found, double wanted, double scale)
{
    if (!(fabs(found - wanted) <= 1e-3 * scale))
        fail_msg("%.9g, not %.9g (of %.9g)", found, wanted, scale);
}

/* ---- the terms ---- */

/* Sums over sources, of every point and head. */
struct sums {
    int64_t first;
    double of_head[M * LONGEST][HEADS];
    size_t points, blocks;
};
static struct sums sums;

static void add_terms(void *ctx, size_t slot, const struct source_point *point,
                      int head, const float *dfa)
{
    struct sums *s = ctx;
    const float *w = column(point->feature, head);
    int64_t dst = point->destination;
    double sum = 0;
    assert_true(slot < SOURCES_BLOCK);
    for (int64_t src = 0; src <= dst; src++) {
        sum += (double)dfa[src];
        assert_near((double)dfa[src],
                    naive(s->first, dst, src, head, point->feature),
                    pattern[head][dst][src] *
                        size_of(qkv_of(s->first + src, 2, head), w, D_HEAD));
    }
    s->of_head[point->id][head] = sum;
}

static void count_blocks(void *ctx, const struct source_point *points, size_t n)
{
    struct sums *s = ctx;
    assert_true(n > 0 && n <= SOURCES_BLOCK);
    assert_int_equal(points[0].id, s->points);
    s->points += n;
    s->blocks++;
}

/* What a point's heads must sum to, and all of them. */
static void assert_sums(const struct source_point *point, int64_t row)
{
    static float offsets[M * HEADS], dfa[HEADS];
    const float *z = z_store + row * D, *w = w_enc + point->feature * D;
    double all = (double)b_enc[point->feature], scale = fabs(all);
    double wanted = all + dot(z, w, D);
    sae_attribute_offsets(&sae, HEADS, offsets);
    sae_attribute(&sae, offsets, z, point->feature, HEADS, dfa);
    for (int h = 0; h < HEADS; h++) {
        double sum = sums.of_head[point->id][h];
        double own = dot(b_dec + h * D_HEAD, column(point->feature, h), D_HEAD);
        if (!sae.apply_b_dec_to_input)
            own = 0;
        double size =
            fabs(own) + size_of(z + h * D_HEAD, w + h * D_HEAD, D_HEAD);
        assert_near(sum - own, (double)dfa[h], size);
        all += sum - own;
        scale += size;
    }
    if (sae.apply_b_dec_to_input)
        wanted -= dot(b_dec, w, D);
    assert_near(all, wanted, scale);
}

/* Every third feature at every fifth position of the first contexts. */
static void check_terms(bool fold, bool apply_b_dec)
{
    static struct source_point points[M * LONGEST];
    struct err e = {0};
    struct sources s;
    make(fold, apply_b_dec);
    assert_int_equal(sources_open(&s, &model.config, &sae, LONGEST, &e), 0);
    const struct source_visitor visitor = {add_terms, count_blocks, &sums};
    for (int64_t c = 0; c < CONTEXTS; c++) {
        size_t n = 0;
        uint32_t t = (uint32_t)(starts[c + 1] - starts[c]);
        for (uint32_t f = 0; f<M; f += t> 100 ? 41 : 3)
            for (uint32_t dst = (uint32_t)c % 2; dst < t; dst += 5, n++)
                points[n] = (struct source_point){f, dst, (uint32_t)n};
        sums = (struct sums){.first = starts[c]};
        find_pattern(c);
        sources_walk(&s, qkv_store + starts[c] * 3 * D, t, points, n, &visitor);
        assert_int_equal(sums.points, n);
        for (size_t i = 0; i < n; i++)
            assert_sums(&points[i], starts[c] + points[i].destination);
    }
    sources_close(&s);
}

static void terms_sum_to_dfa_and_pre_activation(void **state)
{
    (void)state;
    check_terms(false, true);
    check_terms(false, false);
}

static void so_they_do_in_a_folded_model(void **state)
{
    (void)state;
    check_terms(true, true);
    check_terms(true, false);
    for (int i = 0; i < D; i++)
        assert_true(layers[LAYER].c_attn.bias[2 * D + i] == 0);
}

/* ---- the tables ---- */

static void write_inputs(void)
{
    struct err e = {0};
    struct dump_writer *w;
    struct vocab v;
    const struct dump_info info = {.model = "m",
                                   .first_layer = LAYER,
                                   .layers = 1,
                                   .heads = HEADS,
                                   .d_head = D_HEAD,
                                   .d_model = D,
                                   .tokens = TOKENS,
                                   .contexts = CONTEXTS,
                                   .dtype = DTYPE_F32,
                                   .bos = "never",
                                   .fold_value_biases = 0,
                                   .model_fingerprint = model.fingerprint};
    assert_int_equal(vocab_init(&v, VOCAB, &e), 0);
    assert_int_equal(dump_writer_open(&w, "s.dump", &info, false, &e), 0);
    assert_int_equal(dump_writer_tokens(w, tokens, starts, &e), 0);
    assert_int_equal(dump_writer_vocab(w, &v, &e), 0);
    assert_int_equal(dump_writer_rows(w, LAYER, z_store, TOKENS, &e), 0);
    assert_int_equal(dump_writer_commit(&w, &e), 0);
    vocab_free(&v);
    assert_int_equal(mkdir("s.sae", 0777), 0);
    json_t *extra = json_pack("{s:i, s:{}}", "heads", HEADS, "metrics");
    assert_int_equal(sae_write(&sae, "s.sae", extra, &e), 0);
    json_decref(extra);
}

static void encode(const char *output, int threads, int64_t rows)
{
    struct err e = {0};
    struct dump *dump;
    static const char *const folder = "s.sae", *const path = "s.dump";
    const struct dump_options none = {0};
    assert_int_equal(dump_open(&dump, &path, 1, &none, &e), 0);
    const struct encode_options options = {.output = output,
                                           .rows = rows,
                                           .examples = 4,
                                           .head_examples = 2,
                                           .interval_examples = 1,
                                           .memory = 1 << 30};
    const struct encode_sources sources = source_tables_of(&model);
    const struct encode_job job = {.dump = dump,
                                   .saes = &folder,
                                   .n_saes = 1,
                                   .options = &options,
                                   .seed = 3,
                                   .team = team_make(threads),
                                   .sources = &sources};
    if (encode_run(&job, &e) != 0)
        fail_msg("%s", e.msg);
    dump_close(&dump);
}

static int make_tables(void **state)
{
    if (scratch_begin(state) != 0)
        return 1;
    make(false, true);
    write_inputs();
    encode("one.db", 1, TOKENS);
    return sqlite3_open_v2("one.db", &db, SQLITE_OPEN_READONLY, NULL) != 0;
}

static int remove_tables(void **state)
{
    (void)sqlite3_close(db);
    return scratch_end(state);
}

static void the_same_bytes_for_any_threads(void **state)
{
    (void)state;
    static const int threads[] = {2, 7};
    for (size_t i = 0; i < 2; i++) {
        (void)remove("again.db");
        encode("again.db", threads[i], TOKENS);
        assert_int_equal(system("cmp one.db again.db"), 0);
    }
}

static int64_t context_of(int64_t row)
{
    int64_t c = 0;
    while (starts[c + 1] <= row)
        c++;
    return c;
}

/* The sums of positive contributions of every head of an example; all of them
 * together. After find_pattern. */
static double positive_sums(double out[HEADS], int64_t first, int64_t dst,
                            size_t f)
{
    double total = 0;
    for (int h = 0; h < HEADS; h++) {
        out[h] = 0;
        for (int64_t src = 0; src <= dst; src++)
            out[h] += fmax(naive(first, dst, src, h, f), 0);
        total += out[h];
    }
    return total;
}

/* A head's largest contribution, or 0. After find_pattern. */
static double most_of(int64_t first, int64_t dst, int head, size_t f)
{
    double most = 0;
    for (int64_t src = 0; src <= dst; src++)
        most = fmax(most, naive(first, dst, src, head, f));
    return most;
}

static const char head_places_sql[] =
    "SELECT count(*) FROM head_example WHERE feature = ? AND token = ?"
    " AND head = ?";
static const char is_example_sql[] =
    "SELECT count(*) FROM example WHERE feature = ? AND token = ?"
    " AND kind <> 'silent'";
static const char rows_sql[] =
    "SELECT rank, source, contribution FROM example_source"
    " WHERE feature = ? AND token = ? AND head = ? ORDER BY rank";

/* How many of a head's sources have more than `least`, at most two. */
static int more_than(double least, int64_t first, int64_t dst, int head,
                     size_t f)
{
    int n = 0;
    for (int64_t src = 0; src <= dst; src++)
        n += naive(first, dst, src, head, f) > least;
    return n > 2 ? 2 : n;
}

/* The rows of one head of an example, and that none is missing. */
static int check_head(int64_t f, int64_t token, int head, double least)
{
    int64_t first = starts[context_of(token)], dst = token - first;
    sqlite3_stmt *row = ask(rows_sql, f, token, head);
    double before = INFINITY;
    int n = 0;
    while (next(row)) {
        assert_int_equal(sqlite3_column_int(row, 0), ++n);
        int64_t src = sqlite3_column_int64(row, 1) - first;
        assert_in_range(src, 0, dst);
        double wanted = naive(first, dst, src, head, (size_t)f);
        assert_near(sqlite3_column_double(row, 2), wanted, wanted);
        assert_true(wanted >= least * (1 - 1e-3));
        assert_true(wanted <= before * (1 + 1e-3));
        /* No other one of the head is larger. */
        assert_true(
            more_than(wanted * (1 + 1e-3), first, dst, head, (size_t)f) < n);
        before = wanted;
    }
    assert_true(n >=
                more_than(least * (1 + 1e-3), first, dst, head, (size_t)f));
    return n;
}

static void examples_have_their_sources(void **state)
{
    (void)state;
    static const char places_sql[] =
        "SELECT feature, token FROM example WHERE kind <> 'silent'"
        " UNION SELECT feature, token FROM head_example ORDER BY token, "
        "feature";
    int64_t at = -1, n = 0, diffuse = 0;
    sqlite3_stmt *row = ask(places_sql, 0);
    while (next(row)) {
        double sum[HEADS];
        int64_t f = sqlite3_column_int64(row, 0),
                token = sqlite3_column_int64(row, 1), c = context_of(token);
        if (c != at)
            find_pattern(c);
        at = c;
        int64_t first = starts[c], dst = token - first, before = n;
        double total = positive_sums(sum, first, dst, (size_t)f);
        double strongest = 0;
        for (int h = 0; h < HEADS; h++)
            strongest = fmax(strongest, most_of(first, dst, h, (size_t)f));
        bool example = number(is_example_sql, f, token) > 0;
        for (int h = 0; h < HEADS; h++) {
            bool own = number(head_places_sql, f, token, h) > 0;
            double own_most = most_of(first, dst, h, (size_t)f);
            double least = own       ? fmin(sum[h] / 16, own_most)
                           : example ? fmin(total / 16, strongest)
                                     : INFINITY;
            int64_t of_head = check_head(f, token, h, least);
            assert_true(of_head > 0 || !own || sum[h] <= 0);
            diffuse += own && own_most < sum[h] / 16;
            n += of_head;
        }
        assert_true(n > before || !example || total <= 0);
        diffuse += example && strongest < total / 16;
    }
    assert_int_equal(n,
                     (int64_t)number("SELECT count(*) FROM example_source", 0));
    assert_true(n > 1000);
    assert_true(diffuse > 0); /* places whose sources are all below 1/16 */
}

/* Of every feature: by distance, and by string. */
static struct {
    double total, bin[12], string[VOCAB];
    int bins[12], strings[VOCAB];
} wanted[M];

static void count_activation(int64_t row, size_t f)
{
    int64_t c = context_of(row), first = starts[c], dst = row - first, top = 0;
    static double by_source[LONGEST];
    double total = 0, by_string[VOCAB] = {0}, most = -1;
    for (int64_t src = 0; src <= dst; src++) {
        by_source[src] = 0;
        for (int h = 0; h < HEADS; h++)
            by_source[src] += fmax(naive(first, dst, src, h, f), 0);
        total += by_source[src];
        by_string[tokens[first + src]] += by_source[src];
        int bin = (int)(dst == src ? 0 : 1 + floor(log2((double)(dst - src))));
        wanted[f].bin[bin] += by_source[src];
        if (by_source[src] > most) {
            most = by_source[src];
            top = src;
        }
    }
    wanted[f].total += total;
    wanted[f].bins[statistics_position_bin((uint32_t)(dst - top))]++;
    for (int v = 0; v < VOCAB; v++)
        if (by_string[v] >= total / 16) {
            wanted[f].string[v] += by_string[v];
            wanted[f].strings[v]++;
        }
}

static void check_strings(size_t f)
{
    sqlite3_stmt *row = ask("SELECT rank, vocab, share, count FROM"
                            " feature_source_token WHERE feature = ?"
                            " ORDER BY rank",
                            (int64_t)f);
    double sum = 0, last = 1;
    int n = 0, kinds = 0;
    while (next(row)) {
        assert_int_equal(sqlite3_column_int(row, 0), ++n);
        int v = sqlite3_column_int(row, 1);
        double share = sqlite3_column_double(row, 2);
        assert_near(share, wanted[f].string[v] / wanted[f].total, 1);
        assert_in_range(sqlite3_column_int(row, 3) + 1, wanted[f].strings[v],
                        wanted[f].strings[v] + 2);
        assert_true(share <= last);
        last = share;
        sum += share;
    }
    assert_true(sum <= 1 + 1e-6);
    for (int v = 0; v < VOCAB; v++) {
        kinds += wanted[f].strings[v] > 0;
        if (wanted[f].strings[v] > 0 && n < STRINGS)
            assert_true(kinds <= n + 1);
    }
    assert_true(n == STRINGS || n >= kinds - 1);
}

static void distances_and_strings_of_all_activations(void **state)
{
    (void)state;
    int64_t at = -1;
    sqlite3_stmt *row =
        ask("SELECT token, feature FROM activation_by_token", 0);
    while (next(row)) {
        int64_t token = sqlite3_column_int64(row, 0), c = context_of(token);
        if (c != at)
            find_pattern(c);
        at = c;
        count_activation(token, (size_t)sqlite3_column_int64(row, 1));
    }
    for (int64_t f = 0; f < M; f++) {
        row = ask("SELECT bin, share, count FROM feature_source_offset"
                  " WHERE feature = ?",
                  f);
        double shares = 0;
        while (next(row)) {
            int bin = sqlite3_column_int(row, 0);
            double share = sqlite3_column_double(row, 1);
            assert_near(share, wanted[f].bin[bin] / wanted[f].total, share);
            assert_int_equal(sqlite3_column_int(row, 2), wanted[f].bins[bin]);
            shares += share;
        }
        if (wanted[f].total > 0)
            assert_near(shares, 1, 1);
        check_strings((size_t)f);
    }
    assert_int_equal((int)number("SELECT source_tokens FROM sae", 0), TOKENS);
}

/* ---- the sample ---- */

/* Contexts of ten tokens, of which only the even ones are in the sample. */
static void a_sample_is_spread_evenly(void **state)
{
    (void)state;
    enum { N = 20000, LENGTH = 10 };
    struct err e = {0};
    static int64_t start[N + 1];
    static bool in[N];
    for (size_t c = 0; c <= N; c++)
        start[c] = (int64_t)(c * LENGTH);
    for (size_t c = 0; c < N; c++)
        in[c] = c % 2 == 0;
    const struct sample sample = {.contexts = N,
                                  .start = start,
                                  .in = in,
                                  .n_in = N / 2,
                                  .tokens = N / 2 * LENGTH};
    for (size_t k = 1; k <= 200; k += 199) { /* 200: more than may be kept */
        struct source_sample s;
        static uint32_t context[LENGTH], feature[LENGTH * 200];
        static size_t begin[LENGTH + 1];
        struct chunk chunk = {.n = LENGTH,
                              .context = context,
                              .codes = {.start = begin, .feature = feature}};
        for (size_t i = 0; i <= LENGTH; i++)
            begin[i] = i * k;
        assert_int_equal(source_sample_init(&s, &sample, &e), 0);
        for (uint32_t c = 0; c < N; c++) {
            for (size_t i = 0; i < LENGTH; i++)
                context[i] = c;
            for (size_t i = 0; i < LENGTH * k; i++)
                feature[i] = c + (uint32_t)i;
            assert_int_equal(source_sample_add(&s, &chunk, &e), 0);
        }
        /* 100,000 tokens: every 4th is below 32,768, every 3rd is not. */
        size_t step = k == 1 ? 4 : 16;
        assert_int_equal(s.step, step);
        assert_int_equal(s.contexts, N / 2 / step);
        assert_int_equal(s.tokens, s.contexts * LENGTH);
        for (size_t i = 0; i < s.contexts; i++) {
            assert_int_equal(s.context[i], 2 * step * i);
            assert_int_equal(s.first[i + 1], (i + 1) * LENGTH);
            size_t code = s.start[s.first[i]];
            assert_int_equal(code, i * LENGTH * k);
            assert_int_equal(s.feature[code + k], 2 * step * i + k);
        }
        source_sample_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest terms[] = {
        cmocka_unit_test(terms_sum_to_dfa_and_pre_activation),
        cmocka_unit_test(so_they_do_in_a_folded_model),
        cmocka_unit_test(a_sample_is_spread_evenly),
    };
    const struct CMUnitTest tables[] = {
        cmocka_unit_test(the_same_bytes_for_any_threads),
        cmocka_unit_test(examples_have_their_sources),
        cmocka_unit_test(distances_and_strings_of_all_activations),
    };
    int failed = cmocka_run_group_tests(terms, NULL, NULL);
    return failed + cmocka_run_group_tests(tables, make_tables, remove_tables);
}
