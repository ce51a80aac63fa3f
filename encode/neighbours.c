/* SPDX-License-Identifier: MIT */
#include "encode/neighbours.h"

#include <cblas.h>
#include <stdio.h>

#include "base/interrupt.h"
#include "base/progress.h"
#include "encode/best.h"
#include "sae/unit_rows.h"

/* Features of a tile: an item of work, and a panel that all items share. A tile
 * fits in L2 with what it is made from. */
enum { BLOCK = 256, PANEL = 512 };

struct job {
    size_t d, n;         /* n active features */
    uint32_t *feature;   /* [n] their numbers */
    float *rows;         /* (n, d) of unit length */
    float *tiles;        /* (threads, BLOCK, PANEL) */
    size_t panel;        /* the first of the panel on hand */
    struct best nearest; /* (n) */
    struct arena arena;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void compare_block(void *ctx, size_t block, int thread)
{
    struct job *j = ctx;
    size_t first = block * BLOCK, d = j->d;
    size_t n = least(BLOCK, j->n - first), m = least(PANEL, j->n - j->panel);
    float *tile = j->tiles + (size_t)thread * BLOCK * PANEL;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)m, (int)d,
                1, j->rows + first * d, (int)d, j->rows + j->panel * d, (int)d,
                0, tile, PANEL);
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < m; c++) {
            float cosine = tile[r * PANEL + c];
            uint32_t other = j->feature[j->panel + c];
            if (!best_is_late(&j->nearest, first + r, cosine) &&
                first + r != j->panel + c)
                best_offer(&j->nearest, first + r,
                           (struct best_entry){
                               .id = other, .key = other, .score = cosine});
        }
}

static int compare_all(struct job *j, const char *name, const struct team *team,
                       struct err *e)
{
    char what[128];
    (void)snprintf(what, sizeof what, "neighbours %.100s", name);
    struct progress bar;
    progress_begin(&bar, what, "features", 0, j->n);
    int code = 0;
    for (j->panel = 0; code == 0 && j->panel < j->n; j->panel += PANEL) {
        if (interrupt_requested())
            code = err_set(e, ERR_INTERRUPTED, "interrupted");
        else
            team_run(team, compare_block, j, (j->n + BLOCK - 1) / BLOCK);
        progress_set(&bar, least(j->panel + PANEL, j->n), NULL);
    }
    progress_end(&bar);
    return code;
}

static int init(struct job *j, const struct sae *s, const uint64_t *fires,
                const struct team *team, struct err *e)
{
    static const char what[] = "neighbours of features";
    j->d = s->d;
    TRY(arena_get(&j->arena, &j->feature, s->m, sizeof *j->feature, what, e));
    for (size_t f = 0; f < s->m; f++)
        if (fires[f] > 0)
            j->feature[j->n++] = (uint32_t)f;
    TRY(arena_get(&j->arena, &j->rows, j->n * j->d, sizeof *j->rows, what, e));
    TRY(arena_get(&j->arena, &j->tiles, (size_t)team->threads * BLOCK * PANEL,
                  sizeof *j->tiles, what, e));
    TRY(best_init(&j->nearest, j->n, NEIGHBOURS, e));
    const struct unit_rows_of rows = {s->w_dec, s->d, j->feature};
    unit_rows(j->rows, &rows, j->n, j->d, team);
    return 0;
}

static int write_rows(const struct job *j, struct store_writer *w,
                      struct err *e)
{
    for (size_t i = 0; i < j->n; i++) {
        size_t n;
        const struct best_entry *list = best_list(&j->nearest, i, &n);
        for (size_t k = 0; k < n; k++)
            TRY(store_writer_feature_neighbour(w, j->feature[i], (int)k + 1,
                                               list[k].id,
                                               (double)list[k].score, e));
    }
    return 0;
}

int neighbours_write(const struct sae *s, const uint64_t *fires,
                     const struct team *team, struct store_writer *w,
                     struct err *e)
{
    struct job j = {0};
    int code = init(&j, s, fires, team, e);
    if (code == 0)
        code = compare_all(&j, s->name, team, e);
    if (code == 0)
        code = write_rows(&j, w, e);
    best_free(&j.nearest);
    arena_free(&j.arena);
    return code;
}
