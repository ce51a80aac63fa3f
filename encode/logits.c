/* SPDX-License-Identifier: MIT */
#include "encode/logits.h"

#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "base/interrupt.h"
#include "base/progress.h"
#include "dump/weights.h"
#include "encode/best.h"

/* Features of an item of work; rows of W_O of one; and tokens of a panel, which
 * all items share. A tile fits in L2 with what it is made from. */
enum { BLOCK = 128, ROWS = 64, PANEL = 512 };

struct job {
    const struct sae *s;
    const struct unembedding *u;
    size_t vocab;      /* tokens with strings */
    size_t n;          /* active features */
    uint32_t *feature; /* [n] their numbers */
    float *w_o;        /* (d, d_model), each row centred */
    double *mean;      /* (d_model) of gain·W_U over the vocabulary */
    size_t first, m;   /* tokens of the panel on hand */
    float *w_u;        /* (d_model, m) of the panel, less the mean */
    float *through;    /* (d, m) W_O·W_U: logits of a unit of z */
    float *rows;       /* (threads, BLOCK, d) */
    float *tiles;      /* (threads, BLOCK, PANEL) */
    struct best promoted, suppressed; /* (n); score: the logit, or less it */
    struct arena arena;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ---- preparing ---- */

static void centre_w_o(struct job *j, const float *w_o)
{
    size_t d_model = j->u->d_model;
    for (size_t i = 0; i < j->s->d; i++) {
        const float *row = w_o + i * d_model;
        double sum = 0;
        for (size_t c = 0; c < d_model; c++)
            sum += (double)row[c];
        for (size_t c = 0; c < d_model; c++)
            j->w_o[i * d_model + c] =
                (float)((double)row[c] - sum / (double)d_model);
    }
}

/* The next panel of W_U as it is in the dump. */
static int read_panel(struct job *j, size_t first, struct err *e)
{
    j->first = first;
    j->m = least(PANEL, j->vocab - first);
    return unembedding_read(j->u, j->w_u, first, j->m, e);
}

static int take_means(struct job *j, struct err *e)
{
    size_t d_model = j->u->d_model;
    for (size_t first = 0; first < j->vocab; first += PANEL) {
        TRY(read_panel(j, first, e));
        for (size_t i = 0; i < d_model; i++)
            for (size_t v = 0; v < j->m; v++)
                j->mean[i] += (double)j->w_u[i * j->m + v];
    }
    for (size_t i = 0; i < d_model; i++)
        j->mean[i] *= (double)j->u->ln_gain[i] / (double)j->vocab;
    return 0;
}

static int init(struct job *j, const uint64_t *fires, const float *w_o,
                const struct team *team, struct err *e)
{
    static const char what[] = "logits of features";
    struct arena *a = &j->arena;
    size_t m = j->s->m, d = j->s->d, d_model = j->u->d_model;
    size_t threads = (size_t)team->threads;
    TRY(arena_get(a, &j->feature, m, sizeof *j->feature, what, e));
    for (size_t f = 0; f < m; f++)
        if (fires[f] > 0)
            j->feature[j->n++] = (uint32_t)f;
    TRY(arena_get(a, &j->w_o, d * d_model, sizeof *j->w_o, what, e));
    TRY(arena_get(a, &j->mean, d_model, sizeof *j->mean, what, e));
    TRY(arena_get(a, &j->w_u, d_model * PANEL, sizeof *j->w_u, what, e));
    TRY(arena_get(a, &j->through, d * PANEL, sizeof *j->through, what, e));
    TRY(arena_get(a, &j->rows, threads * BLOCK * d, sizeof *j->rows, what, e));
    TRY(arena_get(a, &j->tiles, threads * BLOCK * PANEL, sizeof *j->tiles, what,
                  e));
    TRY(best_init(&j->promoted, j->n, LOGITS, e));
    TRY(best_init(&j->suppressed, j->n, LOGITS, e));
    centre_w_o(j, w_o);
    return take_means(j, e);
}

/* ---- one panel ---- */

/* The panel with the gain, and without the mean over the vocabulary. */
static void centre_panel(struct job *j)
{
    for (size_t i = 0; i < j->u->d_model; i++)
        for (size_t v = 0; v < j->m; v++) {
            float *x = &j->w_u[i * j->m + v];
            double gained = (double)j->u->ln_gain[i] * (double)*x;
            *x = (float)(gained - j->mean[i]);
        }
}

static void take_through(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct job *j = ctx;
    size_t first = item * ROWS, d_model = j->u->d_model;
    size_t n = least(ROWS, j->s->d - first);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)j->m,
                (int)d_model, 1, j->w_o + first * d_model, (int)d_model, j->w_u,
                (int)j->m, 0, j->through + first * j->m, (int)j->m);
}

/* The logits of a feature for the panel's tokens. */
static void offer(struct job *j, size_t slot, const float *logits)
{
    for (size_t v = 0; v < j->m; v++) {
        uint32_t id = (uint32_t)(j->first + v);
        struct best_entry entry = {.id = id, .key = id, .score = logits[v]};
        if (!best_is_late(&j->promoted, slot, logits[v]))
            best_offer(&j->promoted, slot, entry);
        entry.score = -logits[v];
        if (!best_is_late(&j->suppressed, slot, -logits[v]))
            best_offer(&j->suppressed, slot, entry);
    }
}

static void take_logits(void *ctx, size_t block, int thread)
{
    struct job *j = ctx;
    size_t first = block * BLOCK, n = least(BLOCK, j->n - first), d = j->s->d;
    float *rows = j->rows + (size_t)thread * BLOCK * d;
    float *tile = j->tiles + (size_t)thread * BLOCK * PANEL;
    for (size_t i = 0; i < n; i++)
        memcpy(rows + i * d, j->s->w_dec + j->feature[first + i] * d,
               d * sizeof *rows);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)j->m,
                (int)d, 1, rows, (int)d, j->through, (int)j->m, 0, tile,
                (int)j->m);
    for (size_t i = 0; i < n; i++)
        offer(j, first + i, tile + i * j->m);
}

static int add_panel(struct job *j, size_t first, const struct team *team,
                     struct err *e)
{
    if (interrupt_requested())
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    TRY(read_panel(j, first, e));
    centre_panel(j);
    team_run(team, take_through, j, (j->s->d + ROWS - 1) / ROWS);
    team_run(team, take_logits, j, (j->n + BLOCK - 1) / BLOCK);
    return 0;
}

/* ---- all of them ---- */

static int add_panels(struct job *j, const struct team *team, struct err *e)
{
    char what[128];
    (void)snprintf(what, sizeof what, "logits %.100s", j->s->name);
    struct progress bar;
    progress_begin(&bar, what, "tokens", 0, j->vocab);
    int code = 0;
    for (size_t first = 0; code == 0 && first < j->vocab; first += PANEL) {
        code = add_panel(j, first, team, e);
        progress_set(&bar, least(first + PANEL, j->vocab), NULL);
    }
    progress_end(&bar);
    return code;
}

/* Ranks rise from the most suppressed but nine to the most promoted but nine:
 * -10 to -1, then 1 to 10. */
static int write_feature(const struct job *j, size_t slot,
                         struct store_writer *w, struct err *e)
{
    size_t n;
    int64_t f = j->feature[slot];
    const struct best_entry *list = best_list(&j->suppressed, slot, &n);
    for (size_t i = n; i-- > 0;)
        TRY(store_writer_feature_logit(w, f, -(int)i - 1, list[i].id,
                                       -(double)list[i].score, e));
    list = best_list(&j->promoted, slot, &n);
    for (size_t i = 0; i < n; i++)
        TRY(store_writer_feature_logit(w, f, (int)i + 1, list[i].id,
                                       (double)list[i].score, e));
    return 0;
}

int logits_write(const struct sae *s, const uint64_t *fires,
                 const struct dump *dump, int layer, const struct team *team,
                 struct store_writer *w, struct err *e)
{
    const struct vocab *vocab = dump_vocab(dump);
    struct job j = {.s = s, .u = dump_unembedding(dump)};
    if (j.u == NULL || vocab == NULL)
        return 0;
    j.vocab = least(j.u->vocab, vocab->n);
    int code = init(&j, fires, dump_w_o(dump, layer), team, e);
    if (code == 0)
        code = add_panels(&j, team, e);
    for (size_t i = 0; code == 0 && i < j.n; i++)
        code = write_feature(&j, i, w, e);
    best_free(&j.promoted);
    best_free(&j.suppressed);
    arena_free(&j.arena);
    return code;
}
