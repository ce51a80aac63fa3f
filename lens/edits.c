/* SPDX-License-Identifier: MIT */
#include "lens/edits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

/* ---- one row ---- */

/* An edit at one token. */
struct place {
    struct edits *x;
    const struct edit *edit;
    size_t row;      /* of the batch */
    size_t context;  /* of the batch */
    size_t position; /* within it */
};

/* Where the reference's mean for the token lies; SIZE_MAX after an error. */
static size_t find_mean(const struct place *p)
{
    const struct edit_sources *from = p->x->from;
    size_t context = p->x->group->context + p->context;
    int32_t layout = from->layout != NULL ? from->layout[context] : 0;
    size_t place = means_place(from->means, layout, p->position);
    if (place == SIZE_MAX)
        (void)err_set(&p->x->e, ERR_INPUT,
                      "the reference has no context of the layout of context "
                      "%zu with a position %zu, so there is no mean for it",
                      context, p->position);
    return place;
}

/* The columns [first, first + n) of one token's z. */
static void edit_head(const struct place *p, float *z, size_t first, size_t n)
{
    const struct edits *x = p->x;
    size_t d = (size_t)x->from->config->d_model, mean;
    switch (p->edit->kind) {
    case EDIT_ZERO:
        memset(z + first, 0, n * sizeof *z);
        return;
    case EDIT_SCALE:
        for (size_t i = first; i < first + n; i++)
            z[i] *= (float)p->edit->factor;
        return;
    case EDIT_PATCH:
        memcpy(z + first, x->patch[p->edit->layer] + p->row * d + first,
               n * sizeof *z);
        return;
    case EDIT_MEAN:
        mean = find_mean(p);
        if (mean != SIZE_MAX)
            memcpy(z + first,
                   means_z(x->from->means, mean, p->edit->layer) + first,
                   n * sizeof *z);
        return;
    case EDIT_SPLICE:
        return; /* of a layer, not of a row */
    }
}

/* What the feature's activation is to become. */
static float edited_value(const struct place *p, float value, float patch)
{
    size_t mean;
    switch (p->edit->kind) {
    case EDIT_SCALE:
        return (float)p->edit->factor * value;
    case EDIT_PATCH:
        return patch;
    case EDIT_MEAN:
        mean = find_mean(p);
        return mean == SIZE_MAX
                   ? value
                   : means_of_feature(p->x->from->means, mean, p->edit->layer,
                                      (uint32_t)p->edit->feature);
    case EDIT_ZERO:
    case EDIT_SPLICE:
        break;
    }
    return 0;
}

/* ---- the rows of an edit ---- */

typedef void row_fn(const struct place *p, float *z, const void *ctx);

static void each_row(struct edits *x, const struct edit *edit, float *z,
                     row_fn *fn, const void *ctx)
{
    const struct gpt2_batch *b = &x->group->batch;
    size_t d = (size_t)x->from->config->d_model;
    for (size_t k = 0; k < b->contexts; k++) {
        int64_t first = 0, end = b->starts[k + 1] - b->starts[k];
        if (!edit->everywhere) {
            first = edit->position < 0 ? end + edit->position : edit->position;
            if (first < 0 || first >= end) {
                (void)err_set(&x->e, ERR_INPUT,
                              "context %zu has no position %" PRId64
                              ": it has %" PRId64 " tokens",
                              x->group->context + k, edit->position, end);
                continue;
            }
            end = first + 1;
        }
        for (int64_t t = first; t < end; t++) {
            size_t row = (size_t)(b->starts[k] - b->starts[0] + t);
            const struct place p = {x, edit, row, k, (size_t)t};
            fn(&p, z + row * d, ctx);
        }
    }
}

static void head_row(const struct place *p, float *z, const void *ctx)
{
    (void)ctx;
    const struct gpt2_config *c = p->x->from->config;
    size_t d_head = (size_t)c->d_head;
    if (p->edit->head < 0)
        edit_head(p, z, 0, (size_t)c->d_model);
    else
        edit_head(p, z, (size_t)p->edit->head * d_head, d_head);
}

/* Activations of a layer: here, before its edits, and of the features that are
 * patched in the other run. */
struct layer_codes {
    const struct sae *sae;
    const struct codes *here;
    float *there;       /* (patched features, rows) */
    const float *patch; /* (rows) of the feature at hand */
};

static void feature_row(const struct place *p, float *z, const void *ctx)
{
    const struct layer_codes *c = ctx;
    uint32_t feature = (uint32_t)p->edit->feature;
    float value = codes_value(c->here, p->row, feature);
    float patch = p->edit->kind == EDIT_PATCH ? c->patch[p->row] : 0;
    float change = edited_value(p, value, patch) - value;
    if (change != 0)
        kernels.add_scaled(z, change, c->sae->w_dec + feature * c->sae->d,
                           c->sae->d);
}

/* ---- the edits of a layer ---- */

/* Encodes into the thread's codes, which hold one run's at a time. */
static const struct codes *encode(struct edits *x, int layer, const float *z)
{
    const struct codes *c;
    int code = saes_encode(x->from->saes, layer, x->group->thread, z,
                           gpt2_batch_rows(&x->group->batch), &c, &x->e);
    return code == 0 ? c : NULL;
}

static bool is_of_feature(const struct edit *edit, int layer)
{
    return edit->layer == layer && edit->feature >= 0;
}

static size_t count_features(const struct edits *x, int layer, bool patched)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n; i++)
        n += is_of_feature(&x->edit[i], layer) &&
             (!patched || x->edit[i].kind == EDIT_PATCH);
    return n;
}

static void find_patches(struct edits *x, int layer, struct layer_codes *c)
{
    size_t n = gpt2_batch_rows(&x->group->batch);
    size_t patched = count_features(x, layer, true);
    if (patched == 0)
        return;
    c->there = malloc(patched * n * sizeof *c->there);
    if (c->there == NULL) {
        (void)err_memory(&x->e, "activations", patched * n * sizeof(float));
        return;
    }
    const struct codes *other = encode(x, layer, x->patch[layer]);
    float *out = c->there;
    for (size_t i = 0; other != NULL && i < x->n; i++) {
        if (!is_of_feature(&x->edit[i], layer) || x->edit[i].kind != EDIT_PATCH)
            continue;
        for (size_t r = 0; r < n; r++)
            *out++ = codes_value(other, r, (uint32_t)x->edit[i].feature);
    }
    c->patch = c->there;
}

static void splice(struct edits *x, int layer, float *z)
{
    const struct sae *sae = &x->from->saes->sae[layer];
    const struct codes *c = encode(x, layer, z);
    for (size_t r = 0; c != NULL && r < c->n; r++)
        sae_decode_row(sae, c, r, z + r * sae->d);
}

static void make_edit(struct edits *x, const struct edit *edit, float *z,
                      struct layer_codes *c)
{
    if (edit->kind == EDIT_SPLICE) {
        splice(x, edit->layer, z);
    } else if (edit->feature >= 0) {
        each_row(x, edit, z, feature_row, c);
        if (edit->kind == EDIT_PATCH)
            c->patch += gpt2_batch_rows(&x->group->batch);
    } else {
        each_row(x, edit, z, head_row, NULL);
    }
}

void edits_apply(void *ctx, int layer, float *z)
{
    struct edits *x = ctx;
    struct layer_codes c = {0};
    if (count_features(x, layer, false) > 0) {
        c.sae = &x->from->saes->sae[layer];
        find_patches(x, layer, &c);
        if (x->e.code == 0)
            c.here = encode(x, layer, z);
    }
    for (size_t i = 0; i < x->n && x->e.code == 0; i++)
        if (x->edit[i].layer == layer)
            make_edit(x, &x->edit[i], z, &c);
    free(c.there);
}

int edits_check(const struct edit *edit, const struct edit_sources *from,
                struct err *e)
{
    char name[EDIT_NAME_MAX];
    bool feature = edit->feature >= 0;
    edits_name(name, edit);
    if (!feature && edit->kind != EDIT_SPLICE)
        return 0;
    if (from->saes == NULL || !saes_has(from->saes, edit->layer))
        return err_set(e, ERR_INPUT, "%s: no SAE of layer %d was given", name,
                       edit->layer);
    size_t m = from->saes->sae[edit->layer].m;
    if (feature && (uint64_t)edit->feature >= m)
        return err_set(e, ERR_INPUT, "%s: the SAE has features 0 to %zu", name,
                       m - 1);
    return 0;
}

/* ---- names ---- */

/* A number behind *at, which moves behind it. */
static bool take_number(int64_t *out, const char **at)
{
    char *end;
    if (**at != '-' && (**at < '0' || **at > '9'))
        return false;
    long long value = strtoll(*at, &end, 10);
    bool good = end != *at;
    *at = end;
    *out = value;
    return good;
}

static int check_range(int64_t value, int end, const char *what,
                       const char *text, struct err *e)
{
    if (value >= 0 && value < end)
        return 0;
    return err_set(e, ERR_INPUT, "%s: the model has %ss 0 to %d", text, what,
                   end - 1);
}

int edits_parse(struct edit *out, const char *text, const struct gpt2_config *c,
                struct err *e)
{
    int64_t layer = -1, head = -1, feature = -1, position = 0;
    const char *at = text;
    bool good = *at == 'L' && (at++, take_number(&layer, &at));
    if (good && *at == 'H')
        good = (at++, take_number(&head, &at)) && head >= 0;
    else if (good && *at == 'F')
        good = (at++, take_number(&feature, &at)) && feature >= 0;
    bool everywhere = *at != '@';
    if (good && !everywhere)
        good = (at++, take_number(&position, &at));
    if (!good || *at != '\0')
        return err_set(e, ERR_INPUT,
                       "%s: write a head as L2H1, a feature as L2F130, a layer "
                       "as L2, with @5 or @-1 behind it for one position",
                       text);
    TRY(check_range(layer, c->layers, "layer", text, e));
    if (head >= 0)
        TRY(check_range(head, c->heads, "head", text, e));
    *out = (struct edit){.layer = (int)layer,
                         .head = (int)head,
                         .feature = feature,
                         .everywhere = everywhere,
                         .position = position};
    return 0;
}

void edits_name(char *out, const struct edit *edit)
{
    int n = snprintf(out, EDIT_NAME_MAX, "L%d", edit->layer);
    if (edit->head >= 0)
        n += snprintf(out + n, EDIT_NAME_MAX - (size_t)n, "H%d", edit->head);
    if (edit->feature >= 0)
        n += snprintf(out + n, EDIT_NAME_MAX - (size_t)n, "F%" PRId64,
                      edit->feature);
    if (!edit->everywhere)
        (void)snprintf(out + n, EDIT_NAME_MAX - (size_t)n, "@%" PRId64,
                       edit->position);
}
