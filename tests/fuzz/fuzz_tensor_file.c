/* SPDX-License-Identifier: MIT
 *
 * Archives of torch.save and numpy.savez, whatever their directories say: what
 * is accepted can be read to its end, or is refused then.
 */
#include "input.h"

#include "dump/tensor_file.h"

/* An archive can hold a thousand times its size; so much of it is unpacked. */
enum { LOAD_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tensor_file f;
    struct err e;
    unsigned sum = 0;
    if (tensor_file_open(&f, input_file(data, size), &e) != 0)
        return 0;
    for (size_t i = 0; i < f.n; i++) {
        const struct tensor *t = &f.tensors[i];
        if (t->bytes > LOAD_MAX || tensor_file_load(&f, i, &e) != 0)
            continue;
        const unsigned char *bytes = t->data;
        for (size_t k = 0; k < t->bytes; k++)
            sum += bytes[k];
    }
    tensor_file_close(&f);
    return sum == UINT32_MAX; /* so that the bytes are really read */
}
