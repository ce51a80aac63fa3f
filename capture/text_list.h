/* SPDX-License-Identifier: MIT
 *
 * The files that --text names: several with commas between; of a folder all
 * .txt and .jsonl in it, by name, without those in folders of its own and those
 * that begin with a dot.
 */
#ifndef CAPTURE_TEXT_LIST_H
#define CAPTURE_TEXT_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

struct text_list {
    size_t n;
    char **paths;
    size_t capacity;
    struct arena arena;
};

/* If there is a file or folder of the whole name, commas and all, it is the
 * only one. On failure nothing is held. */
int text_list_open(struct text_list *l, const char *list, struct err *e);
void text_list_close(struct text_list *l);

/* Whether a file is read as JSON Lines: by its name. */
bool text_list_is_jsonl(const char *path);

#endif
