/* SPDX-License-Identifier: MIT
 *
 * Which tokens have the same text: themselves and the 8 before them in their
 * context. Examples that repeat a text are one example (examples.h,
 * example_sets.h).
 */
#ifndef ENCODE_TEXT_KEY_H
#define ENCODE_TEXT_KEY_H

#include <stdint.h>

/* Tokens before one that make up its text. */
enum { TEXT_KEY_TOKENS = 8 };

/* A hash of the text of row `row`, whose context begins at row `begin`; without
 * ids (NULL) the row itself, so that no two are the same. Equal texts have
 * equal keys; that different ones do, once in four billion, costs an example.
 */
uint32_t text_key(const int32_t *ids, uint64_t begin, uint64_t row);

#endif
