/* SPDX-License-Identifier: MIT */
#include "dump/weights.h"

#include <stdio.h>
#include <stdlib.h>

#include "dump/safetensors.h"
#include "kernels/kernels.h"

enum { NAME_SIZE = 24 };

/* Numbers of one layer's W_O. */
static size_t layer_size(const struct dump_info *info)
{
    return (size_t)info->heads * (size_t)info->d_head * (size_t)info->d_model;
}

static int write_layers(struct safetensors_writer *w, const char *path,
                        const struct dump_info *info, const float *const *w_o,
                        char (*names)[NAME_SIZE], struct err *e)
{
    size_t layers = (size_t)info->layers;
    struct safetensors_entry *entry = calloc(layers, sizeof *entry);
    if (entry == NULL)
        return err_memory(e, "W_O", layers * sizeof *entry);
    for (size_t l = 0; l < layers; l++) {
        (void)snprintf(names[l], NAME_SIZE, "W_O.%d",
                       info->first_layer + (int)l);
        entry[l] = (struct safetensors_entry){
            names[l], DTYPE_F32, 3, {info->heads, info->d_head, info->d_model}};
    }
    int code = safetensors_begin(w, path, entry, layers, e);
    for (size_t l = 0; code == 0 && l < layers; l++)
        code = safetensors_put(w, w_o[l], layer_size(info) * sizeof(float), e);
    if (code == 0)
        code = safetensors_end(w, e);
    safetensors_abandon(w);
    free(entry);
    return code;
}

int weights_write(const char *path, const struct dump_info *info,
                  const float *const *w_o, struct err *e)
{
    struct safetensors_writer w = {0};
    char(*names)[NAME_SIZE] = calloc((size_t)info->layers, NAME_SIZE);
    if (names == NULL)
        return err_memory(e, "W_O", (size_t)info->layers * NAME_SIZE);
    int code = write_layers(&w, path, info, w_o, names, e);
    free(names);
    return code;
}

static int read_layer(float *out, const struct safetensors *file,
                      const char *path, const struct dump_info *info, int layer,
                      struct err *e)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "W_O.%d", layer);
    const struct tensor *t = safetensors_find(file, name);
    if (t == NULL || t->dtype != DTYPE_F32 || t->rank != 3 ||
        t->shape[0] != info->heads || t->shape[1] != info->d_head ||
        t->shape[2] != info->d_model)
        return err_set(e, ERR_INPUT, "%s: no tensor %s [%d, %d, %d] of F32",
                       path, name, info->heads, info->d_head, info->d_model);
    tensor_to_float(out, t, 0, layer_size(info));
    if (kernels.first_not_finite(out, layer_size(info)) < layer_size(info))
        return err_set(e, ERR_INPUT, "%s: %s holds a value that is not finite",
                       path, name);
    return 0;
}

int weights_read(float **out, const char *path, const struct dump_info *info,
                 struct arena *arena, struct err *e)
{
    struct safetensors file;
    TRY(safetensors_open(&file, path, e));
    int code = arena_get(arena, out, (size_t)info->layers * layer_size(info),
                         sizeof **out, "W_O", e);
    for (int l = 0; code == 0 && l < info->layers; l++)
        code = read_layer(*out + (size_t)l * layer_size(info), &file, path,
                          info, info->first_layer + l, e);
    safetensors_close(&file);
    return code;
}
