/* SPDX-License-Identifier: MIT */
#include "train/input.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/kernels.h"

/* Rows of one item of the statistics pass; so many items at most, evenly
 * spread, measure a million rows. */
enum { PIECE_ROWS = 1024, PIECES_MAX = 1024 };

/* Sums of one piece; each thread fills its own and the pieces are added in
 * order. */
struct piece {
    double *sum; /* (d) */
    double square;
    size_t rows;
    struct err err;
};

struct measuring {
    struct input *in;
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
    struct input *in = job->in;
    struct piece *p = &job->pieces[i];
    uint64_t total = row_set_total(&in->train);
    uint64_t first = spread(total, i, job->n_pieces);
    uint64_t end = spread(total, i + 1, job->n_pieces);
    size_t n = end - first < PIECE_ROWS ? (size_t)(end - first) : PIECE_ROWS;
    float *rows = malloc(n * in->d * sizeof *rows);
    if (rows == NULL) {
        (void)err_memory(&p->err, "statistics", n * in->d * sizeof *rows);
        return;
    }
    if (row_set_read(&in->train, in->dump, in->layer, first, n, rows,
                     &p->err) == 0) {
        for (size_t r = 0; r < n; r++) {
            p->square +=
                kernels.dot_double(rows + r * in->d, rows + r * in->d, in->d);
            for (size_t j = 0; j < in->d; j++)
                p->sum[j] += (double)rows[r * in->d + j];
        }
        p->rows = n;
    }
    free(rows);
}

static int add_pieces(struct input *in, const struct measuring *job,
                      double *sum, struct err *e)
{
    double square = 0;
    for (size_t i = 0; i < job->n_pieces; i++) {
        const struct piece *p = &job->pieces[i];
        if (p->err.code != 0)
            return err_set(e, p->err.code, "%s", p->err.msg);
        in->measured += p->rows;
        square += p->square;
        for (size_t j = 0; j < in->d; j++)
            sum[j] += p->sum[j];
    }
    double n = (double)in->measured, mean_square = 0;
    for (size_t j = 0; j < in->d; j++) {
        in->mean[j] = (float)(sum[j] / n);
        mean_square += sum[j] / n * (sum[j] / n);
    }
    double variance = square / n - mean_square;
    if (!(variance > 1e-12 * mean_square) || !(variance > 0))
        return err_set(e, ERR_INPUT,
                       "layer %d: all rows are the same; there is nothing to "
                       "learn",
                       in->layer);
    /* Beyond this range scaled rows and their squares leave float. */
    static const double scale_max = 1e15;
    in->scale = sqrt((double)in->d / variance);
    if (in->scale > scale_max || in->scale < 1 / scale_max)
        return err_set(e, ERR_INPUT,
                       "layer %d: rows have a standard deviation of %g; "
                       "rescale them to between 1e-15 and 1e15",
                       in->layer, sqrt(variance / (double)in->d));
    return 0;
}

static int measure(struct input *in, const struct team *team, struct err *e)
{
    struct arena temporary = {0};
    struct measuring job = {.in = in};
    uint64_t total = row_set_total(&in->train);
    uint64_t pieces = (total + PIECE_ROWS - 1) / PIECE_ROWS;
    job.n_pieces = pieces < PIECES_MAX ? (size_t)pieces : PIECES_MAX;
    double *sum = NULL;
    int code = arena_get(&temporary, &job.pieces, job.n_pieces,
                         sizeof *job.pieces, "statistics", e);
    if (code == 0)
        code = arena_get(&temporary, &sum, (job.n_pieces + 1) * in->d,
                         sizeof *sum, "statistics", e);
    if (code == 0) {
        for (size_t i = 0; i < job.n_pieces; i++)
            job.pieces[i].sum = sum + (i + 1) * in->d;
        team_run(team, measure_piece, &job, job.n_pieces);
        code = add_pieces(in, &job, sum, e);
    }
    arena_free(&temporary);
    return code;
}

static int read_sample(struct input *in, struct err *e)
{
    struct row_set sample = {0};
    int code = row_set_sample(&sample, &in->held_out, ROW_SET_SAMPLE, e);
    if (code == 0) {
        in->sample_rows = (size_t)row_set_total(&sample);
        code = arena_get(&in->arena, &in->sample, in->sample_rows * in->d,
                         sizeof *in->sample, "held-out rows", e);
    }
    if (code == 0)
        code = row_set_read(&sample, in->dump, in->layer, 0, in->sample_rows,
                            in->sample, e);
    row_set_free(&sample);
    return code;
}

static int open_input(struct input *in, double held_out, uint64_t seed,
                      const struct team *team, struct err *e)
{
    TRY(split_rows(&in->train, &in->held_out, in->dump, held_out, seed, e));
    TRY(arena_get(&in->arena, &in->mean, in->d, sizeof *in->mean, "mean", e));
    TRY(measure(in, team, e));
    return read_sample(in, e);
}

int input_open(struct input *in, const struct dump *dump, int layer,
               double held_out, uint64_t seed, const struct team *team,
               struct err *e)
{
    const struct dump_info *info = dump_info(dump);
    *in = (struct input){
        .dump = dump,
        .layer = layer,
        .d = (size_t)info->heads * (size_t)info->d_head,
    };
    int code = open_input(in, held_out, seed, team, e);
    if (code != 0)
        input_close(in);
    return code;
}

int input_shuffle(struct input *in, uint64_t seed, uint64_t memory,
                  struct err *e)
{
    return shuffle_open(&in->order, in->dump, in->layer, &in->train, seed,
                        memory, e);
}

void input_close(struct input *in)
{
    shuffle_close(&in->order);
    row_set_free(&in->train);
    row_set_free(&in->held_out);
    arena_free(&in->arena);
    *in = (struct input){0};
}

int input_next(struct input *in, float *out, size_t n, struct err *e)
{
    TRY(shuffle_next(in->order, out, n, e));
    kernels.scale(out, (float)in->scale, n * in->d);
    return 0;
}
