/* SPDX-License-Identifier: MIT */
#include "train/input_statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/output.h"
#include "kernels/kernels.h"

/* Beyond this the matrix takes more than half a gigabyte. */
enum { WIDTH_MAX = 8192 };

static const double active_share = 0.99;

static size_t count_active(const struct spectrum *s)
{
    size_t rank = 0;
    while (rank < s->d && spectrum_fvu(s, rank) > 1 - active_share)
        rank++;
    return rank;
}

int input_statistics_measure(struct input_statistics *s, const float *rows,
                             size_t n, size_t d, bool axes,
                             const struct team *team, struct err *e)
{
    struct covariance c;
    *s = (struct input_statistics){0};
    if (d > WIDTH_MAX && axes)
        return err_set(e, ERR_INPUT,
                       "--init active: rows of %zu numbers; at most %d", d,
                       WIDTH_MAX);
    if (d > WIDTH_MAX)
        return 0;
    s->rows = n;
    int code = covariance_init(&c, d, e);
    if (code == 0) {
        covariance_add(&c, team, rows, n);
        code = axes ? covariance_axes(&s->spectrum, &c, e)
                    : covariance_spectrum(&s->spectrum, &c, e);
    }
    if (code == 0)
        s->active = count_active(&s->spectrum);
    covariance_free(&c);
    return code;
}

void input_statistics_free(struct input_statistics *s)
{
    spectrum_free(&s->spectrum);
    *s = (struct input_statistics){0};
}

/* ---- the start ---- */

struct confining {
    const struct input_statistics *s;
    struct parameters *p;
    float *scratch; /* (threads, d) */
};

static void confine_row(void *ctx, size_t i, int thread)
{
    const struct confining *c = ctx;
    size_t d = c->p->d;
    float *row = c->p->w_dec.w + i * d, *sum = c->scratch + (size_t)thread * d;
    memset(sum, 0, d * sizeof *sum);
    for (size_t a = 0; a < c->s->active; a++) {
        const float *axis = c->s->spectrum.axis + a * d;
        kernels.add_scaled(sum, kernels.dot(axis, row, d), axis, d);
    }
    double length = sqrt(kernels.dot_double(sum, sum, d));
    if (!(length > 0))
        return;
    kernels.scale(sum, (float)(1 / length), d);
    memcpy(row, sum, d * sizeof *row);
    memcpy(c->p->w_enc.w + i * d, sum, d * sizeof *sum);
}

int input_statistics_confine(const struct input_statistics *s,
                             struct parameters *p, const struct team *team,
                             struct err *e)
{
    if (s->spectrum.axis == NULL)
        return 0;
    size_t size = (size_t)team->threads * p->d * sizeof(float);
    struct confining c = {s, p, malloc(size)};
    if (c.scratch == NULL)
        return err_memory(e, "axes", size);
    team_run(team, confine_row, &c, p->m);
    free(c.scratch);
    return 0;
}

/* ---- input.json ---- */

static json_t *spectrum_json(const struct spectrum *s)
{
    json_t *values = json_array();
    for (size_t i = 0; i < s->d; i++)
        (void)json_array_append_new(values, json_figure(s->value[i]));
    return values;
}

int input_statistics_write(const struct input_statistics *s,
                           const struct input *in, const char *folder,
                           struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    const struct reading *r = in->reading;
    const struct spectrum *v = &s->spectrum;
    TRY(output_join(path, folder, "input.json", e));
    json_t *mean = json_array();
    for (size_t j = 0; j < in->d; j++)
        (void)json_array_append_new(
            mean, json_figure(r->sum[in->first + j] / (double)r->measured));
    json_t *root = json_pack(
        "{s:I, s:f, s:o, s:I, s:o, s:o, s:I, s:o}", "rows",
        (json_int_t)r->measured, "scale", in->scale, "mean", mean,
        "spectrum_rows", (json_int_t)s->rows, "effective_rank",
        json_figure(spectrum_effective_rank(v)), "participation_ratio",
        json_figure(spectrum_participation(v)), "active_dimensions",
        (json_int_t)s->active, "spectrum", spectrum_json(v));
    if (root == NULL)
        return err_memory(e, "input.json", 0);
    int code = json_write(path, root, e);
    json_decref(root);
    return code;
}
