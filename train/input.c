/* SPDX-License-Identifier: MIT */
#include "train/input.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

static int measure(struct input *in, struct err *e)
{
    const struct reading *r = in->reading;
    double n = (double)r->measured, square = 0, mean_square = 0;
    TRY(arena_get(&in->arena, &in->mean, in->d, sizeof *in->mean, "mean", e));
    for (size_t j = 0; j < in->d; j++) {
        double mean = r->sum[in->first + j] / n;
        in->mean[j] = (float)mean;
        mean_square += mean * mean;
        square += r->square[in->first + j] / n;
    }
    double variance = square - mean_square;
    if (!(variance > 1e-12 * mean_square) || !(variance > 0))
        return err_set(e, ERR_INPUT,
                       "layer %d: all rows are the same; there is nothing to "
                       "learn",
                       r->view->layer[0]);
    /* Beyond this range scaled rows and their squares leave float. */
    static const double scale_max = 1e15;
    in->variance = variance;
    in->scale = sqrt((double)in->d / variance);
    if (in->scale > scale_max || in->scale < 1 / scale_max)
        return err_set(e, ERR_INPUT,
                       "layer %d: rows have a standard deviation of %g; "
                       "rescale them to between 1e-15 and 1e15",
                       r->view->layer[0], sqrt(variance / (double)in->d));
    return 0;
}

static int take_sample(struct input *in, struct err *e)
{
    const struct reading *r = in->reading;
    size_t width = r->view->width;
    in->sample_rows = r->sample_rows;
    if (in->d == width) {
        in->sample = r->sample;
        return 0;
    }
    TRY(arena_get(&in->arena, &in->sample, in->sample_rows * in->d,
                  sizeof *in->sample, "held-out rows", e));
    for (size_t i = 0; i < in->sample_rows; i++)
        memcpy(in->sample + i * in->d, r->sample + i * width + in->first,
               in->d * sizeof *in->sample);
    return 0;
}

int input_open(struct input *in, const struct reading *r, size_t first,
               size_t d, struct err *e)
{
    *in = (struct input){.reading = r, .first = first, .d = d};
    int code = measure(in, e);
    if (code == 0)
        code = take_sample(in, e);
    if (code != 0)
        input_close(in);
    return code;
}

void input_close(struct input *in)
{
    arena_free(&in->arena);
    *in = (struct input){0};
}

void input_take(const struct input *in, float *out, const float *rows, size_t n)
{
    size_t width = in->reading->view->width;
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * in->d, rows + i * width + in->first,
               in->d * sizeof *out);
    kernels.scale(out, (float)in->scale, n * in->d);
}

int input_training_sample(float **out, size_t *n, const struct input *in,
                          struct arena *arena, struct err *e)
{
    const struct reading *r = in->reading;
    const struct view *v = r->view;
    struct row_set tokens = {0};
    float *rows;
    uint64_t want = in->sample_rows / v->parts;
    TRY(row_set_sample(&tokens, &r->train, want > 0 ? want : 1, e));
    *n = (size_t)view_rows(v, &tokens);
    int code = arena_get(arena, &rows, *n * v->width, sizeof *rows,
                         "training rows", e);
    if (code == 0)
        code =
            arena_get(arena, out, *n * in->d, sizeof **out, "training rows", e);
    if (code == 0)
        code = view_read(v, &tokens, 0, *n, rows, e);
    row_set_free(&tokens);
    for (size_t i = 0; code == 0 && i < *n; i++)
        memcpy(*out + i * in->d, rows + i * v->width + in->first,
               in->d * sizeof **out);
    return code;
}
