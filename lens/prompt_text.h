/* SPDX-License-Identifier: MIT
 *
 * Texts, tokens and positions of lens/prompt.h's questions: read from what a
 * person wrote, and written into answers.
 */
#ifndef LENS_PROMPT_TEXT_H
#define LENS_PROMPT_TEXT_H

#include "lens/prompt_run.h"

/* The ids of a text, checked as prompt_lens_check says. */
int prompt_text_tokens(struct token_list *out, const struct prompt_lens *l,
                       const struct prompt_text *text, struct err *e);

/* The id of a token written as its text or "id:123"; `what` names it in
 * errors. */
int prompt_text_token(int32_t *out, const struct prompt_lens *l,
                      const char *text, const char *what, struct err *e);

/* A position from 0, or from the end if it is negative. */
int prompt_text_position(size_t *out, const struct prompt_run *run,
                         int64_t position, struct err *e);

/* {id, text}, with escaped. NULL without memory. */
json_t *prompt_text_json(const struct prompt_lens *l, int32_t id);

#endif
