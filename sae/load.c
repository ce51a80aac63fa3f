/* SPDX-License-Identifier: MIT
 *
 * sae_load: which format it is, and what is the same in all of them.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/json.h"
#include "sae/foreign.h"
#include "sae/tensors.h"

/* ---- finding the files ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Whether folder/name is there; its path. */
static bool has(char path[OUTPUT_PATH_MAX], const char *folder,
                const char *name)
{
    struct err unused;
    return output_join(path, folder, name, &unused) == 0 &&
           access(path, F_OK) == 0;
}

/* NAME_cfg.json of NAME.pt, if it is there. */
static bool has_kissane_config(char config[OUTPUT_PATH_MAX], const char *path)
{
    int n = snprintf(config, OUTPUT_PATH_MAX, "%.*s_cfg.json",
                     (int)(strlen(path) - 3), path);
    return n < OUTPUT_PATH_MAX && access(config, F_OK) == 0;
}

/* The one NAME.pt with NAME_cfg.json of a folder. */
static bool find_kissane(struct sae_files *files, const char *folder)
{
    DIR *entries = opendir(folder);
    size_t found = 0;
    char path[OUTPUT_PATH_MAX], config[OUTPUT_PATH_MAX];
    for (struct dirent *it; entries != NULL && (it = readdir(entries)) != NULL;)
        if (ends_with(it->d_name, ".pt") && has(path, folder, it->d_name) &&
            has_kissane_config(config, path)) {
            memcpy(files->tensors, path, sizeof path);
            memcpy(files->config, config, sizeof config);
            found++;
        }
    if (entries != NULL)
        (void)closedir(entries);
    return found == 1;
}

static enum sae_format find_in_folder(struct sae_files *files,
                                      const char *folder)
{
    struct err unused;
    bool cfg = has(files->config, folder, "cfg.json");
    if (cfg && has(files->tensors, folder, "sae.safetensors"))
        return SAE_FORMAT_SPARSIFY;
    if (cfg) /* what is missing shows when it is opened */
        return output_join(files->tensors, folder, "sae_weights.safetensors",
                           &unused) == 0
                   ? SAE_FORMAT_SAELENS
                   : SAE_FORMAT_NONE;
    if (has(files->tensors, folder, "ae.pt"))
        return output_join(files->config, folder, "config.json", &unused) == 0
                   ? SAE_FORMAT_DICTIONARY_LEARNING
                   : SAE_FORMAT_NONE;
    if (has(files->tensors, folder, "params.npz"))
        return SAE_FORMAT_GEMMA_SCOPE;
    return find_kissane(files, folder) ? SAE_FORMAT_KISSANE : SAE_FORMAT_NONE;
}

/* "a/b" of "a/b/c", "." of "c". */
static void parent_of(char folder[OUTPUT_PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        (void)snprintf(folder, OUTPUT_PATH_MAX, ".");
    else
        (void)snprintf(folder, OUTPUT_PATH_MAX, "%.*s",
                       slash == path ? 1 : (int)(slash - path), path);
}

static enum sae_format find_file(struct sae_files *files, const char *path)
{
    char name[256];
    output_base_name(name, sizeof name, path);
    (void)snprintf(files->tensors, sizeof files->tensors, "%s", path);
    parent_of(files->folder, path);
    if (strcmp(name, "ae.pt") == 0) {
        struct err unused;
        return output_join(files->config, files->folder, "config.json",
                           &unused) == 0
                   ? SAE_FORMAT_DICTIONARY_LEARNING
                   : SAE_FORMAT_NONE;
    }
    if (ends_with(name, ".npz"))
        return SAE_FORMAT_GEMMA_SCOPE;
    /* Many lie side by side: what is in the folder is of none of them. */
    files->folder[0] = '\0';
    if (ends_with(name, ".pt") && has_kissane_config(files->config, path))
        return SAE_FORMAT_KISSANE;
    return SAE_FORMAT_NONE;
}

static enum sae_format find_files(struct sae_files *files, const char *path)
{
    *files = (struct sae_files){0};
    if (strlen(path) >= OUTPUT_PATH_MAX || access(path, F_OK) != 0)
        return SAE_FORMAT_NONE;
    if (!is_folder(path))
        return find_file(files, path);
    (void)snprintf(files->folder, sizeof files->folder, "%s", path);
    return find_in_folder(files, path);
}

enum sae_format sae_format_of(const char *path)
{
    struct sae_files files;
    return find_files(&files, path);
}

/* ---- what is the same in all formats ---- */

static int take_fingerprint(struct sae *s, struct err *e)
{
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL)
        return err_memory(e, "fingerprint", 0);
    uint64_t head[5] = {(uint64_t)s->architecture, s->d, s->m, s->k,
                        s->apply_b_dec_to_input};
    (void)XXH3_128bits_reset(state);
    (void)XXH3_128bits_update(state, head, sizeof head);
    (void)XXH3_128bits_update(state, s->w_enc, s->d * s->m * sizeof(float));
    (void)XXH3_128bits_update(state, s->w_dec, s->d * s->m * sizeof(float));
    (void)XXH3_128bits_update(state, s->b_enc, s->m * sizeof(float));
    (void)XXH3_128bits_update(state, s->b_dec, s->d * sizeof(float));
    if (s->threshold != NULL)
        (void)XXH3_128bits_update(state, s->threshold, s->m * sizeof(float));
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    (void)XXH3_freeState(state);
    char text[33];
    (void)snprintf(text, sizeof text, "%016llx%016llx",
                   (unsigned long long)hash.high64,
                   (unsigned long long)hash.low64);
    return arena_string(&s->arena, &s->fingerprint, text, e);
}

/* What the record has and the SAE's own format may lack. */
static int take_record(struct sae *s, const json_t *own, const char *path,
                       struct err *e)
{
    int64_t heads = 0, layer = -1;
    if (!json_is_object(own))
        return err_set(e, ERR_INPUT, "%s: must be an object", path);
    TRY(json_get_int(&heads, own, "heads", 0, SAE_WIDTH_MAX, 0, path, e));
    if (heads > 0 && s->d % (size_t)heads != 0)
        return err_set(e, ERR_INPUT, "%s: %d heads do not divide d_in %zu",
                       path, (int)heads, s->d);
    s->heads = (int)heads;
    if (s->hook[0] != '\0')
        return 0;
    TRY(json_get_int(&layer, own, "layer", 0, UINT16_MAX, -1, path, e));
    return sae_set_place(s, NULL, (int)layer, s->model, e);
}

/* headscope.json, if the folder has one: kept as text. */
static int read_own_record(struct sae *s, const char *folder, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "headscope.json", e));
    if (access(path, F_OK) != 0)
        return 0;
    json_t *own;
    TRY(json_read(&own, path, e));
    int code = take_record(s, own, path, e);
    char *text = code == 0 ? json_dumps(own, JSON_COMPACT) : NULL;
    if (code == 0 && text == NULL)
        code = err_memory(e, "headscope.json", 0);
    if (code == 0)
        code = arena_string(&s->arena, &s->headscope, text, e);
    free(text);
    json_decref(own);
    return code;
}

/* After the folder, or after NAME.pt. */
static int take_name(struct sae *s, const struct sae_files *files,
                     struct err *e)
{
    char name[256];
    bool one = files->folder[0] == '\0';
    const char *end = one ? ".pt" : ".sae";
    output_base_name(name, sizeof name, one ? files->tensors : files->folder);
    if (ends_with(name, end))
        name[strlen(name) - strlen(end)] = '\0';
    return arena_string(&s->arena, &s->name, name, e);
}

static int read_format(struct sae *s, const struct sae_files *files,
                       struct err *e)
{
    switch (files->format) {
    case SAE_FORMAT_SPARSIFY:
        return sae_read_sparsify(s, files, e);
    case SAE_FORMAT_DICTIONARY_LEARNING:
        return sae_read_dictionary(s, files, e);
    case SAE_FORMAT_GEMMA_SCOPE:
        return sae_read_gemma_scope(s, files, e);
    case SAE_FORMAT_KISSANE:
        return sae_read_kissane(s, files, e);
    default:
        return sae_read_saelens(s, files, e);
    }
}

static int load(struct sae *s, const char *path, struct err *e)
{
    struct sae_files files;
    files.format = SAE_FORMAT_NONE;
    enum sae_format format = find_files(&files, path);
    files.format = format;
    if (format == SAE_FORMAT_NONE)
        return err_set(e, ERR_INPUT,
                       "%s: no SAE: neither a folder with cfg.json, with ae.pt "
                       "and config.json or with params.npz, nor NAME.pt with "
                       "NAME_cfg.json",
                       path);
    TRY(take_name(s, &files, e));
    TRY(read_format(s, &files, e));
    TRY(take_fingerprint(s, e));
    return files.folder[0] != '\0' ? read_own_record(s, files.folder, e) : 0;
}

int sae_load(struct sae *s, const char *path, struct err *e)
{
    *s = (struct sae){.layer = -1, .head = -1};
    int code = load(s, path, e);
    if (code != 0)
        sae_free(s);
    return code;
}
