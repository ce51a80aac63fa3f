/* SPDX-License-Identifier: MIT */
#include "sae/match.h"

#include <cblas.h>
#include <math.h>

#include "base/least.h"
#include "sae/unit_rows.h"

/* Features of a tile: of the one, an item of work; of the other, a panel that
 * all items share. A tile fits in L2 with what it is made from. */
enum { BLOCK = 256, PANEL = 512 };

struct side {
    size_t features;
    float *w; /* (features, d), rows of unit length */
};

/* The largest so far, and where. */
struct best {
    float cosine;
    uint32_t at;
};

struct job {
    struct side one, other;
    size_t d, blocks;
    size_t panel;         /* first feature of the other's on hand */
    float *tiles;         /* (threads, BLOCK, PANEL) */
    struct best *rows;    /* (one) */
    struct best *columns; /* (blocks, PANEL) of each block's tile */
};

static int scale_rows(struct side *side, struct arena *a, const struct sae *s,
                      const struct team *team, struct err *e)
{
    const struct unit_rows_of rows = {.w = s->w_dec, .stride = s->d};
    side->features = s->m;
    TRY(arena_get(a, &side->w, s->m * s->d, sizeof(float), "decoder rows", e));
    unit_rows(side->w, &rows, s->m, s->d, team);
    return 0;
}

/* ---- all pairs ---- */

static void take(struct best *b, float cosine, size_t at)
{
    if (cosine > b->cosine)
        *b = (struct best){cosine, (uint32_t)at};
}

/* The cosines of a block with the panel. */
static void compare_block(void *ctx, size_t block, int thread)
{
    const struct job *j = ctx;
    size_t first = block * BLOCK, d = j->d;
    size_t n = least(BLOCK, j->one.features - first);
    size_t m = least(PANEL, j->other.features - j->panel);
    float *tile = j->tiles + (size_t)thread * BLOCK * PANEL;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)m, (int)d,
                1, j->one.w + first * d, (int)d, j->other.w + j->panel * d,
                (int)d, 0, tile, PANEL);
    struct best *columns = j->columns + block * PANEL;
    for (size_t c = 0; c < m; c++)
        columns[c] = (struct best){-2, 0};
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < m; c++) {
            take(&j->rows[first + r], tile[r * PANEL + c], j->panel + c);
            take(&columns[c], tile[r * PANEL + c], first + r);
        }
}

static void compare_all(struct job *j, uint32_t *back, const struct team *team)
{
    for (size_t i = 0; i < j->one.features; i++)
        j->rows[i] = (struct best){-2, 0};
    for (j->panel = 0; j->panel < j->other.features; j->panel += PANEL) {
        team_run(team, compare_block, j, j->blocks);
        size_t m = least(PANEL, j->other.features - j->panel);
        for (size_t c = 0; c < m; c++) {
            struct best b = {-2, 0};
            for (size_t i = 0; i < j->blocks; i++)
                take(&b, j->columns[i * PANEL + c].cosine,
                     j->columns[i * PANEL + c].at);
            back[j->panel + c] = b.at;
        }
    }
}

static int compare(struct match *out, struct job *j, struct arena *a,
                   const struct sae *const saes[2], const struct team *team,
                   struct err *e)
{
    static const char what[] = "matching of features";
    TRY(arena_get(&out->arena, &out->cosine, out->n, sizeof(float), what, e));
    TRY(arena_get(&out->arena, &out->best, out->n, sizeof(uint32_t), what, e));
    TRY(arena_get(&out->arena, &out->back, out->m, sizeof(uint32_t), what, e));
    TRY(scale_rows(&j->one, a, saes[0], team, e));
    TRY(scale_rows(&j->other, a, saes[1], team, e));
    TRY(arena_get(a, &j->tiles, (size_t)team->threads * BLOCK * PANEL,
                  sizeof(float), what, e));
    TRY(arena_get(a, &j->rows, out->n, sizeof *j->rows, what, e));
    TRY(arena_get(a, &j->columns, j->blocks * PANEL, sizeof *j->columns, what,
                  e));
    compare_all(j, out->back, team);
    for (size_t i = 0; i < out->n; i++) {
        out->cosine[i] = j->rows[i].cosine;
        out->best[i] = j->rows[i].at;
    }
    return 0;
}

int match_decoders(struct match *out, const struct sae *one,
                   const struct sae *other, const struct team *team,
                   struct err *e)
{
    struct arena temporary = {0};
    struct job j = {.d = one->d, .blocks = (one->m + BLOCK - 1) / BLOCK};
    *out = (struct match){.n = one->m, .m = other->m};
    int code = compare(out, &j, &temporary, (const struct sae *[]){one, other},
                       team, e);
    arena_free(&temporary);
    if (code != 0)
        match_free(out);
    return code;
}

void match_free(struct match *q)
{
    arena_free(&q->arena);
    *q = (struct match){0};
}

struct match_shares match_shares(const struct match *q, const uint64_t *fires)
{
    struct match_shares s = {0};
    for (size_t i = 0; i < q->n; i++) {
        if (fires != NULL && fires[i] == 0)
            continue;
        s.features++;
        s.mean += (double)q->cosine[i];
        s.above_07 += q->cosine[i] > 0.7f;
        s.above_09 += q->cosine[i] > 0.9f;
        s.mutual += q->back[q->best[i]] == i;
    }
    double n = s.features > 0 ? (double)s.features : (double)NAN;
    s.mean /= n;
    s.above_07 /= n;
    s.above_09 /= n;
    s.mutual /= n;
    return s;
}
