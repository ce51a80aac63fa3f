/* SPDX-License-Identifier: MIT */
#include "encode/neighbours.h"

#include <cblas.h>
#include <math.h>

#include "base/least.h"
#include "sae/unit_rows.h"

/* Features of a tile on both sides: it fits in L2 with what it is made from. */
enum { TILE = 384 };

/* What is needed while they are looked for. */
struct search {
    struct neighbours *x;
    size_t d;
    float *rows; /* (n, d) of unit length */
    float *tile; /* (TILE, TILE) */
    struct arena arena;
};

static void offer(struct neighbours *x, size_t of, size_t other, float cosine)
{
    uint32_t id = x->feature[other];
    if (!best_is_late(&x->nearest, of, cosine))
        best_offer(&x->nearest, of,
                   (struct best_entry){.id = id, .key = id, .score = cosine});
}

/* The features from `first` on against those from `other` on, which are not
 * before them: each pair is seen once and offered to both. */
static void compare(struct search *j, size_t first, size_t other)
{
    struct neighbours *x = j->x;
    size_t n = least(TILE, x->n - first), m = least(TILE, x->n - other);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)m,
                (int)j->d, 1, j->rows + first * j->d, (int)j->d,
                j->rows + other * j->d, (int)j->d, 0, j->tile, TILE);
    for (size_t r = 0; r < n; r++)
        for (size_t c = first == other ? r + 1 : 0; c < m; c++) {
            float cosine = fmaxf(-1, fminf(j->tile[r * TILE + c], 1));
            offer(x, first + r, other + c, cosine);
            offer(x, other + c, first + r, cosine);
        }
}

static int compare_all(struct search *j, struct background *b, struct err *e)
{
    size_t n = j->x->n;
    for (size_t first = 0; first < n; first += TILE) {
        for (size_t other = first; other < n; other += TILE)
            compare(j, first, other);
        TRY(background_step(b, least(TILE, n - first), e));
    }
    return 0;
}

static int prepare(struct search *j, const struct sae *s, const uint64_t *fires,
                   struct err *e)
{
    static const char what[] = "neighbours of features";
    struct neighbours *x = j->x;
    TRY(arena_get(&x->arena, &x->feature, s->m, sizeof *x->feature, what, e));
    for (size_t f = 0; f < s->m; f++)
        if (fires[f] > 0)
            x->feature[x->n++] = (uint32_t)f;
    TRY(arena_get(&j->arena, &j->rows, x->n * j->d, sizeof *j->rows, what, e));
    TRY(arena_get(&j->arena, &j->tile, TILE * TILE, sizeof *j->tile, what, e));
    TRY(best_init(&x->nearest, x->n, NEIGHBOURS, e));
    const struct unit_rows_of rows = {s->w_dec, s->d, x->feature};
    const struct team alone = {.threads = 1};
    unit_rows(j->rows, &rows, x->n, j->d, &alone);
    return 0;
}

int neighbours_find(struct neighbours *x, const struct sae *s,
                    const uint64_t *fires, struct background *b, struct err *e)
{
    struct search j = {.x = x, .d = s->d};
    int code = prepare(&j, s, fires, e);
    if (code == 0)
        code = compare_all(&j, b, e);
    arena_free(&j.arena);
    return code;
}

int neighbours_write(const struct neighbours *x, struct store_writer *w,
                     struct err *e)
{
    for (size_t i = 0; i < x->n; i++) {
        size_t n;
        const struct best_entry *list = best_list(&x->nearest, i, &n);
        for (size_t k = 0; k < n; k++)
            TRY(store_writer_feature_neighbour(w, x->feature[i], (int)k + 1,
                                               list[k].id,
                                               (double)list[k].score, e));
    }
    return 0;
}

void neighbours_free(struct neighbours *x)
{
    best_free(&x->nearest);
    arena_free(&x->arena);
    *x = (struct neighbours){0};
}
