/* SPDX-License-Identifier: MIT */
#include "lens/predictions.h"

#include <math.h>

#include "base/least.h"

int predictions_init(struct predictions *p, const struct gpt2 *model,
                     struct arena *arena, struct err *e)
{
    size_t vocab = (size_t)model->config.vocab;
    p->model = model;
    TRY(arena_get(arena, &p->logits, PREDICTIONS_ROWS * vocab,
                  sizeof *p->logits, "logits", e));
    return arena_get(arena, &p->other, PREDICTIONS_ROWS * vocab,
                     sizeof *p->other, "logits", e);
}

double predictions_log_sum(const float *logits, size_t n)
{
    float most = logits[0];
    for (size_t i = 1; i < n; i++)
        most = logits[i] > most ? logits[i] : most;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(logits[i] - most);
    return (double)most + log(sum);
}

/* Whether row r is not its context's last; *next is then the token behind. */
struct rows {
    const struct gpt2_batch *batch;
    size_t context; /* of the row asked for last */
};

static bool next_token(struct rows *rows, size_t r, int32_t *next)
{
    const struct gpt2_batch *b = rows->batch;
    int64_t at = b->starts[0] + (int64_t)r;
    while (at >= b->starts[rows->context + 1])
        rows->context++;
    if (at + 1 == b->starts[rows->context + 1])
        return false;
    *next = b->ids[at + 1];
    return true;
}

double predictions_loss(struct predictions *p, const struct runner_group *g,
                        const float *x)
{
    size_t n = gpt2_batch_rows(&g->batch), left;
    size_t d = (size_t)p->model->config.d_model;
    size_t vocab = (size_t)p->model->config.vocab;
    struct rows rows = {&g->batch, 0};
    int32_t next;
    double sum = 0;
    for (size_t first = 0; first < n; first += left) {
        left = least(PREDICTIONS_ROWS, n - first);
        gpt2_logits(p->model, g->workspace, p->logits, x + first * d, left);
        for (size_t r = 0; r < left; r++) {
            const float *logits = p->logits + r * vocab;
            if (next_token(&rows, first + r, &next))
                sum +=
                    predictions_log_sum(logits, vocab) - (double)logits[next];
        }
    }
    return sum;
}

double predictions_divergence(const float *p, double log_p, const float *q,
                              double log_q, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double ln_p = (double)p[i] - log_p;
        sum += (double)expf((float)ln_p) * (ln_p - ((double)q[i] - log_q));
    }
    return sum;
}

/* Rows [first, first + n) of one other stream, beside p->other, whose rows' log
 * sums are log_was. */
static void compare_rows(struct predictions *p, const struct runner_group *g,
                         struct rows rows, const double *log_was,
                         const float *x, size_t first, size_t n,
                         struct prediction_sums *sums)
{
    size_t d = (size_t)p->model->config.d_model;
    size_t vocab = (size_t)p->model->config.vocab;
    int32_t next;
    gpt2_logits(p->model, g->workspace, p->logits, x + first * d, n);
    for (size_t r = 0; r < n; r++) {
        if (!next_token(&rows, first + r, &next))
            continue;
        const float *is = p->logits + r * vocab, *was = p->other + r * vocab;
        double log_is = predictions_log_sum(is, vocab);
        sums->loss += log_is - (double)is[next];
        sums->kl += predictions_divergence(was, log_was[r], is, log_is, vocab);
    }
}

void predictions_compare(struct predictions *p, const struct runner_group *g,
                         const float *clean, float *const *x, size_t n,
                         struct prediction_sums *sums)
{
    size_t rows = gpt2_batch_rows(&g->batch), left;
    size_t d = (size_t)p->model->config.d_model;
    size_t vocab = (size_t)p->model->config.vocab;
    const struct rows from = {&g->batch, 0};
    double log_was[PREDICTIONS_ROWS];
    for (size_t first = 0; first < rows; first += left) {
        left = least(PREDICTIONS_ROWS, rows - first);
        gpt2_logits(p->model, g->workspace, p->other, clean + first * d, left);
        for (size_t r = 0; r < left; r++)
            log_was[r] = predictions_log_sum(p->other + r * vocab, vocab);
        for (size_t i = 0; i < n; i++)
            compare_rows(p, g, from, log_was, x[i], first, left, &sums[i]);
    }
}
