/* SPDX-License-Identifier: MIT
 *
 * Token strings as text that a person can read and SQLite can hold.
 */
#ifndef STORE_TEXT_H
#define STORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether bytes are text as they are: valid UTF-8 without NUL. */
bool store_text_is_plain(const char *bytes, size_t length);

/* Writes bytes with all that is no text as \xE2 (two capital digits); the rest
 * stays. `out` has room for 4 * length bytes; returns how many were written. */
size_t store_text_escape(char *out, const char *bytes, size_t length);

#endif
