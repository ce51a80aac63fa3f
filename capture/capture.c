/* SPDX-License-Identifier: MIT */
#include "capture/capture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/progress.h"
#include "capture/model.h"
#include "capture/texts.h"
#include "dump/weights.h"
#include "dump/writer.h"

/* Tokens of a group: enough for BLAS to run at full speed, few enough that
 * threads wait little for one another and the workspace stays small. */
enum { GROUP_ROWS = 1024 };

/* Groups per thread between two meetings of the team, where memory allows:
 * SLOT_MEMORY bounds the z that waits for being written. */
enum { GROUPS_PER_THREAD = 4 };
static const size_t slot_memory = 512u << 20;

struct capture {
    const struct capture_options *o;
    const struct team *team;
    struct model model;
    struct texts texts;
    struct capture_plan plan;
    size_t *group;             /* [groups + 1] the first context of each */
    size_t groups, group_rows; /* rows of the largest */
    size_t wave;               /* groups between two meetings */
    struct arena arena;
};

/* ---- opening ---- */

static int read_texts(struct capture *c, struct err *e)
{
    const struct capture_options *o = c->o;
    struct texts_options t = {
        .cut = {.length = (size_t)c->model.gpt2.config.positions,
                .bos = o->bos == 0,
                .tokens = (uint64_t)o->tokens,
                .pack = o->pack},
        .fields = {.text = o->text_field, .group = o->group_field},
    };
    if (o->context > c->model.gpt2.config.positions)
        return err_set(e, ERR_INPUT,
                       "--context %lld: the model has only %d positions",
                       (long long)o->context, c->model.gpt2.config.positions);
    if (o->context > 0)
        t.cut.length = (size_t)o->context;
    if (t.cut.bos && t.cut.length < 2)
        return err_set(e, ERR_INPUT,
                       "--context 1 leaves no room beside the BOS token; give "
                       "--bos never");
    return texts_read(&c->texts, c->model.tokenizer, o->text, &t, e);
}

/* Packs whole contexts, in order, into groups of at most GROUP_ROWS tokens
 * (more where one context alone is longer). */
static int make_groups(struct capture *c, struct err *e)
{
    const int64_t *starts = c->texts.contexts.starts;
    size_t n = (size_t)c->texts.contexts.n;
    TRY(arena_get(&c->arena, &c->group, n + 1, sizeof *c->group, "groups", e));
    for (size_t first = 0, end; first < n; first = end) {
        end = first + 1;
        while (end < n && starts[end + 1] - starts[first] <= GROUP_ROWS)
            end++;
        size_t rows = (size_t)(starts[end] - starts[first]);
        if (rows > c->group_rows)
            c->group_rows = rows;
        c->group[c->groups++] = first;
    }
    c->group[c->groups] = n;
    return 0;
}

/* Bytes of the z of one group. */
static size_t slot_bytes(const struct capture *c)
{
    return (size_t)c->plan.layers * c->group_rows *
           (size_t)c->model.gpt2.config.d_model * sizeof(float);
}

static void choose_wave(struct capture *c)
{
    size_t threads = (size_t)c->team->threads;
    c->wave = GROUPS_PER_THREAD * threads;
    while (c->wave > threads && 2 * c->wave * slot_bytes(c) > slot_memory)
        c->wave--;
    if (c->wave > c->groups)
        c->wave = c->groups;
}

static void make_plan(struct capture *c)
{
    struct capture_plan *p = &c->plan;
    uint64_t row = (uint64_t)p->layers * (uint64_t)c->model.gpt2.config.d_model;
    p->contexts = c->texts.contexts.n;
    p->tokens = c->texts.contexts.tokens;
    p->heads = c->model.gpt2.config.heads;
    p->d_head = c->model.gpt2.config.d_head;
    p->dtype = capture_dtype(c->o);
    uint64_t ids =
        p->tokens * sizeof(int32_t) + (p->contexts + 1) * sizeof(int64_t);
    const struct dump_info info = {.layers = p->layers,
                                   .heads = p->heads,
                                   .d_head = p->d_head,
                                   .d_model = c->model.gpt2.config.d_model};
    p->output_bytes = p->tokens * row * dtype_size(p->dtype) + ids +
                      weights_bytes(&info, (size_t)c->model.gpt2.config.vocab);
    choose_wave(c);
    p->memory_bytes = c->model.gpt2.arena.bytes + ids +
                      2 * c->wave * slot_bytes(c) +
                      (uint64_t)c->team->threads *
                          gpt2_workspace_bytes(&c->model.gpt2, c->group_rows);
}

static int open_all(struct capture *c, const char *folder, struct err *e)
{
    TRY(model_open(&c->model, folder, c->o->fold_value_biases, e));
    TRY(capture_parse_layers(&c->plan.first_layer, &c->plan.layers,
                             c->o->layers, c->model.gpt2.config.layers, e));
    TRY(read_texts(c, e));
    TRY(make_groups(c, e));
    make_plan(c);
    log_line(LOG_DETAIL,
             "capture: %zu groups of up to %zu tokens, %zu in flight, %d "
             "threads",
             c->groups, c->group_rows, 2 * c->wave, c->team->threads);
    return 0;
}

int capture_open(struct capture **out, const char *model,
                 const struct capture_options *o, const struct team *team,
                 struct err *e)
{
    *out = NULL;
    struct capture *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_memory(e, "capture", sizeof *c);
    c->o = o;
    c->team = team;
    int code = open_all(c, model, e);
    if (code != 0)
        capture_close(&c);
    *out = c;
    return code;
}

void capture_close(struct capture **c)
{
    if (*c == NULL)
        return;
    model_close(&(*c)->model);
    texts_free(&(*c)->texts);
    arena_free(&(*c)->arena);
    free(*c);
    *c = NULL;
}

const struct capture_plan *capture_plan(const struct capture *c)
{
    return &c->plan;
}

/* ---- running ----
 * A wave is a row of groups. While the team computes one wave into one bank of
 * slots, one of the threads writes the wave before from the other bank. */

/* Groups [first, first + n). */
struct wave {
    size_t first, n;
};

struct run {
    struct capture *c;
    struct gpt2_workspace *workspace; /* [threads] */
    float **z;                        /* [2 × wave × layers of the model] */
    struct wave now, before;          /* being computed, being written */
    int bank;                         /* of `now` */
    struct dump_writer *writer;
    struct err e; /* of the writing */
    struct arena arena;
};

/* The z pointers of a slot, one for each layer of the model. */
static float **slot_of(const struct run *r, int bank, size_t i)
{
    size_t slot = (size_t)bank * r->c->wave + i;
    return r->z + slot * (size_t)r->c->model.gpt2.config.layers;
}

static struct gpt2_batch batch_of(const struct capture *c, size_t group)
{
    size_t first = c->group[group];
    return (struct gpt2_batch){.ids = c->texts.contexts.ids,
                               .starts = c->texts.contexts.starts + first,
                               .contexts = c->group[group + 1] - first};
}

static void compute(struct run *r, size_t i, int thread)
{
    if (interrupt_requested())
        return;
    struct gpt2_batch batch = batch_of(r->c, r->now.first + i);
    const struct gpt2_tap tap = {.z = slot_of(r, r->bank, i)};
    gpt2_forward(&r->c->model.gpt2, &r->workspace[thread], &batch, &tap);
}

static int write_wave(struct run *r)
{
    const struct capture_plan *p = &r->c->plan;
    for (size_t i = 0; i < r->before.n; i++) {
        struct gpt2_batch batch = batch_of(r->c, r->before.first + i);
        float **z = slot_of(r, !r->bank, i);
        for (int l = p->first_layer; l < p->first_layer + p->layers; l++)
            TRY(dump_writer_rows(r->writer, l, z[l], gpt2_batch_rows(&batch),
                                 &r->e));
    }
    return 0;
}

/* The writing is item 0: taken first, it never runs alone at the end. */
static void work(void *ctx, size_t item, int thread)
{
    struct run *r = ctx;
    if (item == 0)
        (void)write_wave(r);
    else
        compute(r, item - 1, thread);
}

static int run_open(struct run *r, struct capture *c, struct err *e)
{
    *r = (struct run){.c = c};
    size_t layers = (size_t)c->model.gpt2.config.layers;
    TRY(arena_get(&r->arena, &r->workspace, (size_t)c->team->threads,
                  sizeof *r->workspace, "workspaces", e));
    for (int t = 0; t < c->team->threads; t++)
        TRY(gpt2_workspace_open(&r->workspace[t], &c->model.gpt2, c->group_rows,
                                e));
    TRY(arena_get(&r->arena, &r->z, 2 * c->wave * layers, sizeof *r->z, "z",
                  e));
    for (size_t i = 0; i < 2 * c->wave; i++)
        for (int l = 0; l < c->plan.layers; l++)
            TRY(arena_get(&r->arena, &slot_of(r, 0, i)[c->plan.first_layer + l],
                          c->group_rows * (size_t)c->model.gpt2.config.d_model,
                          sizeof(float), "z", e));
    return 0;
}

static void run_close(struct run *r)
{
    for (int t = 0; r->workspace != NULL && t < r->c->team->threads; t++)
        gpt2_workspace_close(&r->workspace[t]);
    dump_writer_abort(&r->writer);
    arena_free(&r->arena);
}

static int write_groups(struct run *r, struct err *e)
{
    const struct texts *x = &r->c->texts;
    const struct dump_groups groups = {x->n, x->names, x->contexts.group};
    return x->n > 0 ? dump_writer_groups(r->writer, &groups, e) : 0;
}

/* Conv1D has its weight (in, out): rows of z come head by head as they are. */
static int write_weights(struct run *r, struct err *e)
{
    const struct gpt2 *g = &r->c->model.gpt2;
    const float *w_o[DUMP_LAYERS_MAX];
    const struct weights_source from = {.w_o = w_o,
                                        .w_u = g->head,
                                        .vocab = (size_t)g->config.vocab,
                                        .ln_gain = g->ln_f.weight,
                                        .ln_bias = g->ln_f.bias};
    for (int l = 0; l < r->c->plan.layers; l++)
        w_o[l] = g->layer[r->c->plan.first_layer + l].attn_proj.weight;
    return dump_writer_weights(r->writer, &from, e);
}

static int begin_dump(struct run *r, bool force, struct err *e)
{
    const struct capture *c = r->c;
    const struct dump_info info = {
        .model = c->model.name,
        .first_layer = c->plan.first_layer,
        .layers = c->plan.layers,
        .heads = c->plan.heads,
        .d_head = c->plan.d_head,
        .d_model = c->model.gpt2.config.d_model,
        .tokens = c->plan.tokens,
        .contexts = c->plan.contexts,
        .dtype = c->plan.dtype,
        .bos = c->o->bos == 0 ? "always" : "never",
        .fold_value_biases = c->o->fold_value_biases,
        .model_fingerprint = c->model.gpt2.fingerprint,
    };
    TRY(dump_writer_open(&r->writer, c->o->output, &info, force, e));
    TRY(dump_writer_tokens(r->writer, c->texts.contexts.ids,
                           c->texts.contexts.starts, e));
    TRY(write_groups(r, e));
    TRY(dump_writer_vocab(r->writer, tokenizer_vocab(c->model.tokenizer), e));
    return write_weights(r, e);
}

/* One more wave is run than there are, which only writes. */
static int run_waves(struct run *r, struct progress *bar, struct err *e)
{
    const struct capture *c = r->c;
    for (size_t first = 0; first < c->groups || r->now.n > 0;) {
        size_t left = c->groups - first;
        r->before = r->now;
        r->now = (struct wave){first, left < c->wave ? left : c->wave};
        r->bank = !r->bank;
        team_run(c->team, work, r, 1 + r->now.n);
        if (interrupt_requested())
            return err_set(e, ERR_INTERRUPTED,
                           "interrupted; nothing was written");
        if (r->e.code != 0) {
            if (e != NULL)
                *e = r->e;
            return r->e.code;
        }
        first += r->now.n;
        progress_set(bar, (uint64_t)c->texts.contexts.starts[c->group[first]],
                     NULL);
    }
    return 0;
}

int capture_run(struct capture *c, bool force, double *seconds, struct err *e)
{
    struct run r;
    struct progress bar;
    double begin = clock_seconds();
    int code = run_open(&r, c, e);
    if (code == 0)
        code = begin_dump(&r, force, e);
    if (code == 0) {
        progress_begin(&bar, "capture", "tokens", 0, c->plan.tokens);
        code = run_waves(&r, &bar, e);
    }
    if (code == 0)
        code = dump_writer_commit(&r.writer, e);
    if (code == 0)
        progress_end(&bar);
    run_close(&r);
    *seconds = clock_seconds() - begin;
    return code;
}

int capture_measure(struct capture *c, double *tokens_per_second, struct err *e)
{
    struct run r;
    size_t n = (size_t)c->team->threads;
    *tokens_per_second = 0;
    int code = run_open(&r, c, e);
    if (code == 0) {
        r.now.n = n < c->wave ? n : c->wave;
        double begin = clock_seconds();
        team_run(c->team, work, &r, 1 + r.now.n);
        double seconds = clock_seconds() - begin;
        int64_t tokens = c->texts.contexts.starts[c->group[r.now.n]];
        *tokens_per_second = (double)tokens / seconds;
    }
    run_close(&r);
    if (code == 0 && interrupt_requested())
        code = err_set(e, ERR_INTERRUPTED, "interrupted");
    return code;
}
