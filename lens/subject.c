/* SPDX-License-Identifier: MIT */
#include "lens/subject.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- the same model ---- */

static int check_shape(const struct gpt2_config *c, const char *folder,
                       const struct dump_info *i, struct err *e)
{
    if (i->first_layer + i->layers > c->layers)
        return err_set(e, ERR_INPUT,
                       "%s has layer %d, but the model %s only layers 0 to %d",
                       i->path, i->first_layer + i->layers - 1, folder,
                       c->layers - 1);
    if (i->heads != c->heads || i->d_head != c->d_head)
        return err_set(e, ERR_INPUT,
                       "%s has %d heads of %d, but the model %s has %d of %d",
                       i->path, i->heads, i->d_head, folder, c->heads,
                       c->d_head);
    return 0;
}

/* Ids and lengths are data of another file than the model's. */
static int check_tokens(const struct gpt2_config *c, const char *folder,
                        const struct dump *d, struct err *e)
{
    const struct dump_info *i = dump_info(d);
    const int32_t *ids = dump_tokens(d);
    const int64_t *starts = dump_contexts(d);
    if (ids == NULL || starts == NULL)
        return err_set(e, ERR_INPUT,
                       "%s has no %s, so that no model can be run on it",
                       i->path, ids == NULL ? "token ids" : "contexts");
    for (uint64_t row = 0; row < i->tokens; row++)
        if (ids[row] >= c->vocab)
            return err_set(e, ERR_INPUT,
                           "%s: row %" PRIu64 " has token id %d, but the model "
                           "%s embeds only %d",
                           i->path, row, ids[row], folder, c->vocab);
    for (uint64_t k = 0; k < i->contexts; k++)
        if (starts[k + 1] - starts[k] > c->positions)
            return err_set(e, ERR_INPUT,
                           "%s: context %" PRIu64 " has %" PRId64
                           " tokens, but the model %s only %d positions",
                           i->path, k, starts[k + 1] - starts[k], folder,
                           c->positions);
    return 0;
}

static int check_same(const struct model *m, const char *folder,
                      const struct dump *d, struct err *e)
{
    const struct dump_info *i = dump_info(d);
    TRY(check_shape(&m->gpt2.config, folder, i, e));
    if (i->model_fingerprint != NULL &&
        strcmp(i->model_fingerprint, m->gpt2.fingerprint) != 0)
        return err_set(e, ERR_INPUT,
                       "%s was captured from model '%s' with fingerprint %s; "
                       "%s has %s: other weights, or another number format",
                       i->path, i->model, i->model_fingerprint, folder,
                       m->gpt2.fingerprint);
    return check_tokens(&m->gpt2.config, folder, d, e);
}

/* ---- the same z ---- */

/* Relative differences of z below this are rounding: bf16 gives 0.4 %. Another
 * model, or z with its biases where there should be none, is far above. */
static const double same_z = 0.02;

/* Root of the summed squares of (a - b - bias of the column), over those of
 * b; all (n, d), bias (d). */
static double difference(const float *a, const float *b, const float *bias,
                         size_t n, size_t d)
{
    double error = 0, size = 0;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++) {
            double x = (double)a[r * d + i] - (double)bias[i];
            double y = (double)b[r * d + i];
            error += (x - y) * (x - y);
            size += y * y;
        }
    return size > 0 ? sqrt(error / size) : error > 0 ? INFINITY : 0;
}

/* How far the dump's first rows are from the model's z as it is, and from z
 * less its value biases. */
struct fit {
    double plain, folded;
};

static int run_first(struct fit *fit, const struct gpt2 *g,
                     struct gpt2_workspace *w, const struct dump *d,
                     struct arena *arena, struct err *e)
{
    const int64_t *starts = dump_contexts(d);
    int layer = dump_info(d)->first_layer;
    size_t n = (size_t)starts[1], width = (size_t)g->config.d_model;
    const struct gpt2_batch batch = {dump_tokens(d), starts, 1};
    float *dumped, *none, **z;
    TRY(arena_get(arena, &dumped, n * width, sizeof *dumped, "z", e));
    TRY(arena_get(arena, &none, width, sizeof *none, "biases", e));
    TRY(arena_get(arena, &z, (size_t)g->config.layers, sizeof *z, "z", e));
    TRY(arena_get(arena, &z[layer], n * width, sizeof **z, "z", e));
    TRY(dump_read(d, layer, 0, n, dumped, e));
    const struct gpt2_tap tap = {.z = z};
    gpt2_forward(g, w, &batch, &tap);
    const float *b_v = g->layer[layer].c_attn.bias + 2 * width;
    fit->plain = difference(z[layer], dumped, none, n, width);
    fit->folded = difference(z[layer], dumped, b_v, n, width);
    return 0;
}

static int find_fit(struct fit *fit, const struct gpt2 *g, const struct dump *d,
                    struct err *e)
{
    struct gpt2_workspace w;
    struct arena arena = {0};
    TRY(gpt2_workspace_open(&w, g, (size_t)dump_contexts(d)[1], e));
    int code = run_first(fit, g, &w, d, &arena, e);
    arena_free(&arena);
    gpt2_workspace_close(&w);
    return code;
}

/* Without value biases both fit, and the manifest is as good as any. */
static int check_z(bool *fold, const struct model *m, const char *folder,
                   const struct dump *d, struct err *e)
{
    struct fit fit;
    const struct dump_info *i = dump_info(d);
    TRY(find_fit(&fit, &m->gpt2, d, e));
    bool plain = fit.plain < same_z, folded = fit.folded < same_z;
    if (!plain && !folded)
        return err_set(e, ERR_INPUT,
                       "%s: z of the first context differs from that of the "
                       "model %s by %.3g of its size (%.3g without value "
                       "biases): another model, or its tokens are not those "
                       "that were run",
                       i->path, folder, fit.plain, fit.folded);
    if ((i->fold_value_biases == 0 && !plain) ||
        (i->fold_value_biases == 1 && !folded))
        return err_set(e, ERR_INPUT,
                       "%s: the manifest says that z is %s value biases, but "
                       "against the model %s it is %s them",
                       i->path, i->fold_value_biases ? "without" : "with",
                       folder, i->fold_value_biases ? "with" : "without");
    *fold = i->fold_value_biases >= 0 ? i->fold_value_biases == 1 : !plain;
    return 0;
}

int subject_open(struct model *m, const char *folder, const struct dump *d,
                 struct err *e)
{
    bool fold = false;
    TRY(model_open(m, folder, false, e));
    int code = check_same(m, folder, d, e);
    if (code == 0)
        code = check_z(&fold, m, folder, d, e);
    if (code != 0)
        model_close(m);
    else if (fold)
        gpt2_fold_value_biases(&m->gpt2);
    return code;
}
