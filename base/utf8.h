/* SPDX-License-Identifier: MIT
 *
 * UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, nothing
 * above U+10FFFF.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Index of the first byte that is not part of a valid sequence; `size` if all
 * are. */
size_t utf8_valid_prefix(const char *text, size_t size);

/* Puts '?' in place of every byte of a string that is not part of a valid
 * sequence: for file names that go into JSON. */
void utf8_repair(char *text);

/* Writes the 1 to 4 bytes of a code point (valid, not checked); returns how
 * many. */
size_t utf8_encode(char out[4], uint32_t code_point);

#endif
