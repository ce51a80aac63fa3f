/* SPDX-License-Identifier: MIT */
#include "train/leave_out.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { TOKENS = 256 };

/* Marks of all tokens of the dump: those to be left out. */
struct marks {
    bool *out;    /* [tokens] */
    double *norm; /* [tokens] of training or held-out rows */
};

static int mark_first_tokens(struct marks *m, const struct dump *d,
                             struct err *e)
{
    const int64_t *contexts = dump_contexts(d);
    const struct dump_info *info = dump_info(d);
    if (contexts == NULL)
        return err_set(e, ERR_INPUT,
                       "%s: without contexts nobody knows where BOS stands; "
                       "leave --skip-bos away or give --token-ids with two "
                       "axes",
                       info->path);
    for (uint64_t c = 0; c < info->contexts; c++)
        if (contexts[c] < contexts[c + 1])
            m->out[contexts[c]] = true;
    return 0;
}

/* Squared norms of the tokens of one set in one layer, all heads, added under
 * their numbers in the dump. */
static int add_squares(struct marks *m, const struct reading *r, int layer,
                       const struct row_set *s, struct err *e)
{
    const struct dump_info *info = dump_info(r->dump);
    size_t each = (size_t)info->heads * (size_t)info->d_head;
    float *rows = malloc(TOKENS * each * sizeof *rows);
    if (rows == NULL)
        return err_memory(e, "norms", TOKENS * each * sizeof *rows);
    int code = 0;
    uint64_t total = row_set_total(s);
    for (uint64_t t = 0; code == 0 && t < total; t += TOKENS) {
        size_t n = total - t < TOKENS ? (size_t)(total - t) : TOKENS;
        code = row_set_read(s, r->dump, layer, t, n, rows, e);
        for (size_t i = 0; code == 0 && i < n; i++) {
            uint64_t run;
            const float *row = rows + i * each;
            m->norm[row_set_at(s, t + i, &run)] +=
                kernels.dot_double(row, row, each);
        }
    }
    free(rows);
    return code;
}

/* Over all heads of the layers read, so that the same tokens are left out
 * whichever heads are trained on. */
static int measure_norms(struct marks *m, const struct reading *r,
                         struct err *e)
{
    for (size_t l = 0; l < r->view->layers; l++) {
        TRY(add_squares(m, r, r->view->layer[l], &r->train, e));
        TRY(add_squares(m, r, r->view->layer[l], &r->held_out, e));
    }
    for (uint64_t i = 0; i < dump_info(r->dump)->tokens; i++)
        m->norm[i] = sqrt(m->norm[i]);
    return 0;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int median_norm(double *out, const struct marks *m,
                       const struct row_set *s, struct err *e)
{
    uint64_t n = row_set_total(s), run;
    double *sorted = malloc(n * sizeof *sorted);
    if (sorted == NULL)
        return err_memory(e, "norms", n * sizeof *sorted);
    for (uint64_t i = 0; i < n; i++)
        sorted[i] = m->norm[row_set_at(s, i, &run)];
    qsort(sorted, n, sizeof *sorted, rising);
    *out = sorted[n / 2];
    free(sorted);
    return 0;
}

static int mark_outliers(struct marks *m, const struct reading *r, double times,
                         struct err *e)
{
    double median = 0;
    TRY(measure_norms(m, r, e));
    TRY(median_norm(&median, m, &r->train, e));
    for (uint64_t i = 0; i < dump_info(r->dump)->tokens; i++)
        m->out[i] |= m->norm[i] > times * median;
    return 0;
}

static int apply(struct reading *r, const struct marks *m, struct err *e)
{
    uint64_t before = row_set_total(&r->train) + row_set_total(&r->held_out);
    TRY(row_set_leave_out(&r->train, m->out, e));
    TRY(row_set_leave_out(&r->held_out, m->out, e));
    r->left_out =
        before - row_set_total(&r->train) - row_set_total(&r->held_out);
    if (row_set_total(&r->train) == 0 || row_set_total(&r->held_out) == 0)
        return err_set(e, ERR_INPUT,
                       "%s: of %" PRIu64 " rows %" PRIu64
                       " are left out, and none is left for %s; see --skip-bos "
                       "and --skip-outliers",
                       dump_info(r->dump)->path, before, r->left_out,
                       row_set_total(&r->train) == 0 ? "training"
                                                     : "measuring");
    return 0;
}

int leave_out(struct reading *r, const struct reading_options *o, struct err *e)
{
    if (!o->skip_bos && o->skip_outliers == 0)
        return 0;
    struct arena scratch = {0};
    struct marks m;
    uint64_t tokens = dump_info(r->dump)->tokens;
    int code = arena_get(&scratch, &m.out, tokens, sizeof *m.out, "marks", e);
    if (code == 0)
        code = arena_get(&scratch, &m.norm, tokens, sizeof *m.norm, "norms", e);
    if (code == 0 && o->skip_bos)
        code = mark_first_tokens(&m, r->dump, e);
    if (code == 0 && o->skip_outliers > 0)
        code = mark_outliers(&m, r, o->skip_outliers, e);
    if (code == 0)
        code = apply(r, &m, e);
    arena_free(&scratch);
    return code;
}
