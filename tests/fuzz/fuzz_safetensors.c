/* SPDX-License-Identifier: MIT
 *
 * Whatever the file says, what is accepted lies inside it.
 */
#include "input.h"

#include "dump/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct safetensors s;
    struct err e;
    if (safetensors_open(&s, input_file(data, size), &e) != 0)
        return 0;
    unsigned sum = 0;
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char *bytes = s.tensors[i].data;
        for (size_t k = 0; k < s.tensors[i].bytes; k++)
            sum += bytes[k];
        if (safetensors_find(&s, s.names[i]) != &s.tensors[i])
            abort();
    }
    safetensors_close(&s);
    return sum == UINT32_MAX; /* so that the bytes are really read */
}
