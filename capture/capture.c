/* SPDX-License-Identifier: MIT */
#include "capture/parts.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "dump/weights.h"

/* Groups per thread between two meetings of the team, where memory allows:
 * SLOT_MEMORY bounds the z that waits for being written. */
enum { GROUPS_PER_THREAD = 4 };
static const size_t slot_memory = 512u << 20;

/* ---- opening ---- */

/* Prompts in the form of texts: contexts in groups. */
static int take_prompts(struct capture *c, const struct prompts *p,
                        struct err *e)
{
    static char positive[] = "positive", negative[] = "negative";
    struct texts *x = &c->texts;
    struct contexts found = {.ids = p->tokens.ids,
                             .starts = p->tokens.start,
                             .tokens = (uint64_t)p->tokens.start[p->n],
                             .n = p->n};
    bool labelled = false;
    TRY(arena_get(&x->arena, &found.group, p->n, sizeof *found.group, "groups",
                  e));
    for (size_t i = 0; i < p->n; i++) {
        found.group[i] = p->label[i] < 0 ? -1 : 1 - p->label[i];
        labelled = labelled || p->label[i] >= 0;
    }
    TRY(contexts_append(&x->contexts, &found, e));
    if (labelled) {
        TRY(arena_get(&x->arena, &x->names, 2, sizeof *x->names, "groups", e));
        x->names[0] = positive;
        x->names[1] = negative;
        x->n = 2;
    }
    c->prompts = prompts_json(p);
    return c->prompts == NULL ? err_memory(e, "prompts", 0) : 0;
}

static int read_prompts(struct capture *c, struct err *e)
{
    struct prompts p;
    const struct prompts_options o = {.bos = c->o->bos == 0, .label = -1};
    json_t *layouts = json_object();
    if (layouts == NULL)
        return err_memory(e, "layouts", 0);
    int code = prompts_read(&p, &c->model, c->o->prompts, &o, layouts, e);
    if (code == 0) {
        code = take_prompts(c, &p, e);
        prompts_free(&p);
    }
    json_decref(layouts);
    return code;
}

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

/* Bytes of the z of one group. */
static size_t slot_bytes(const struct capture *c)
{
    return (size_t)c->plan.layers * c->packing.rows *
           (size_t)c->model.gpt2.config.d_model * sizeof(float);
}

static void choose_wave(struct capture *c)
{
    size_t threads = (size_t)c->team->threads;
    c->wave = GROUPS_PER_THREAD * threads;
    while (c->wave > threads && 2 * c->wave * slot_bytes(c) > slot_memory)
        c->wave--;
    if (c->wave > c->packing.groups)
        c->wave = c->packing.groups;
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
                          gpt2_workspace_bytes(&c->model.gpt2, c->packing.rows);
}

static int open_all(struct capture *c, const char *folder, struct err *e)
{
    TRY(model_open(&c->model, folder, c->o->fold_value_biases, e));
    TRY(capture_parse_layers(&c->plan.first_layer, &c->plan.layers,
                             c->o->layers, c->model.gpt2.config.layers, e));
    TRY(c->o->prompts != NULL ? read_prompts(c, e) : read_texts(c, e));
    TRY(packing_make(&c->packing, c->texts.contexts.starts,
                     (size_t)c->texts.contexts.n, &c->arena, e));
    make_plan(c);
    TRY(memory_check(
        c->plan.memory_bytes - c->model.gpt2.arena.bytes, folder,
        "the capture beside the model; fewer --threads or --layers "
        "need less",
        e));
    log_line(LOG_DETAIL,
             "capture: %zu groups of up to %zu tokens, %zu in flight, %d "
             "threads",
             c->packing.groups, c->packing.rows, 2 * c->wave, c->team->threads);
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
    json_decref((*c)->prompts);
    arena_free(&(*c)->arena);
    free(*c);
    *c = NULL;
}

const struct capture_plan *capture_plan(const struct capture *c)
{
    return &c->plan;
}
