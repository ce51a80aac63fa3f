/* SPDX-License-Identifier: MIT */
#include "circuit/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <cblas.h>

/* ---- labels ---- */

/* 1, 0, or -1 for contexts that have none. */
static int label_of(const struct dump *d, uint64_t context)
{
    const struct dump_prompts *p = dump_prompts(d);
    if (p != NULL)
        return p->label[context];
    const struct dump_groups *g = dump_groups(d);
    int32_t group = g->of_context[context];
    if (group < 0)
        return -1;
    if (strcmp(g->names[group], "positive") == 0)
        return 1;
    return strcmp(g->names[group], "negative") == 0 ? 0 : -1;
}

static int read_labels(struct task *t, const struct dump *d, struct err *e)
{
    const struct dump_info *i = dump_info(d);
    if (dump_contexts(d) == NULL ||
        (dump_prompts(d) == NULL && dump_groups(d) == NULL))
        return err_set(e, ERR_INPUT,
                       "%s has no labels; capture prompts with labels "
                       "(--prompts), or contexts in groups 'positive' and "
                       "'negative'",
                       i->path);
    TRY(arena_get(&t->arena, &t->label, i->contexts, sizeof *t->label, "labels",
                  e));
    TRY(arena_get(&t->arena, &t->context, i->contexts, sizeof *t->context,
                  "labels", e));
    TRY(arena_get(&t->arena, &t->answer, i->contexts, sizeof *t->answer,
                  "answers", e));
    for (uint64_t k = 0; k < i->contexts; k++) {
        int label = label_of(d, k);
        if (label < 0)
            continue;
        t->answer[t->n] =
            dump_prompts(d) != NULL ? dump_prompts(d)->answer[k] : -1;
        t->label[t->n] = (int8_t)label;
        t->context[t->n++] = k;
        t->positives += (size_t)label;
    }
    if (t->positives == 0 || t->positives == t->n)
        return err_set(e, ERR_INPUT,
                       "%s has %zu positive and %zu negative examples; both "
                       "are needed",
                       i->path, t->positives, t->n - t->positives);
    return 0;
}

/* ---- vectors ---- */

struct reading {
    struct task *t;
    const struct dump *d;
    const struct task_options *o;
    float *z;    /* (n, width) of one layer */
    float *rows; /* (longest context, width) */
    size_t width;
    int layer;
};

/* Rows [*first, *end) of the dump whose mean example i is. */
static int find_rows(int64_t *first, int64_t *end, const struct reading *r,
                     size_t i, struct err *e)
{
    uint64_t context = r->t->context[i];
    const int64_t *starts = dump_contexts(r->d) + context;
    const struct dump_prompts *p = dump_prompts(r->d);
    int64_t n = starts[1] - starts[0], at = r->o->token;
    *first = starts[0];
    *end = starts[1];
    if (r->o->position == TASK_MEAN)
        return 0;
    if (r->o->position == TASK_LAST)
        at = p != NULL ? p->position[context] : -1;
    at = at < 0 ? n + at : at;
    if (at < 0 || at >= n)
        return err_set(e, ERR_INPUT,
                       "%s: context %" PRIu64 " has %" PRId64
                       " tokens, so none at position %" PRId64,
                       dump_info(r->d)->path, context, n, r->o->token);
    *first += at;
    *end = *first + 1;
    return 0;
}

static int read_example(struct reading *r, size_t i, struct err *e)
{
    int64_t first, end;
    TRY(find_rows(&first, &end, r, i, e));
    size_t n = (size_t)(end - first);
    TRY(dump_read(r->d, r->layer, (uint64_t)first, n, r->rows, e));
    for (size_t j = 0; j < r->width; j++) {
        double sum = 0;
        for (size_t row = 0; row < n; row++)
            sum += (double)r->rows[row * r->width + j];
        r->z[i * r->width + j] = (float)(sum / (double)n);
    }
    return 0;
}

/* Head h of the layer at hand, of all examples. */
static void make_vectors(void *ctx, size_t h, int thread)
{
    (void)thread;
    const struct reading *r = ctx;
    const struct task *t = r->t;
    size_t d_head = r->width / (size_t)t->layer_heads;
    size_t head =
        (size_t)(r->layer - t->first_layer) * (size_t)t->layer_heads + h;
    float *out = t->x + head * t->d;
    const float *z = r->z + h * d_head;
    int stride = (int)(t->heads * t->d);
    if (r->o->z) {
        for (size_t i = 0; i < t->n; i++)
            memcpy(out + i * (size_t)stride, z + i * r->width,
                   d_head * sizeof *out);
        return;
    }
    const float *w_o = dump_w_o(r->d, r->layer) + h * d_head * t->d;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)t->n, (int)t->d,
                (int)d_head, 1, z, (int)r->width, w_o, (int)t->d, 0, out,
                stride);
}

static int read_vectors(struct task *t, const struct dump *d,
                        const struct task_options *o, const struct team *team,
                        struct arena *arena, struct err *e)
{
    const struct dump_info *i = dump_info(d);
    const int64_t *starts = dump_contexts(d);
    struct reading r = {
        .t = t, .d = d, .o = o, .width = (size_t)(i->heads * i->d_head)};
    int64_t longest = 0;
    for (uint64_t k = 0; k < i->contexts; k++)
        longest = starts[k + 1] - starts[k] > longest
                      ? starts[k + 1] - starts[k]
                      : longest;
    TRY(arena_get(arena, &r.z, t->n * r.width, sizeof *r.z, "z", e));
    TRY(arena_get(arena, &r.rows, (size_t)longest * r.width, sizeof *r.rows,
                  "z", e));
    TRY(arena_get(&t->arena, &t->x, t->n * t->heads * t->d, sizeof *t->x,
                  "examples", e));
    for (int l = 0; l < i->layers; l++) {
        r.layer = i->first_layer + l;
        TRY(dump_verify_layer(d, r.layer, e));
        for (size_t k = 0; k < t->n; k++)
            TRY(read_example(&r, k, e));
        team_run(team, make_vectors, &r, (size_t)i->heads);
    }
    return 0;
}

static int open_all(struct task *t, const struct dump *d,
                    const struct task_options *o, const struct team *team,
                    struct err *e)
{
    const struct dump_info *i = dump_info(d);
    t->first_layer = i->first_layer;
    t->layers = i->layers;
    t->layer_heads = i->heads;
    t->heads = (size_t)i->layers * (size_t)i->heads;
    t->d = (size_t)(o->z ? i->d_head : i->d_model);
    if (!o->z && dump_w_o(d, i->first_layer) == NULL)
        return err_set(e, ERR_INPUT,
                       "%s has no W_O, so there are no results of heads; see "
                       "--vectors z",
                       i->path);
    TRY(read_labels(t, d, e));
    struct arena arena = {0};
    int code = read_vectors(t, d, o, team, &arena, e);
    arena_free(&arena);
    return code;
}

int task_open(struct task *t, const struct dump *d,
              const struct task_options *o, const struct team *team,
              struct err *e)
{
    *t = (struct task){0};
    int code = open_all(t, d, o, team, e);
    if (code != 0)
        task_close(t);
    return code;
}

void task_close(struct task *t)
{
    arena_free(&t->arena);
    *t = (struct task){0};
}

void task_head_name(char *out, const struct task *t, size_t head)
{
    (void)snprintf(out, TASK_HEAD_MAX, "L%dH%d",
                   t->first_layer + (int)head / t->layer_heads,
                   (int)head % t->layer_heads);
}
