/* SPDX-License-Identifier: MIT */
#include "cli/describe.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "dump/npy.h"
#include "dump/safetensors.h"
#include "sae/formats.h"

/* A string of any bytes; NULL becomes null. */
static json_t *text_json(const char *text)
{
    if (text == NULL)
        return json_null();
    char *copy = strdup(text);
    if (copy == NULL)
        return NULL;
    utf8_repair(copy);
    json_t *value = json_string(copy);
    free(copy);
    return value;
}

/* A number, or null where `unknown` stands for "not recorded". */
static json_t *number_json(int64_t value, int64_t unknown)
{
    return value == unknown ? json_null() : json_integer(value);
}

struct fact {
    const char *name;
    json_t *value; /* NULL where there was no memory for it */
};

/* Takes all values over, also on failure. */
static int add_facts(json_t *item, const struct fact *facts, size_t n,
                     struct err *e)
{
    int bad = 0;
    for (size_t i = 0; i < n; i++)
        bad |= json_object_set_new(item, facts[i].name, facts[i].value);
    return bad != 0 ? err_memory(e, "a description", sizeof(void *)) : 0;
}

static int add_fact(json_t *item, const char *name, json_t *value,
                    struct err *e)
{
    return add_facts(item, &(struct fact){name, value}, 1, e);
}

/* "name": "f32 [10, 4]" */
static int add_tensor(json_t *item, const char *name, const struct tensor *t,
                      struct err *e)
{
    char text[256];
    tensor_describe(text, sizeof text, t);
    return add_fact(item, name, json_string(text), e);
}

int describe_path(json_t *item, const char *path, struct err *e)
{
    return add_fact(item, "path", text_json(path), e);
}

/* Which weights of the model came with it. */
static json_t *weights_json(const struct dump *d)
{
    if (dump_unembedding(d) != NULL)
        return json_string("W_O, W_U, ln_f");
    bool w_o = dump_w_o(d, dump_info(d)->first_layer) != NULL;
    return w_o ? json_string("W_O") : json_null();
}

static int add_dump(json_t *item, const struct dump *d, struct err *e)
{
    const struct dump_info *i = dump_info(d);
    const struct vocab *v = dump_vocab(d);
    const struct dump_groups *groups = dump_groups(d);
    const struct fact facts[] = {
        {"kind", json_string("dump")},
        {"model", text_json(i->model)},
        {"model_fingerprint", i->model_fingerprint != NULL
                                  ? text_json(i->model_fingerprint)
                                  : json_null()},
        {"layers", json_integer(i->layers)},
        {"first_layer", json_integer(i->first_layer)},
        {"heads", json_integer(i->heads)},
        {"d_head", json_integer(i->d_head)},
        {"d_model", number_json(i->d_model, 0)},
        {"tokens", json_integer((json_int_t)i->tokens)},
        {"contexts", number_json((int64_t)i->contexts, 0)},
        {"groups", number_json(groups != NULL ? (int64_t)groups->n : 0, 0)},
        {"token_ids", json_boolean(dump_tokens(d) != NULL)},
        {"vocabulary", number_json(v != NULL ? (int64_t)v->n : 0, 0)},
        {"weights", weights_json(d)},
        {"dtype", json_string(dtype_name(i->dtype))},
        {"bos", text_json(i->bos)},
        {"fold_value_biases", i->fold_value_biases < 0
                                  ? json_null()
                                  : json_boolean(i->fold_value_biases)},
        {"fingerprint", text_json(i->fingerprint)},
    };
    return add_facts(item, facts, sizeof facts / sizeof *facts, e);
}

int describe_dump(json_t *item, const char *const *paths, size_t n,
                  const struct dump_options *options, bool verify,
                  struct err *e)
{
    struct dump *d = NULL;
    TRY(dump_open(&d, paths, n, options, e));
    int code = add_dump(item, d, e);
    if (code == 0 && verify)
        code = dump_verify(d, e);
    if (code == 0 && verify)
        code = add_fact(item, "verified", json_true(), e);
    dump_close(&d);
    return code;
}

int describe_sae(json_t *item, const char *path, struct err *e)
{
    struct sae s = {0};
    TRY(sae_load(&s, path, e));
    const struct fact facts[] = {
        {"kind", json_string("sae")},
        {"format", json_string(sae_format_name(sae_format_of(path)))},
        {"architecture", json_string(sae_architecture_name(s.architecture))},
        {"model", text_json(s.model)},
        {"hook", text_json(s.hook)},
        {"layer", number_json(s.layer, -1)},
        {"d_in", json_integer((json_int_t)s.d)},
        {"d_sae", json_integer((json_int_t)s.m)},
        {"k", number_json((int64_t)s.k, 0)},
        {"heads", number_json(s.heads, 0)},
        {"apply_b_dec_to_input", json_boolean(s.apply_b_dec_to_input)},
        {"fingerprint", text_json(s.fingerprint)},
        {"headscope",
         s.headscope != NULL ? json_loads(s.headscope, 0, NULL) : json_null()},
    };
    sae_free(&s);
    return add_facts(item, facts, sizeof facts / sizeof *facts, e);
}

/* The numbers of a GPT-2 config.json, and what we call them. */
static int add_gpt2_numbers(json_t *item, const json_t *config,
                            const char *path, struct err *e)
{
    static const struct {
        const char *key, *name;
    } rows[] = {{"n_layer", "layers"},
                {"n_head", "heads"},
                {"n_embd", "d_model"},
                {"vocab_size", "vocabulary"},
                {"n_positions", "positions"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t value;
        TRY(json_need_int(&value, config, rows[i].key, 1, INT32_MAX, path, e));
        TRY(add_fact(item, rows[i].name, json_integer(value), e));
    }
    return 0;
}

int describe_model(json_t *item, const char *config, struct err *e)
{
    json_t *root;
    TRY(json_read(&root, config, e));
    const char *type = NULL;
    int code = json_need_string(&type, root, "model_type", config, e);
    if (code == 0 && strcmp(type, "gpt2") != 0)
        code = err_set(e, ERR_INPUT,
                       "%s: model_type is '%s'; headscope reads gpt2", config,
                       type);
    if (code == 0)
        code = add_fact(item, "kind", json_string("model"), e);
    if (code == 0)
        code = add_fact(item, "model_type", json_string(type), e);
    if (code == 0)
        code = add_gpt2_numbers(item, root, config, e);
    json_decref(root);
    return code;
}

int describe_vocab(json_t *item, const char *path, struct err *e)
{
    struct vocab v = {0};
    TRY(vocab_read(&v, path, e));
    const struct fact facts[] = {{"kind", json_string("vocabulary")},
                                 {"tokens", json_integer((json_int_t)v.n)}};
    vocab_free(&v);
    return add_facts(item, facts, sizeof facts / sizeof *facts, e);
}

int describe_npy(json_t *item, const char *path, struct err *e)
{
    struct npy a;
    TRY(npy_open(&a, path, e));
    int code = add_fact(item, "kind", json_string("array"), e);
    if (code == 0)
        code = add_tensor(item, "array", &a.tensor, e);
    npy_close(&a);
    return code;
}

int describe_safetensors(json_t *item, const char *path, struct err *e)
{
    struct safetensors s;
    TRY(safetensors_open(&s, path, e));
    json_t *tensors = json_object();
    int code = add_fact(item, "kind", json_string("safetensors"), e);
    if (code == 0)
        code = add_fact(item, "tensors", tensors, e);
    for (size_t i = 0; i < s.n && code == 0; i++)
        code = add_tensor(tensors, s.names[i], &s.tensors[i], e);
    safetensors_close(&s);
    return code;
}
