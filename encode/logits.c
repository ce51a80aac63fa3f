/* SPDX-License-Identifier: MIT */
#include "encode/logits.h"

#include <cblas.h>
#include <string.h>

#include "base/least.h"
#include "dump/weights.h"

/* Features of a tile, and its tokens: it fits in L2 with what it is made from.
 */
enum { BLOCK = 128, PANEL = 512 };

/* What is needed while they are looked for. */
struct search {
    struct logits *x;
    const struct sae *s;
    const struct unembedding *u;
    size_t vocab;    /* tokens with strings */
    float *w_o;      /* (d, d_model), each row centred */
    double *mean;    /* (d_model) of gain·W_U over the vocabulary */
    size_t first, m; /* tokens of the panel on hand */
    float *w_u;      /* (d_model, m) of the panel, less the mean */
    float *through;  /* (d, m) W_O·W_U: logits of a unit of z */
    float *rows;     /* (BLOCK, d) */
    float *tile;     /* (BLOCK, PANEL) */
    struct arena arena;
};

/* ---- preparing ---- */

static void centre_w_o(struct search *j, const float *w_o)
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
static int read_panel(struct search *j, size_t first, struct err *e)
{
    j->first = first;
    j->m = least(PANEL, j->vocab - first);
    return unembedding_read(j->u, j->w_u, first, j->m, e);
}

static int take_means(struct search *j, struct err *e)
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

static int prepare(struct search *j, const uint64_t *fires, const float *w_o,
                   struct err *e)
{
    static const char what[] = "logits of features";
    struct arena *a = &j->arena;
    struct logits *x = j->x;
    size_t m = j->s->m, d = j->s->d, d_model = j->u->d_model;
    TRY(arena_get(&x->arena, &x->feature, m, sizeof *x->feature, what, e));
    for (size_t f = 0; f < m; f++)
        if (fires[f] > 0)
            x->feature[x->n++] = (uint32_t)f;
    TRY(best_init(&x->promoted, x->n, LOGITS, e));
    TRY(best_init(&x->suppressed, x->n, LOGITS, e));
    TRY(arena_get(a, &j->w_o, d * d_model, sizeof *j->w_o, what, e));
    TRY(arena_get(a, &j->mean, d_model, sizeof *j->mean, what, e));
    TRY(arena_get(a, &j->w_u, d_model * PANEL, sizeof *j->w_u, what, e));
    TRY(arena_get(a, &j->through, d * PANEL, sizeof *j->through, what, e));
    TRY(arena_get(a, &j->rows, BLOCK * d, sizeof *j->rows, what, e));
    TRY(arena_get(a, &j->tile, BLOCK * PANEL, sizeof *j->tile, what, e));
    centre_w_o(j, w_o);
    return take_means(j, e);
}

/* ---- one panel ---- */

/* The panel with the gain, and without the mean over the vocabulary. */
static void centre_panel(struct search *j)
{
    for (size_t i = 0; i < j->u->d_model; i++)
        for (size_t v = 0; v < j->m; v++) {
            float *x = &j->w_u[i * j->m + v];
            double gained = (double)j->u->ln_gain[i] * (double)*x;
            *x = (float)(gained - j->mean[i]);
        }
}

static void take_through(struct search *j)
{
    int d = (int)j->s->d, d_model = (int)j->u->d_model, m = (int)j->m;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, d, m, d_model, 1,
                j->w_o, d_model, j->w_u, m, 0, j->through, m);
}

/* The logits of a feature for the panel's tokens. */
static void offer(struct search *j, size_t slot, const float *logits)
{
    struct logits *x = j->x;
    for (size_t v = 0; v < j->m; v++) {
        uint32_t id = (uint32_t)(j->first + v);
        struct best_entry entry = {.id = id, .key = id, .score = logits[v]};
        if (!best_is_late(&x->promoted, slot, logits[v]))
            best_offer(&x->promoted, slot, entry);
        entry.score = -logits[v];
        if (!best_is_late(&x->suppressed, slot, -logits[v]))
            best_offer(&x->suppressed, slot, entry);
    }
}

static void take_logits(struct search *j, size_t first)
{
    size_t n = least(BLOCK, j->x->n - first), d = j->s->d;
    for (size_t i = 0; i < n; i++)
        memcpy(j->rows + i * d, j->s->w_dec + j->x->feature[first + i] * d,
               d * sizeof *j->rows);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)j->m,
                (int)d, 1, j->rows, (int)d, j->through, (int)j->m, 0, j->tile,
                (int)j->m);
    for (size_t i = 0; i < n; i++)
        offer(j, first + i, j->tile + i * j->m);
}

static int add_panel(struct search *j, size_t first, struct err *e)
{
    TRY(read_panel(j, first, e));
    centre_panel(j);
    take_through(j);
    for (size_t block = 0; block < j->x->n; block += BLOCK)
        take_logits(j, block);
    return 0;
}

/* ---- all of them ---- */

static int find(struct search *j, const uint64_t *fires, const float *w_o,
                struct background *b, struct err *e)
{
    uint64_t stepped = 0;
    TRY(prepare(j, fires, w_o, e));
    for (size_t first = 0; first < j->vocab; first += PANEL) {
        TRY(add_panel(j, first, e));
        uint64_t steps =
            (uint64_t)j->x->n * least(first + PANEL, j->vocab) / j->vocab;
        TRY(background_step(b, steps - stepped, e));
        stepped = steps;
    }
    return 0;
}

bool logits_possible(const struct dump *dump)
{
    return dump_unembedding(dump) != NULL && dump_vocab(dump) != NULL;
}

int logits_find(struct logits *x, const struct sae *s, const uint64_t *fires,
                const struct dump *dump, int layer, struct background *b,
                struct err *e)
{
    if (!logits_possible(dump))
        return 0;
    struct search j = {.x = x, .s = s, .u = dump_unembedding(dump)};
    j.vocab = least(j.u->vocab, dump_vocab(dump)->n);
    int code = find(&j, fires, dump_w_o(dump, layer), b, e);
    arena_free(&j.arena);
    return code;
}

/* Ranks rise from the least of the suppressed to the least of the promoted:
 * -20 to -1, then 1 to 20. */
static int write_feature(const struct logits *x, size_t slot,
                         struct store_writer *w, struct err *e)
{
    size_t n;
    int64_t f = x->feature[slot];
    const struct best_entry *list = best_list(&x->suppressed, slot, &n);
    for (size_t i = n; i-- > 0;)
        TRY(store_writer_feature_logit(w, f, -(int)i - 1, list[i].id,
                                       -(double)list[i].score, e));
    list = best_list(&x->promoted, slot, &n);
    for (size_t i = 0; i < n; i++)
        TRY(store_writer_feature_logit(w, f, (int)i + 1, list[i].id,
                                       (double)list[i].score, e));
    return 0;
}

int logits_write(const struct logits *x, struct store_writer *w, struct err *e)
{
    for (size_t i = 0; i < x->n; i++)
        TRY(write_feature(x, i, w, e));
    return 0;
}

void logits_free(struct logits *x)
{
    best_free(&x->promoted);
    best_free(&x->suppressed);
    arena_free(&x->arena);
    *x = (struct logits){0};
}
