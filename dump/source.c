/* SPDX-License-Identifier: MIT */
#include "dump/source.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 400 };

static bool has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), k = strlen(ending);
    return n > k && strcmp(path + n - k, ending) == 0;
}

/* "a, b, c"; as many as fit. */
static void list_names(char out[NAMES_MAX], const struct safetensors *file)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < file->n && used < NAMES_MAX; i++)
        used += (size_t)snprintf(out + used, NAMES_MAX - used, "%s%s",
                                 i == 0 ? "" : ", ", file->names[i]);
}

static int choose_tensor(struct source *s, const char *name, struct err *e)
{
    const struct tensor *found = NULL;
    if (name != NULL)
        found = safetensors_find(&s->file, name);
    else if (s->file.n == 1)
        found = &s->file.tensors[0];
    else
        found = safetensors_find(&s->file, "z");
    if (found != NULL) {
        s->z = *found;
        return 0;
    }
    char names[NAMES_MAX];
    list_names(names, &s->file);
    if (s->file.n == 0)
        return err_set(e, ERR_INPUT, "%s holds no tensors", s->path);
    if (name != NULL)
        return err_set(e, ERR_INPUT, "%s has no tensor '%.80s', but: %s",
                       s->path, name, names);
    return err_set(e, ERR_INPUT,
                   "%s has several tensors; choose with --tensor: %s", s->path,
                   names);
}

static int open_file(struct source *s, const char *tensor, struct err *e)
{
    if (has_ending(s->path, ".safetensors")) {
        TRY(safetensors_open(&s->file, s->path, e));
        return choose_tensor(s, tensor, e);
    }
    if (!has_ending(s->path, ".npy"))
        return err_set(e, ERR_INPUT,
                       "%s is no dump folder, and its name ends neither in "
                       ".npy nor in .safetensors",
                       s->path);
    if (tensor != NULL)
        return err_set(e, ERR_INPUT,
                       "%s: only .safetensors files have named tensors, like "
                       "'%.80s'",
                       s->path, tensor);
    TRY(npy_open(&s->npy, s->path, e));
    s->z = s->npy.tensor;
    return 0;
}

static int check_type(const struct source *s, struct err *e)
{
    if (dtype_is_activation(s->z.dtype))
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s holds %s; activations are f32, f16 or bf16: save "
                   ".astype(np.float32)",
                   s->path, dtype_name(s->z.dtype));
}

int source_open(struct source *s, const char *path, const char *tensor,
                struct err *e)
{
    *s = (struct source){.path = path};
    int code = open_file(s, tensor, e);
    if (code == 0)
        code = check_type(s, e);
    if (code != 0)
        source_close(s);
    return code;
}

void source_close(struct source *s)
{
    npy_close(&s->npy);
    safetensors_close(&s->file);
    *s = (struct source){0};
}

const struct map *source_map(const struct source *s)
{
    return s->file.map.data != NULL ? &s->file.map : &s->npy.map;
}
