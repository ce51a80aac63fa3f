/* SPDX-License-Identifier: MIT
 *
 * From what a command asks for to jobs: which layers and heads, one SAE or one
 * for each head, and a sweep over options. Everything that can share a reading
 * is one job.
 */
#ifndef TRAIN_PLAN_H
#define TRAIN_PLAN_H

#include "train/train.h"

/* As typed. */
struct plan_options {
    const char *layer; /* a number, "all", or NULL: the only one */
    bool per_head;     /* an SAE for each head */
    bool shared_heads; /* one SAE for all heads: a row for each */
    bool result;       /* with shared_heads: rows are z_h·W_O[h] */
    const char *heads; /* "0,3,5", or NULL: all */
    const char *sweep; /* "k=16,32 rate=1e-3,2e-3", or NULL */
    const char *output;
};

/* One job's rows and SAEs. */
struct plan_job {
    struct view view;
    struct train_spec *specs;
    size_t n_specs;
};

struct plan {
    struct plan_job *jobs;
    size_t n_jobs;
    bool is_folder;                 /* output is a folder of several SAEs */
    struct train_options *variants; /* [n_variants] of the sweep */
    json_t **recorded;              /* [n_variants] */
    char **names;                   /* [n_variants] "k16", "" without a sweep */
    size_t n_variants;
    struct arena arena;
};

/* `group` is the table of training options with the values that were typed,
 * which a sweep changes one by one. Names SAEs by `output`, or below that
 * folder where there are several: layer3.sae, layer3.head2.sae, heads.sae,
 * layer3.k16.sae. Keeps the dump and the strings. */
int plan_make(struct plan *p, const struct dump *dump,
              const struct plan_options *o, const struct option_group *group,
              struct err *e);
void plan_free(struct plan *p);

#endif
