/* SPDX-License-Identifier: MIT
 *
 * dictionary_learning: ae.pt, a state dict, and config.json, whose
 * trainer.dict_class says what it is of. decoder.weight is (d, m).
 *
 *     AutoEncoder             max(h, 0), b_dec subtracted
 *     AutoEncoderNew          max(h, 0) of x itself
 *     AutoEncoderTopK         the k largest; threshold is not used
 *     BatchTopKSAE,           h > threshold, one for all features
 *     MatryoshkaBatchTopKSAE
 *     JumpReluAutoEncoder     jumprelu of x itself
 *     GatedAutoEncoder        gated
 */
#include "sae/foreign.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sae/tensors.h"

enum class {
    AUTO_ENCODER,
    AUTO_ENCODER_NEW,
    TOPK,
    BATCH_TOPK,
    MATRYOSHKA,
    JUMP_RELU,
    GATED,
    CLASSES
};

/* Names of tensors; NULL where a class has none. */
static const struct {
    const char *name;
    enum sae_architecture architecture;
    bool subtracts; /* b_dec from the input */
    enum sae_major encoder_major, decoder_major;
    const char *w_enc, *w_dec, *b_enc, *b_dec;
    const char *more[4]; /* k, threshold and so on */
} classes[CLASSES] = {
    [AUTO_ENCODER] = {"AutoEncoder",
                      SAE_STANDARD,
                      true,
                      FEATURE_MAJOR,
                      INPUT_MAJOR,
                      "encoder.weight",
                      "decoder.weight",
                      "encoder.bias",
                      "bias",
                      {0}},
    [AUTO_ENCODER_NEW] = {"AutoEncoderNew",
                          SAE_STANDARD,
                          false,
                          FEATURE_MAJOR,
                          INPUT_MAJOR,
                          "encoder.weight",
                          "decoder.weight",
                          "encoder.bias",
                          "decoder.bias",
                          {0}},
    [TOPK] = {"AutoEncoderTopK",
              SAE_TOPK,
              true,
              FEATURE_MAJOR,
              INPUT_MAJOR,
              "encoder.weight",
              "decoder.weight",
              "encoder.bias",
              "b_dec",
              {"k", "threshold"}},
    [BATCH_TOPK] = {"BatchTopKSAE",
                    SAE_JUMPRELU,
                    true,
                    FEATURE_MAJOR,
                    INPUT_MAJOR,
                    "encoder.weight",
                    "decoder.weight",
                    "encoder.bias",
                    "b_dec",
                    {"k", "threshold"}},
    [MATRYOSHKA] = {"MatryoshkaBatchTopKSAE",
                    SAE_JUMPRELU,
                    true,
                    INPUT_MAJOR,
                    FEATURE_MAJOR,
                    "W_enc",
                    "W_dec",
                    "b_enc",
                    "b_dec",
                    {"k", "threshold", "group_sizes"}},
    [JUMP_RELU] = {"JumpReluAutoEncoder",
                   SAE_JUMPRELU,
                   false,
                   INPUT_MAJOR,
                   FEATURE_MAJOR,
                   "W_enc",
                   "W_dec",
                   "b_enc",
                   "b_dec",
                   {"threshold"}},
    [GATED] = {"GatedAutoEncoder",
               SAE_GATED,
               true,
               FEATURE_MAJOR,
               INPUT_MAJOR,
               "encoder.weight",
               "decoder.weight",
               NULL,
               "decoder_bias",
               {"r_mag", "gate_bias", "mag_bias"}},
};

/* ---- reading ---- */

static int find_class(enum class *out, const json_t *trainer, const char *where,
                      struct err *e)
{
    const char *name;
    TRY(json_need_string(&name, trainer, "dict_class", where, e));
    for (int c = 0; c < CLASSES; c++)
        if (strcmp(classes[c].name, name) == 0) {
            *out = (enum class)c;
            return 0;
        }
    return err_set(e, ERR_INPUT,
                   "%s: dict_class '%.60s' is not one of AutoEncoder, "
                   "AutoEncoderNew, AutoEncoderTopK, BatchTopKSAE, "
                   "MatryoshkaBatchTopKSAE, JumpReluAutoEncoder, "
                   "GatedAutoEncoder",
                   where, name);
}

/* A name of another place than attention is one of an SAE of something else;
 * how z is called is left to who trained it. */
static int check_submodule(const char *name, const char *where, struct err *e)
{
    if (strstr(name, "resid") == NULL && strstr(name, "mlp") == NULL)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: an SAE of '%.60s'; must be of z, the heads' outputs",
                   where, name);
}

static int read_place(struct sae *s, const json_t *trainer, const char *where,
                      struct err *e)
{
    const char *model, *submodule;
    int64_t layer;
    TRY(json_get_string(&model, trainer, "lm_name", "unknown", where, e));
    TRY(json_get_string(&submodule, trainer, "submodule_name", "", where, e));
    TRY(json_get_int(&layer, trainer, "layer", 0, UINT16_MAX, -1, where, e));
    TRY(check_submodule(submodule, where, e));
    return sae_set_place(s, NULL, (int)layer, model, e);
}

/* k is in both files, and must be the same. */
static int read_k(struct sae *s, struct tensor_file *f, const json_t *trainer,
                  const char *where, struct err *e)
{
    double stored;
    int64_t k;
    TRY(sae_read_number(&stored, f, "k", e));
    TRY(json_get_int(&k, trainer, "k", 1, (int64_t)s->m,
                     fabs(stored) < SAE_WIDTH_MAX ? (int64_t)stored : 0, where,
                     e));
    if ((double)k != stored || k < 1 || k > (int64_t)s->m)
        return err_set(e, ERR_INPUT,
                       "%s: k is %lld, that of ae.pt is %g; must be the same, "
                       "in 1..%zu",
                       where, (long long)k, stored, s->m);
    s->k = (size_t)k;
    return 0;
}

static int read_one_threshold(struct sae *s, struct tensor_file *f,
                              struct err *e)
{
    double value;
    TRY(sae_read_number(&value, f, "threshold", e));
    TRY(arena_get(&s->arena, &s->threshold, s->m, sizeof(float), "threshold",
                  e));
    for (size_t i = 0; i < s->m; i++)
        s->threshold[i] = (float)value;
    return 0;
}

static int read_rule(struct sae *s, struct tensor_file *f, enum class c,
                     const json_t *trainer, const char *where, struct err *e)
{
    switch (c) {
    case TOPK:
        return read_k(s, f, trainer, where, e);
    case BATCH_TOPK:
    case MATRYOSHKA:
        return read_one_threshold(s, f, e);
    case JUMP_RELU:
        return sae_read_vector(s, &s->threshold, f, "threshold", s->m, e);
    case GATED:
        return sae_read_gate(s, f, "gate_bias", "r_mag", "mag_bias", e);
    default:
        return 0;
    }
}

static int refuse_others(const struct tensor_file *f, enum class c,
                         struct err *e)
{
    const char *names[10] = {classes[c].w_enc, classes[c].w_dec,
                             classes[c].b_dec};
    size_t n = 3;
    if (classes[c].b_enc != NULL)
        names[n++] = classes[c].b_enc;
    for (size_t i = 0; i < 4 && classes[c].more[i] != NULL; i++)
        names[n++] = classes[c].more[i];
    return sae_refuse_other_tensors(f, names, classes[c].name, e);
}

static int read_tensors(struct sae *s, struct tensor_file *f, enum class c,
                        struct err *e)
{
    TRY(sae_read_sizes(s, f, classes[c].w_enc, classes[c].encoder_major, e));
    TRY(sae_read_vector(s, &s->b_dec, f, classes[c].b_dec, s->d, e));
    if (classes[c].b_enc != NULL)
        TRY(sae_read_vector(s, &s->b_enc, f, classes[c].b_enc, s->m, e));
    TRY(sae_read_matrix(s, &s->w_enc, f, classes[c].w_enc,
                        classes[c].encoder_major, e));
    TRY(sae_read_matrix(s, &s->w_dec, f, classes[c].w_dec,
                        classes[c].decoder_major, e));
    return refuse_others(f, c, e);
}

static int read_all(struct sae *s, struct tensor_file *f, const json_t *config,
                    const char *where, struct err *e)
{
    json_t *trainer;
    enum class c = AUTO_ENCODER;
    if (!json_is_object(config))
        return err_set(e, ERR_INPUT, "%s: must be an object", where);
    TRY(json_need(&trainer, config, "trainer", JSON_OBJECT, where, e));
    TRY(find_class(&c, trainer, where, e));
    s->architecture = classes[c].architecture;
    s->apply_b_dec_to_input = classes[c].subtracts;
    TRY(read_tensors(s, f, c, e));
    TRY(read_rule(s, f, c, trainer, where, e));
    /* As its load_dictionary does it, of this class alone. */
    if (c == AUTO_ENCODER && !sae_has_unit_rows(s))
        sae_fold_decoder_norms(s);
    return read_place(s, trainer, where, e);
}

int sae_read_dictionary(struct sae *s, const struct sae_files *files,
                        struct err *e)
{
    struct tensor_file f;
    json_t *config = NULL;
    TRY(tensor_file_open(&f, files->tensors, e));
    int code = json_read(&config, files->config, e);
    if (code == 0)
        code = read_all(s, &f, config, files->config, e);
    json_decref(config);
    tensor_file_close(&f);
    return code;
}

/* ---- writing ---- */

/* The class that computes the same. AutoEncoder's rows are made unit length
 * when it is loaded, which changes codes. */
static enum class class_of(const struct sae *s) {
    switch (s->architecture){
        case SAE_TOPK : return TOPK;
        case SAE_JUMPRELU : case SAE_GATED : return JUMP_RELU;
        case SAE_STANDARD : break;
    }
return s->apply_b_dec_to_input && sae_has_unit_rows(s) ? AUTO_ENCODER
                                                       : AUTO_ENCODER_NEW;
}

bool sae_dictionary_subtracts(const struct sae *s)
{
    return classes[class_of(s)].subtracts;
}

static int write_tensors(const struct sae *s, enum class c, const char *path,
                         struct arena *arena, struct err *e)
{
    float *w_enc = s->w_enc, *w_dec = s->w_dec, *b_enc;
    const int32_t k = (int32_t)s->k;
    const float unused = -1; /* the threshold of a TopK */
    if (classes[c].encoder_major == INPUT_MAJOR)
        TRY(sae_by_input(&w_enc, s, s->w_enc, arena, e));
    if (classes[c].decoder_major == INPUT_MAJOR)
        TRY(sae_by_input(&w_dec, s, s->w_dec, arena, e));
    TRY(sae_encoder_bias(&b_enc, s, classes[c].subtracts, arena, e));
    struct tensor_entry entries[6] = {
        sae_matrix_entry(classes[c].w_enc, s, w_enc, classes[c].encoder_major),
        sae_vector_entry(classes[c].b_enc, b_enc, s->m),
        sae_matrix_entry(classes[c].w_dec, s, w_dec, classes[c].decoder_major),
        sae_vector_entry(classes[c].b_dec, s->b_dec, s->d),
    };
    size_t n = 4;
    if (c == JUMP_RELU)
        entries[n++] = sae_vector_entry("threshold", s->threshold, s->m);
    if (c == TOPK) {
        entries[n++] = (struct tensor_entry){
            "k", {.dtype = DTYPE_I32, .data = &k, .bytes = sizeof k}};
        entries[n++] = (struct tensor_entry){
            "threshold",
            {.dtype = DTYPE_F32, .data = &unused, .bytes = sizeof unused}};
    }
    return tensor_file_write_state_dict(path, entries, n, e);
}

static json_t *make_config(const struct sae *s, enum class c)
{
    json_t *trainer = json_pack("{s:s, s:I, s:I, s:s, s:s}", "dict_class",
                                classes[c].name, "activation_dim",
                                (json_int_t)s->d, "dict_size", (json_int_t)s->m,
                                "lm_name", s->model, "submodule_name", s->hook);
    if (trainer != NULL && c == TOPK)
        (void)json_object_set_new(trainer, "k", json_integer((json_int_t)s->k));
    if (trainer != NULL && s->layer >= 0)
        (void)json_object_set_new(trainer, "layer", json_integer(s->layer));
    return json_pack("{s:o, s:{}}", "trainer", trainer, "buffer");
}

int sae_write_dictionary(const struct sae *s, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    struct arena arena = {0};
    enum class c = class_of(s);
    TRY(output_join(path, folder, "ae.pt", e));
    int code = write_tensors(s, c, path, &arena, e);
    arena_free(&arena);
    TRY(code);
    return sae_write_config(folder, "config.json", make_config(s, c), e);
}
