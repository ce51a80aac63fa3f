/* SPDX-License-Identifier: MIT */
#include "lens/saes.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

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

/* What headscope.json says of the rows that it was trained on. */
static int check_dump(const json_t *record, const char *folder,
                      const struct gpt2 *g, struct err *e)
{
    char where[300];
    (void)snprintf(where, sizeof where, "%.250s: headscope.json", folder);
    const json_t *dump = json_object_get(record, "dump");
    const char *fingerprint;
    bool fold;
    TRY(json_get_string(&fingerprint, dump, "model_fingerprint", "", where, e));
    TRY(json_get_bool(&fold, dump, "fold_value_biases", g->folded, where, e));
    if (fingerprint[0] != '\0' && strcmp(fingerprint, g->fingerprint) != 0)
        return err_set(e, ERR_INPUT,
                       "%s was trained on z of a model with fingerprint %.40s; "
                       "this one has %s",
                       folder, fingerprint, g->fingerprint);
    if (fold != g->folded)
        return err_set(e, ERR_INPUT,
                       "%s was trained on z %s value biases, but here z is %s "
                       "them; see --fold-value-biases",
                       folder, fold ? "without" : "with",
                       g->folded ? "without" : "with");
    return 0;
}

static int check_record(const struct sae *sae, const char *folder,
                        const struct gpt2 *g, struct err *e)
{
    if (sae->headscope == NULL)
        return 0;
    json_t *record = json_loads(sae->headscope, JSON_REJECT_DUPLICATES, NULL);
    if (record == NULL)
        return err_memory(e, "headscope.json", 0);
    int code = check_dump(record, folder, g, e);
    json_decref(record);
    return code;
}

static int load(struct saes *s, const char *folder, const struct gpt2 *g,
                const struct team *team, struct err *e)
{
    struct sae sae;
    TRY(sae_load(&sae, folder, e));
    int code = check(s, &sae, folder, &g->config, e);
    if (code == 0)
        code = check_record(&sae, folder, g, e);
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

int saes_encode(const struct saes *s, int layer, int thread, const float *z,
                size_t n, const struct codes **codes, struct err *e)
{
    int at = thread * s->layers + layer;
    *codes = &s->codes[at];
    return sae_encode(&s->shared[at], z, n, &s->codes[at], e);
}
