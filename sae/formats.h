/* SPDX-License-Identifier: MIT
 *
 * The file formats that SAEs are read from (sae_load) and written to. What each
 * can and cannot carry is in docs/formats.md.
 */
#ifndef SAE_FORMATS_H
#define SAE_FORMATS_H

#include "sae/sae.h"

enum sae_format {
    SAE_FORMAT_NONE, /* no SAE */
    SAE_FORMAT_SAELENS,
    SAE_FORMAT_SPARSIFY,
    SAE_FORMAT_DICTIONARY_LEARNING,
    SAE_FORMAT_GEMMA_SCOPE,
    SAE_FORMAT_KISSANE,
};

/* "saelens", "gemma_scope": the word of options and messages. */
const char *sae_format_name(enum sae_format format);

/* The format of a folder or file, by the names of what is there; nothing is
 * opened:
 *
 *     saelens              a folder with cfg.json
 *     sparsify             a folder with cfg.json and sae.safetensors
 *     dictionary_learning  ae.pt with config.json beside it, or their folder
 *     gemma_scope          a file NAME.npz, or a folder with params.npz
 *     kissane              NAME.pt with NAME_cfg.json beside it, or a folder
 *                          with one such pair
 */
enum sae_format sae_format_of(const char *path);

/* An error that says why, and what can, if the format cannot carry s. */
int sae_export_check(const struct sae *s, enum sae_format format,
                     struct err *e);
/* How the format's form of s differs from s, computing the same: "" or a
 * sentence. */
const char *sae_export_note(const struct sae *s, enum sae_format format);

/* Writes s into an existing folder, and headscope.json where s has one. Not
 * atomic: the caller holds the output. */
int sae_export(const struct sae *s, enum sae_format format, const char *folder,
               struct err *e);
/* The file that a folder of that format is known by, into name[]. */
void sae_export_marker(char *name, size_t size, const struct sae *s,
                       enum sae_format format);

#endif
