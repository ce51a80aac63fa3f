/* SPDX-License-Identifier: MIT */
#include "kernels/encoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/least.h"

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* ---- features ---- */

/* Narrower rows cost more to rescore than a coarse product of them saves: at d
 * 64 a step takes 3.7 ms exact and 4.3 coarse (m 1024, k 8, n 4096, Zen 5). */
enum { COARSE_DEPTH = 128 };

int encoder_init(struct encoder *enc, size_t d, size_t capacity,
                 enum encoder_precision precision, struct err *e)
{
    bool coarse = precision == ENCODER_COARSE && kernels.coarse.run != NULL &&
                  d >= COARSE_DEPTH;
    *enc = (struct encoder){
        .coarse = coarse,
        .product = coarse ? kernels.coarse : kernels.exact,
        .d = d,
        .capacity = capacity,
    };
    const struct product *p = &enc->product;
    size_t panels = ceil_div(capacity, p->features);
    struct arena *a = &enc->arena;
    enc->panel_bytes = product_panel(p, product_depth(p, d));
    TRY(arena_get(a, &enc->packed, panels, enc->panel_bytes, "packed W_enc",
                  e));
    TRY(arena_get(a, &enc->every, capacity, sizeof *enc->every, "features", e));
    for (size_t i = 0; i < capacity; i++)
        enc->every[i] = (uint32_t)i;
    TRY(arena_get(a, &enc->bias, panels * p->features, sizeof(float),
                  "packed b_enc", e));
    enc->terms = coarse ? p->rounding.terms(d) : 0;
    return arena_get(a, &enc->panel_terms, panels * enc->terms, sizeof(double),
                     "packed W_enc", e);
}

void encoder_free(struct encoder *enc)
{
    arena_free(&enc->arena);
    *enc = (struct encoder){0};
}

void encoder_set(struct encoder *enc, const float *w, const float *b,
                 const uint32_t *index, size_t m)
{
    enc->w = w;
    enc->b = b;
    enc->index = index != NULL ? index : enc->every;
    enc->m = m;
    enc->panels = ceil_div(m, enc->product.features);
}

void encoder_pack_panel(struct encoder *enc, size_t p)
{
    const struct product *product = &enc->product;
    size_t first = p * product->features;
    size_t n = least(product->features, enc->m - first);
    const uint32_t *index = enc->index + first;
    float *bias = enc->bias + first;
    product->pack_features(enc->packed + p * enc->panel_bytes, enc->w, index, n,
                           enc->d);
    for (size_t i = 0; i < product->features; i++)
        bias[i] = i < n ? enc->b[index[i]] : -INFINITY;
    if (!enc->coarse)
        return;
    double *terms = enc->panel_terms + p * enc->terms;
    memset(terms, 0, enc->terms * sizeof *terms);
    product->rounding.raise(terms, enc->packed + p * enc->panel_bytes, enc->d);
}

static void pack_panel(void *ctx, size_t p, int thread)
{
    (void)thread;
    encoder_pack_panel(ctx, p);
}

void encoder_pack(struct encoder *enc, const struct team *team)
{
    team_run(team, pack_panel, enc, enc->panels);
}

/* ---- rows ---- */

/* At least `size` bytes of which nothing is kept, aligned; false without
 * memory. */
static bool grow(void *pointer, size_t *capacity, size_t size)
{
    void **block = pointer;
    if (*block != NULL && *capacity >= size)
        return true;
    free(*block);
    *capacity = 0;
    *block = aligned_alloc(64, (size + 127) / 64 * 64);
    if (*block != NULL)
        *capacity = size;
    return *block != NULL;
}

bool encoder_rows_begin(struct encoder_rows *rows, const struct encoder *enc,
                        size_t n)
{
    const struct product *p = &enc->product;
    rows->n = n;
    rows->groups = ceil_div(n, p->rows);
    rows->group_bytes =
        ceil_div(product_group(p, product_depth(p, enc->d)), 64) * 64;
    size_t terms_bytes = enc->terms * sizeof *rows->terms;
    if (!grow(&rows->packed, &rows->packed_capacity,
              rows->groups * rows->group_bytes) ||
        !grow(&rows->margin, &rows->margin_capacity, n * sizeof(float)) ||
        !grow(&rows->terms, &rows->terms_capacity, terms_bytes))
        return false;
    memset(rows->terms, 0, terms_bytes);
    for (size_t i = 0; i < enc->panels * enc->terms; i++) {
        double *most = &rows->terms[i % enc->terms];
        *most = enc->panel_terms[i] > *most ? enc->panel_terms[i] : *most;
    }
    return true;
}

void encoder_rows_free(struct encoder_rows *rows)
{
    free(rows->packed);
    free(rows->margin);
    free(rows->terms);
    *rows = (struct encoder_rows){0};
}

void encoder_pack_group(struct encoder_rows *rows, const struct encoder *enc,
                        const float *x, size_t g)
{
    const struct product *p = &enc->product;
    size_t first = g * p->rows, n = least(p->rows, rows->n - first);
    char *group = rows->packed + g * rows->group_bytes;
    float *margin = rows->margin + first;
    p->pack_rows(group, x + first * enc->d, n, enc->d);
    if (enc->coarse)
        p->rounding.margins(margin, group, n, enc->d, rows->terms);
    else
        memset(margin, 0, n * sizeof *margin);
}

/* ---- pieces ---- */

enum {
    PIECES = 48,      /* at least: enough to keep two dozen threads busy */
    SLAB_PANELS = 16, /* at least: a slab pays for fetching its rows */
    BLOCK_ROWS = 512, /* at most: more rows do not save traffic that counts */
};

struct encoder_cut encoder_cut_of(const struct encoder *enc, size_t n)
{
    const struct product *p = &enc->product;
    const struct cpu_caches cache = cpu_caches();
    size_t depth = product_depth(p, enc->d);
    size_t groups = ceil_div(n, p->rows);
    /* Half of L2 is for rows; panels stream through the rest. */
    size_t each = cache.l2 / 2 / product_group(p, depth);
    each = least(each, BLOCK_ROWS / p->rows);
    each = each > 0 ? each : 1;
    size_t blocks = ceil_div(groups, each);
    size_t slabs = blocks > 0 ? ceil_div(PIECES, blocks) : 1;
    size_t most_slabs = enc->panels / SLAB_PANELS;
    slabs = least(slabs, most_slabs > 0 ? most_slabs : 1);
    /* Half of L1 is for a stretch of a panel. */
    size_t stretch = cache.l1 / 2 / p->panel_step * p->step;
    stretch = stretch > 0 ? stretch : p->step;
    /* Evenly: no short last stretch. */
    size_t steps = ceil_div(depth, stretch);
    stretch = ceil_div(ceil_div(depth, steps), p->step) * p->step;
    return (struct encoder_cut){
        .blocks = blocks,
        .slabs = slabs,
        .most_rows = blocks > 0 ? ceil_div(groups, blocks) * p->rows : 0,
        .stretch = stretch,
    };
}

size_t encoder_block_begin(const struct encoder_cut *cut,
                           const struct encoder_rows *rows, size_t b)
{
    return rows->groups * b / cut->blocks;
}

size_t encoder_slab_begin(const struct encoder_cut *cut,
                          const struct encoder *enc, size_t s)
{
    return enc->panels * s / cut->slabs;
}

/* ---- one piece ---- */

/* A row's candidates while panels pass: all that beat `floor`, cut back
 * whenever there are `full`. */
struct encoder_best {
    float floor;
    size_t full;
};

void encoder_scratch_free(struct encoder_scratch *s)
{
    free(s->tiles);
    free(s->floor);
    free(s->slack);
    free(s->bound);
    free(s->best);
    hits_free(&s->found);
    ranking_free(&s->ranking);
    for (size_t r = 0; s->kept != NULL && r < s->rows; r++)
        hits_free(&s->kept[r]);
    free(s->kept);
    *s = (struct encoder_scratch){0};
}

static bool have_scratch(struct encoder_scratch *s, size_t rows,
                         size_t features)
{
    if (s->rows >= rows && s->features >= features)
        return true;
    rows = rows > s->rows ? rows : s->rows;
    features = features > s->features ? features : s->features;
    encoder_scratch_free(s);
    s->tiles = aligned_alloc(64, ceil_div(rows * features * 4, 64) * 64);
    s->floor = malloc(rows * sizeof *s->floor);
    s->slack = malloc(rows * sizeof *s->slack);
    s->bound = malloc(features * sizeof *s->bound);
    s->best = malloc(rows * sizeof *s->best);
    s->kept = calloc(rows, sizeof *s->kept);
    s->rows = s->kept != NULL ? rows : 0;
    s->features = features;
    bool done = s->tiles != NULL && s->floor != NULL && s->slack != NULL &&
                s->bound != NULL && s->best != NULL && s->kept != NULL;
    if (!done)
        encoder_scratch_free(s);
    return done;
}

/* What encoder_scan works with. */
struct scan {
    const struct encoder *enc;
    const struct encoder_rule *rule;
    struct encoder_scratch *s;
    const char *groups;
    size_t n_groups, group_bytes, stretch;
    size_t first_row, n; /* rows */
    const float *margin; /* (n) */
};

static void multiply(const struct scan *c, size_t panel)
{
    const struct product *p = &c->enc->product;
    const char *w = c->enc->packed + panel * c->enc->panel_bytes;
    size_t depth = product_depth(p, c->enc->d);
    for (size_t j = 0; j < depth; j += c->stretch)
        p->run(c->s->tiles, c->groups + product_group(p, j), c->n_groups,
               c->group_bytes, w + product_panel(p, j),
               least(c->stretch, depth - j), j > 0);
}

/* Hits of one panel behind those in *out. */
static bool compare(const struct scan *c, size_t panel, struct hits *out)
{
    const struct product *p = &c->enc->product;
    size_t first = panel * p->features;
    struct above above = {
        .bias = c->enc->bias + first,
        .floor = c->s->floor,
        .slack = c->s->slack,
        .first_row = (uint32_t)c->first_row,
        .first_feature = (uint32_t)first,
    };
    if (c->rule->bound != NULL) {
        size_t n = least(p->features, c->enc->m - first);
        memcpy(c->s->bound, c->rule->bound + first, n * sizeof *c->s->bound);
        for (size_t i = n; i < p->features; i++)
            c->s->bound[i] = INFINITY;
        above.bound = c->s->bound;
    }
    if (!hits_reserve(out, c->n * p->features))
        return false;
    out->n += kernels.above(out->item + out->n, c->s->tiles, c->n, p->features,
                            &above);
    return true;
}

/* ---- the k largest ---- */

/* Keeps, in their order, those of a row's candidates that can be among the k
 * largest, all that come within twice the margin of the k-th, and raises the
 * row's bar to let in only such. Of an exact product later equals rank behind
 * the k-th. False without memory. */
static bool cut_back(const struct scan *c, size_t r, size_t k)
{
    struct hits *kept = &c->s->kept[r];
    struct encoder_best *best = &c->s->best[r];
    float last;
    if (!hits_kth(&last, kept->item, kept->n, k, &c->s->ranking))
        return false;
    float bar = last - 2 * c->margin[r];
    bar = bar > c->s->floor[r] ? bar : c->s->floor[r];
    size_t n = 0;
    for (size_t i = 0; i < kept->n; i++) {
        kept->item[n] = kept->item[i];
        n += kept->item[n].value >= bar;
    }
    kept->n = n;
    best->full = n + k + 64;
    best->floor = c->enc->coarse ? nextafterf(bar, -INFINITY) : bar;
    return true;
}

static bool keep_found(const struct scan *c, size_t k)
{
    struct encoder_scratch *s = c->s;
    for (size_t i = 0; i < s->found.n; i++) {
        const struct hit *hit = &s->found.item[i];
        size_t r = hit->row - c->first_row;
        if (!(hit->value > s->best[r].floor))
            continue;
        if (!hits_reserve(&s->kept[r], 1))
            return false;
        s->kept[r].item[s->kept[r].n++] = *hit;
        if (s->kept[r].n >= s->best[r].full) {
            if (!cut_back(c, r, k))
                return false;
            s->floor[r] = s->best[r].floor;
        }
    }
    return true;
}

static bool scan_largest(const struct scan *c, size_t from, size_t to,
                         struct hits *out, uint32_t *start)
{
    struct encoder_scratch *s = c->s;
    size_t k = c->rule->k;
    for (size_t r = 0; r < c->n; r++) {
        s->kept[r].n = 0;
        s->best[r] = (struct encoder_best){s->floor[r], 2 * k + 64};
    }
    for (size_t p = from; p < to; p++) {
        s->found.n = 0;
        multiply(c, p);
        if (!compare(c, p, &s->found) || !keep_found(c, k))
            return false;
    }
    for (size_t r = 0; r < c->n; r++) {
        const struct hits *kept = &s->kept[r];
        start[r] = (uint32_t)out->n;
        if (!hits_reserve(out, kept->n))
            return false;
        if (kept->n > 0)
            memcpy(out->item + out->n, kept->item, kept->n * sizeof *out->item);
        out->n += kept->n;
    }
    start[c->n] = (uint32_t)out->n;
    return true;
}

/* ---- all above a bar ---- */

/* From (panel, row, feature) into (row, feature) order: a stable counting sort
 * by row. */
static bool sort_by_row(const struct hits *found, struct hits *out,
                        uint32_t *start, size_t first_row, size_t rows)
{
    if (!hits_reserve(out, found->n))
        return false;
    out->n = found->n;
    memset(start, 0, (rows + 1) * sizeof *start);
    for (size_t i = 0; i < found->n; i++)
        start[found->item[i].row - first_row]++;
    uint32_t sum = 0;
    for (size_t r = 0; r <= rows; r++) {
        uint32_t count = start[r];
        start[r] = sum;
        sum += count;
    }
    for (size_t i = 0; i < found->n; i++)
        out->item[start[found->item[i].row - first_row]++] = found->item[i];
    /* Each start has become its row's end. */
    for (size_t r = rows; r > 0; r--)
        start[r] = start[r - 1];
    start[0] = 0;
    return true;
}

static bool scan_above(const struct scan *c, size_t from, size_t to,
                       struct hits *out, uint32_t *start)
{
    c->s->found.n = 0;
    for (size_t p = from; p < to; p++) {
        multiply(c, p);
        if (!compare(c, p, &c->s->found))
            return false;
    }
    return sort_by_row(&c->s->found, out, start, c->first_row, c->n);
}

bool encoder_scan(const struct encoder *enc, const struct encoder_rows *rows,
                  const struct encoder_cut *cut, size_t block, size_t slab,
                  const struct encoder_rule *rule, struct hits *out,
                  uint32_t *start, struct encoder_scratch *s)
{
    const struct product *p = &enc->product;
    size_t first = encoder_block_begin(cut, rows, block);
    size_t end = encoder_block_begin(cut, rows, block + 1);
    struct scan c = {
        .enc = enc,
        .rule = rule,
        .s = s,
        .groups = rows->packed + first * rows->group_bytes,
        .n_groups = end - first,
        .group_bytes = rows->group_bytes,
        .stretch = cut->stretch,
        .first_row = first * p->rows,
        .n = least(end * p->rows, rows->n) - first * p->rows,
        .margin = rows->margin + first * p->rows,
    };
    if (!have_scratch(s, cut->most_rows, p->features))
        return false;
    for (size_t r = 0; r < c.n; r++) {
        float floor = rule->floor;
        if (rule->floors != NULL && rule->floors[c.first_row + r] > floor)
            floor = rule->floors[c.first_row + r];
        s->floor[r] = floor - c.margin[r];
        s->slack[r] = rule->below + c.margin[r];
    }
    out->n = 0;
    size_t from = encoder_slab_begin(cut, enc, slab);
    size_t to = encoder_slab_begin(cut, enc, slab + 1);
    bool done = rule->k > 0 ? scan_largest(&c, from, to, out, start)
                            : scan_above(&c, from, to, out, start);
    for (size_t i = 0; enc->coarse && done && i < out->n; i++)
        out->item[i].value -= c.margin[out->item[i].row - c.first_row];
    return done;
}
