/* SPDX-License-Identifier: MIT
 *
 * Whatever the program does, it ends; what it describes lies in its storages.
 */
#include "input.h"

#include "dump/pickle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pickle p;
    struct err e;
    if (pickle_read(&p, data, size, "fuzz", &e) != 0)
        return 0;
    for (size_t i = 0; i < p.n; i++) {
        const struct pickle_tensor *t = &p.tensors[i];
        if (t->at > t->storage_bytes ||
            t->tensor.bytes > t->storage_bytes - t->at || t->name[0] == '\0' ||
            (t->transposed && t->tensor.rank != 2))
            abort();
        for (const char *c = t->storage; *c != '\0'; c++)
            if (*c < '0' || *c > '9')
                abort();
    }
    pickle_free(&p);
    return 0;
}
