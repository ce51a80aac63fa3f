/* SPDX-License-Identifier: MIT
 *
 * All tensors are listed and checked before the first is copied, so that a
 * model that is wrong, or too large, says so at once.
 */
#include "capture/gpt2.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/output.h"
#include "capture/gpt2_config.h"
#include "capture/weight_files.h"
#include "kernels/kernels.h"

/* A tensor of the model, and where it is found. */
struct part {
    float **out;
    char name[160];
    int rank;
    int64_t shape[2];
    const struct tensor *tensor;
    const char *path;
};

struct loader {
    struct gpt2 *g;
    struct weight_files files;
    const char *prefix; /* "transformer." or "" */
    struct part *parts; /* in the order of the fingerprint */
    size_t n;
    struct arena arena;
};

/* ---- what the config asks for ---- */

/* What precedes all layers, each layer, and follows them. */
enum { PARTS_BEFORE = 2, PARTS_OF_LAYER = 12, PARTS_BEHIND = 3 };

/* "<prefix><name>": (rows, cols), or a vector where rows is 0. */
static void want(struct loader *l, float **out, const char *name, int rows,
                 int cols)
{
    struct part *p = &l->parts[l->n++];
    *p = (struct part){.out = out,
                       .rank = rows > 0 ? 2 : 1,
                       .shape = {rows > 0 ? rows : cols, cols}};
    (void)snprintf(p->name, sizeof p->name, "%s%s", l->prefix, name);
}

static void want_layer(struct loader *l, int index)
{
    const struct gpt2_config *c = &l->g->config;
    struct gpt2_layer *layer = &l->g->layer[index];
    int d = c->d_model;
    const struct {
        const char *name;
        float **weight, **bias;
        struct linear *linear;
        int in, out;
    } units[] = {
        {"ln_1", &layer->ln_1.weight, &layer->ln_1.bias, NULL, 0, d},
        {"attn.c_attn", NULL, NULL, &layer->c_attn, d, 3 * d},
        {"attn.c_proj", NULL, NULL, &layer->attn_proj, d, d},
        {"ln_2", &layer->ln_2.weight, &layer->ln_2.bias, NULL, 0, d},
        {"mlp.c_fc", NULL, NULL, &layer->c_fc, d, c->d_mlp},
        {"mlp.c_proj", NULL, NULL, &layer->mlp_proj, c->d_mlp, d},
    };
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct linear *linear = units[i].linear;
        char weight[80], bias[80];
        (void)snprintf(weight, sizeof weight, "h.%d.%s.weight", index,
                       units[i].name);
        (void)snprintf(bias, sizeof bias, "h.%d.%s.bias", index, units[i].name);
        if (linear != NULL) {
            linear->in = units[i].in;
            linear->out = units[i].out;
        }
        want(l, linear != NULL ? &linear->weight : units[i].weight, weight,
             units[i].in, units[i].out);
        want(l, linear != NULL ? &linear->bias : units[i].bias, bias, 0,
             units[i].out);
    }
}

static int want_all(struct loader *l, bool tied, struct err *e)
{
    struct gpt2 *g = l->g;
    const struct gpt2_config *c = &g->config;
    size_t layers = (size_t)c->layers;
    TRY(arena_get(&l->arena, &l->parts,
                  PARTS_BEFORE + PARTS_OF_LAYER * layers + PARTS_BEHIND,
                  sizeof *l->parts, "tensors", e));
    TRY(arena_get(&g->arena, &g->layer, layers, sizeof *g->layer, "layers", e));
    want(l, &g->wte, "wte.weight", c->vocab, c->d_model);
    want(l, &g->wpe, "wpe.weight", c->positions, c->d_model);
    for (int i = 0; i < c->layers; i++)
        want_layer(l, i);
    want(l, &g->ln_f.weight, "ln_f.weight", 0, c->d_model);
    want(l, &g->ln_f.bias, "ln_f.bias", 0, c->d_model);
    l->prefix = ""; /* the head stands beside the transformer */
    if (!tied)
        want(l, &g->head, "lm_head.weight", c->vocab, c->d_model);
    return 0;
}

/* ---- what the files hold ---- */

/* A part as tensor_describe shows it: "f32 [2048, 256]". */
static void describe_wanted(char *out, size_t size, const struct part *p,
                            enum dtype dtype)
{
    struct tensor wanted = {.dtype = dtype, .rank = p->rank};
    memcpy(wanted.shape, p->shape, (size_t)p->rank * sizeof *p->shape);
    tensor_describe(out, size, &wanted);
}

static int check_tensor(const struct part *p, struct err *e)
{
    const struct tensor *t = p->tensor;
    char have[160], want[160];
    tensor_describe(have, sizeof have, t);
    describe_wanted(want, sizeof want, p, t->dtype);
    if (!dtype_is_activation(t->dtype))
        return err_set(e, ERR_INPUT,
                       "%s: %s: %s; only f32, f16 and bf16 are read", p->path,
                       p->name, have);
    if (t->rank != p->rank ||
        memcmp(t->shape, p->shape, (size_t)p->rank * sizeof *p->shape) != 0)
        return err_set(e, ERR_INPUT, "%s: %s: %s, but config.json asks for %s",
                       p->path, p->name, have, want);
    return 0;
}

static int missing(const struct loader *l, const struct part *p, struct err *e)
{
    char want[160];
    describe_wanted(want, sizeof want, p, DTYPE_F32);
    return err_set(e, ERR_INPUT,
                   "%s: no tensor '%s'; config.json asks for one like %s",
                   l->files.path, p->name, want);
}

static int find_all(struct loader *l, struct err *e)
{
    for (size_t i = 0; i < l->n; i++) {
        struct part *p = &l->parts[i];
        p->tensor = weight_files_find(&l->files, p->name, &p->path);
        TRY(p->tensor != NULL ? check_tensor(p, e) : missing(l, p, e));
    }
    return 0;
}

/* A file with more layers than the config would lose them without a word. */
static int check_no_more_layers(const struct loader *l, const char *prefix,
                                struct err *e)
{
    char name[160];
    const char *path;
    int layers = l->g->config.layers;
    (void)snprintf(name, sizeof name, "%sh.%d.ln_1.weight", prefix, layers);
    if (weight_files_find(&l->files, name, &path) == NULL)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: holds '%s', but config.json says n_layer is %d", path,
                   name, layers);
}

/* The files themselves stay on disk, mapped; their pages can go again. */
static int check_memory(const struct loader *l, const char *folder,
                        struct err *e)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < l->n; i++)
        bytes += tensor_count(l->parts[i].tensor) * sizeof(float);
    return memory_check(bytes, folder, "its weights as f32", e);
}

/* ---- loading ---- */

static int load(const struct loader *l, const struct part *p,
                struct fingerprint *fingerprint, struct err *e)
{
    size_t n = tensor_count(p->tensor);
    float *copy;
    TRY(arena_get(&l->g->arena, &copy, n, sizeof *copy, p->name, e));
    tensor_to_float(copy, p->tensor, 0, n);
    size_t bad = kernels.first_not_finite(copy, n);
    if (bad < n)
        return err_set(e, ERR_INPUT, "%s: %s: element %zu is not finite",
                       p->path, p->name, bad);
    fingerprint_add(fingerprint, copy, n * sizeof *copy);
    *p->out = copy;
    return 0;
}

static int load_all(const struct loader *l, struct err *e)
{
    struct gpt2 *g = l->g;
    struct fingerprint f;
    TRY(fingerprint_begin(&f, e));
    fingerprint_add(&f, &g->config, sizeof g->config);
    int code = 0;
    for (size_t i = 0; i < l->n && code == 0; i++)
        code = load(l, &l->parts[i], &f, e);
    fingerprint_end(&f, code == 0 ? g->fingerprint : NULL);
    if (g->head == NULL)
        g->head = g->wte;
    return code;
}

static int open_with(struct loader *l, const char *folder, struct err *e)
{
    static const char wte[] = "transformer.wte.weight";
    char config[OUTPUT_PATH_MAX];
    const char *path;
    bool tied;
    TRY(output_join(config, folder, "config.json", e));
    TRY(gpt2_config_read(&l->g->config, &tied, config, e));
    TRY(weight_files_open(&l->files, folder, e));
    const char *prefix =
        weight_files_find(&l->files, wte, &path) != NULL ? "transformer." : "";
    l->prefix = prefix;
    TRY(want_all(l, tied, e));
    TRY(find_all(l, e));
    TRY(check_no_more_layers(l, prefix, e));
    TRY(check_memory(l, folder, e));
    return load_all(l, e);
}

int gpt2_open(struct gpt2 *g, const char *folder, struct err *e)
{
    *g = (struct gpt2){0};
    struct loader l = {.g = g};
    int code = open_with(&l, folder, e);
    weight_files_close(&l.files);
    arena_free(&l.arena);
    if (code != 0)
        gpt2_close(g);
    return code;
}

/* ---- value biases ---- */

/* In double, and in the order of the value's dimensions. */
static void fold_layer(const struct linear *c_attn, const struct linear *proj)
{
    size_t d = (size_t)proj->out;
    float *b_v = c_attn->bias + 2 * d;
    for (size_t j = 0; j < d; j++) {
        double sum = (double)proj->bias[j];
        for (size_t i = 0; i < d; i++)
            sum += (double)b_v[i] * (double)proj->weight[i * d + j];
        proj->bias[j] = (float)sum;
    }
    memset(b_v, 0, d * sizeof *b_v);
}

void gpt2_fold_value_biases(struct gpt2 *g)
{
    for (int l = 0; l < g->config.layers; l++)
        fold_layer(&g->layer[l].c_attn, &g->layer[l].attn_proj);
    g->folded = true;
}

void gpt2_close(struct gpt2 *g)
{
    arena_free(&g->arena);
    *g = (struct gpt2){0};
}
