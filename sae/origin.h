/* SPDX-License-Identifier: MIT
 *
 * Whether rows are of the kind that an SAE was trained on: of the same model,
 * and with or without value biases as those were. An SAE says it in
 * headscope.json; what it or the rows do not say is taken to agree.
 */
#ifndef SAE_ORIGIN_H
#define SAE_ORIGIN_H

#include "dump/dump.h"
#include "sae/sae.h"

/* Where rows come from. */
struct origin {
    const char *model_fingerprint; /* NULL: unknown */
    int fold_value_biases;         /* 1 yes, 0 no, -1 unknown */
    const char *bos;               /* "always", "never"; else unknown */
};

struct origin origin_of_dump(const struct dump_info *info);

/* An error where the model or the biases differ. Another use of BOS moves few
 * rows, and is only said. `folder` names the SAE in messages. */
int origin_check(const struct sae *s, const char *folder,
                 const struct origin *rows, struct err *e);
/* Only says it, for where rows of another model are no mistake in themselves.
 */
void origin_warn(const struct sae *s, const char *folder,
                 const struct dump_info *info);

#endif
