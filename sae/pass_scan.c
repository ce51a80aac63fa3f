/* SPDX-License-Identifier: MIT */
#include "sae/pass.h"

#include <math.h>

#include "base/clock.h"

size_t pass_row(const struct pass *p, size_t block)
{
    const struct forward *f = p->f;
    size_t row =
        encoder_block_begin(&f->cut, &f->rows, block) * p->enc->product.rows;
    return row < f->rows.n ? row : f->rows.n;
}

uint32_t *pass_start(const struct forward *f, size_t piece)
{
    return f->starts + piece * (f->cut.most_rows + 1);
}

static void pack_group(void *ctx, size_t g, int thread)
{
    (void)thread;
    const struct pass *p = ctx;
    encoder_pack_group(&p->f->rows, p->enc, p->x, g);
}

void pass_pack(struct pass *p)
{
    team_run(p->f->team, pack_group, p, p->f->rows.groups);
}

/* Pieces that follow each other share a slab, which stays in the outer cache
 * while several threads take its blocks. */
static void scan_piece(void *ctx, size_t i, int thread)
{
    const struct pass *p = ctx;
    struct forward *f = p->f;
    i += p->scanned;
    size_t slab = i / f->cut.blocks, block = i % f->cut.blocks;
    size_t piece = block * f->cut.slabs + slab;
    if (!encoder_scan(p->enc, &f->rows, &f->cut, block, slab, &p->scan,
                      &f->pieces[piece], pass_start(f, piece),
                      &f->scratch[thread]))
        f->pieces[piece].n = SIZE_MAX; /* no memory; pass_scan looks for it */
}

int pass_memory(struct hits *lists, size_t n, struct err *e)
{
    size_t failed = 0, total = 0;
    for (size_t i = 0; i < n; i++) {
        if (lists[i].n == SIZE_MAX) {
            lists[i].n = 0;
            failed++;
        }
        total += lists[i].n;
    }
    return failed == 0
               ? 0
               : err_memory(e, "encoder hits", total * sizeof(struct hit));
}

size_t pass_count(const struct hits *lists, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += lists[i].n;
    return total;
}

/* A row's k-th largest within the first slab, or what is certain of it: nothing
 * below is among its k largest. Equals are not let go. */
static float row_floor(const struct hit *hit, size_t n, size_t k,
                       struct ranking *ranking)
{
    if (n < k)
        return 0;
    float last;
    if (!hits_kth(&last, hit, n, k, ranking))
        return 0; /* it only saves work */
    return nextafterf(last, -INFINITY);
}

static void find_floors(void *ctx, size_t block, int thread)
{
    const struct pass *p = ctx;
    struct forward *f = p->f;
    size_t piece = block * f->cut.slabs;
    size_t first = pass_row(p, block), end = pass_row(p, block + 1);
    const uint32_t *start = pass_start(f, piece);
    for (size_t r = 0; r < end - first; r++) {
        float floor =
            row_floor(f->pieces[piece].item + start[r], start[r + 1] - start[r],
                      p->scan.k, &f->merging[thread].ranking);
        if (floor > f->floors[first + r])
            f->floors[first + r] = floor;
    }
}

/* Topk: what a row's first slab gives is a bar for all others, which then have
 * few hits to select from. */
static int scan_first_slab(struct pass *p, struct err *e)
{
    struct forward *f = p->f;
    size_t blocks = f->cut.blocks;
    team_run(f->team, scan_piece, p, blocks);
    for (size_t block = 0; block < blocks; block++)
        TRY(pass_memory(&f->pieces[block * f->cut.slabs], 1, e));
    team_run(f->team, find_floors, p, blocks);
    p->scanned = blocks;
    return 0;
}

int pass_scan(struct pass *p, size_t *total, struct err *e)
{
    struct forward *f = p->f;
    size_t pieces = f->cut.blocks * f->cut.slabs;
    double begun = clock_seconds();
    p->scanned = 0;
    if (p->scan.k > 0 && f->cut.slabs > 1)
        TRY(scan_first_slab(p, e));
    team_run(f->team, scan_piece, p, pieces - p->scanned);
    f->seconds += clock_seconds() - begun;
    f->passes++;
    TRY(pass_memory(f->pieces, pieces, e));
    *total = pass_count(f->pieces, pieces);
    return 0;
}
