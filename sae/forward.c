/* SPDX-License-Identifier: MIT */
#include "sae/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

void codes_free(struct codes *c)
{
    free(c->start);
    free(c->feature);
    free(c->value);
    *c = (struct codes){0};
}

float codes_value(const struct codes *c, size_t row, uint32_t feature)
{
    for (size_t i = c->start[row]; i < c->start[row + 1]; i++)
        if (c->feature[i] == feature)
            return c->value[i];
    return 0;
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
    size_t threads = (size_t)team->threads;
    f->scratch = calloc(threads, sizeof *f->scratch);
    f->merging = calloc(threads, sizeof *f->merging);
    if (f->scratch == NULL || f->merging == NULL) {
        forward_free(f);
        return err_memory(e, "encoder scratch", sizeof *f->scratch);
    }
    return 0;
}

static void free_lists(struct hits *lists, size_t n)
{
    for (size_t i = 0; lists != NULL && i < n; i++)
        hits_free(&lists[i]);
    free(lists);
}

void forward_free(struct forward *f)
{
    for (int i = 0; f->scratch != NULL && i < f->team->threads; i++)
        encoder_scratch_free(&f->scratch[i]);
    free(f->scratch);
    for (int i = 0; f->merging != NULL && i < f->team->threads; i++) {
        hits_free(&f->merging[i].row);
        hits_free(&f->merging[i].order);
        ranking_free(&f->merging[i].ranking);
        free(f->merging[i].index);
        free(f->merging[i].value);
    }
    free(f->merging);
    encoder_rows_free(&f->rows);
    free_lists(f->pieces, f->n_pieces);
    free_lists(f->blocks, f->n_blocks);
    free(f->starts);
    free(f->kept);
    free(f->floors);
    *f = (struct forward){0};
}

/* An array that grows by zeroed elements; false without memory. */
static bool grow(void *pointer, size_t *n, size_t need, size_t size)
{
    void **array = pointer;
    if (need <= *n)
        return true;
    char *bigger = realloc(*array, need * size);
    if (bigger == NULL)
        return false;
    memset(bigger + *n * size, 0, (need - *n) * size);
    *array = bigger;
    *n = need;
    return true;
}

static int have_pieces(struct forward *f, struct err *e)
{
    const struct encoder_cut *c = &f->cut;
    size_t pieces = c->blocks * c->slabs;
    if (!grow(&f->pieces, &f->n_pieces, pieces, sizeof *f->pieces) ||
        !grow(&f->blocks, &f->n_blocks, c->blocks, sizeof *f->blocks) ||
        !grow(&f->kept, &f->n_kept, c->blocks, sizeof *f->kept) ||
        !grow(&f->starts, &f->n_starts, pieces * (c->most_rows + 1),
              sizeof *f->starts))
        return err_memory(e, "encoder pieces", pieces * sizeof *f->pieces);
    return 0;
}

/* ---- the product ---- */

/* A batch on its way. */
struct pass {
    struct forward *f;
    const struct encoder *enc;
    const struct selection *rule;
    const float *x;
    struct encoder_rule scan;
    size_t scanned; /* pieces that are done */
    float cut;      /* candidates whose upper bound is below are let go */
    float last;     /* batch topk: least activation kept */
    struct codes *out;
};

static uint32_t *piece_start(const struct forward *f, size_t piece)
{
    return f->starts + piece * (f->cut.most_rows + 1);
}

static void pack_group(void *ctx, size_t g, int thread)
{
    (void)thread;
    const struct pass *p = ctx;
    encoder_pack_group(&p->f->rows, p->enc, p->x, g);
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
                      &f->pieces[piece], piece_start(f, piece),
                      &f->scratch[thread]))
        f->pieces[piece].n = SIZE_MAX; /* no memory; scan_all looks for it */
}

static int no_memory(struct hits *lists, size_t n, struct err *e)
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

static size_t count_hits(const struct hits *lists, size_t n)
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
    size_t piece = block * f->cut.slabs, rows = p->enc->product.rows;
    size_t first = encoder_block_begin(&f->cut, &f->rows, block) * rows;
    size_t end = encoder_block_begin(&f->cut, &f->rows, block + 1) * rows;
    end = end < f->rows.n ? end : f->rows.n;
    const uint32_t *start = piece_start(f, piece);
    for (size_t r = 0; r < end - first; r++)
        f->floors[first + r] =
            row_floor(f->pieces[piece].item + start[r], start[r + 1] - start[r],
                      p->scan.k, &f->merging[thread].ranking);
}

/* Topk: what a row's first slab gives is a bar for all others, which then have
 * few hits to select from. */
static int scan_first_slab(struct pass *p, struct err *e)
{
    struct forward *f = p->f;
    size_t blocks = f->cut.blocks;
    if (!grow(&f->floors, &f->n_floors, f->rows.n, sizeof *f->floors))
        return err_memory(e, "encoder floors", f->rows.n * sizeof(float));
    team_run(f->team, scan_piece, p, blocks);
    for (size_t block = 0; block < blocks; block++)
        TRY(no_memory(&f->pieces[block * f->cut.slabs], 1, e));
    team_run(f->team, find_floors, p, blocks);
    p->scan.floors = f->floors;
    p->scanned = blocks;
    return 0;
}

static int scan_all(struct pass *p, size_t *total, struct err *e)
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
    TRY(no_memory(f->pieces, pieces, e));
    *total = count_hits(f->pieces, pieces);
    return 0;
}

/* ---- merging and rescoring ---- */

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
    size_t first =
        encoder_block_begin(&f->cut, &f->rows, block) * p->enc->product.rows;
    float margin = f->rows.margin[first + r];
    out->n = 0;
    for (size_t slab = 0; slab < f->cut.slabs; slab++) {
        size_t piece = block * f->cut.slabs + slab;
        const uint32_t *start = piece_start(f, piece);
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
    size_t rows = p->enc->product.rows;
    size_t first = encoder_block_begin(&f->cut, &f->rows, block) * rows;
    size_t end = encoder_block_begin(&f->cut, &f->rows, block + 1) * rows;
    end = end < f->rows.n ? end : f->rows.n;
    out->n = 0;
    f->kept[block].candidates = 0;
    for (size_t r = 0; r < end - first; r++) {
        bool done = collect_row(p, block, r, m);
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

static int merge_all(struct pass *p, struct err *e)
{
    struct forward *f = p->f;
    team_run(f->team, merge_block, p, f->cut.blocks);
    TRY(no_memory(f->blocks, f->cut.blocks, e));
    f->candidates = 0;
    for (size_t b = 0; b < f->cut.blocks; b++)
        f->candidates += p->enc->coarse ? f->kept[b].candidates : 0;
    return 0;
}

/* ---- the code list ---- */

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
    size_t ties = p->f->kept[block].ties, at = 0;
    bool any = false;
    for (size_t i = 0; i < hits->n; i++) {
        const struct hit *hit = &hits->item[i];
        if (!is_kept(p, hit, &ties))
            continue;
        if (!any)
            at = p->out->start[hit->row];
        any = true;
        p->out->feature[at] = hit->feature;
        p->out->value[at++] = hit->value;
    }
}

/* The blocks' hits become codes: all above p->last, and `ties` equal to it, the
 * first in order of rows. */
static int write_codes(struct pass *p, size_t ties, struct err *e)
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
    for (size_t r = 0; r < n; r++)
        p->out->start[r + 1] += p->out->start[r];
    TRY(codes_reserve(p->out, n, p->out->start[n], e));
    team_run(f->team, write_block, p, f->cut.blocks);
    return 0;
}

/* ---- rules ---- */

/* A floor to begin with, from the first rows: no row's k-th value is below
 * it, so the batch has enough hits above unless its rows differ wildly. */
static int first_floor(struct pass *p, float *floor, struct err *e)
{
    struct forward probe;
    struct codes codes = {0};
    size_t n = p->f->rows.n < 128 ? p->f->rows.n : 128;
    struct selection rule = {.rule = RULE_TOPK, .k = p->rule->k};
    TRY(forward_init(&probe, p->f->team, e));
    int code = forward_run(&probe, p->enc, &rule, p->x, n, &codes, e);
    *floor = 0;
    for (size_t i = 0; code == 0 && i < codes.start[n]; i++)
        if (i == 0 || codes.value[i] < *floor)
            *floor = codes.value[i];
    /* The scan wants more than its floor. */
    *floor = nextafterf(*floor, 0);
    forward_free(&probe);
    codes_free(&codes);
    return code;
}

/* One try with p->scan.floor: whether its n·k largest are certain. */
static int try_floor(struct pass *p, size_t want, size_t *ties, bool *done,
                     struct err *e)
{
    struct forward *f = p->f;
    size_t pieces = f->cut.blocks * f->cut.slabs, total;
    float floor = p->scan.floor;
    TRY(scan_all(p, &total, e));
    *done = floor == 0;
    if (total < want && floor > 0)
        return 0;
    p->cut = 0;
    if (p->enc->coarse && total > want)
        p->cut = hits_cut(f->pieces, pieces, want, ties, f->team);
    TRY(merge_all(p, e));
    total = count_hits(f->blocks, f->cut.blocks);
    p->last = 0;
    *ties = 0;
    if (total >= want)
        p->last = hits_cut(f->blocks, f->cut.blocks, want, ties, f->team);
    /* What was not looked at is at most the floor. */
    if (p->last > floor)
        *done = true;
    return 0;
}

static int run_batch_topk(struct pass *p, struct err *e)
{
    /* The last batch's cut, and some room for this one to be lower. */
    static const float headroom = 0.93f;
    struct forward *f = p->f;
    size_t want = f->rows.n * p->rule->k, ties = 0;
    p->scan.floor = f->floor;
    if (p->scan.floor == 0)
        TRY(first_floor(p, &p->scan.floor, e));
    for (bool done = false;;) {
        TRY(try_floor(p, want, &ties, &done, e));
        if (done)
            break;
        p->scan.floor = p->scan.floor > 1e-6f ? p->scan.floor / 2 : 0;
    }
    f->floor = headroom * p->last;
    return write_codes(p, ties, e);
}

/* No h at or below this passes any threshold: max(0, min threshold). */
static float lowest_threshold(const struct selection *rule, size_t m)
{
    float lowest = rule->threshold[0];
    for (size_t i = 1; i < m; i++)
        lowest = rule->threshold[i] < lowest ? rule->threshold[i] : lowest;
    /* Rounded down: h + below > threshold may hold where h is just under it. */
    if (rule->below > 0)
        return nextafterf(lowest - rule->below, -INFINITY);
    return lowest > 0 ? lowest : 0;
}

int forward_run(struct forward *f, const struct encoder *enc,
                const struct selection *rule, const float *x, size_t n,
                struct codes *out, struct err *e)
{
    struct pass p = {.f = f, .enc = enc, .rule = rule, .x = x, .out = out};
    size_t total;
    f->passes = 0;
    f->seconds = 0;
    if (!encoder_rows_begin(&f->rows, enc, n))
        return err_memory(e, "packed rows", n * enc->d * sizeof(float));
    f->cut = encoder_cut_of(enc, n);
    TRY(have_pieces(f, e));
    team_run(f->team, pack_group, &p, f->rows.groups);
    if (n == 0)
        return write_codes(&p, 0, e);
    switch (rule->rule) {
    case RULE_BATCH_TOPK:
        return run_batch_topk(&p, e);
    case RULE_TOPK:
        p.scan.k = rule->k;
        break;
    case RULE_THRESHOLD:
        p.scan.bound = rule->threshold;
        p.scan.below = rule->below;
        p.scan.floor = lowest_threshold(rule, enc->m);
        break;
    case RULE_POSITIVE:
        break;
    }
    if (rule->below > 0)
        p.cut = p.last = -INFINITY;
    TRY(scan_all(&p, &total, e));
    TRY(merge_all(&p, e));
    return write_codes(&p, 0, e);
}
