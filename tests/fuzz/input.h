/* SPDX-License-Identifier: MIT
 *
 * What the fuzz targets share: the input as a file, because our readers map
 * files, and the entry point that libFuzzer and driver.c call. Files lie in
 * the current folder, named after the process, and go when it ends.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char input_name[64];

static inline void input_remove(void)
{
    (void)unlink(input_name);
}

/* Writes the file `path`. */
static inline void input_write(const char *path, const uint8_t *data,
                               size_t size)
{
    FILE *f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
        perror(path);
        abort();
    }
}

/* Writes the input to the file of this process; returns its name. */
static inline const char *input_file(const uint8_t *data, size_t size)
{
    if (input_name[0] == '\0') {
        (void)snprintf(input_name, sizeof input_name, "fuzz-input-%ld",
                       (long)getpid());
        (void)atexit(input_remove);
    }
    input_write(input_name, data, size);
    return input_name;
}

#endif
