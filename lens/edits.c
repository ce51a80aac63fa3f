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

/* The codes of the layer, here and in the other run. */
struct feature_codes {
    const struct sae *sae;
    const struct codes *here;
    const float *there; /* (rows) the feature's activation, for patch */
};

static void feature_row(const struct place *p, float *z, const void *ctx)
{
    const struct feature_codes *c = ctx;
    uint32_t feature = (uint32_t)p->edit->feature;
    float value = codes_value(c->here, p->row, feature);
    float patch = c->there != NULL ? c->there[p->row] : 0;
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

static void edit_feature(struct edits *x, const struct edit *edit, float *z,
                         const float *before)
{
    size_t n = gpt2_batch_rows(&x->group->batch);
    struct feature_codes c = {.sae = &x->from->saes->sae[edit->layer]};
    float *there = NULL;
    if (edit->kind == EDIT_PATCH) {
        const struct codes *other =
            encode(x, edit->layer, x->patch[edit->layer]);
        there = malloc(n * sizeof *there);
        if (other == NULL || there == NULL) {
            if (there == NULL)
                (void)err_memory(&x->e, "activations", n * sizeof *there);
            free(there);
            return;
        }
        for (size_t r = 0; r < n; r++)
            there[r] = codes_value(other, r, (uint32_t)edit->feature);
    }
    c.there = there;
    c.here = encode(x, edit->layer, before);
    if (c.here != NULL)
        each_row(x, edit, z, feature_row, &c);
    free(there);
}

static void splice(struct edits *x, int layer, float *z)
{
    const struct sae *sae = &x->from->saes->sae[layer];
    const struct codes *c = encode(x, layer, z);
    for (size_t r = 0; c != NULL && r < c->n; r++)
        sae_decode_row(sae, c, r, z + r * sae->d);
}

static bool edits_features(const struct edits *x, int layer)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->edit[i].layer == layer && x->edit[i].feature >= 0)
            return true;
    return false;
}

void edits_apply(void *ctx, int layer, float *z)
{
    struct edits *x = ctx;
    size_t n = gpt2_batch_rows(&x->group->batch);
    if (edits_features(x, layer))
        memcpy(x->scratch, z, n * (size_t)x->from->config->d_model * sizeof *z);
    for (size_t i = 0; i < x->n && x->e.code == 0; i++) {
        const struct edit *edit = &x->edit[i];
        if (edit->layer != layer)
            continue;
        if (edit->kind == EDIT_SPLICE)
            splice(x, layer, z);
        else if (edit->feature >= 0)
            edit_feature(x, edit, z, x->scratch);
        else
            each_row(x, edit, z, head_row, NULL);
    }
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
