/* SPDX-License-Identifier: MIT */
#include "sae/forward.h"

#include <stdlib.h>
#include <string.h>

void codes_free(struct codes *c)
{
    free(c->start);
    free(c->feature);
    free(c->value);
    *c = (struct codes){0};
}

/* Makes room for n rows with `entries` active features together. */
static int codes_reserve(struct codes *c, size_t n, size_t entries,
                         struct err *e)
{
    if (n + 1 > c->rows_capacity) {
        size_t *start = realloc(c->start, (n + 1) * sizeof *start);
        if (start == NULL)
            return err_memory(e, "codes", (n + 1) * sizeof *start);
        c->start = start;
        c->rows_capacity = n + 1;
    }
    if (entries > c->capacity || c->feature == NULL) {
        size_t capacity = entries + entries / 4 + 1;
        uint32_t *feature = realloc(c->feature, capacity * sizeof *feature);
        if (feature != NULL)
            c->feature = feature;
        float *value = realloc(c->value, capacity * sizeof *value);
        if (value != NULL)
            c->value = value;
        if (feature == NULL || value == NULL)
            return err_memory(e, "codes", capacity * 8);
        c->capacity = capacity;
    }
    return 0;
}

int forward_init(struct forward *f, const struct team *team, struct err *e)
{
    *f = (struct forward){.team = team};
    f->scratch = calloc((size_t)team->threads, sizeof *f->scratch);
    if (f->scratch == NULL)
        return err_memory(e, "encoder scratch", sizeof *f->scratch);
    return 0;
}

void forward_free(struct forward *f)
{
    for (int i = 0; f->scratch != NULL && i < f->team->threads; i++)
        encoder_scratch_free(&f->scratch[i]);
    free(f->scratch);
    for (size_t i = 0; i < f->n_blocks; i++)
        hits_free(&f->blocks[i]);
    free(f->blocks);
    hits_free(&f->all);
    *f = (struct forward){0};
}

static int have_blocks(struct forward *f, size_t n, struct err *e)
{
    size_t need = (n + ENCODER_ROWS - 1) / ENCODER_ROWS;
    if (need <= f->n_blocks)
        return 0;
    struct hits *blocks = realloc(f->blocks, need * sizeof *blocks);
    if (blocks == NULL)
        return err_memory(e, "encoder blocks", need * sizeof *blocks);
    memset(blocks + f->n_blocks, 0, (need - f->n_blocks) * sizeof *blocks);
    f->blocks = blocks;
    f->n_blocks = need;
    return 0;
}

/* One pass of the product over all blocks. */
struct pass {
    struct forward *f;
    const struct encoder *enc;
    const float *x;
    size_t n;
    enum { PASS_ABOVE, PASS_LARGEST } kind;
    size_t k;
    const float *bound;
    float floor;
};

static void pass_block(void *ctx, size_t block, int thread)
{
    const struct pass *p = ctx;
    struct hits *out = &p->f->blocks[block];
    struct encoder_scratch *scratch = &p->f->scratch[thread];
    size_t first = block * ENCODER_ROWS;
    size_t rows = p->n - first < ENCODER_ROWS ? p->n - first : ENCODER_ROWS;
    const float *x = p->x + first * p->enc->d;
    out->n = 0;
    bool done = p->kind == PASS_LARGEST
                    ? encoder_largest(p->enc, out, x, rows, (uint32_t)first,
                                      p->k, scratch)
                    : encoder_above(p->enc, out, x, rows, (uint32_t)first,
                                    p->bound, p->floor, scratch);
    if (!done)
        out->n = SIZE_MAX; /* no memory; pass_run looks for it */
}

static int pass_run(struct pass *p, size_t *total, struct err *e)
{
    size_t blocks = (p->n + ENCODER_ROWS - 1) / ENCODER_ROWS;
    team_run(p->f->team, pass_block, p, blocks);
    *total = 0;
    bool complete = true;
    for (size_t i = 0; i < blocks; i++) {
        if (p->f->blocks[i].n == SIZE_MAX) {
            p->f->blocks[i].n = 0;
            complete = false;
        }
        *total += p->f->blocks[i].n;
    }
    return complete ? 0 : err_memory(e, "encoder hits", *total);
}

/* The blocks' hits become codes, but for those behind `last` in rank. */
static int gather(const struct forward *f, size_t n, size_t total,
                  const struct hit *last, struct codes *out, struct err *e)
{
    TRY(codes_reserve(out, n, total, e));
    out->n = n;
    size_t at = 0, row = 0;
    out->start[0] = 0;
    size_t blocks = (n + ENCODER_ROWS - 1) / ENCODER_ROWS;
    for (size_t i = 0; i < blocks; i++)
        for (size_t j = 0; j < f->blocks[i].n; j++) {
            const struct hit *hit = &f->blocks[i].item[j];
            if (last != NULL && hit_before(last, hit))
                continue;
            while (row < hit->row)
                out->start[++row] = at;
            out->feature[at] = hit->feature;
            out->value[at++] = hit->value;
        }
    while (row < n)
        out->start[++row] = at;
    return 0;
}

/* A floor to begin with, from the first rows: no row's k-th value is below
 * it, so the batch has enough hits above unless its rows differ wildly. */
static int first_floor(struct pass *p, size_t k, struct err *e)
{
    struct pass probe = *p;
    probe.kind = PASS_LARGEST;
    probe.k = k;
    probe.n = p->n < ENCODER_ROWS ? p->n : ENCODER_ROWS;
    size_t total;
    TRY(pass_run(&probe, &total, e));
    float lowest = 0;
    for (size_t i = 0; i < total; i++) {
        float v = p->f->blocks[0].item[i].value;
        if (i == 0 || v < lowest)
            lowest = v;
    }
    p->floor = lowest;
    return 0;
}

static int run_batch_topk(struct forward *f, struct pass *p, size_t k,
                          struct codes *out, struct err *e)
{
    /* The last batch's cut, and some room for this one to be lower. */
    static const float headroom = 0.85f;
    size_t want = p->n * k, total;
    p->kind = PASS_ABOVE;
    p->floor = f->floor;
    if (p->floor == 0)
        TRY(first_floor(p, k, e));
    TRY(pass_run(p, &total, e));
    while (total < want && p->floor > 0) {
        p->floor = p->floor > 1e-6f ? p->floor / 2 : 0;
        TRY(pass_run(p, &total, e));
    }
    if (total <= want) {
        f->floor = 0;
        return gather(f, p->n, total, NULL, out, e);
    }
    f->all.n = 0;
    if (!hits_reserve(&f->all, total))
        return err_memory(e, "encoder hits", total * sizeof(struct hit));
    for (size_t i = 0; f->all.n < total; i++) {
        memcpy(f->all.item + f->all.n, f->blocks[i].item,
               f->blocks[i].n * sizeof(struct hit));
        f->all.n += f->blocks[i].n;
    }
    hits_select(f->all.item, total, want);
    const struct hit last = f->all.item[want - 1];
    f->floor = headroom * last.value;
    return gather(f, p->n, want, &last, out, e);
}

/* No h at or below this passes any threshold: max(0, min threshold). */
static float lowest_positive(const float *threshold, size_t m)
{
    float lowest = threshold[0];
    for (size_t i = 1; i < m; i++)
        lowest = threshold[i] < lowest ? threshold[i] : lowest;
    return lowest > 0 ? lowest : 0;
}

int forward_run(struct forward *f, const struct encoder *enc,
                const struct selection *rule, const float *x, size_t n,
                struct codes *out, struct err *e)
{
    TRY(have_blocks(f, n, e));
    struct pass p = {.f = f, .enc = enc, .x = x, .n = n};
    size_t total;
    switch (rule->rule) {
    case RULE_BATCH_TOPK:
        return run_batch_topk(f, &p, rule->k, out, e);
    case RULE_TOPK:
        p.kind = PASS_LARGEST;
        p.k = rule->k;
        break;
    case RULE_THRESHOLD:
        p.bound = rule->threshold;
        p.floor = lowest_positive(rule->threshold, enc->m);
        break;
    case RULE_POSITIVE:
        break;
    }
    TRY(pass_run(&p, &total, e));
    return gather(f, n, total, NULL, out, e);
}
