/* SPDX-License-Identifier: MIT
 *
 * A library for LD_PRELOAD: the allocation number FAIL_AT fails. Only those
 * that the program itself makes are counted; libraries (jansson, OpenBLAS)
 * have crashes of their own to mend.
 */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>

/* glibc's own names of what is replaced here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long allocations;
static long fail_at;
static const void *program; /* where it is loaded */

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAIL_AT");
    Dl_info info;
    if (text != NULL && dladdr((void *)getauxval(AT_ENTRY), &info) != 0) {
        program = info.dli_fbase;
        fail_at = strtol(text, NULL, 10);
    }
}

static bool fails(const void *caller)
{
    Dl_info info;
    if (fail_at == 0 || dladdr(caller, &info) == 0 || info.dli_fbase != program)
        return false;
    if (atomic_fetch_add(&allocations, 1) + 1 != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL
                                              : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL
                                              : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0))
               ? NULL
               : __libc_memalign(alignment, size);
}
