/* SPDX-License-Identifier: MIT
 *
 * A vocabulary that is read survives being written and read again.
 */
#include "input.h"

#include <string.h>

#include "dump/vocab.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vocab v, again;
    struct err e;
    const char *path = input_file(data, size);
    if (vocab_read(&v, path, &e) != 0)
        return 0;
    if (vocab_write(&v, path, &e) != 0 || vocab_read(&again, path, &e) != 0 ||
        again.n != v.n)
        abort();
    for (size_t i = 0; i < v.n; i++)
        if (again.length[i] != v.length[i] ||
            memcmp(again.text[i], v.text[i], v.length[i]) != 0)
            abort();
    vocab_free(&v);
    vocab_free(&again);
    return 0;
}
