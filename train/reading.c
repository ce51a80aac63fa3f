/* SPDX-License-Identifier: MIT */
#include "train/reading.h"

#include <stdlib.h>

#include "kernels/kernels.h"
#include "train/leave_out.h"

/* Rows of one item of the statistics pass; so many items at most, evenly
 * spread, measure a million rows. */
enum { PIECE_ROWS = 1024, PIECES_MAX = 1024 };

/* Sums of one piece; each thread fills its own and the pieces are added in
 * order. */
struct piece {
    double *sum, *square; /* (width) */
    size_t rows;
    struct err err;
};

struct measuring {
    struct reading *r;
    struct piece *pieces;
    size_t n_pieces;
};

/* Where piece i of n lies when `total` rows are cut evenly. */
static uint64_t spread(uint64_t total, size_t i, size_t n)
{
    return (uint64_t)((unsigned __int128)total * i / n);
}

static void measure_piece(void *ctx, size_t i, int thread)
{
    (void)thread;
    const struct measuring *job = ctx;
    const struct reading *r = job->r;
    struct piece *p = &job->pieces[i];
    size_t width = r->view->width;
    uint64_t total = view_rows(r->view, &r->train);
    uint64_t first = spread(total, i, job->n_pieces);
    uint64_t end = spread(total, i + 1, job->n_pieces);
    size_t n = end - first < PIECE_ROWS ? (size_t)(end - first) : PIECE_ROWS;
    float *rows = malloc(n * width * sizeof *rows);
    if (rows == NULL) {
        (void)err_memory(&p->err, "statistics", n * width * sizeof *rows);
        return;
    }
    if (view_read(r->view, &r->train, first, n, rows, &p->err) == 0) {
        for (size_t k = 0; k < n * width; k++) {
            double x = (double)rows[k];
            p->sum[k % width] += x;
            p->square[k % width] += x * x;
        }
        p->rows = n;
    }
    free(rows);
}

static int add_pieces(struct reading *r, const struct measuring *job,
                      struct err *e)
{
    for (size_t i = 0; i < job->n_pieces; i++) {
        const struct piece *p = &job->pieces[i];
        if (p->err.code != 0)
            return err_set(e, p->err.code, "%s", p->err.msg);
        r->measured += p->rows;
        for (size_t j = 0; j < r->view->width; j++) {
            r->sum[j] += p->sum[j];
            r->square[j] += p->square[j];
        }
    }
    return 0;
}

static int measure(struct reading *r, const struct team *team, struct err *e)
{
    struct arena temporary = {0};
    struct measuring job = {.r = r};
    size_t width = r->view->width;
    uint64_t total = view_rows(r->view, &r->train);
    uint64_t pieces = (total + PIECE_ROWS - 1) / PIECE_ROWS;
    job.n_pieces = pieces < PIECES_MAX ? (size_t)pieces : PIECES_MAX;
    double *sum = NULL;
    int code = arena_get(&temporary, &job.pieces, job.n_pieces,
                         sizeof *job.pieces, "statistics", e);
    if (code == 0)
        code = arena_get(&temporary, &sum, 2 * job.n_pieces * width,
                         sizeof *sum, "statistics", e);
    for (size_t i = 0; code == 0 && i < job.n_pieces; i++) {
        job.pieces[i].sum = sum + 2 * i * width;
        job.pieces[i].square = sum + (2 * i + 1) * width;
    }
    if (code == 0) {
        team_run(team, measure_piece, &job, job.n_pieces);
        code = add_pieces(r, &job, e);
    }
    arena_free(&temporary);
    return code;
}

static int read_sample(struct reading *r, struct err *e)
{
    struct row_set tokens = {0};
    uint64_t most = ROW_SET_SAMPLE / r->view->parts;
    int code = row_set_sample(&tokens, &r->held_out, most > 0 ? most : 1, e);
    if (code == 0) {
        r->sample_rows = (size_t)view_rows(r->view, &tokens);
        code = arena_get(&r->arena, &r->sample, r->sample_rows * r->view->width,
                         sizeof *r->sample, "held-out rows", e);
    }
    if (code == 0)
        code = view_read(r->view, &tokens, 0, r->sample_rows, r->sample, e);
    row_set_free(&tokens);
    return code;
}

static int open_reading(struct reading *r, const struct reading_options *o,
                        const struct team *team, struct err *e)
{
    size_t width = r->view->width;
    TRY(reading_split(r, r->view, o, e));
    TRY(arena_get(&r->arena, &r->sum, width, sizeof *r->sum, "mean", e));
    TRY(arena_get(&r->arena, &r->square, width, sizeof *r->square, "mean", e));
    TRY(measure(r, team, e));
    TRY(read_sample(r, e));
    return shuffle_open(&r->order, r->view, &r->train, o->seed, o->memory, e);
}

int reading_split(struct reading *r, const struct view *view,
                  const struct reading_options *o, struct err *e)
{
    *r = (struct reading){.dump = view->dump, .view = view};
    int code =
        split_rows(&r->train, &r->held_out, r->dump, o->held_out, o->seed, e);
    if (code == 0)
        code = leave_out(r, o, e);
    if (code != 0)
        reading_close(r);
    return code;
}

int reading_open(struct reading *r, const struct view *view,
                 const struct reading_options *o, const struct team *team,
                 struct err *e)
{
    r->view = view;
    int code = open_reading(r, o, team, e);
    if (code != 0)
        reading_close(r);
    return code;
}

void reading_close(struct reading *r)
{
    shuffle_close(&r->order);
    row_set_free(&r->train);
    row_set_free(&r->held_out);
    arena_free(&r->arena);
    *r = (struct reading){0};
}

int reading_next(struct reading *r, float *out, size_t n, struct err *e)
{
    return shuffle_next(r->order, out, n, e);
}
