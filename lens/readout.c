/* SPDX-License-Identifier: MIT */
#include "lens/readout.h"

#include <math.h>

double readout_dot(const float *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

void readout_through_norm(double *u, double *bias, const double *n,
                          const float *r, const struct layer_norm *norm,
                          const struct gpt2_config *c)
{
    size_t width = (size_t)c->d_model;
    double d = (double)width, mean = 0, variance = 0, mean_u = 0;
    for (size_t i = 0; i < width; i++)
        mean += (double)r[i] / d;
    for (size_t i = 0; i < width; i++)
        variance += ((double)r[i] - mean) * ((double)r[i] - mean) / d;
    double sigma = sqrt(variance + (double)c->epsilon);
    *bias = 0;
    for (size_t i = 0; i < width; i++) {
        u[i] = (double)norm->weight[i] * n[i] / sigma;
        mean_u += u[i] / d;
        *bias += (double)norm->bias[i] * n[i];
    }
    for (size_t i = 0; i < width; i++)
        u[i] -= mean_u;
}

void readout_sources(double *terms, float *room, const struct prompt_run *run,
                     int layer, int head, size_t destination, const double *w)
{
    const struct gpt2_config *c = &run->lens->model.gpt2.config;
    size_t d_head = (size_t)c->d_head, at = (size_t)head * d_head;
    const float *qkv = run->qkv[layer];
    gpt2_pattern_row(c, room, qkv, head, (int)destination);
    for (size_t src = 0; src <= destination; src++) {
        const float *v = qkv + (3 * src + 2) * run->d + at;
        terms[src] = (double)room[src] * readout_dot(v, w, d_head);
    }
}

/* What the features of a layer, its b_dec and the SAE's error give; `whole` is
 * that of its heads. */
static void divide_features(struct readout *r, const struct prompt_run *run,
                            int l, size_t position, double whole)
{
    const struct sae *sae = &run->lens->saes.sae[l];
    const struct codes *c = &run->codes[l];
    const double *along = r->along + (size_t)l * run->d;
    r->b_dec[l] = readout_dot(sae->b_dec, along, run->d);
    r->error[l] = whole - r->b_dec[l];
    for (size_t i = c->start[position]; i < c->start[position + 1]; i++) {
        const float *w_dec = sae->w_dec + c->feature[i] * run->d;
        double value = (double)c->value[i] * readout_dot(w_dec, along, run->d);
        r->error[l] -= value;
        r->feature[r->n_features++] =
            (struct readout_feature){l, c->feature[i], value};
    }
}

static void divide_layer(struct readout *r, const struct prompt_run *run, int l,
                         size_t position, const double *u)
{
    const struct linear *w_o = &run->lens->model.gpt2.layer[l].attn_proj;
    size_t d = run->d, heads = (size_t)r->heads, d_head = d / heads;
    const float *z = run->z[l] + position * d;
    double *along = r->along + (size_t)l * d, whole = 0;
    for (size_t i = 0; i < d; i++)
        along[i] = readout_dot(w_o->weight + i * d, u, d);
    for (size_t h = 0; h < heads; h++) {
        double value = readout_dot(z + h * d_head, along + h * d_head, d_head);
        r->head[(size_t)l * heads + h] = value;
        whole += value;
    }
    r->bias[l] = readout_dot(w_o->bias, u, d);
    r->mlp[l] = readout_dot(prompt_stage(run, 2 * l + 2, position), u, d) -
                readout_dot(prompt_stage(run, 2 * l + 1, position), u, d);
    r->sum += whole + r->bias[l] + r->mlp[l];
    if (saes_has(&run->lens->saes, l))
        divide_features(r, run, l, position, whole);
}

static int get_room(struct readout *r, const struct prompt_run *run,
                    size_t position, struct arena *arena, struct err *e)
{
    static const char what[] = "attributions";
    size_t layers = (size_t)r->layers, features = 0;
    double **const of_layer[] = {&r->bias, &r->mlp, &r->b_dec, &r->error};
    for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++)
        TRY(arena_get(arena, of_layer[i], layers, sizeof(double), what, e));
    TRY(arena_get(arena, &r->head, layers * (size_t)r->heads, sizeof *r->head,
                  what, e));
    TRY(arena_get(arena, &r->along, layers * run->d, sizeof *r->along, what,
                  e));
    for (size_t l = 0; l < layers; l++)
        if (saes_has(&run->lens->saes, (int)l))
            features += run->codes[l].start[position + 1] -
                        run->codes[l].start[position];
    return arena_get(arena, &r->feature, features, sizeof *r->feature, what, e);
}

int readout_find(struct readout *r, const struct prompt_run *run, int layers,
                 size_t position, const double *u, struct arena *arena,
                 struct err *e)
{
    const struct gpt2 *g = &run->lens->model.gpt2;
    size_t id = (size_t)run->ids.ids[position];
    *r = (struct readout){.layers = layers, .heads = g->config.heads};
    TRY(get_room(r, run, position, arena, e));
    r->token = readout_dot(g->wte + id * run->d, u, run->d);
    r->position = readout_dot(g->wpe + position * run->d, u, run->d);
    r->sum = r->token + r->position;
    for (int l = 0; l < layers; l++)
        divide_layer(r, run, l, position, u);
    return 0;
}
