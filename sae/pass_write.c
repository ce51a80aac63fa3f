/* SPDX-License-Identifier: MIT */
#include "sae/pass.h"

#include <string.h>

static bool is_kept(const struct pass *p, const struct hit *hit, size_t *ties)
{
    if (hit->value != p->last)
        return hit->value > p->last;
    if (*ties == 0)
        return false;
    --*ties;
    return true;
}

/* Counts what a block keeps, row by row, into start[row + 1]. */
static void count_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct pass *p = ctx;
    const struct hits *hits = &p->f->blocks[block];
    size_t ties = p->f->kept[block].ties;
    for (size_t i = 0; i < hits->n; i++)
        if (is_kept(p, &hits->item[i], &ties))
            p->out->start[hits->item[i].row + 1]++;
}

static void write_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct pass *p = ctx;
    const struct hits *hits = &p->f->blocks[block];
    size_t ties = p->f->kept[block].ties, at = 0, row = SIZE_MAX;
    for (size_t i = 0; i < hits->n; i++) {
        const struct hit *hit = &hits->item[i];
        if (!is_kept(p, hit, &ties))
            continue;
        if (hit->row != row)
            at = p->out->start[hit->row];
        row = hit->row;
        p->out->feature[at] = hit->feature;
        p->out->value[at++] = hit->value;
    }
}

static void count_again(const struct pass *p)
{
    const struct forward_again *again = &p->f->again;
    for (size_t i = 0; i < again->n; i++)
        p->out->start[again->row[i] + 1] =
            again->codes.start[i + 1] - again->codes.start[i];
}

static void write_again(const struct pass *p)
{
    const struct forward_again *again = &p->f->again;
    const struct codes *c = &again->codes;
    for (size_t i = 0; i < again->n; i++) {
        size_t at = p->out->start[again->row[i]], from = c->start[i];
        size_t n = c->start[i + 1] - from;
        memcpy(p->out->feature + at, c->feature + from, n * sizeof *c->feature);
        memcpy(p->out->value + at, c->value + from, n * sizeof *c->value);
    }
}

int pass_write(struct pass *p, size_t ties, struct err *e)
{
    struct forward *f = p->f;
    size_t n = f->rows.n;
    for (size_t b = 0; b < f->cut.blocks; b++) {
        f->kept[b].ties = ties;
        for (size_t i = 0; ties > 0 && i < f->blocks[b].n; i++)
            ties -= f->blocks[b].item[i].value == p->last && ties > 0;
    }
    TRY(codes_reserve(p->out, n, 0, e));
    p->out->n = n;
    memset(p->out->start, 0, (n + 1) * sizeof *p->out->start);
    team_run(f->team, count_block, p, f->cut.blocks);
    count_again(p);
    for (size_t r = 0; r < n; r++)
        p->out->start[r + 1] += p->out->start[r];
    TRY(codes_reserve(p->out, n, p->out->start[n], e));
    team_run(f->team, write_block, p, f->cut.blocks);
    write_again(p);
    return 0;
}
