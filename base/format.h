/* SPDX-License-Identifier: MIT
 *
 * Numbers as a person reads them, and the reverse for options.
 */
#ifndef BASE_FORMAT_H
#define BASE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 950, 12.3k, 4.56M, 1.2G */
void format_count(char *out, size_t size, double value);
/* 950 B, 12.3 KB, 1.2 GB (powers of 1000) */
void format_bytes(char *out, size_t size, double bytes);
/* 0.4s, 12s, 3m05s, 2h07m */
void format_duration(char *out, size_t size, double seconds);

/* "64", "2k", "1.5M", "4G" (powers of 1000) to a whole number; false for
 * anything else, a sign, a rest, or a value beyond 2^63 - 1. */
bool format_parse_count(const char *text, int64_t *value);

#endif
