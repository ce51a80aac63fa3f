/* SPDX-License-Identifier: MIT
 *
 * Whatever the file says, what is accepted lies inside it.
 */
#include "input.h"

#include "dump/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct npy a;
    struct err e;
    if (npy_open(&a, input_file(data, size), &e) != 0)
        return 0;
    unsigned sum = 0;
    const unsigned char *bytes = a.tensor.data;
    for (size_t k = 0; k < a.tensor.bytes; k++)
        sum += bytes[k];
    if (tensor_count(&a.tensor) * dtype_size(a.tensor.dtype) != a.tensor.bytes)
        abort();
    npy_close(&a);
    return sum == UINT32_MAX; /* so that the bytes are really read */
}
