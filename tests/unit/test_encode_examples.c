/* SPDX-License-Identifier: MIT
 *
 * Random examples, positions and groups of a planted dump, worked out a second
 * time from its codes. Catches: a set drawn from other tokens than it says, an
 * interval with tokens of its neighbour or with silent ones, a choice that
 * prefers early or strong tokens, texts that come twice, silent examples at
 * which the feature is active.
 */
#include <math.h>

#include "ask.h"
#include "encode/encode.h"
#include "planted_codes.h"

enum { SAES = 3, DRAWN = 5, SEED = 3, INTERVALS = 5, DRAWS = 3 * DRAWN + 17 };

static const char *const folders[SAES] = {"a.sae", "b.sae", "c.sae"};
static const int layers[SAES] = {0, 1, 1};
static struct naive naive[SAES];
static int begin_of[TOKENS]; /* the first token of its context */
static int context_of[TOKENS];

/* ---- making it ---- */

static int encode(const char *output, int64_t seed)
{
    struct err e = {0};
    const char *path = "planted.dump";
    struct dump *dump;
    struct dump_options none = {0};
    assert_int_equal(dump_open(&dump, &path, 1, &none, &e), 0);
    struct encode_options options = {.output = output,
                                     .rows = 1000,
                                     .examples = 3,
                                     .head_examples = 1,
                                     .interval_examples = DRAWN,
                                     .memory = 1 << 30};
    struct encode_job job = {.dump = dump,
                             .saes = folders,
                             .n_saes = SAES,
                             .options = &options,
                             .seed = seed,
                             .team = team_make(2)};
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
    for (int64_t c = 0; c < planted.n_contexts; c++)
        for (int64_t t = planted.contexts[c]; t < planted.contexts[c + 1];
             t++) {
            context_of[t] = (int)c;
            begin_of[t] = (int)planted.contexts[c];
        }
    if (encode("one.db", SEED) != 0)
        return 1;
    for (int i = 0; i < SAES; i++)
        naive_make(&naive[i], folders[i], layers[i]);
    return sqlite3_open_v2("one.db", &db, SQLITE_OPEN_READONLY, NULL);
}

static int remove_all(void **state)
{
    for (int i = 0; i < SAES; i++)
        naive_free(&naive[i]);
    (void)sqlite3_close(db);
    return scratch_end(state);
}

static float value_of(int sae, int f, int t)
{
    return naive[sae].value[t * M + f];
}

static int fires_of(int sae, int f)
{
    int fires = 0;
    for (int t = 0; t < TOKENS; t++)
        fires += value_of(sae, f, t) > 0;
    return fires;
}

/* ---- what sets say of themselves ---- */

static bool is_kind(sqlite3_stmt *row, const char *kind)
{
    return strcmp((const char *)sqlite3_column_text(row, 0), kind) == 0;
}

/* Columns: kind, interval, above, up_to, tokens. Each is what lies between its
 * bounds. */
static void check_set(int i, int f, sqlite3_stmt *row, double max)
{
    double above = sqlite3_column_double(row, 2);
    double up_to = sqlite3_column_double(row, 3);
    int interval = sqlite3_column_int(row, 1), inside = 0;
    bool silent = is_kind(row, "silent");
    for (int t = 0; t < TOKENS; t++) {
        double v = (double)value_of(i, f, t);
        inside += silent ? v == 0 : v > above && v <= up_to;
    }
    assert_int_equal(sqlite3_column_int(row, 4), inside);
    assert_true(inside > 0);
    if (is_kind(row, "width")) {
        assert_true(above == max * (interval - 1) / INTERVALS);
        assert_true(up_to == max * interval / INTERVALS);
    } else if (!is_kind(row, "count")) {
        assert_int_equal(interval, 1);
        assert_true(above == 0 && up_to == (silent ? 0 : max));
    }
}

/* The share of tokens up to each bound is as near to a fifth, two fifths, ...
 * as bins of a 256th of the maximum allow; what is left out was empty. */
static void check_shares(int i, int f, sqlite3_stmt *row, double max)
{
    double up_to = sqlite3_column_double(row, 3);
    int below = 0, near = 0, fires = fires_of(i, f);
    for (int t = 0; t < TOKENS; t++) {
        double v = (double)value_of(i, f, t);
        below += v > 0 && v <= up_to;
        near += v > 0 && fabs(v - up_to) <= max / 256;
    }
    int off = abs(INTERVALS * below - fires * sqlite3_column_int(row, 1));
    assert_true(off <= INTERVALS * near);
}

static void test_sets(void **state)
{
    (void)state;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            int fires = fires_of(i, f), width = 0, count = 0, kinds = 0;
            double max = number("SELECT max FROM feature WHERE sae = ? AND "
                                "feature = ?",
                                i + 1, f);
            sqlite3_stmt *row = ask("SELECT kind, interval, above, up_to, "
                                    "tokens FROM example_set WHERE sae = ? "
                                    "AND feature = ?",
                                    i + 1, f);
            while (next(row)) {
                check_set(i, f, row, max);
                width += is_kind(row, "width") ? sqlite3_column_int(row, 4) : 0;
                count += is_kind(row, "count") ? sqlite3_column_int(row, 4) : 0;
                kinds += sqlite3_column_int(row, 1) == 1 &&
                         !is_kind(row, "width") && !is_kind(row, "count");
                if (is_kind(row, "count"))
                    check_shares(i, f, row, max);
            }
            assert_int_equal(width, fires);
            assert_int_equal(count, fires);
            assert_int_equal(kinds, fires == 0 ? 0 : fires == TOKENS ? 2 : 3);
        }
    assert_int_equal(fires_of(0, ALWAYS_FEATURE), TOKENS);
    assert_int_equal(fires_of(0, DEAD_FEATURE), 0);
    assert_in_range(fires_of(0, DENSE_FEATURE), TOKENS / 2, TOKENS * 9 / 10);
}

/* ---- what is chosen ---- */

/* One set, drawn anew. */
struct drawing {
    int sae, feature;
    double above, up_to;
    bool silent;
    int word; /* of the random numbers of a feature and token */
};

struct chosen {
    int token[DRAWN], n;
};

static bool is_member(const struct drawing *d, int t)
{
    double v = (double)value_of(d->sae, d->feature, t);
    return d->silent ? v == 0 : v > d->above && v <= d->up_to;
}

static void take(struct chosen *c, int t)
{
    for (int i = 0; i < c->n; i++)
        if (same_text(t, c->token[i], begin_of[t], begin_of[c->token[i]]))
            return;
    if (c->n < DRAWN)
        c->token[c->n++] = t;
}

struct lot {
    uint32_t random;
    int token;
};

static int by_random(const void *left, const void *right)
{
    const struct lot *a = left, *b = right;
    return (a->random > b->random) - (a->random < b->random);
}

/* All members in the order of their random numbers. */
static void draw_lots(struct chosen *c, const struct drawing *d)
{
    static struct lot lots[TOKENS];
    int n = 0;
    struct rng r = rng_at(SEED, RNG_EXAMPLES, (uint32_t)d->feature);
    for (int t = 0; t < TOKENS; t++) {
        uint32_t random[4];
        rng_block(&r, (uint64_t)t, random);
        if (is_member(d, t))
            lots[n++] = (struct lot){random[d->word], t};
    }
    qsort(lots, (size_t)n, sizeof *lots, by_random);
    for (int i = 0; i < n; i++)
        take(c, lots[i].token);
}

static void draw_again(struct chosen *c, const struct drawing *d)
{
    *c = (struct chosen){0};
    if (!d->silent || fires_of(d->sae, d->feature) >= TOKENS / 2) {
        draw_lots(c, d);
        return;
    }
    struct rng r = rng_at(SEED, RNG_SILENT, (uint32_t)d->feature);
    for (int i = 0; i < DRAWS; i++) {
        int t = (int)rng_below(&r, TOKENS);
        if (is_member(d, t))
            take(c, t);
    }
}

/* Columns: kind, interval, above, up_to, tokens, examples. */
static struct drawing drawing_of(int i, int f, sqlite3_stmt *set)
{
    return (struct drawing){.sae = i,
                            .feature = f,
                            .above = sqlite3_column_double(set, 2),
                            .up_to = sqlite3_column_double(set, 3),
                            .silent = is_kind(set, "silent"),
                            .word = is_kind(set, "width")    ? 0
                                    : is_kind(set, "count")  ? 1
                                    : is_kind(set, "random") ? 2
                                                             : 3};
}

static sqlite3_stmt *examples_of(sqlite3_stmt *set, int i, int f)
{
    sqlite3_stmt *row =
        ask("SELECT token, value, rank FROM example WHERE sae = ? AND "
            "feature = ? AND kind = ? AND interval = ? ORDER BY rank",
            i + 1, f);
    const char *kind = (const char *)sqlite3_column_text(set, 0);
    (void)sqlite3_bind_text(row, 3, kind, -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int(row, 4, sqlite3_column_int(set, 1));
    return row;
}

static void check_examples(sqlite3_stmt *set, int i, int f)
{
    struct drawing d = drawing_of(i, f, set);
    struct chosen c;
    draw_again(&c, &d);
    assert_int_equal(sqlite3_column_int(set, 5), c.n);
    sqlite3_stmt *row = examples_of(set, i, f);
    double before = INFINITY;
    for (int rank = 1; rank <= c.n; rank++) {
        assert_true(next(row));
        int token = sqlite3_column_int(row, 0), found = 0;
        double value = sqlite3_column_double(row, 1);
        assert_int_equal(sqlite3_column_int(row, 2), rank);
        assert_true(value == (double)value_of(i, f, token));
        assert_true(value <= before);
        before = value;
        for (int k = 0; k < c.n; k++)
            found += c.token[k] == token;
        assert_int_equal(found, 1);
    }
    assert_false(next(row));
}

static void test_examples(void **state)
{
    (void)state;
    int full = 0, fewer = 0;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            sqlite3_stmt *set = ask("SELECT kind, interval, above, up_to, "
                                    "tokens, examples FROM example_set "
                                    "WHERE sae = ? AND feature = ? "
                                    "AND kind <> 'top'",
                                    i + 1, f);
            while (next(set)) {
                check_examples(set, i, f);
                full += sqlite3_column_int(set, 5) == DRAWN;
                fewer += sqlite3_column_int(set, 5) < DRAWN;
            }
        }
    assert_true(full > 1000 && fewer > 10);
}

/* Where among the members of their sets the examples stand: each tenth has as
 * many. Chi-square with 9 degrees of freedom is above 27.9 once in a thousand;
 * among few members a tenth is not a tenth. */
static void check_even(const char *kind)
{
    double bins[10] = {0}, total = 0, chi_square = 0;
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            sqlite3_stmt *set = ask("SELECT kind, interval, above, up_to, "
                                    "tokens FROM example_set WHERE sae = ? "
                                    "AND feature = ? AND kind = ? AND "
                                    "tokens >= 50",
                                    i + 1, f);
            (void)sqlite3_bind_text(set, 3, kind, -1, SQLITE_STATIC);
            while (next(set)) {
                struct drawing d = drawing_of(i, f, set);
                sqlite3_stmt *row = examples_of(set, i, f);
                while (next(row)) {
                    int before = 0;
                    for (int t = 0; t < sqlite3_column_int(row, 0); t++)
                        before += is_member(&d, t);
                    bins[10 * before / sqlite3_column_int(set, 4)]++;
                    total++;
                }
            }
        }
    for (int b = 0; b < 10; b++)
        chi_square += (bins[b] - total / 10) * (bins[b] - total / 10);
    chi_square /= total / 10;
    if (total < 500 || chi_square > 27.9)
        fail_msg("%s: chi-square %g of %g examples", kind, chi_square, total);
}

static void test_examples_are_even(void **state)
{
    (void)state;
    check_even("width");
    check_even("count");
    check_even("random");
    check_even("silent");
}

static void test_seed(void **state)
{
    (void)state;
    assert_int_equal(encode("seed.db", SEED + 1), 0);
    assert_int_equal(
        sqlite3_exec(db, "ATTACH 'seed.db' AS other", NULL, NULL, NULL), 0);
    /* A few of them are the same by chance, or there are no others. */
    double same = number("SELECT count(*) FROM example AS a JOIN "
                         "other.example AS b USING (sae, feature, kind, "
                         "interval, token) WHERE kind = 'random'",
                         0, 0);
    double all =
        number("SELECT count(*) FROM example WHERE kind = 'random'", 0, 0);
    assert_true(all > SAES * (M - 10) * DRAWN && same < all / 10);
    assert_int_equal(sqlite3_exec(db, "DETACH other", NULL, NULL, NULL), 0);
}

static void test_examples_view(void **state)
{
    (void)state;
    assert_true(number("SELECT count(*) = (SELECT count(*) FROM example) FROM "
                       "examples_of_feature",
                       0, 0) > 0);
    assert_true(number("SELECT count(*) FROM examples_of_feature WHERE layer = "
                       "0 AND feature = 1 AND kind = 'width' AND (value <= "
                       "above OR value > up_to)",
                       0, 0) == 0);
}

/* ---- positions and groups ---- */

static bool is_in_bin(int t, int bin)
{
    int position = t - begin_of[t];
    return bin == 0 ? position == 0
                    : position >= 1 << (bin - 1) && position < 1 << bin;
}

static void test_positions(void **state)
{
    (void)state;
    int bins = (int)number("SELECT count(*) FROM position_bin", 0, 0);
    assert_int_equal(bins, 7); /* contexts have up to 60 tokens */
    for (int b = 0; b < bins; b++) {
        int tokens = 0, first = 100, last = 0;
        for (int t = 0; t < TOKENS; t++)
            if (is_in_bin(t, b)) {
                int position = t - begin_of[t];
                tokens++;
                first = position < first ? position : first;
                last = position > last ? position : last;
            }
        assert_int_equal(
            number("SELECT tokens FROM position_bin WHERE bin = ?", b, 0),
            tokens);
        assert_int_equal(
            number("SELECT first FROM position_bin WHERE bin = ?", b, 0),
            first);
        assert_int_equal(
            number("SELECT last FROM position_bin WHERE bin = ?", b, 0), last);
    }
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++) {
            sqlite3_stmt *row = ask("SELECT fires FROM positions_of_feature "
                                    "WHERE sae = ? AND feature = ?",
                                    i + 1, f);
            for (int b = 0; b < bins; b++) {
                int fires = 0;
                for (int t = 0; t < TOKENS; t++)
                    fires += is_in_bin(t, b) && value_of(i, f, t) > 0;
                assert_true(next(row));
                assert_int_equal(sqlite3_column_int(row, 0), fires);
            }
            assert_false(next(row));
        }
    assert_true(number("SELECT min(fires) FROM feature_position", 0, 0) > 0);
}

static int tokens_of_group(int g)
{
    int tokens = 0;
    for (int t = 0; t < TOKENS; t++)
        tokens += planted.groups[context_of[t]] == g;
    return tokens;
}

static int fires_in_group(int i, int f, int g)
{
    int fires = 0;
    for (int t = 0; t < TOKENS; t++)
        fires += planted.groups[context_of[t]] == g && value_of(i, f, t) > 0;
    return fires;
}

static void test_groups(void **state)
{
    (void)state;
    sqlite3_stmt *row = ask("SELECT name, contexts, tokens FROM document_group "
                            "ORDER BY id",
                            0, 0);
    for (int g = 0; g < PLANTED_GROUPS; g++) {
        int contexts = 0;
        for (int64_t c = 0; c < planted.n_contexts; c++)
            contexts += planted.groups[c] == g;
        assert_true(next(row));
        assert_string_equal(sqlite3_column_text(row, 0),
                            planted_group_names[g]);
        assert_int_equal(sqlite3_column_int(row, 1), contexts);
        assert_int_equal(sqlite3_column_int(row, 2), tokens_of_group(g));
    }
    assert_false(next(row));
    row = ask("SELECT name FROM context AS c LEFT JOIN document_group AS g ON "
              "g.id = c.document_group ORDER BY c.id",
              0, 0);
    for (int64_t c = 0; c < planted.n_contexts; c++) {
        int g = planted.groups[c];
        assert_true(next(row));
        if (g < 0)
            assert_int_equal(sqlite3_column_type(row, 0), SQLITE_NULL);
        else
            assert_string_equal(sqlite3_column_text(row, 0),
                                planted_group_names[g]);
    }
    assert_false(next(row));
    for (int i = 0; i < SAES; i++)
        for (int f = 0; f < M; f++)
            for (int g = 0; g < 2; g++)
                assert_int_equal(
                    number(g == 0 ? "SELECT fires FROM density_by_group WHERE "
                                    "sae = ? AND feature = ? AND "
                                    "group_name = 'odd'"
                                  : "SELECT fires FROM density_by_group WHERE "
                                    "sae = ? AND feature = ? AND "
                                    "group_name = '''; --'",
                           i + 1, f),
                    fires_in_group(i, f, g));
    assert_true(number("SELECT min(fires) FROM feature_group", 0, 0) > 0);
}

/* Chi-square from the four cells and what is expected of each. */
static void test_density_change(void **state)
{
    (void)state;
    double a = tokens_of_group(0), b = tokens_of_group(1), before = INFINITY;
    sqlite3_stmt *row = ask("SELECT feature, density_a, density_b, change, "
                            "chi_square FROM density_change WHERE sae = ? AND "
                            "group_a = 'odd' AND group_b = '''; --'",
                            1, 0);
    int rows = 0, null = 0;
    for (; next(row); rows++) {
        int f = sqlite3_column_int(row, 0);
        double fa = fires_in_group(0, f, 0), fb = fires_in_group(0, f, 1);
        double share = (fa + fb) / (a + b), want = 0;
        const double cells[4] = {fa, a - fa, fb, b - fb};
        const double expected[4] = {a * share, a * (1 - share), b * share,
                                    b * (1 - share)};
        for (int c = 0; c < 4; c++)
            want += (cells[c] - expected[c]) * (cells[c] - expected[c]) /
                    expected[c];
        assert_true(sqlite3_column_double(row, 1) == fa / a);
        assert_true(sqlite3_column_double(row, 2) == fb / b);
        assert_true(fabs(sqlite3_column_double(row, 3) - (fb / b - fa / a)) <
                    1e-12);
        if (sqlite3_column_type(row, 4) == SQLITE_NULL) {
            assert_int_equal(f, ALWAYS_FEATURE);
            null++;
            continue;
        }
        double got = sqlite3_column_double(row, 4);
        assert_true(fabs(got - want) <= 1e-9 * (want + 1) && got <= before);
        before = got;
    }
    assert_int_equal(null, 1);
    assert_true(rows > M - 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_examples_are_even),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_examples_view),
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_density_change),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
