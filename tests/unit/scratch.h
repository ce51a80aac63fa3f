/* SPDX-License-Identifier: MIT
 *
 * For tests that write files: a folder of their own, which is the current one
 * while they run and is removed at the end.
 */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"

static char scratch_folder[] = "scratch-XXXXXX";

static inline int scratch_begin(void **state)
{
    (void)state;
    return mkdtemp(scratch_folder) == NULL || chdir(scratch_folder) != 0;
}

static inline int scratch_remove_entry(const char *path, const struct stat *st,
                                       int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static inline int scratch_remove(const char *path)
{
    return nftw(path, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline int scratch_end(void **state)
{
    (void)state;
    return chdir("..") != 0 || scratch_remove(scratch_folder) != 0;
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static inline void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* That a call was refused, and why: `words` must be part of the message, and
 * the message one line. */
static inline void assert_refused(int code, const struct err *e,
                                  const char *words)
{
    if (code != ERR_INPUT || strstr(e->msg, words) == NULL ||
        strchr(e->msg, '\n') != NULL)
        fail_msg("code %d, message '%s'; expected: '%s'", code, e->msg, words);
}

#endif
