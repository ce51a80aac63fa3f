/* SPDX-License-Identifier: MIT
 *
 * Inside of sae/: what the readers and writers of all file formats share, the
 * way from named tensors to those of struct sae and back.
 */
#ifndef SAE_TENSORS_H
#define SAE_TENSORS_H

#include "dump/tensor_file.h"
#include "sae/sae.h"

enum { SAE_WIDTH_MAX = 1 << 20 };

/* How a matrix lies in a file: one row for each feature, as in struct sae, or
 * one for each input. */
enum sae_major { FEATURE_MAJOR, INPUT_MAJOR };

/* Sets s->d and s->m to the sizes of a matrix, which must be in
 * 1..SAE_WIDTH_MAX. */
int sae_read_sizes(struct sae *s, const struct tensor_file *f, const char *name,
                   enum sae_major major, struct err *e);

/* Read a tensor of f32, f16 or bf16 into new memory of s: a matrix (m, d), or a
 * vector of n numbers. Another shape than that of s->m and s->d, other types
 * and values that are not finite are refused. */
int sae_read_matrix(struct sae *s, float **out, struct tensor_file *f,
                    const char *name, enum sae_major major, struct err *e);
int sae_read_vector(struct sae *s, float **out, struct tensor_file *f,
                    const char *name, size_t n, struct err *e);

/* A tensor of one number, or an error: f32, f16, bf16, i32 or i64. */
int sae_read_number(double *out, struct tensor_file *f, const char *name,
                    struct err *e);

/* Refuses tensors other than names[], which NULL ends: a tensor that the rule
 * does not have means a rule that we do not have. `what` is the rule's name. */
int sae_refuse_other_tensors(const struct tensor_file *f,
                             const char *const *names, const char *what,
                             struct err *e);

/* Makes s, whose w_enc is W, the jumprelu that a gated SAE is (sae.h), from the
 * vectors of these names. */
int sae_read_gate(struct sae *s, struct tensor_file *f, const char *gate,
                  const char *r, const char *magnitude, struct err *e);

/* The same for one feature of an SAE whose b_enc is the magnitude's and whose
 * threshold has room; false: it is not finite then. */
bool sae_fold_gate(struct sae *s, size_t i, float gate, float r);

/* Makes the rows of W_dec unit length; codes grow by what they lose. h, times
 * the norm, decides as it did: for rules that compare features, that is another
 * rule, the one of who does so in training. A row of zeros is never active. */
void sae_fold_decoder_norms(struct sae *s);
/* Whether they are, up to 1e-5. */
bool sae_has_unit_rows(const struct sae *s);

/* Hook, layer and model of s. `hook` NULL: z of `layer`, if that is known (not
 * -1). */
int sae_set_place(struct sae *s, const char *hook, int layer, const char *model,
                  struct err *e);

/* ---- for writers: new memory of `arena` ---- */

/* (d, m) of a matrix (m, d). */
int sae_by_input(float **out, const struct sae *s, const float *matrix,
                 struct arena *arena, struct err *e);
/* b_enc (m) for a format that subtracts b_dec from the input, or does not:
 * b_dec goes through W_enc, in double, where s does it the other way. */
int sae_encoder_bias(float **out, const struct sae *s, bool subtracts,
                     struct arena *arena, struct err *e);

/* Entries of an f32 matrix (m, d) or (d, m), or of a vector. */
struct tensor_entry sae_matrix_entry(const char *name, const struct sae *s,
                                     const float *data, enum sae_major major);
struct tensor_entry sae_vector_entry(const char *name, const float *data,
                                     size_t n);

#endif
