/* SPDX-License-Identifier: MIT */
#include "sae/formats.h"

#include <stdio.h>

#include "base/json.h"
#include "sae/foreign.h"

static const char *const names[] = {
    [SAE_FORMAT_NONE] = "none",
    [SAE_FORMAT_SAELENS] = "saelens",
    [SAE_FORMAT_SPARSIFY] = "sparsify",
    [SAE_FORMAT_DICTIONARY_LEARNING] = "dictionary_learning",
    [SAE_FORMAT_GEMMA_SCOPE] = "gemma_scope",
    [SAE_FORMAT_KISSANE] = "kissane",
};

/* Which architectures a format has; gated is jumprelu here (sae.h). */
static const struct {
    bool standard, topk, jumprelu;
    bool subtracts, raw; /* b_dec from the input, or not: what it can say */
} carries[] = {
    [SAE_FORMAT_SAELENS] = {true, true, true, true, true},
    [SAE_FORMAT_SPARSIFY] = {false, true, false, true, false},
    [SAE_FORMAT_DICTIONARY_LEARNING] = {true, true, true, true, true},
    [SAE_FORMAT_GEMMA_SCOPE] = {true, false, true, false, true},
    [SAE_FORMAT_KISSANE] = {true, false, false, true, false},
};

const char *sae_format_name(enum sae_format format)
{
    return names[format];
}

static bool carries_rule(enum sae_format format, enum sae_architecture a)
{
    switch (a) {
    case SAE_TOPK:
        return carries[format].topk;
    case SAE_JUMPRELU:
    case SAE_GATED:
        return carries[format].jumprelu;
    case SAE_STANDARD:
        break;
    }
    return carries[format].standard;
}

int sae_export_check(const struct sae *s, enum sae_format format, struct err *e)
{
    char others[120] = "";
    size_t used = 0;
    if (s->head >= 0 && format != SAE_FORMAT_SAELENS)
        return err_set(e, ERR_INPUT,
                       "%s is of head %d alone, which %s cannot say; saelens "
                       "can",
                       s->name, s->head, names[format]);
    if (carries_rule(format, s->architecture))
        return 0;
    for (int f = SAE_FORMAT_SAELENS; f <= SAE_FORMAT_KISSANE; f++)
        if (carries_rule((enum sae_format)f, s->architecture))
            used += (size_t)snprintf(others + used, sizeof others - used,
                                     "%s%s", used > 0 ? ", " : "", names[f]);
    return err_set(
        e, ERR_INPUT, "%s is a %s SAE, which %s cannot hold; these can: %s",
        s->name, sae_architecture_name(s->architecture), names[format], others);
}

/* dictionary_learning has both ways, but each class has one (dictionary.c). */
static bool moves_bias(const struct sae *s, enum sae_format format)
{
    if (format == SAE_FORMAT_DICTIONARY_LEARNING)
        return sae_dictionary_subtracts(s) != s->apply_b_dec_to_input;
    return s->apply_b_dec_to_input ? !carries[format].subtracts
                                   : !carries[format].raw;
}

const char *sae_export_note(const struct sae *s, enum sae_format format)
{
    bool moved = moves_bias(s, format);
    if (s->architecture == SAE_GATED)
        return moved ? "written as the jumprelu that it computes; b_dec, as "
                       "far as it is subtracted from the input, is part of "
                       "b_enc"
                     : "written as the jumprelu that it computes";
    if (!moved)
        return "";
    return s->apply_b_dec_to_input
               ? "b_dec is not subtracted from the input: b_enc has b_dec's "
                 "part"
               : "b_dec is subtracted from the input: b_enc makes up for it";
}

void sae_export_marker(char *name, size_t size, const struct sae *s,
                       enum sae_format format)
{
    static const char *const markers[] = {
        [SAE_FORMAT_SAELENS] = "cfg.json",
        [SAE_FORMAT_SPARSIFY] = "sae.safetensors",
        [SAE_FORMAT_DICTIONARY_LEARNING] = "ae.pt",
        [SAE_FORMAT_GEMMA_SCOPE] = "params.npz",
    };
    if (format == SAE_FORMAT_KISSANE)
        (void)snprintf(name, size, "%.240s_cfg.json", s->name);
    else
        (void)snprintf(name, size, "%s", markers[format]);
}

int sae_write_config(const char *folder, const char *name, json_t *config,
                     struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    if (config == NULL)
        return err_memory(e, name, 0);
    int code = output_join(path, folder, name, e);
    if (code == 0)
        code = json_write(path, config, e);
    json_decref(config);
    return code;
}

static int write_format(const struct sae *s, enum sae_format format,
                        const char *folder, const json_t *own, struct err *e)
{
    switch (format) {
    case SAE_FORMAT_SPARSIFY:
        return sae_write_sparsify(s, folder, e);
    case SAE_FORMAT_DICTIONARY_LEARNING:
        return sae_write_dictionary(s, folder, e);
    case SAE_FORMAT_GEMMA_SCOPE:
        return sae_write_gemma_scope(s, folder, e);
    case SAE_FORMAT_KISSANE:
        return sae_write_kissane(s, folder, e);
    default:
        return sae_write(s, folder, own, e);
    }
}

int sae_export(const struct sae *s, enum sae_format format, const char *folder,
               struct err *e)
{
    TRY(sae_export_check(s, format, e));
    json_t *own = NULL;
    if (s->headscope != NULL) {
        own = json_loads(s->headscope, 0, NULL);
        if (own == NULL)
            return err_memory(e, "headscope.json", 0);
    }
    int code = write_format(s, format, folder, own, e);
    if (code == 0 && own != NULL && format != SAE_FORMAT_SAELENS)
        code = sae_write_config(folder, "headscope.json", json_incref(own), e);
    json_decref(own);
    return code;
}
