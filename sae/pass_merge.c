/* SPDX-License-Identifier: MIT */
#include "sae/pass.h"

#include <stdlib.h>
#include <string.h>

/* Of a row's candidates, those that can be among the k largest: whose upper
 * bound reaches the k-th largest lower one. False without memory. */
static bool cut_row(struct hits *row, size_t k, float margin,
                    struct forward_merging *m)
{
    float bar;
    if (!hits_kth(&bar, row->item, row->n, k, &m->ranking))
        return false;
    size_t n = 0;
    for (size_t i = 0; i < row->n; i++)
        if (row->item[i].value + 2 * margin >= bar)
            row->item[n++] = row->item[i];
    row->n = n;
    return true;
}

/* A row's hits of all slabs; of candidates, those that the cut lets through.
 * False without memory. */
static bool collect_row(const struct pass *p, size_t block, size_t r,
                        struct forward_merging *m)
{
    const struct forward *f = p->f;
    struct hits *out = &m->row;
    float margin = f->rows.margin[pass_row(p, block) + r];
    out->n = 0;
    for (size_t slab = 0; slab < f->cut.slabs; slab++) {
        size_t piece = block * f->cut.slabs + slab;
        const uint32_t *start = pass_start(f, piece);
        const struct hit *hit = f->pieces[piece].item;
        if (!hits_reserve(out, start[r + 1] - start[r]))
            return false;
        for (size_t i = start[r]; i < start[r + 1]; i++)
            if (!p->enc->coarse || hit[i].value + 2 * margin >= p->cut)
                out->item[out->n++] = hit[i];
    }
    if (p->enc->coarse && p->rule->rule == RULE_TOPK && out->n > p->rule->k)
        return cut_row(out, p->rule->k, margin, m);
    return true;
}

/* Whether all of a row's k largest are among its hits: k of them are certainly
 * above what it was guessed to have, and what was not looked at is not. */
static bool is_certain(const struct pass *p, size_t r, const struct hits *row)
{
    float guess = pass_guessed(p, r);
    size_t certain = 0;
    for (size_t i = 0; i < row->n; i++)
        certain += row->item[i].value > guess;
    return guess == 0 || certain >= p->rule->k;
}

/* Replaces candidates' bounds by their values. */
static bool rescore_row(const struct pass *p, struct hits *row,
                        struct forward_merging *m)
{
    const struct encoder *enc = p->enc;
    if (row->n == 0)
        return true;
    if (row->n > m->capacity) {
        free(m->index);
        free(m->value);
        m->capacity = 2 * row->n;
        m->index = malloc(m->capacity * sizeof *m->index);
        m->value = malloc(m->capacity * sizeof *m->value);
        if (m->index == NULL || m->value == NULL) {
            m->capacity = 0;
            return false;
        }
    }
    for (size_t i = 0; i < row->n; i++)
        m->index[i] = enc->index[row->item[i].feature];
    kernels.dot_rows(m->value, p->x + row->item[0].row * enc->d, enc->w,
                     m->index, row->n, enc->d);
    for (size_t i = 0; i < row->n; i++)
        row->item[i].value = m->value[i] + enc->b[m->index[i]];
    return true;
}

/* Keeps what the rule takes of one row's exact values. False without memory. */
static bool select_row(const struct pass *p, struct hits *row,
                       struct forward_merging *m)
{
    const struct selection *rule = p->rule;
    bool positive = rule->below == 0;
    size_t n = 0;
    for (size_t i = 0; i < row->n; i++) {
        const struct hit *hit = &row->item[i];
        if (positive && !(hit->value > 0))
            continue;
        if (rule->rule == RULE_THRESHOLD &&
            !(hit->value + rule->below > rule->threshold[hit->feature]))
            continue;
        row->item[n++] = *hit;
    }
    row->n = n;
    if (rule->rule != RULE_TOPK || n <= rule->k)
        return true;
    m->order.n = 0;
    if (!hits_reserve(&m->order, n))
        return false;
    memcpy(m->order.item, row->item, n * sizeof *row->item);
    hits_select(m->order.item, n, rule->k);
    const struct hit last = m->order.item[rule->k - 1];
    row->n = 0;
    for (size_t i = 0; i < n; i++)
        if (!hit_before(&last, &row->item[i]))
            row->item[row->n++] = row->item[i];
    return true;
}

static void merge_block(void *ctx, size_t block, int thread)
{
    const struct pass *p = ctx;
    struct forward *f = p->f;
    struct forward_merging *m = &f->merging[thread];
    struct hits *out = &f->blocks[block];
    size_t first = pass_row(p, block), rows = pass_row(p, block + 1) - first;
    out->n = 0;
    f->kept[block].candidates = 0;
    for (size_t r = 0; r < rows; r++) {
        bool done = collect_row(p, block, r, m);
        f->doubt[first + r] = !is_certain(p, first + r, &m->row);
        if (f->doubt[first + r])
            continue;
        f->kept[block].candidates += m->row.n;
        if (done && p->enc->coarse)
            done = rescore_row(p, &m->row, m);
        done = done && select_row(p, &m->row, m) && hits_reserve(out, m->row.n);
        if (!done) {
            out->n = SIZE_MAX;
            return;
        }
        if (m->row.n > 0)
            memcpy(out->item + out->n, m->row.item,
                   m->row.n * sizeof *out->item);
        out->n += m->row.n;
    }
}

int pass_merge(struct pass *p, struct err *e)
{
    struct forward *f = p->f;
    team_run(f->team, merge_block, p, f->cut.blocks);
    TRY(pass_memory(f->blocks, f->cut.blocks, e));
    f->candidates = 0;
    for (size_t b = 0; b < f->cut.blocks; b++)
        f->candidates += p->enc->coarse ? f->kept[b].candidates : 0;
    return 0;
}
