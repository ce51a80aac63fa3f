/* SPDX-License-Identifier: MIT
 *
 * A planted dump goes through the whole stage, and everything that the
 * database says is worked out a second time, naively, from the codes and the
 * attributions of each row.
 */
#include <math.h>

#include "ask.h"
#include "encode/encode.h"
#include "planted_codes.h"

enum { SAES = 3, ROWS = 2000, TOP = 7, TOP_HEAD = 4, DRAWN = 3, KEPT = 16 };

static const char *const folders[SAES] = {"a.sae", "b.sae", "c.sae"};
static const int layers[SAES] = {0, 1, 1};

static struct naive naive[SAES];
static int context_of[TOKENS];
static bool sampled[TOKENS];

static void assert_near(double got, double want, double relative)
{
    if (fabs(got - want) > relative * (1e-30 + fabs(want)))
        fail_msg("%.17g, expected %.17g", got, want);
}

/* ---- making it ---- */

/* Memory for what grows with the dump: 0 is far too little of it. */
static int64_t memory = 1 << 30;

static int encode(const char *output, int threads, int64_t seed)
{
    struct err e = {0};
    const char *path = "planted.dump";
    struct dump *dump;
    struct dump_options none = {0};
    assert_int_equal(dump_open(&dump, &path, 1, &none, &e), 0);
    struct encode_options options = {.output = output,
                                     .rows = ROWS,
                                     .examples = TOP,
                                     .head_examples = TOP_HEAD,
                                     .interval_examples = DRAWN,
                                     .memory = memory};
    struct encode_job job = {.dump = dump,
                             .saes = folders,
                             .n_saes = SAES,
                             .options = &options,
                             .seed = seed,
                             .team = team_make(threads)};
    int code = encode_run(&job, &e);
    if (code != 0)
        print_message("%s\n", e.msg);
    dump_close(&dump);
    return code;
}

static int make_all(void **state)
{
    if (scratch_begin(state) != 0)
        return 1;
    planted_fill();
    planted_write_dump();
    planted_write_sae("a.sae", SAE_STANDARD, "blocks.0.attn.hook_z", D);
    planted_write_sae("b.sae", SAE_JUMPRELU, "blocks.1.attn.hook_z", D);
    planted_write_sae("c.sae", SAE_TOPK, "blocks.1.attn.hook_z", D);
    write_text("b.sae/metrics.jsonl", "{\"step\": 10, \"tokens\": 40960, "
                                      "\"fvu\": 0.5, \"note\": \"x\", "
                                      "\"heads\": [0.5, null, 0.75]}\n"
                                      "{\"step\": 20, \"tokens\": 81920, "
                                      "\"fvu\": 0.25}\n");
    if (encode("one.db", 1, 3) != 0)
        return 1;
    for (int i = 0; i < SAES; i++)
        naive_make(&naive[i], folders[i], layers[i]);
    if (sqlite3_open_v2("one.db", &db, SQLITE_OPEN_READONLY, NULL) != 0)
        return 1;
    for (int64_t c = 0; c < planted.n_contexts; c++) {
        bool in =
            number("SELECT sampled FROM context WHERE id = ?", c, 0, 0) > 0;
        for (int64_t t = planted.contexts[c]; t < planted.contexts[c + 1];
             t++) {
            context_of[t] = (int)c;
            sampled[t] = in;
        }
    }
    return 0;
}

static int remove_all(void **state)
{
    for (int i = 0; i < SAES; i++)
        naive_free(&naive[i]);
    (void)sqlite3_close(db);
    return scratch_end(state);
}

/* ---- tests ---- */

static void test_database_is_sound(void **state)
{
    (void)state;
    sqlite3_stmt *row = ask("PRAGMA integrity_check", 0, 0, 0);
    assert_true(next(row));
    assert_string_equal(sqlite3_column_text(row, 0), "ok");
    assert_false(next(row));
    assert_false(next(ask("PRAGMA foreign_key_check", 0, 0, 0)));
}

static void *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    (void)fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    void *data = malloc(*size);
    assert_int_equal(fread(data, 1, *size, f), *size);
    (void)fclose(f);
    return data;
}

/* Sums in thread order, or a time in a row, would show here. */
static void test_same_bytes_for_any_threads(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 7};
    static const char *const paths[] = {"again.db", "two.db", "seven.db"};
    size_t size, other_size;
    void *first = slurp("one.db", &size);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(encode(paths[i], threads[i], 3), 0);
        void *other = slurp(paths[i], &other_size);
        assert_int_equal(other_size, size);
        assert_memory_equal(other, first, size);
        free(other);
    }
    free(first);
}

/* Rows and counts that waited in files, in ranges and runs. */
static void test_same_bytes_for_any_memory(void **state)
{
    (void)state;
    size_t size, other_size;
    void *first = slurp("one.db", &size);
    memory = 0;
    for (int threads = 1; threads <= 2; threads++) {
        const char *path = threads == 1 ? "little.db" : "little2.db";
        assert_int_equal(encode(path, threads, 3), 0);
        void *other = slurp(path, &other_size);
        assert_int_equal(other_size, size);
        assert_memory_equal(other, first, size);
        free(other);
    }
    memory = 1 << 30;
    free(first);
}

/* The sample is whole contexts, near its limit, and follows the seed. */
static void test_sample(void **state)
{
    (void)state;
    int tokens = 0, contexts = 0;
    for (int t = 0; t < TOKENS; t++)
        tokens += sampled[t];
    for (int64_t c = 0; c < planted.n_contexts; c++)
        contexts += sampled[planted.contexts[c]];
    assert_in_range(tokens, ROWS - 60, ROWS);
    assert_int_equal(number("SELECT sample_tokens FROM dump", 0, 0, 0), tokens);
    assert_int_equal(number("SELECT sample_contexts FROM dump", 0, 0, 0),
                     contexts);
    assert_int_equal(encode("seed.db", 2, 4), 0);
    assert_int_equal(
        sqlite3_exec(db, "ATTACH 'seed.db' AS other", NULL, NULL, NULL), 0);
    assert_true(number("SELECT count(*) FROM context AS a JOIN other.context "
                       "AS b USING (id) WHERE a.sampled <> b.sampled",
                       0, 0, 0) > 10);
    assert_int_equal(sqlite3_exec(db, "DETACH other", NULL, NULL, NULL), 0);
}

static void test_tokens_and_strings(void **state)
{
    (void)state;
    sqlite3_stmt *row = ask(
        "SELECT id, context, position, vocab FROM token ORDER BY id", 0, 0, 0);
    for (int t = 0; t < TOKENS; t++) {
        assert_true(next(row));
        int c = context_of[t];
        assert_int_equal(sqlite3_column_int(row, 0), t);
        assert_int_equal(sqlite3_column_int(row, 1), c);
        assert_int_equal(sqlite3_column_int(row, 2), t - planted.contexts[c]);
        assert_int_equal(sqlite3_column_int(row, 3), planted.tokens[t]);
    }
    assert_false(next(row));
    row = ask("SELECT text, bytes, count FROM vocab ORDER BY id", 0, 0, 0);
    for (int id = 0; id < VOCAB; id++) {
        assert_true(next(row));
        int count = 0;
        for (int t = 0; t < TOKENS; t++)
            count += planted.tokens[t] == id;
        assert_int_equal(sqlite3_column_int(row, 2), count);
        if (id >= PLANTED_STRINGS)
            continue;
        bool text = id != 3 && id != 4;
        const void *exact = text ? (const void *)sqlite3_column_text(row, 0)
                                 : sqlite3_column_blob(row, 1);
        assert_int_equal(sqlite3_column_bytes(row, text ? 0 : 1),
                         planted_strings[id].length);
        assert_memory_equal(exact, planted_strings[id].bytes,
                            planted_strings[id].length);
        assert_int_equal(sqlite3_column_type(row, 1) == SQLITE_NULL, text);
        if (id == 3)
            assert_string_equal(sqlite3_column_text(row, 0), "\\xE2");
        if (id == 4)
            assert_string_equal(sqlite3_column_text(row, 0), "a\\x00b");
    }
    assert_false(next(row));
}

static void test_sae_row(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++) {
        const struct naive *n = &naive[i];
        double error = 0, square = 0, sum[D] = {0}, active = 0, in_sample = 0;
        double head_error[HEADS] = {0}, head_square[HEADS] = {0};
        double l1 = 0, cosine = 0, bias[2] = {0};
        const float *z = planted.z[layers[i]];
        for (int t = 0; t < TOKENS; t++) {
            double xx = 0, xd = 0, dd = 0;
            for (int d = 0; d < D; d++) {
                double x = (double)z[t * D + d],
                       decoded = (double)n->sae.b_dec[d];
                for (int f = 0; f < M; f++)
                    decoded += (double)n->value[t * M + f] *
                               (double)n->sae.w_dec[f * D + d];
                error += (x - decoded) * (x - decoded);
                head_error[d / D_HEAD] += (x - decoded) * (x - decoded);
                head_square[d / D_HEAD] += x * x;
                sum[d] += x;
                xx += x * x;
                xd += x * decoded;
                dd += decoded * decoded;
            }
            cosine += xd / sqrt(xx * dd);
            bias[0] += dd;
            bias[1] += xd;
        }
        for (int d = 0; d < D; d++)
            head_square[d / D_HEAD] -= sum[d] * sum[d] / TOKENS;
        for (int h = 0; h < HEADS; h++) {
            square += head_square[h];
            assert_near(number("SELECT fvu FROM head WHERE sae = ? AND "
                               "head = ?",
                               i + 1, h, 0),
                        head_error[h] / head_square[h], 1e-5);
        }
        for (int t = 0; t < TOKENS; t++)
            for (int f = 0; f < M; f++) {
                active += n->value[t * M + f] > 0;
                l1 += (double)n->value[t * M + f];
                in_sample += sampled[t] && n->value[t * M + f] > 0;
            }
        assert_near(number("SELECT fvu FROM sae WHERE id = ?", i + 1, 0, 0),
                    error / square, 1e-5);
        assert_near(number("SELECT l0 FROM sae WHERE id = ?", i + 1, 0, 0),
                    active / TOKENS, 1e-12);
        assert_near(number("SELECT l1 FROM sae WHERE id = ?", i + 1, 0, 0),
                    l1 / TOKENS, 1e-9);
        assert_near(number("SELECT mse FROM sae WHERE id = ?", i + 1, 0, 0),
                    error / TOKENS, 1e-3);
        assert_near(number("SELECT cosine FROM sae WHERE id = ?", i + 1, 0, 0),
                    cosine / TOKENS, 1e-6);
        assert_near(
            number("SELECT relative_bias FROM sae WHERE id = ?", i + 1, 0, 0),
            bias[0] / bias[1], 1e-5);
        assert_near(
            number("SELECT train_fvu FROM sae WHERE id = ?", i + 1, 0, 0),
            0.1875, 0);
        assert_near(number("SELECT pca_fvu FROM sae WHERE id = ?", i + 1, 0, 0),
                    0.5, 0);
        assert_near(number("SELECT held_out_fvu FROM head WHERE sae = ? AND "
                           "head = 2",
                           i + 1, 0, 0),
                    0.75, 0);
        assert_true(isnan(number("SELECT held_out_fvu FROM head WHERE sae = ? "
                                 "AND head = 1",
                                 i + 1, 0, 0)));
        assert_near(
            number("SELECT activations FROM sae WHERE id = ?", i + 1, 0, 0),
            in_sample, 0);
        assert_int_equal(
            number("SELECT layer FROM sae WHERE id = ?", i + 1, 0, 0),
            layers[i]);
        assert_near(
            number("SELECT held_out_dead FROM sae WHERE id = ?", i + 1, 0, 0),
            0.125, 0);
    }
    assert_near(number("SELECT value FROM metric WHERE sae = 2 AND "
                       "name = 'fvu' AND step = 20",
                       0, 0, 0),
                0.25, 0);
    assert_near(number("SELECT value FROM metric WHERE sae = 2 AND "
                       "name = 'heads[2]' AND step = 10",
                       0, 0, 0),
                0.75, 0);
    assert_int_equal(number("SELECT count(*) FROM metric", 0, 0, 0), 6);
}

static void test_features(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            double fires = 0, sum = 0, strings = 0, bits = 0;
            float max = 0;
            int seen[VOCAB] = {0};
            for (int t = 0; t < TOKENS; t++) {
                float v = naive[i].value[t * M + f];
                fires += v > 0;
                sum += (double)v;
                max = v > max ? v : max;
                strings += v > 0 && seen[planted.tokens[t]]++ == 0;
            }
            for (int id = 0; id < VOCAB; id++)
                if (seen[id] > 0)
                    bits -= seen[id] / fires * log2(seen[id] / fires);
            sqlite3_stmt *row =
                ask("SELECT fires, density, max, mean, scale, strings, entropy "
                    "FROM feature WHERE sae = ? AND feature = ?",
                    i + 1, f, 0);
            assert_true(next(row));
            assert_near(sqlite3_column_double(row, 0), fires, 0);
            assert_near(sqlite3_column_double(row, 1), fires / TOKENS, 1e-15);
            if (fires > 0) {
                assert_near(sqlite3_column_double(row, 2), (double)max, 0);
                assert_near(sqlite3_column_double(row, 3), sum / fires, 1e-12);
                assert_near(sqlite3_column_double(row, 4), (double)max / 255,
                            1e-15);
                assert_near(sqlite3_column_double(row, 5), strings, 0);
                assert_true(fabs(sqlite3_column_double(row, 6) - bits) < 1e-12);
            } else {
                for (int c = 2; c < 7; c++)
                    assert_int_equal(sqlite3_column_type(row, c), SQLITE_NULL);
            }
            assert_false(next(row));
        }
    assert_int_equal(number("SELECT fires FROM feature WHERE sae = 1 AND "
                            "feature = ?",
                            DEAD_FEATURE, 0, 0),
                     0);
}

static void test_head_shares(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            double data[HEADS] = {0}, weight[HEADS] = {0};
            double data_sum = 0, weight_sum = 0;
            int top = 0;
            for (int h = 0; h < HEADS; h++) {
                for (int t = 0; t < TOKENS; t++)
                    data[h] +=
                        fmax((double)naive[i].dfa[(t * M + f) * HEADS + h], 0);
                for (int j = 0; j < D_HEAD; j++) {
                    double w =
                        (double)naive[i].sae.w_dec[f * D + h * D_HEAD + j];
                    weight[h] += w * w;
                }
                weight[h] = sqrt(weight[h]);
                data_sum += data[h];
                weight_sum += weight[h];
                top = data[h] > data[top] ? h : top;
            }
            for (int h = 0; h < HEADS; h++) {
                double share = number("SELECT data_share FROM feature_head "
                                      "WHERE sae = ? AND feature = ? AND "
                                      "head = ?",
                                      i + 1, f, h);
                if (data_sum > 0)
                    assert_near(share, data[h] / data_sum, 1e-12);
                else
                    assert_true(isnan(share));
                assert_near(number("SELECT weight_share FROM feature_head "
                                   "WHERE sae = ? AND feature = ? AND "
                                   "head = ?",
                                   i + 1, f, h),
                            weight[h] / weight_sum, 1e-12);
            }
            if (data_sum > 0)
                assert_int_equal(number("SELECT top_head FROM feature WHERE "
                                        "sae = ? AND feature = ?",
                                        i + 1, f, 0),
                                 top);
        }
}

/* Every activation of the sampled contexts, once, within half a scale. */
static void test_activations(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++) {
        sqlite3_stmt *row = ask("SELECT feature, token, level, "
                                "(level - 0.5) * scale, scale FROM activation "
                                "JOIN feature USING (sae, feature) "
                                "WHERE sae = ? ORDER BY feature, token",
                                i + 1, 0, 0);
        for (int f = 0; f < M; f++)
            for (int t = 0; t < TOKENS; t++) {
                float v = naive[i].value[t * M + f];
                if (v <= 0 || !sampled[t])
                    continue;
                assert_true(next(row));
                assert_int_equal(sqlite3_column_int(row, 0), f);
                assert_int_equal(sqlite3_column_int(row, 1), t);
                assert_in_range(sqlite3_column_int(row, 2), 1, 255);
                double off = fabs(sqlite3_column_double(row, 3) - (double)v);
                assert_true(off <= sqlite3_column_double(row, 4) * 0.5000001);
            }
        assert_false(next(row));
    }
    assert_int_equal(number("SELECT count(*) FROM (SELECT sae, feature, "
                            "token, level FROM activation EXCEPT SELECT sae, "
                            "feature, token, level FROM activation_by_token)",
                            0, 0, 0),
                     0);
    assert_int_equal(number("SELECT (SELECT count(*) FROM activation) - "
                            "(SELECT count(*) FROM activation_by_token)",
                            0, 0, 0),
                     0);
}

static void test_histogram(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            int bins[51] = {0};
            double scale = number("SELECT scale FROM feature WHERE sae = ? "
                                  "AND feature = ?",
                                  i + 1, f, 0);
            for (int t = 0; t < TOKENS; t++) {
                double v = (double)naive[i].value[t * M + f];
                if (v > 0)
                    bins[(int)fmin(ceil(v / scale), 255) / 5 -
                         ((int)fmin(ceil(v / scale), 255) % 5 == 0)]++;
            }
            for (int b = 0; b < 51; b++)
                assert_near(number("SELECT coalesce(sum(count), 0) FROM "
                                   "histogram WHERE sae = ? AND feature = ? "
                                   "AND bin = ?",
                                   i + 1, f, b),
                            bins[b], 0);
        }
}

/* The strongest of each context, and of those the best `limit` with different
 * texts, found by searching the maximum again and again. */
static void assert_best(sqlite3_stmt *row, const struct naive *n, int f, int h,
                        int limit)
{
    static float best_score[TOKENS]; /* by context */
    static int best_token[TOKENS];
    memset(best_score, 0, sizeof best_score);
    for (int t = 0; t < TOKENS; t++) {
        float score =
            h < 0 ? n->value[t * M + f] : n->dfa[(t * M + f) * HEADS + h];
        int c = context_of[t];
        if (n->value[t * M + f] > 0 && score > best_score[c]) {
            best_score[c] = score;
            best_token[c] = t;
        }
    }
    for (int rank = 1; rank <= limit; rank++) {
        int top = 0;
        for (int c = 1; c < planted.n_contexts; c++)
            if (best_score[c] > best_score[top])
                top = c;
        if (best_score[top] <= 0)
            break;
        int token = best_token[top];
        assert_true(next(row));
        assert_int_equal(sqlite3_column_int(row, 0), rank);
        assert_int_equal(sqlite3_column_int(row, 1), token);
        assert_near(sqlite3_column_double(row, 2), (double)best_score[top], 0);
        double off =
            sqlite3_column_double(row, 3) - (double)n->value[token * M + f];
        assert_true(fabs(off) <= sqlite3_column_double(row, 4));
        for (int c = 0; c < planted.n_contexts; c++)
            if (best_score[c] > 0 &&
                same_text(best_token[c], token, (int)planted.contexts[c],
                          (int)planted.contexts[context_of[token]]))
                best_score[c] = 0;
    }
    assert_false(next(row));
}

static void test_examples(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            assert_best(ask("SELECT rank, token, value, value, 0 FROM example "
                            "WHERE sae = ? AND feature = ? AND kind = 'top' "
                            "ORDER BY rank",
                            i + 1, f, 0),
                        &naive[i], f, -1, TOP);
            for (int h = 0; h < HEADS; h++)
                assert_best(ask("SELECT rank, token, contribution, "
                                "(level - 0.5) * scale, scale / 2 * 1.000001 "
                                "FROM head_example JOIN feature USING (sae, "
                                "feature) WHERE sae = ? AND feature = ? AND "
                                "head = ? ORDER BY rank",
                                i + 1, f, h),
                            &naive[i], f, h, TOP_HEAD);
        }
}

static void test_windows(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            static bool near[TOKENS];
            memset(near, 0, sizeof near);
            sqlite3_stmt *row = ask("SELECT token, kind = 'top' FROM example "
                                    "WHERE sae = ? AND feature = ?",
                                    i + 1, f, 0);
            while (next(row)) {
                int at = sqlite3_column_int(row, 0);
                int reach = sqlite3_column_int(row, 1) ? 32 : 16;
                for (int t = 0; t < TOKENS; t++)
                    if (abs(t - at) <= reach && context_of[t] == context_of[at])
                        near[t] = true;
            }
            row = ask("SELECT token FROM example_activation WHERE sae = ? AND "
                      "feature = ? ORDER BY token",
                      i + 1, f, 0);
            for (int t = 0; t < TOKENS; t++)
                if (near[t] && !sampled[t] && naive[i].value[t * M + f] > 0) {
                    assert_true(next(row));
                    assert_int_equal(sqlite3_column_int(row, 0), t);
                }
            assert_false(next(row));
        }
}

static void test_head_codes(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int h = 0; h < HEADS; h++) {
            sqlite3_stmt *row = ask("SELECT token, feature FROM head_code "
                                    "WHERE sae = ? AND head = ? ORDER BY token",
                                    i + 1, h, 0);
            for (int t = 0; t < TOKENS; t++) {
                int code = -1;
                float most = 0;
                for (int f = 0; f < M; f++) {
                    float dfa = naive[i].dfa[(t * M + f) * HEADS + h];
                    if (dfa > most) {
                        most = dfa;
                        code = f;
                    }
                }
                if (code < 0 || !sampled[t])
                    continue;
                assert_true(next(row));
                assert_int_equal(sqlite3_column_int(row, 0), t);
                assert_int_equal(sqlite3_column_int(row, 1), code);
            }
            assert_false(next(row));
        }
}

/* Against the rows themselves, which the test above has checked. */
static void test_head_code_counts(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int h = 0; h < HEADS; h++) {
            double codes = 0, entropy = 0;
            double all = number("SELECT count(*) FROM head_code WHERE sae = ? "
                                "AND head = ?",
                                i + 1, h, 0);
            for (int f = 0; f < M; f++) {
                double rows = number("SELECT count(*) FROM head_code WHERE "
                                     "sae = ? AND head = ? AND feature = ?",
                                     i + 1, h, f);
                double count = number("SELECT coalesce(sum(count), 0) FROM "
                                      "head_code_count WHERE sae = ? AND "
                                      "head = ? AND feature = ?",
                                      i + 1, h, f);
                assert_near(count, rows, 0);
                codes += rows;
                if (rows > 0)
                    entropy -= rows / all * log2(rows / all);
            }
            assert_true(codes > 0);
            assert_near(number("SELECT codes FROM head WHERE sae = ? AND "
                               "head = ?",
                               i + 1, h, 0),
                        codes, 0);
            assert_near(number("SELECT code_entropy FROM head WHERE sae = ? "
                               "AND head = ?",
                               i + 1, h, 0),
                        entropy, 1e-9);
        }
}

struct pair {
    int count;
    float max;
    double sum;
};

enum order { BY_COUNT, BY_MAX, BY_MEAN, ORDERS };

/* What pairs are ranked by, first and second. */
static void keys_of(double keys[2], const struct pair *p, int occurrences,
                    enum order order)
{
    keys[0] = order == BY_COUNT ? p->count
              : order == BY_MAX ? (double)p->max
                                : (double)(float)(p->sum / occurrences);
    keys[1] = order == BY_COUNT ? (double)p->max : p->count;
}

/* Whether fewer than KEPT pairs of the same feature, or of the same string,
 * come before this one. */
static bool is_among_first(struct pair pairs[M][VOCAB], int f, int id,
                           bool of_feature, enum order order)
{
    static int occurrences[VOCAB];
    if (occurrences[planted.tokens[0]] == 0)
        for (int t = 0; t < TOKENS; t++)
            occurrences[planted.tokens[t]]++;
    int before = 0, others = of_feature ? VOCAB : M;
    double mine[2], other[2];
    keys_of(mine, &pairs[f][id], occurrences[id], order);
    for (int o = 0; o < others; o++) {
        int other_id = of_feature ? o : id;
        const struct pair *q = &pairs[of_feature ? f : o][other_id];
        if (q->count == 0)
            continue;
        keys_of(other, q, occurrences[other_id], order);
        before +=
            other[0] > mine[0] || (other[0] == mine[0] && other[1] > mine[1]);
    }
    return before < KEPT;
}

static bool is_kept(struct pair pairs[M][VOCAB], int f, int id)
{
    bool kept = false;
    for (int o = 0; o < ORDERS; o++)
        kept |= is_among_first(pairs, f, id, true, (enum order)o) ||
                is_among_first(pairs, f, id, false, (enum order)o);
    return kept && pairs[f][id].count > 0;
}

static void test_token_features(void **state)
{
    (void)state;
    static struct pair pairs[M][VOCAB];
    int dropped = 0;
    for (int i = 0; i < SAES; i++) {
        memset(pairs, 0, sizeof pairs);
        for (int t = 0; t < TOKENS; t++)
            for (int f = 0; f < M; f++) {
                float v = naive[i].value[t * M + f];
                struct pair *p = &pairs[f][planted.tokens[t]];
                p->count += v > 0;
                p->sum += (double)v;
                p->max = v > p->max ? v : p->max;
            }
        sqlite3_stmt *row = ask("SELECT vocab, feature, count, max, mean FROM "
                                "token_feature WHERE sae = ? ORDER BY vocab, "
                                "feature",
                                i + 1, 0, 0);
        for (int id = 0; id < VOCAB; id++)
            for (int f = 0; f < M; f++) {
                const struct pair *p = &pairs[f][id];
                bool kept = is_kept(pairs, f, id);
                dropped += p->count > 0 && !kept;
                if (!kept)
                    continue;
                assert_true(next(row));
                assert_int_equal(sqlite3_column_int(row, 0), id);
                assert_int_equal(sqlite3_column_int(row, 1), f);
                assert_int_equal(sqlite3_column_int(row, 2), p->count);
                assert_near(sqlite3_column_double(row, 3), (double)p->max, 0);
                assert_near(sqlite3_column_double(row, 4), p->sum / p->count,
                            1e-12);
            }
        assert_false(next(row));
    }
    assert_true(dropped > 100); /* or the rule was not tested */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_database_is_sound),
        cmocka_unit_test(test_same_bytes_for_any_threads),
        cmocka_unit_test(test_same_bytes_for_any_memory),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_tokens_and_strings),
        cmocka_unit_test(test_sae_row),
        cmocka_unit_test(test_features),
        cmocka_unit_test(test_head_shares),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_head_codes),
        cmocka_unit_test(test_head_code_counts),
        cmocka_unit_test(test_token_features),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
