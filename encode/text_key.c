/* SPDX-License-Identifier: MIT */
#include "encode/text_key.h"

#include <stddef.h>

/* FNV-1a over token ids. */
uint32_t text_key(const int32_t *ids, uint64_t begin, uint64_t row)
{
    uint32_t hash = UINT32_C(2166136261);
    if (ids == NULL)
        return (uint32_t)row;
    if (row - begin > TEXT_KEY_TOKENS)
        begin = row - TEXT_KEY_TOKENS;
    for (uint64_t i = begin; i <= row; i++)
        hash = (hash ^ (uint32_t)ids[i]) * UINT32_C(16777619);
    return hash;
}
