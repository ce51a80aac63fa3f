/* SPDX-License-Identifier: MIT */
#include "dump/split.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/rng.h"

/* Rows that stand in for a context where there are none, or only one, and
 * those of a sample that lie together. */
enum { BLOCK_ROWS = 256 };

/* What is drawn: contexts, or blocks of rows. */
struct units {
    const int64_t *contexts; /* NULL: blocks */
    uint64_t n, tokens;
};

static struct units units_of(const struct dump *d)
{
    const struct dump_info *info = dump_info(d);
    struct units u = {dump_contexts(d), info->contexts, info->tokens};
    if (u.contexts == NULL || u.n == 1) {
        u.contexts = NULL;
        u.n = (u.tokens - 1) / BLOCK_ROWS + 1;
    }
    return u;
}

/* Where unit i begins; i = n gives the number of rows. */
static uint64_t unit_start(const struct units *u, uint64_t i)
{
    if (u->contexts != NULL)
        return (uint64_t)u->contexts[i];
    return i == u->n ? u->tokens : i * BLOCK_ROWS;
}

/* How many of n to hold out: a share above 0 means at least one. */
static int count_held_out(uint64_t *count, const struct units *u, double share,
                          struct err *e)
{
    assert(share >= 0 && share < 1);
    *count = (uint64_t)llround(share * (double)u->n);
    if (share > 0 && *count == 0)
        *count = 1;
    if (*count < u->n)
        return 0;
    const char *what =
        u->contexts != NULL ? "contexts" : "blocks of 256 tokens";
    return err_set(e, ERR_INPUT,
                   "holding out %g of %" PRIu64
                   " %s leaves none to train on; hold out less, or give more",
                   share, u->n, what);
}

/* Marks `count` of the units, drawn by seed. */
static int draw(bool *held_out, uint64_t n, uint64_t count, uint64_t seed,
                struct err *e)
{
    struct arena scratch = {0};
    uint64_t *order;
    int code = arena_get(&scratch, &order, n, sizeof *order, "split", e);
    if (code == 0) {
        struct rng r = rng_at(seed, RNG_SPLIT, 0);
        rng_permutation(&r, order, n);
        for (uint64_t i = 0; i < count; i++)
            held_out[order[i]] = true;
    }
    arena_free(&scratch);
    return code;
}

/* The units whose mark is `want`; neighbours become one range. */
static int make_set(struct row_set *s, const struct units *u,
                    const bool *held_out, bool want, struct err *e)
{
    size_t ranges = 0;
    for (uint64_t i = 0; i < u->n; i++)
        ranges += held_out[i] == want && (i == 0 || held_out[i - 1] != want);
    TRY(arena_get(&s->arena, &s->first, ranges, sizeof *s->first, "rows", e));
    TRY(arena_get(&s->arena, &s->before, ranges + 1, sizeof *s->before, "rows",
                  e));
    for (uint64_t i = 0; i < u->n; i++) {
        if (held_out[i] != want)
            continue;
        if (i == 0 || held_out[i - 1] != want) {
            s->first[s->n++] = unit_start(u, i);
            s->before[s->n] = s->before[s->n - 1];
        }
        s->before[s->n] += unit_start(u, i + 1) - unit_start(u, i);
    }
    return 0;
}

int split_rows(struct row_set *train, struct row_set *test,
               const struct dump *d, double held_out, uint64_t seed,
               struct err *e)
{
    struct arena scratch = {0};
    struct units u = units_of(d);
    uint64_t count;
    bool *marks;
    *train = *test = (struct row_set){0};
    TRY(count_held_out(&count, &u, held_out, e));
    int code = arena_get(&scratch, &marks, u.n, sizeof *marks, "split", e);
    if (code == 0)
        code = draw(marks, u.n, count, seed, e);
    if (code == 0)
        code = make_set(train, &u, marks, false, e);
    if (code == 0)
        code = make_set(test, &u, marks, true, e);
    arena_free(&scratch);
    if (code != 0) {
        row_set_free(train);
        row_set_free(test);
    }
    return code;
}

void row_set_free(struct row_set *s)
{
    arena_free(&s->arena);
    *s = (struct row_set){0};
}

/* Stretches of rows that stay; fills *to where it is not NULL. */
static size_t stretches(struct row_set *to, const struct row_set *s,
                        const bool *leave)
{
    size_t n = 0;
    for (size_t r = 0; r < s->n; r++) {
        uint64_t count = s->before[r + 1] - s->before[r];
        for (uint64_t i = 0; i < count; i++) {
            uint64_t row = s->first[r] + i;
            if (leave[row])
                continue;
            bool begins = i == 0 || leave[row - 1];
            if (begins && to != NULL) {
                to->first[n] = row;
                to->before[n + 1] = to->before[n];
            }
            n += begins;
            if (to != NULL)
                to->before[n]++;
        }
    }
    return n;
}

int row_set_leave_out(struct row_set *s, const bool *leave, struct err *e)
{
    struct row_set kept = {.n = stretches(NULL, s, leave)};
    int code = arena_get(&kept.arena, &kept.first, kept.n, sizeof *kept.first,
                         "rows", e);
    if (code == 0)
        code = arena_get(&kept.arena, &kept.before, kept.n + 1,
                         sizeof *kept.before, "rows", e);
    if (code != 0) {
        row_set_free(&kept);
        return code;
    }
    (void)stretches(&kept, s, leave);
    row_set_free(s);
    *s = kept;
    return 0;
}

uint64_t row_set_total(const struct row_set *s)
{
    return s->before[s->n];
}

uint64_t row_set_at(const struct row_set *s, uint64_t i, uint64_t *run)
{
    size_t low = 0, high = s->n;
    assert(i < row_set_total(s));
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->before[middle] <= i)
            low = middle;
        else
            high = middle;
    }
    *run = s->before[low + 1] - i;
    return s->first[low] + (i - s->before[low]);
}

/* Rows [at, at + n) of a set behind those that *out has. */
static void append_rows(struct row_set *out, const struct row_set *in,
                        uint64_t at, uint64_t n)
{
    while (n > 0) {
        uint64_t run, row = row_set_at(in, at, &run);
        uint64_t rows = run < n ? run : n;
        out->first[out->n++] = row;
        out->before[out->n] = out->before[out->n - 1] + rows;
        at += rows;
        n -= rows;
    }
}

int row_set_sample(struct row_set *out, const struct row_set *in, uint64_t rows,
                   struct err *e)
{
    uint64_t total = row_set_total(in);
    uint64_t block = rows < BLOCK_ROWS ? rows : BLOCK_ROWS;
    uint64_t pieces = rows / block;
    if (total <= rows) {
        pieces = 1;
        block = total;
    }
    *out = (struct row_set){0};
    /* Each gap of the set divides one piece at most. */
    size_t ranges = (size_t)pieces + in->n;
    int code = arena_get(&out->arena, &out->first, ranges, sizeof *out->first,
                         "rows", e);
    if (code == 0)
        code = arena_get(&out->arena, &out->before, ranges + 1,
                         sizeof *out->before, "rows", e);
    if (code != 0) {
        row_set_free(out);
        return code;
    }
    for (uint64_t i = 0; i < pieces; i++)
        append_rows(out, in, (uint64_t)((unsigned __int128)total * i / pieces),
                    block);
    return 0;
}

int row_set_read(const struct row_set *s, const struct dump *d, int layer,
                 uint64_t first, size_t n, float *out, struct err *e)
{
    const struct dump_info *info = dump_info(d);
    size_t width = (size_t)info->heads * (size_t)info->d_head;
    while (n > 0) {
        uint64_t run, row = row_set_at(s, first, &run);
        size_t rows = run < n ? (size_t)run : n;
        TRY(dump_read(d, layer, row, rows, out, e));
        out += rows * width;
        first += rows;
        n -= rows;
    }
    return 0;
}
