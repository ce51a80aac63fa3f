/* SPDX-License-Identifier: MIT */
#include "sae/forward.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sae/pass.h"

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
    free(f->norms);
    free(f->doubt);
    hits_free(&f->ratios);
    pass_again_free(&f->again);
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

static int have_room(struct forward *f, struct err *e)
{
    const struct encoder_cut *c = &f->cut;
    size_t pieces = c->blocks * c->slabs;
    if (!grow(&f->pieces, &f->n_pieces, pieces, sizeof *f->pieces) ||
        !grow(&f->blocks, &f->n_blocks, c->blocks, sizeof *f->blocks) ||
        !grow(&f->kept, &f->n_kept, c->blocks, sizeof *f->kept) ||
        !grow(&f->floors, &f->n_floors, f->rows.n, sizeof *f->floors) ||
        !grow(&f->norms, &f->n_norms, f->rows.n, sizeof *f->norms) ||
        !grow(&f->again.row, &f->again.n_row, f->rows.n,
              sizeof *f->again.row) ||
        !grow(&f->doubt, &f->n_doubt, f->rows.n, sizeof *f->doubt) ||
        !grow(&f->starts, &f->n_starts, pieces * (c->most_rows + 1),
              sizeof *f->starts))
        return err_memory(e, "encoder pieces", pieces * sizeof *f->pieces);
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
    TRY(pass_scan(p, &total, e));
    *done = floor == 0;
    if (total < want && floor > 0)
        return 0;
    p->cut = 0;
    if (p->enc->coarse && total > want)
        p->cut = hits_cut(f->pieces, pieces, want, ties, f->team);
    TRY(pass_merge(p, e));
    total = pass_count(f->blocks, f->cut.blocks);
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
    return pass_write(p, ties, e);
}

static int run_topk(struct pass *p, struct err *e)
{
    size_t total;
    p->guess = p->rule->guess;
    p->scan.k = p->rule->k;
    pass_guess(p);
    TRY(pass_scan(p, &total, e));
    TRY(pass_merge(p, e));
    TRY(pass_again(p, e));
    TRY(pass_write(p, 0, e));
    return pass_learn(p, e);
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
    f->again.n = 0;
    f->passes = 0;
    f->seconds = 0;
    if (!encoder_rows_begin(&f->rows, enc, n))
        return err_memory(e, "packed rows", n * enc->d * sizeof(float));
    f->cut = encoder_cut_of(enc, n);
    TRY(have_room(f, e));
    pass_pack(&p);
    if (n == 0)
        return pass_write(&p, 0, e);
    switch (rule->rule) {
    case RULE_BATCH_TOPK:
        return run_batch_topk(&p, e);
    case RULE_TOPK:
        return run_topk(&p, e);
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
    TRY(pass_scan(&p, &total, e));
    TRY(pass_merge(&p, e));
    return pass_write(&p, 0, e);
}
