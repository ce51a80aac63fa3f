/* SPDX-License-Identifier: MIT */
#include "lens/prompt_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/least.h"
#include "lens/predictions.h"
#include "lens/prompt_text.h"

const float *prompt_stage(const struct prompt_run *run, int stage,
                          size_t position)
{
    return run->stage + ((size_t)stage * run->n + position) * run->d;
}

bool prompt_stops(const struct prompt_stop *stop)
{
    return stop->wanted != NULL && stop->wanted(stop->ctx);
}

int prompt_stopped(struct err *e)
{
    return err_set(e, ERR_INTERRUPTED, "interrupted");
}

/* ---- the pass ---- */

struct keeping {
    struct prompt_run *run;
    const struct prompt_stop *stop;
    bool stopped;
};

static void keep_qkv(void *ctx, int layer, const float *qkv)
{
    struct prompt_run *run = ((struct keeping *)ctx)->run;
    memcpy(run->qkv[layer], qkv, run->n * 3 * run->d * sizeof *qkv);
}

static void keep_stage(void *ctx, int stage, const float *x)
{
    struct prompt_run *run = ((struct keeping *)ctx)->run;
    size_t size = run->n * run->d;
    memcpy(run->stage + (size_t)stage * size, x, size * sizeof *x);
}

static bool ask_stop(void *ctx)
{
    struct keeping *k = ctx;
    k->stopped = prompt_stops(k->stop);
    return k->stopped;
}

static int forward(struct prompt_run *run, const struct prompt_stop *stop,
                   struct err *e)
{
    const int64_t starts[] = {0, (int64_t)run->n};
    const struct gpt2_batch batch = {run->ids.ids, starts, 1};
    struct keeping k = {.run = run, .stop = stop};
    const struct gpt2_tap tap = {.z = run->z,
                                 .to_end = true,
                                 .qkv = keep_qkv,
                                 .residual = keep_stage,
                                 .stop = ask_stop,
                                 .ctx = &k};
    gpt2_forward(&run->lens->model.gpt2, &run->workspace, &batch, &tap);
    return k.stopped ? prompt_stopped(e) : 0;
}

/* ---- features and surprise ---- */

/* Items of the team: blocks of rows, which take longer, then the layers. */
struct reading {
    struct prompt_run *run;
    size_t blocks;
    const struct prompt_stop *stop;
    struct err *errors; /* [items] */
};

static int read_rows(struct reading *q, size_t block, int thread, struct err *e)
{
    struct prompt_run *run = q->run;
    const struct gpt2 *g = &run->lens->model.gpt2;
    struct prompt_room *room = &run->lens->room[thread];
    size_t vocab = (size_t)g->config.vocab, first = block * PROMPT_ROWS;
    size_t n = least(PROMPT_ROWS, run->n - 1 - first);
    gpt2_logits(g, &room->workspace, room->logits,
                prompt_stage(run, 2 * g->config.layers, first), n);
    for (size_t r = 0; r < n; r++) {
        const float *logits = room->logits + r * vocab;
        int32_t next = run->ids.ids[first + r + 1];
        double surprise =
            predictions_log_sum(logits, vocab) - (double)logits[next];
        if (!isfinite(surprise))
            return err_set(e, ERR_INPUT,
                           "the model's logits behind token %zu are not finite",
                           first + r);
        run->surprise[first + r + 1] = surprise;
    }
    return 0;
}

static int read_layer(struct reading *q, int layer, int thread, struct err *e)
{
    struct prompt_run *run = q->run;
    struct codes *c = &run->codes[layer];
    TRY(saes_encode_into(&run->lens->saes, layer, thread, run->z[layer], run->n,
                         c, e));
    for (size_t i = 0; i < c->start[run->n]; i++)
        if (!isfinite(c->value[i]))
            return err_set(e, ERR_INPUT,
                           "layer %d: the SAE's activation of feature %u is "
                           "not finite",
                           layer, c->feature[i]);
    return 0;
}

static void read_item(void *ctx, size_t item, int thread)
{
    struct reading *q = ctx;
    struct prompt_run *run = q->run;
    const struct saes *saes = &run->lens->saes;
    int layer = (int)item - (int)q->blocks;
    if (prompt_stops(q->stop))
        (void)prompt_stopped(&q->errors[item]);
    else if (layer < 0)
        (void)read_rows(q, item, thread, &q->errors[item]);
    else if (saes_has(saes, layer))
        (void)read_layer(q, layer, thread, &q->errors[item]);
}

/* What is not finite would be taken for silent features. */
static int check_finite(const struct prompt_run *run, struct err *e)
{
    int layers = run->lens->model.gpt2.config.layers;
    const float *x = prompt_stage(run, 2 * layers, 0);
    for (size_t i = 0; i < run->n * run->d; i++)
        if (!isfinite(x[i]))
            return err_set(e, ERR_INPUT,
                           "the model's residual stream at token %zu is not "
                           "finite",
                           i / run->d);
    return 0;
}

static int read_all(struct prompt_run *run, const struct prompt_stop *stop,
                    struct err *e)
{
    size_t blocks = (run->n - 1 + PROMPT_ROWS - 1) / PROMPT_ROWS;
    size_t items = (size_t)run->lens->model.gpt2.config.layers + blocks;
    struct reading q = {.run = run, .blocks = blocks, .stop = stop};
    TRY(check_finite(run, e));
    TRY(arena_get(&run->arena, &q.errors, items, sizeof *q.errors, "errors",
                  e));
    team_run(&run->lens->team, read_item, &q, items);
    for (size_t i = 0; i < items; i++)
        if (q.errors[i].code != 0) {
            if (e != NULL)
                *e = q.errors[i];
            return q.errors[i].code;
        }
    return 0;
}

/* ---- opening ---- */

static int get_room(struct prompt_run *run, struct err *e)
{
    static const char what[] = "a prompt's run";
    struct arena *a = &run->arena;
    const struct gpt2 *g = &run->lens->model.gpt2;
    size_t layers = (size_t)g->config.layers, row = run->d * sizeof(float);
    TRY(arena_get(a, &run->stage, (2 * layers + 1) * run->n, row, what, e));
    TRY(arena_get(a, &run->z, layers, sizeof *run->z, what, e));
    TRY(arena_get(a, &run->qkv, layers, sizeof *run->qkv, what, e));
    TRY(arena_get(a, &run->codes, layers, sizeof *run->codes, what, e));
    TRY(arena_get(a, &run->surprise, run->n, sizeof *run->surprise, what, e));
    for (size_t l = 0; l < layers; l++) {
        TRY(arena_get(a, &run->z[l], run->n, row, what, e));
        TRY(arena_get(a, &run->qkv[l], run->n, 3 * row, what, e));
    }
    return gpt2_workspace_open(&run->workspace, g, run->n, e);
}

static int open_run(struct prompt_run *run, const struct prompt_text *text,
                    const struct prompt_stop *stop, struct err *e)
{
    TRY(prompt_text_tokens(&run->ids, run->lens, text, e));
    run->n = run->ids.n;
    TRY(get_room(run, e));
    TRY(forward(run, stop, e));
    return read_all(run, stop, e);
}

int prompt_run_open(struct prompt_run **out, struct prompt_lens *l,
                    const struct prompt_text *text,
                    const struct prompt_stop *stop, struct err *e)
{
    struct prompt_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return err_memory(e, "a prompt's run", sizeof *run);
    run->lens = l;
    run->d = (size_t)l->model.gpt2.config.d_model;
    int code = open_run(run, text, stop, e);
    if (code != 0)
        prompt_run_close(&run);
    else
        *out = run;
    return code;
}

void prompt_run_close(struct prompt_run **run)
{
    struct prompt_run *r = *run;
    if (r == NULL)
        return;
    for (int l = 0; r->codes != NULL && l < r->lens->saes.layers; l++)
        codes_free(&r->codes[l]);
    gpt2_workspace_close(&r->workspace);
    token_list_free(&r->ids);
    arena_free(&r->arena);
    free(r);
    *run = NULL;
}

size_t prompt_run_bytes(const struct prompt_run *run)
{
    return run->arena.bytes + run->workspace.arena.bytes;
}

/* ---- further passes ---- */

int prompt_logits(const float **logits, struct prompt_run *run, const float *x,
                  struct err *e)
{
    const struct gpt2 *g = &run->lens->model.gpt2;
    struct prompt_room *room = &run->lens->room[0];
    gpt2_logits(g, &room->workspace, room->logits, x, 1);
    for (int v = 0; v < g->config.vocab; v++)
        if (!isfinite(room->logits[v]))
            return err_set(e, ERR_INPUT,
                           "the model's logit of token %d is not finite", v);
    *logits = room->logits;
    return 0;
}

struct again {
    const struct prompt_run_pass *pass;
    bool stopped;
};

static void edit_again(void *ctx, int layer, float *z)
{
    const struct prompt_run_pass *pass = ((struct again *)ctx)->pass;
    pass->edit(pass->ctx, layer, z);
}

static bool stop_again(void *ctx)
{
    struct again *a = ctx;
    a->stopped = prompt_stops(a->pass->stop);
    return a->stopped;
}

int prompt_run_again(struct prompt_run *run, const struct prompt_run_pass *pass,
                     struct err *e)
{
    const int64_t starts[] = {0, (int64_t)run->n};
    const struct gpt2_batch batch = {run->ids.ids, starts, 1};
    struct again a = {.pass = pass};
    const struct gpt2_tap tap = {
        .to_end = true, .edit = edit_again, .stop = stop_again, .ctx = &a};
    gpt2_forward(&run->lens->model.gpt2, &run->workspace, &batch, &tap);
    return a.stopped ? prompt_stopped(e) : 0;
}
