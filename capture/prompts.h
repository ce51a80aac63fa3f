/* SPDX-License-Identifier: MIT
 *
 * Prompts of a task, with what should come behind them: a file of JSON lines,
 * one object a prompt:
 *
 *     text            the prompt; or
 *     ids             its token ids, BOS included, which text then only shows
 *     label           1 or 0, positive or negative; may be missing
 *     answer_tokens   ids of right next tokens, and
 *     wrong_tokens    of wrong ones; may be missing or empty; or
 *     answer, wrong   the same as text that is one token, a string or several
 *     position        the token whose prediction counts, from 0; -1, the last,
 *                     if missing
 *
 * Other fields are left alone, but those that `layout` names: prompts that
 * agree in them, and in length, have the same layout, so that equal positions
 * mean equal things.
 */
#ifndef CAPTURE_PROMPTS_H
#define CAPTURE_PROMPTS_H

#include <jansson.h>

#include "capture/model.h"

struct prompts_options {
    bool bos;           /* put BOS in front of text */
    int label;          /* take only prompts with this label; -1: all */
    const char *layout; /* fields with commas between, a dot between a field and
                           one of its own: "meta.template,meta.kind"; NULL: the
                           length alone */
};

/* Ids of several prompts, one after the other: prompt i has [start[i],
 * start[i + 1]). */
struct prompts_list {
    int32_t *ids;
    int64_t *start; /* [n + 1] */
};

struct prompts {
    size_t n;
    struct prompts_list tokens, answers, wrong;
    int32_t *position; /* [n] from 0 */
    int8_t *label;     /* [n] -1: none */
    int32_t *layout;   /* [n] */
    struct arena arena;
};

/* Reads a file; messages name the line. `layouts` is an object from names of
 * layouts to their numbers, which files share: reading adds to it. A prompt
 * that is longer than the model's context, an id beyond its embedding, and a
 * file without prompts are errors. On failure nothing is held. */
int prompts_read(struct prompts *p, const struct model *m, const char *path,
                 const struct prompts_options *o, json_t *layouts,
                 struct err *e);
void prompts_free(struct prompts *p);

/* What a dump keeps of them: the array of dump/prompts_file.h; NULL without
 * memory. */
json_t *prompts_json(const struct prompts *p);

#endif
