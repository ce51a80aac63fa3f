/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lens/prompt_run.h"

/* ---- opening ---- */

static int get_rooms(struct prompt_lens *l, struct err *e)
{
    const struct gpt2 *g = &l->model.gpt2;
    size_t threads = (size_t)l->team.threads, vocab = (size_t)g->config.vocab;
    TRY(arena_get(&l->arena, &l->room, threads, sizeof *l->room, "logits", e));
    for (size_t t = 0; t < threads; t++) {
        TRY(gpt2_workspace_open(&l->room[t].workspace, g, PROMPT_ROWS, e));
        TRY(arena_get(&l->arena, &l->room[t].logits, PROMPT_ROWS * vocab,
                      sizeof(float), "logits", e));
    }
    return 0;
}

static int get_layers(struct prompt_lens *l, struct err *e)
{
    size_t layers = (size_t)l->saes.layers;
    int heads = l->model.gpt2.config.heads;
    TRY(arena_get(&l->arena, &l->offsets, layers, sizeof *l->offsets,
                  "attributions", e));
    TRY(arena_get(&l->arena, &l->sae_id, layers, sizeof *l->sae_id, "SAEs", e));
    for (size_t i = 0; i < layers; i++) {
        const struct sae *sae = &l->saes.sae[i];
        l->sae_id[i] = -1;
        if (!saes_has(&l->saes, (int)i))
            continue;
        TRY(arena_get(&l->arena, &l->offsets[i], sae->m,
                      (size_t)heads * sizeof(float), "attributions", e));
        sae_attribute_offsets(sae, heads, l->offsets[i]);
    }
    return 0;
}

static int open_lens(struct prompt_lens *l, const struct prompt_lens_options *o,
                     struct err *e)
{
    TRY(model_open(&l->model, o->model, o->fold_value_biases, e));
    TRY(saes_open(&l->saes, o->sae, o->n_saes, &l->model.gpt2, &l->team, e));
    TRY(get_layers(l, e));
    return get_rooms(l, e);
}

int prompt_lens_open(struct prompt_lens **out,
                     const struct prompt_lens_options *options, struct err *e)
{
    struct prompt_lens *l = calloc(1, sizeof *l);
    if (l == NULL)
        return err_memory(e, "a lens", sizeof *l);
    l->team = team_make(options->threads);
    int code = open_lens(l, options, e);
    if (code != 0)
        prompt_lens_close(&l);
    else
        *out = l;
    return code;
}

void prompt_lens_close(struct prompt_lens **l)
{
    struct prompt_lens *p = *l;
    if (p == NULL)
        return;
    for (int t = 0; p->room != NULL && t < p->team.threads; t++)
        gpt2_workspace_close(&p->room[t].workspace);
    saes_close(&p->saes);
    model_close(&p->model);
    arena_free(&p->arena);
    free(p);
    *l = NULL;
}

/* ---- what it is ---- */

static json_t *list_saes(const struct prompt_lens *l)
{
    json_t *out = json_array();
    for (int i = 0; i < l->saes.layers; i++) {
        const struct sae *sae = &l->saes.sae[i];
        if (!saes_has(&l->saes, i))
            continue;
        json_t *id = l->sae_id[i] < 0 ? json_null()
                                      : json_integer((json_int_t)l->sae_id[i]);
        json_t *one = json_pack("{s:i, s:s, s:s, s:I, s:o}", "layer", i, "name",
                                sae->name, "fingerprint", sae->fingerprint,
                                "d_sae", (json_int_t)sae->m, "id", id);
        if (json_array_append_new(out, one) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

int prompt_lens_about(json_t **out, const struct prompt_lens *l, struct err *e)
{
    const struct gpt2_config *c = &l->model.gpt2.config;
    *out = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:o}", "model",
                     l->model.name, "fingerprint", l->model.gpt2.fingerprint,
                     "layers", c->layers, "heads", c->heads, "d_head",
                     c->d_head, "positions", c->positions, "vocab", c->vocab,
                     "saes", list_saes(l));
    return *out == NULL ? err_memory(e, "an answer", 0) : 0;
}

/* ---- beside a database ---- */

static bool is_sae(const char *folder)
{
    char path[4200];
    struct stat info;
    int n = snprintf(path, sizeof path, "%s/cfg.json", folder);
    return n > 0 && (size_t)n < sizeof path && stat(path, &info) == 0;
}

/* *path becomes folder/name with the ending, if an SAE lies there. */
static int look_for(char **path, struct arena *arena, const char *folder,
                    const char *name, const char *ending, struct err *e)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "%s/%s%s", folder, name, ending);
    if (n < 0 || (size_t)n >= sizeof text || !is_sae(text))
        return 0;
    return arena_string(arena, path, text, e);
}

/* Whether an SAE of the layer stands in front of `i` and was found. */
static bool has_earlier(const struct prompt_known *known, char *const *of_known,
                        size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (known->sae[k].layer == known->sae[i].layer && of_known[k] != NULL)
            return true;
    return false;
}

int prompt_find_saes(char ***out, size_t *n, struct arena *arena,
                     const char *folder, const struct prompt_known *known,
                     struct err *e)
{
    char **found, **paths;
    TRY(arena_get(arena, &found, known->n, sizeof *found, "SAEs", e));
    TRY(arena_get(arena, &paths, known->n, sizeof *paths, "SAEs", e));
    *n = 0;
    *out = paths;
    for (size_t i = 0; i < known->n; i++) {
        const char *name = known->sae[i].name;
        /* A name is data of the file: one folder, no path. */
        if (strchr(name, '/') != NULL || has_earlier(known, found, i))
            continue;
        TRY(look_for(&found[i], arena, folder, name, ".sae", e));
        if (found[i] == NULL)
            TRY(look_for(&found[i], arena, folder, name, "", e));
        if (found[i] != NULL)
            paths[(*n)++] = found[i];
    }
    return 0;
}

static int match_sae(struct prompt_lens *l, int layer,
                     const struct prompt_known *known, struct err *e)
{
    const struct sae *sae = &l->saes.sae[layer];
    const struct prompt_known_sae *of_layer = NULL;
    for (size_t i = 0; i < known->n; i++) {
        if (known->sae[i].layer != layer)
            continue;
        of_layer = &known->sae[i];
        if (strcmp(of_layer->fingerprint, sae->fingerprint) != 0)
            continue;
        l->sae_id[layer] = of_layer->id;
        return 0;
    }
    if (of_layer == NULL)
        return err_set(e, ERR_INPUT, "%s has no SAE of layer %d, as %s is",
                       known->file, layer, sae->name);
    return err_set(e, ERR_INPUT,
                   "%s is not the SAE of layer %d in %s: its fingerprint is "
                   "%s, that of %s %.40s",
                   sae->name, layer, known->file, sae->fingerprint,
                   of_layer->name, of_layer->fingerprint);
}

int prompt_lens_match(struct prompt_lens *l, const struct prompt_known *known,
                      struct err *e)
{
    const char *here = l->model.gpt2.fingerprint;
    const char *there = known->model_fingerprint;
    if (there != NULL && strcmp(here, there) != 0)
        return err_set(e, ERR_INPUT,
                       "%s was made from another model: '%.80s' with "
                       "fingerprint %.40s; %s has %s",
                       known->file, known->model, there, l->model.name, here);
    for (int i = 0; i < l->saes.layers; i++)
        if (saes_has(&l->saes, i))
            TRY(match_sae(l, i, known, e));
    return 0;
}
