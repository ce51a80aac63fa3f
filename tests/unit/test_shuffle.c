/* SPDX-License-Identifier: MIT
 *
 * Catches: rows lost or seen twice in an epoch, an order that depends on how
 * it is asked for, seeks that are off beside the short block or a border of
 * reservoirs or epochs, and rows of a held-out set.
 */
#include "scratch.h"

#include <math.h>
#include <time.h>

#include "base/clock.h"
#include "dump/npy.h"
#include "dump/shuffle.h"
#include "dump/weights.h"
#include "dump/writer.h"

/* What two reservoirs of `blocks` blocks need for rows of two f32. */
static uint64_t memory_for(uint64_t blocks)
{
    return 2 * blocks * SHUFFLE_BLOCK_ROWS * (2 * sizeof(float) + 16);
}

/* Of the dump that is open. */
static struct view view;

static void close_rows(struct dump **d)
{
    view_free(&view);
    dump_close(d);
}

/* Row i holds (i, -i). */
static struct dump *open_rows(int64_t rows)
{
    static float values[2 * 8192];
    const char *path = "z.npy";
    const struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    const int64_t shape[] = {rows, 2};
    struct dump *d;
    struct err e = {0};
    assert_true(rows <= 8192);
    for (int64_t i = 0; i < rows; i++) {
        values[2 * i] = (float)i;
        values[2 * i + 1] = -(float)i;
    }
    assert_int_equal(npy_write(path, DTYPE_F32, shape, 2, values, &e), 0);
    assert_int_equal(dump_open(&d, &path, 1, &o, &e), 0);
    assert_int_equal(view_of_layer(&view, d, 0, NULL, 0, &e), 0);
    return d;
}

static struct row_set all_rows(const struct dump *d)
{
    struct row_set train, test;
    struct err e = {0};
    assert_int_equal(split_rows(&train, &test, d, 0, 0, &e), 0);
    row_set_free(&test);
    return train;
}

/* The next n row numbers, asked for in pieces of `step`. */
static void take(uint64_t *out, struct shuffle *s, size_t n, size_t step)
{
    float rows[2 * 1000];
    struct err e = {0};
    assert_true(step <= 1000);
    for (size_t done = 0; done < n;) {
        size_t part = n - done < step ? n - done : step;
        uint64_t before = shuffle_position(s);
        assert_int_equal(shuffle_next(s, rows, part, &e), 0);
        assert_true(shuffle_position(s) == before + part);
        for (size_t i = 0; i < part; i++) {
            assert_true(rows[2 * i] == -rows[2 * i + 1]);
            out[done + i] = (uint64_t)rows[2 * i];
        }
        done += part;
    }
}

static struct shuffle *open_shuffle(const struct row_set *rows, uint64_t seed,
                                    uint64_t memory)
{
    struct shuffle *s;
    struct err e = {0};
    assert_int_equal(shuffle_open(&s, &view, rows, seed, memory, &e), 0);
    return s;
}

static const struct {
    int64_t rows;
    uint64_t memory_blocks;
} shapes[] = {
    {1, 1},    {255, 1},  {256, 1},  {257, 1},    {257, 2},
    {1000, 1}, {1000, 2}, {1000, 3}, {1000, 100}, {2048, 3},
    {2049, 3}, {2303, 4}, {2304, 4}, {4000, 5},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes, EPOCHS = 4 };

/* Each row once an epoch, and each epoch in its own order. */
static void epochs_are_permutations(void **state)
{
    (void)state;
    static uint64_t seen[EPOCHS][4000];
    static unsigned char marks[4000];
    for (size_t k = 0; k < N_SHAPES; k++) {
        struct dump *d = open_rows(shapes[k].rows);
        struct row_set rows = all_rows(d);
        size_t n = (size_t)shapes[k].rows;
        struct shuffle *s =
            open_shuffle(&rows, 11, memory_for(shapes[k].memory_blocks));
        for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
            take(seen[epoch], s, n, 17);
            memset(marks, 0, sizeof marks);
            for (size_t i = 0; i < n; i++) {
                assert_true(seen[epoch][i] < n);
                assert_int_equal(marks[seen[epoch][i]]++, 0);
            }
            if (n > 100 && epoch > 0)
                assert_memory_not_equal(seen[epoch], seen[epoch - 1],
                                        n * sizeof **seen);
        }
        shuffle_close(&s);
        assert_null(s);
        row_set_free(&rows);
        close_rows(&d);
    }
}

/* Going to any position gives what reading up to it would have given. */
static void seeking_equals_reading(void **state)
{
    (void)state;
    static uint64_t all[3 * 4000], part[100];
    for (size_t k = 0; k < N_SHAPES; k++) {
        struct dump *d = open_rows(shapes[k].rows);
        struct row_set rows = all_rows(d);
        size_t n = 3 * (size_t)shapes[k].rows;
        uint64_t memory = memory_for(shapes[k].memory_blocks);
        struct shuffle *s = open_shuffle(&rows, 12, memory);
        struct shuffle *fresh = open_shuffle(&rows, 12, memory);
        take(all, s, n, 1000);
        for (size_t i = 0; i < n; i += n < 100 ? 1 : 31) {
            size_t to = (i * 7919) % n; /* to and fro */
            size_t count = n - to < 100 ? n - to : 100;
            shuffle_seek(fresh, to);
            assert_true(shuffle_position(fresh) == to);
            take(part, fresh, count, 100);
            assert_memory_equal(part, all + to, count * sizeof *part);
        }
        shuffle_close(&s);
        shuffle_close(&fresh);
        row_set_free(&rows);
        close_rows(&d);
    }
}

/* Every border of the sequence, one row to either side. */
static void borders_are_exact(void **state)
{
    (void)state;
    enum { ROWS = 2303, N = 3 * ROWS };
    static uint64_t all[N];
    struct dump *d = open_rows(ROWS);
    struct row_set rows = all_rows(d);
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct shuffle *s = open_shuffle(&rows, seed, memory_for(2));
        take(all, s, N, 999);
        for (size_t at = 0; at < N - 1; at++) {
            size_t off = at % ROWS % 512;
            if (off > 2 && off < 509 && at % ROWS < ROWS - 3)
                continue;
            uint64_t two[2];
            shuffle_seek(s, at);
            take(two, s, 2, 2);
            assert_memory_equal(two, all + at, sizeof two);
        }
        shuffle_close(&s);
    }
    row_set_free(&rows);
    close_rows(&d);
}

/* The order of blocks is drawn anew too, not only that within reservoirs. */
static void blocks_move_from_epoch_to_epoch(void **state)
{
    (void)state;
    enum { BLOCKS = 16, ROWS = BLOCKS * SHUFFLE_BLOCK_ROWS };
    static uint64_t seen[2 * ROWS];
    struct dump *d = open_rows(ROWS);
    struct row_set rows = all_rows(d);
    struct shuffle *s = open_shuffle(&rows, 5, memory_for(1));
    size_t moved = 0;
    take(seen, s, 2 * ROWS, 1000);
    for (size_t i = 0; i < ROWS; i += SHUFFLE_BLOCK_ROWS)
        moved +=
            seen[i] / SHUFFLE_BLOCK_ROWS != seen[ROWS + i] / SHUFFLE_BLOCK_ROWS;
    assert_true(moved > BLOCKS / 2);
    shuffle_close(&s);
    row_set_free(&rows);
    close_rows(&d);
}

static void order_does_not_depend_on_the_pieces(void **state)
{
    (void)state;
    enum { ROWS = 1000, N = 2500 };
    static uint64_t one[N], other[N];
    struct dump *d = open_rows(ROWS);
    struct row_set rows = all_rows(d);
    struct shuffle *a = open_shuffle(&rows, 5, memory_for(2));
    struct shuffle *b = open_shuffle(&rows, 5, memory_for(2));
    struct shuffle *c = open_shuffle(&rows, 6, memory_for(2));
    take(one, a, N, 1);
    take(other, b, N, 1000);
    assert_memory_equal(one, other, sizeof one);
    take(other, c, N, 1000);
    assert_memory_not_equal(one, other, sizeof one);
    shuffle_close(&a);
    shuffle_close(&b);
    shuffle_close(&c);
    row_set_free(&rows);
    close_rows(&d);
}

/* With room for all, neighbours in the file are no neighbours any more: of
 * 1999 steps few go on by one. */
static void a_large_reservoir_mixes_all(void **state)
{
    (void)state;
    enum { ROWS = 2000 };
    static uint64_t seen[ROWS];
    struct dump *d = open_rows(ROWS);
    struct row_set rows = all_rows(d);
    struct shuffle *s = open_shuffle(&rows, 5, UINT64_MAX);
    size_t steps = 0, far = 0;
    take(seen, s, ROWS, 1000);
    for (size_t i = 1; i < ROWS; i++) {
        steps += seen[i] == seen[i - 1] + 1;
        far += llabs((long long)(seen[i] - seen[i - 1])) > 512;
    }
    assert_true(steps < 10);
    assert_true(far > ROWS / 3);
    shuffle_close(&s);
    row_set_free(&rows);
    close_rows(&d);
}

static void only_rows_of_the_set_come(void **state)
{
    (void)state;
    enum { ROWS = 3000 };
    static uint64_t seen[ROWS];
    static unsigned char marks[ROWS];
    struct dump *d = open_rows(ROWS);
    struct row_set train, test;
    struct err e = {0};
    assert_int_equal(split_rows(&train, &test, d, 0.5, 2, &e), 0);
    assert_true(train.n > 1);
    size_t n = (size_t)row_set_total(&train);
    struct shuffle *s = open_shuffle(&train, 5, memory_for(2));
    take(seen, s, n, 64);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(marks[seen[i]]++, 0);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t run;
        assert_int_equal(marks[row_set_at(&train, i, &run)], 1);
    }
    shuffle_close(&s);
    assert_refused(shuffle_open(&s, &view,
                                &(struct row_set){.before = (uint64_t[]){0}}, 1,
                                1, &e),
                   &e, "no rows to shuffle");
    assert_null(s);
    row_set_free(&train);
    row_set_free(&test);
    close_rows(&d);
}

/* A NaN is reported with its row in the file, not in the shuffle. */
static void bad_rows_are_named(void **state)
{
    (void)state;
    enum { ROWS = 600 };
    struct dump *d = open_rows(ROWS);
    struct row_set rows = all_rows(d);
    float values[2 * ROWS], bad = NAN;
    struct err e = {0};
    close_rows(&d);
    FILE *f = fopen("z.npy", "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -(ROWS - 437) * 8L + 4, SEEK_END), 0);
    assert_int_equal(fwrite(&bad, sizeof bad, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    const char *path = "z.npy";
    const struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    assert_int_equal(dump_open(&d, &path, 1, &o, &e), 0);
    assert_int_equal(view_of_layer(&view, d, 0, NULL, 0, &e), 0);
    struct shuffle *s = open_shuffle(&rows, 5, memory_for(2));
    assert_refused(shuffle_next(s, values, ROWS, &e), &e,
                   "row 437 (token 437 of the dump): NaN at column 1");
    shuffle_close(&s);
    row_set_free(&rows);
    close_rows(&d);
}

/* ---- views ---- */

enum { V_TOKENS = 700, V_LAYERS = 2, V_HEADS = 3, V_D_HEAD = 2 };

/* Token t, layer l, head h, number j hold a value that names them all. */
static float value_of(size_t t, size_t l, size_t h, size_t j)
{
    return (float)(((t * V_LAYERS + l) * V_HEADS + h) * V_D_HEAD + j);
}

static struct dump *open_heads(void)
{
    static float values[V_TOKENS * V_LAYERS * V_HEADS * V_D_HEAD];
    const int64_t shape[] = {V_TOKENS, V_LAYERS, V_HEADS, V_D_HEAD};
    const struct dump_options o = {.layout = LAYOUT_TOKENS_LAYERS_HEADS_DHEAD};
    const char *path = "heads.npy";
    struct dump *d;
    struct err e = {0};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = (float)i;
    assert_int_equal(npy_write(path, DTYPE_F32, shape, 4, values, &e), 0);
    assert_int_equal(dump_open(&d, &path, 1, &o, &e), 0);
    return d;
}

/* Chosen heads of a layer side by side, in order and shuffled. */
static void chosen_heads_stand_side_by_side(void **state)
{
    (void)state;
    static const int heads[] = {0, 2};
    static float rows[V_TOKENS * 4];
    struct err e = {0};
    struct dump *d = open_heads();
    assert_int_equal(view_of_layer(&view, d, 1, heads, 2, &e), 0);
    struct row_set all = all_rows(d);
    assert_int_equal(view.width, 4);
    assert_int_equal(view_rows(&view, &all), V_TOKENS);
    assert_int_equal(view_read(&view, &all, 100, 300, rows, &e), 0);
    for (size_t t = 0; t < 300; t++)
        for (size_t j = 0; j < 4; j++)
            assert_true(rows[t * 4 + j] ==
                        value_of(100 + t, 1, j < 2 ? 0 : 2, j % 2));
    struct shuffle *s = open_shuffle(&all, 3, memory_for(1));
    assert_int_equal(shuffle_next(s, rows, V_TOKENS, &e), 0);
    for (size_t t = 0; t < V_TOKENS; t++)
        assert_true(rows[t * 4 + 2] == rows[t * 4] + 2 * V_D_HEAD);
    shuffle_close(&s);
    row_set_free(&all);
    close_rows(&d);
}

/* Every head of every layer gives a row, once an epoch, and rows of one token
 * do not come together. */
static void shared_heads_give_a_row_each(void **state)
{
    (void)state;
    enum { PARTS = V_LAYERS * V_HEADS, N = V_TOKENS * PARTS };
    static const int layers[] = {0, 1};
    static float rows[N * V_D_HEAD];
    static unsigned char marks[N];
    for (uint64_t blocks = 1; blocks <= 100; blocks += 99) {
        struct err e = {0};
        struct dump *d = open_heads();
        assert_int_equal(view_of_heads(&view, d, layers, 2, NULL, 0, &e), 0);
        struct row_set all = all_rows(d);
        assert_int_equal(view_rows(&view, &all), N);
        assert_int_equal(view_read(&view, &all, 5, 400, rows, &e), 0);
        for (size_t u = 0; u < 400; u++)
            assert_true(rows[2 * u] == (float)(2 * (5 + u)));
        struct shuffle *s = open_shuffle(&all, 3, memory_for(blocks) * 3);
        for (int epoch = 0; epoch < 2; epoch++) {
            size_t together = 0;
            memset(marks, 0, sizeof marks);
            assert_int_equal(shuffle_next(s, rows, N, &e), 0);
            for (size_t u = 0; u < N; u++) {
                size_t name = (size_t)rows[2 * u] / 2;
                assert_true(rows[2 * u + 1] == rows[2 * u] + 1);
                assert_int_equal(marks[name]++, 0);
                together += u > 0 &&
                            name / PARTS == (size_t)rows[2 * u - 2] / 2 / PARTS;
            }
            assert_true(together < N / 20);
        }
        shuffle_close(&s);
        row_set_free(&all);
        close_rows(&d);
    }
}

/* A row is what its head adds to the residual stream: z_h·W_O[h], computed here
 * in another way. A dump without W_O is refused. */
static void results_are_z_times_w_o(void **state)
{
    (void)state;
    enum { TOKENS = 90, HEADS = 2, WIDE = 3, MODEL = 5, LAYERS = 2 };
    static float z[LAYERS][TOKENS * HEADS * WIDE];
    static float w_o[LAYERS][HEADS * WIDE * MODEL];
    static float rows[TOKENS * LAYERS * HEADS * MODEL];
    const float *const w[LAYERS] = {w_o[0], w_o[1]};
    const struct weights_source weights = {.w_o = w};
    const struct dump_info info = {.model = "m",
                                   .first_layer = 4,
                                   .layers = LAYERS,
                                   .heads = HEADS,
                                   .d_head = WIDE,
                                   .d_model = MODEL,
                                   .tokens = TOKENS,
                                   .dtype = DTYPE_F32,
                                   .bos = "never",
                                   .fold_value_biases = 0};
    static const int layers[] = {4, 5};
    static const int32_t ids[TOKENS];
    const char *path = "results.dump";
    const struct dump_options none = {0};
    struct dump_writer *writer;
    struct err e = {0};
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t i = 0; i < TOKENS * HEADS * WIDE; i++)
            z[l][i] = (float)((i * 7 + l) % 11) - 5;
        for (size_t i = 0; i < HEADS * WIDE * MODEL; i++)
            w_o[l][i] = (float)((i * 5 + l) % 7) - 3;
    }
    assert_int_equal(dump_writer_open(&writer, path, &info, false, &e), 0);
    assert_int_equal(dump_writer_tokens(writer, ids, NULL, &e), 0);
    assert_int_equal(dump_writer_weights(writer, &weights, &e), 0);
    for (int l = 0; l < LAYERS; l++)
        assert_int_equal(dump_writer_rows(writer, 4 + l, z[l], TOKENS, &e), 0);
    assert_int_equal(dump_writer_commit(&writer, &e), 0);
    struct dump *d;
    assert_int_equal(dump_open(&d, &path, 1, &none, &e), 0);
    assert_int_equal(view_of_heads(&view, d, layers, 2, NULL, 0, &e), 0);
    assert_int_equal(view_take_result(&view, &e), 0);
    assert_int_equal(view.width, MODEL);
    struct row_set all = all_rows(d);
    size_t n = TOKENS * LAYERS * HEADS;
    assert_int_equal(view_read(&view, &all, 0, n, rows, &e), 0);
    double sum[2] = {0, 0};
    for (size_t u = 0; u < n; u++) {
        size_t t = u / 4, l = u / 2 % 2, h = u % 2;
        for (size_t m = 0; m < MODEL; m++) {
            float want = 0;
            for (size_t j = 0; j < WIDE; j++)
                want += z[l][(t * HEADS + h) * WIDE + j] *
                        w_o[l][(h * WIDE + j) * MODEL + m];
            assert_true(rows[u * MODEL + m] == want);
            sum[0] += (double)want * (double)(m + 1);
        }
    }
    struct shuffle *s = open_shuffle(&all, 3, UINT64_MAX);
    assert_int_equal(shuffle_next(s, rows, n, &e), 0);
    for (size_t i = 0; i < n * MODEL; i++)
        sum[1] += (double)rows[i] * (double)(i % MODEL + 1);
    assert_true(sum[0] == sum[1]);
    shuffle_close(&s);
    row_set_free(&all);
    close_rows(&d);
    d = open_heads();
    assert_int_equal(view_of_heads(&view, d, (int[]){0}, 1, NULL, 0, &e), 0);
    assert_refused(view_take_result(&view, &e), &e, "holds no W_O");
    close_rows(&d);
}

/* What is marked is gone, and nothing else. */
static void marked_rows_are_left_out(void **state)
{
    (void)state;
    enum { ROWS = 1000 };
    static bool leave[ROWS];
    struct err e = {0};
    struct dump *d = open_rows(ROWS);
    struct row_set train, test;
    assert_int_equal(split_rows(&train, &test, d, 0.5, 2, &e), 0);
    uint64_t before = row_set_total(&train), gone = 0, run;
    for (size_t i = 0; i < ROWS; i++)
        leave[i] = i % 7 == 0 || (i > 500 && i < 520);
    for (uint64_t i = 0; i < before; i++)
        gone += leave[row_set_at(&train, i, &run)];
    assert_int_equal(row_set_leave_out(&train, leave, &e), 0);
    assert_int_equal(row_set_total(&train), before - gone);
    uint64_t last = 0;
    for (uint64_t i = 0; i < before - gone; i++) {
        uint64_t row = row_set_at(&train, i, &run);
        assert_false(leave[row]);
        assert_true(i == 0 || row > last);
        last = row;
    }
    row_set_free(&train);
    row_set_free(&test);
    close_rows(&d);
}

/* Closing does not wait until a reservoir is full that nobody needs any more:
 * it takes much less time than filling one. Every second row is left out, so
 * that each is read for itself, which takes its time. The least of some tries,
 * as other programs may be in the way. */
static void closing_does_not_wait(void **state)
{
    (void)state;
    enum { ROWS = 1 << 20, BLOCKS = ROWS / SHUFFLE_BLOCK_ROWS / 8 };
    const char *path = "many.npy";
    const struct dump_options o = {.layout = LAYOUT_TOKENS_D};
    const int64_t shape[] = {ROWS, 2};
    const struct timespec moment = {.tv_nsec = 2000000};
    struct err e = {0};
    float row[2], *values = calloc((size_t)ROWS * 2, sizeof *values);
    bool *leave = calloc(ROWS, sizeof *leave);
    double filling = INFINITY, closing = INFINITY;
    struct dump *d;
    assert_true(values != NULL && leave != NULL);
    assert_int_equal(npy_write(path, DTYPE_F32, shape, 2, values, &e), 0);
    assert_int_equal(dump_open(&d, &path, 1, &o, &e), 0);
    assert_int_equal(view_of_layer(&view, d, 0, NULL, 0, &e), 0);
    struct row_set rows = all_rows(d);
    for (size_t i = 1; i < ROWS; i += 2)
        leave[i] = true;
    assert_int_equal(row_set_leave_out(&rows, leave, &e), 0);
    for (int try = 0; try < 5; try++) {
        struct shuffle *s = open_shuffle(&rows, 1, memory_for(BLOCKS));
        assert_int_equal(shuffle_next(s, row, 1, &e), 0);
        filling = fmin(filling, shuffle_waited(s));
        (void)nanosleep(&moment, NULL); /* so that the other is begun */
        double begun = clock_seconds();
        shuffle_close(&s);
        closing = fmin(closing, clock_seconds() - begun);
    }
    if (!(closing < filling / 3))
        fail_msg("filling %g s, closing %g s", filling, closing);
    free(values);
    free(leave);
    row_set_free(&rows);
    close_rows(&d);
    assert_int_equal(remove(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_heads_stand_side_by_side),
        cmocka_unit_test(shared_heads_give_a_row_each),
        cmocka_unit_test(results_are_z_times_w_o),
        cmocka_unit_test(marked_rows_are_left_out),
        cmocka_unit_test(epochs_are_permutations),
        cmocka_unit_test(seeking_equals_reading),
        cmocka_unit_test(borders_are_exact),
        cmocka_unit_test(blocks_move_from_epoch_to_epoch),
        cmocka_unit_test(order_does_not_depend_on_the_pieces),
        cmocka_unit_test(a_large_reservoir_mixes_all),
        cmocka_unit_test(only_rows_of_the_set_come),
        cmocka_unit_test(bad_rows_are_named),
        cmocka_unit_test(closing_does_not_wait),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
