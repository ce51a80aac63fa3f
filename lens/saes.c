/* SPDX-License-Identifier: MIT */
#include "lens/saes.h"

#include "sae/origin.h"

static int check(const struct saes *s, const struct sae *sae,
                 const char *folder, const struct gpt2_config *c, struct err *e)
{
    if (sae->layer < 0)
        return err_set(e, ERR_INPUT, "%s does not say which layer it is for",
                       folder);
    if (sae->layer >= c->layers)
        return err_set(e, ERR_INPUT,
                       "%s is for layer %d, but the model has layers 0 to %d",
                       folder, sae->layer, c->layers - 1);
    if (sae->d != (size_t)c->d_model || sae->head >= 0)
        return err_set(e, ERR_INPUT,
                       "%s takes rows of width %zu; z of all heads of a layer "
                       "of the model is %d wide",
                       folder, sae->d, c->d_model);
    if (saes_has(s, sae->layer))
        return err_set(e, ERR_INPUT, "%s: there is an SAE for layer %d already",
                       folder, sae->layer);
    return 0;
}

static int load(struct saes *s, const char *folder, const struct gpt2 *g,
                const struct team *team, struct err *e)
{
    struct sae sae;
    TRY(sae_load(&sae, folder, e));
    int code = check(s, &sae, folder, &g->config, e);
    const struct origin here = {g->fingerprint, g->folded, NULL};
    if (code == 0)
        code = origin_check(&sae, folder, &here, e);
    if (code != 0) {
        sae_free(&sae);
        return code;
    }
    int l = sae.layer;
    s->sae[l] = sae;
    TRY(sae_encoder_open(&s->encoder[l], &s->sae[l], team, e));
    for (int t = 0; t < s->threads; t++)
        TRY(sae_encoder_share(&s->shared[t * s->layers + l], &s->encoder[l],
                              &s->one, e));
    return 0;
}

static int open_all(struct saes *s, const char *const *folders, size_t n,
                    const struct gpt2 *g, const struct team *team,
                    struct err *e)
{
    size_t layers = (size_t)s->layers, all = layers * (size_t)s->threads;
    TRY(arena_get(&s->arena, &s->sae, layers, sizeof *s->sae, "SAEs", e));
    TRY(arena_get(&s->arena, &s->encoder, layers, sizeof *s->encoder, "SAEs",
                  e));
    TRY(arena_get(&s->arena, &s->shared, all, sizeof *s->shared, "SAEs", e));
    TRY(arena_get(&s->arena, &s->codes, all, sizeof *s->codes, "SAEs", e));
    for (size_t i = 0; i < n; i++)
        TRY(load(s, folders[i], g, team, e));
    return 0;
}

int saes_open(struct saes *s, const char *const *folders, size_t n,
              const struct gpt2 *g, const struct team *team, struct err *e)
{
    *s = (struct saes){
        .layers = g->config.layers, .one = {1}, .threads = team->threads};
    int code = open_all(s, folders, n, g, team, e);
    if (code != 0)
        saes_close(s);
    return code;
}

void saes_close(struct saes *s)
{
    for (int i = 0; s->codes != NULL && i < s->threads * s->layers; i++) {
        sae_encoder_close(&s->shared[i]);
        codes_free(&s->codes[i]);
    }
    for (int l = 0; s->codes != NULL && l < s->layers; l++) {
        sae_encoder_close(&s->encoder[l]);
        sae_free(&s->sae[l]);
    }
    arena_free(&s->arena);
    *s = (struct saes){0};
}

bool saes_has(const struct saes *s, int layer)
{
    return s->sae != NULL && s->sae[layer].m > 0;
}

int saes_encode_into(const struct saes *s, int layer, int thread,
                     const float *z, size_t n, struct codes *codes,
                     struct err *e)
{
    return sae_encode(&s->shared[thread * s->layers + layer], z, n, codes, e);
}

int saes_encode(const struct saes *s, int layer, int thread, const float *z,
                size_t n, const struct codes **codes, struct err *e)
{
    struct codes *own = &s->codes[thread * s->layers + layer];
    *codes = own;
    return saes_encode_into(s, layer, thread, z, n, own, e);
}
