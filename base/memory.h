/* SPDX-License-Identifier: MIT
 *
 * How much memory the computer has to give, asked before much is taken: the
 * kernel hands out more than there is and ends programs later, without a word.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

#include "base/err.h"

/* MemAvailable of /proc/meminfo in bytes; UINT64_MAX where it is not known. */
uint64_t memory_available(void);

/* An error if `bytes` are more than that: "<subject>: needs 9 GB of memory, but
 * only 4 GB are available, for <what>". */
int memory_check(uint64_t bytes, const char *subject, const char *what,
                 struct err *e);

#endif
