/* SPDX-License-Identifier: MIT
 *
 * prompts.json of a dump whose contexts are prompts of a task: an array with an
 * object for each context,
 *
 *     {"label": 1, "position": 15, "answer_tokens": [983], "wrong_tokens":
 * [955]}
 *
 * label 1 positive, 0 negative or null; position from 0; answer_tokens may be
 * left out. wrong_tokens are kept for whoever reads the dump.
 */
#ifndef DUMP_PROMPTS_FILE_H
#define DUMP_PROMPTS_FILE_H

#include "base/arena.h"
#include "dump/dump.h"

#define PROMPTS_NAME "prompts.json"

/* Reads and checks it against `starts` [contexts + 1]. Memory from the arena.
 */
int prompts_file_read(struct dump_prompts *p, const int64_t *starts,
                      uint64_t contexts, struct arena *arena, const char *path,
                      struct err *e);

#endif
