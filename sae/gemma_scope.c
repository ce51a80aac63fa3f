/* SPDX-License-Identifier: MIT
 *
 * Gemma Scope: params.npz with W_enc (d, m), W_dec (m, d), b_enc, b_dec and
 * threshold. JumpReLU of x itself: b_dec is not subtracted. Its folders are
 * named layer_N/width_W/average_l0_L.
 */
#include "sae/foreign.h"

#include <stdio.h>
#include <string.h>

#include "sae/tensors.h"

static const char *const names[] = {"W_enc", "W_dec",     "b_enc",
                                    "b_dec", "threshold", NULL};

/* From a folder "layer_N" of the path; -1 if there is none. */
static int layer_of_path(const char *path)
{
    int layer = -1;
    for (const char *at = path; (at = strstr(at, "layer_")) != NULL; at++) {
        int number, end = 0;
        if ((at == path || at[-1] == '/') &&
            sscanf(at, "layer_%4d%n", &number, &end) == 1 && number >= 0 &&
            at[end] == '/')
            layer = number;
    }
    return layer;
}

static int read_tensors(struct sae *s, struct tensor_file *f, struct err *e)
{
    TRY(sae_read_sizes(s, f, "W_enc", INPUT_MAJOR, e));
    TRY(sae_read_vector(s, &s->b_enc, f, "b_enc", s->m, e));
    TRY(sae_read_vector(s, &s->b_dec, f, "b_dec", s->d, e));
    TRY(sae_read_vector(s, &s->threshold, f, "threshold", s->m, e));
    TRY(sae_read_matrix(s, &s->w_enc, f, "W_enc", INPUT_MAJOR, e));
    TRY(sae_read_matrix(s, &s->w_dec, f, "W_dec", FEATURE_MAJOR, e));
    return sae_refuse_other_tensors(f, names, "Gemma Scope's", e);
}

int sae_read_gemma_scope(struct sae *s, const struct sae_files *files,
                         struct err *e)
{
    struct tensor_file f;
    s->architecture = SAE_JUMPRELU;
    s->apply_b_dec_to_input = false;
    TRY(tensor_file_open(&f, files->tensors, e));
    int code = read_tensors(s, &f, e);
    tensor_file_close(&f);
    TRY(code);
    return sae_set_place(s, NULL, layer_of_path(files->tensors), "unknown", e);
}

static int write_tensors(const struct sae *s, const char *path,
                         struct arena *arena, struct err *e)
{
    float *w_enc, *b_enc, *threshold = s->threshold;
    TRY(sae_by_input(&w_enc, s, s->w_enc, arena, e));
    TRY(sae_encoder_bias(&b_enc, s, false, arena, e));
    if (threshold == NULL) /* max(h, 0) */
        TRY(arena_get(arena, &threshold, s->m, sizeof *threshold, path, e));
    const struct tensor_entry entries[] = {
        sae_matrix_entry("W_enc", s, w_enc, INPUT_MAJOR),
        sae_matrix_entry("W_dec", s, s->w_dec, FEATURE_MAJOR),
        sae_vector_entry("b_enc", b_enc, s->m),
        sae_vector_entry("b_dec", s->b_dec, s->d),
        sae_vector_entry("threshold", threshold, s->m),
    };
    return tensor_file_write_npz(path, entries,
                                 sizeof entries / sizeof *entries, e);
}

int sae_write_gemma_scope(const struct sae *s, const char *folder,
                          struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    struct arena arena = {0};
    TRY(output_join(path, folder, "params.npz", e));
    int code = write_tensors(s, path, &arena, e);
    arena_free(&arena);
    return code;
}
