/* SPDX-License-Identifier: MIT */
#include "train/curve.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/least.h"
#include "base/output.h"
#include "kernels/kernels.h"

enum {
    ROWS_MIN = 256, /* behind a figure */
    ROWS_MAX = 4096,
    SHARE = 32, /* one of so many rows between two points */
};

/* ---- the rows ---- */

/* *n of `count` raw rows, evenly spread and scaled. */
static int take_rows(struct curve *c, float **out, size_t *n,
                     const struct input *in, const float *rows, size_t count,
                     struct err *e)
{
    size_t d = in->d;
    *n = least(*n, count);
    TRY(arena_get(&c->arena, out, *n * d, sizeof **out, "rows of the curve",
                  e));
    for (size_t i = 0; i < *n; i++)
        memcpy(*out + i * d, rows + i * count / *n * d, d * sizeof **out);
    kernels.scale(*out, (float)in->scale, *n * d);
    return 0;
}

size_t curve_rows(uint64_t every, size_t batch)
{
    uint64_t share = every * batch / SHARE;
    size_t rows = share < ROWS_MAX ? (size_t)share : ROWS_MAX;
    return least(rows > ROWS_MIN ? rows : ROWS_MIN, batch);
}

int curve_init(struct curve *c, const struct input *in, const float *training,
               size_t n, size_t rows, struct err *e)
{
    *c = (struct curve){.rows = rows, .train_rows = rows};
    int code = take_rows(c, &c->held_out, &c->rows, in, in->sample,
                         in->sample_rows, e);
    if (code == 0)
        code = take_rows(c, &c->train, &c->train_rows, in, training, n, e);
    if (code != 0)
        curve_free(c);
    return code;
}

void curve_free(struct curve *c)
{
    if (c->file != NULL)
        (void)fclose(c->file);
    metrics_free(&c->figures);
    arena_free(&c->arena);
    *c = (struct curve){0};
}

/* ---- metrics.jsonl ---- */

static int open_file(struct curve *c, const char *path, const char *mode,
                     struct err *e)
{
    c->file = fopen(path, mode);
    return c->file == NULL ? err_errno(e, "cannot write %s", path) : 0;
}

int curve_begin(struct curve *c, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "metrics.jsonl", e));
    return open_file(c, path, "wb", e);
}

static int copy(struct curve *c, const char *path, const char *old,
                uint64_t bytes, struct err *e)
{
    FILE *f = fopen(old, "rb");
    if (f == NULL)
        return err_errno(e, "cannot read %s", old);
    int code = open_file(c, path, "wb", e);
    for (uint64_t i = 0; code == 0 && i < bytes; i++) {
        int byte = fgetc(f);
        if (byte == EOF)
            code =
                err_set(e, ERR_INPUT, "%s is shorter than its checkpoint", old);
        else if (fputc(byte, c->file) == EOF)
            code = err_errno(e, "cannot write %s", path);
    }
    (void)fclose(f);
    return code;
}

int curve_go_on(struct curve *c, const char *folder, const char *from,
                uint64_t bytes, struct err *e)
{
    char path[OUTPUT_PATH_MAX], old[OUTPUT_PATH_MAX];
    struct stat st;
    TRY(output_join(path, folder, "metrics.jsonl", e));
    TRY(output_join(old, from, "metrics.jsonl", e));
    if (stat(old, &st) != 0)
        return err_errno(e, "cannot examine %s", old);
    if (st.st_size < (off_t)bytes)
        return err_set(e, ERR_INPUT, "%s is shorter than its checkpoint", old);
    if (strcmp(from, folder) != 0)
        return copy(c, path, old, bytes, e);
    if (truncate(path, (off_t)bytes) != 0)
        return err_errno(e, "cannot cut %s back", path);
    return open_file(c, path, "ab", e);
}

int curve_sync(struct curve *c, uint64_t *bytes, struct err *e)
{
    if (fflush(c->file) != 0 || fsync(fileno(c->file)) != 0)
        return err_errno(e, "cannot write metrics.jsonl");
    long at = ftell(c->file);
    if (at < 0)
        return err_errno(e, "cannot write metrics.jsonl");
    *bytes = (uint64_t)at;
    return 0;
}

int curve_end(struct curve *c, struct err *e)
{
    FILE *f = c->file;
    c->file = NULL;
    return fclose(f) != 0 ? err_errno(e, "cannot write metrics.jsonl") : 0;
}

/* ---- measuring ---- */

/* The figures of rows (n, d); the caller's metrics_free on success. */
static int measure(struct metrics *q, const float *rows, size_t n,
                   struct step *s, const struct step_plan *plan, size_t heads,
                   struct err *e)
{
    struct step_result result;
    const struct parameters *p = s->p;
    const struct sae sae = {
        .d = p->d, .m = p->m, .w_dec = p->w_dec.w, .b_dec = p->b_dec.w};
    TRY(step_forward(s, rows, n, plan, &result, e));
    codes_drop_zeros(&s->codes);
    int code = metrics_init(q, p->d, p->m, heads, e);
    if (code == 0)
        code = metrics_add(q, &sae, s->team, rows, &s->codes, e);
    if (code != 0)
        metrics_free(q);
    return code;
}

int curve_measure(struct curve *c, struct step *s, const struct step_plan *plan,
                  size_t heads, struct err *e)
{
    struct metrics train;
    metrics_free(&c->figures);
    TRY(measure(&c->figures, c->held_out, c->rows, s, plan, heads, e));
    TRY(measure(&train, c->train, c->train_rows, s, plan, 1, e));
    c->train_fvu = metrics_fvu(&train);
    metrics_free(&train);
    return 0;
}
