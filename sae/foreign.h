/* SPDX-License-Identifier: MIT
 *
 * Inside of sae/: one reader and one writer for each format of formats.h. A
 * reader fills everything of *s but name, fingerprint and headscope.json,
 * vectors before matrices, so that sizes that disagree cost nothing; a writer
 * has been told by sae_export_check that the format can carry s.
 */
#ifndef SAE_FOREIGN_H
#define SAE_FOREIGN_H

#include "base/output.h"
#include "sae/formats.h"

/* The files that make up an SAE. */
struct sae_files {
    enum sae_format format;
    char folder[OUTPUT_PATH_MAX]; /* for headscope.json; "" if it has none */
    char config[OUTPUT_PATH_MAX]; /* "" for gemma_scope */
    char tensors[OUTPUT_PATH_MAX];
};

int sae_read_saelens(struct sae *s, const struct sae_files *files,
                     struct err *e);
int sae_read_sparsify(struct sae *s, const struct sae_files *files,
                      struct err *e);
int sae_read_dictionary(struct sae *s, const struct sae_files *files,
                        struct err *e);
int sae_read_gemma_scope(struct sae *s, const struct sae_files *files,
                         struct err *e);
int sae_read_kissane(struct sae *s, const struct sae_files *files,
                     struct err *e);

int sae_write_sparsify(const struct sae *s, const char *folder, struct err *e);
int sae_write_dictionary(const struct sae *s, const char *folder,
                         struct err *e);
/* Whether the class that is written subtracts b_dec from the input. */
bool sae_dictionary_subtracts(const struct sae *s);
int sae_write_gemma_scope(const struct sae *s, const char *folder,
                          struct err *e);
int sae_write_kissane(const struct sae *s, const char *folder, struct err *e);

/* Writes `config`, which it takes over and which may be NULL for want of
 * memory, as folder/name. */
int sae_write_config(const char *folder, const char *name, json_t *config,
                     struct err *e);

#endif
