/* SPDX-License-Identifier: MIT */
#include "sae/codes.h"

#include <stdlib.h>

void codes_free(struct codes *c)
{
    free(c->start);
    free(c->feature);
    free(c->value);
    *c = (struct codes){0};
}

float codes_value(const struct codes *c, size_t row, uint32_t feature)
{
    for (size_t i = c->start[row]; i < c->start[row + 1]; i++)
        if (c->feature[i] == feature)
            return c->value[i];
    return 0;
}

void codes_drop_zeros(struct codes *c)
{
    size_t n = 0, begin = 0;
    for (size_t r = 0; r < c->n; r++) {
        size_t end = c->start[r + 1];
        for (size_t i = begin; i < end; i++) {
            c->feature[n] = c->feature[i];
            c->value[n] = c->value[i];
            n += c->value[i] != 0;
        }
        begin = end;
        c->start[r + 1] = n;
    }
}

int codes_reserve(struct codes *c, size_t n, size_t entries, struct err *e)
{
    if (n + 1 > c->rows_capacity) {
        size_t *start = realloc(c->start, (n + 1) * sizeof *start);
        if (start == NULL)
            return err_memory(e, "codes", (n + 1) * sizeof *start);
        c->start = start;
        c->rows_capacity = n + 1;
    }
    if (entries > c->capacity || c->feature == NULL) {
        size_t capacity = entries + entries / 4 + 1;
        uint32_t *feature = realloc(c->feature, capacity * sizeof *feature);
        if (feature != NULL)
            c->feature = feature;
        float *value = realloc(c->value, capacity * sizeof *value);
        if (value != NULL)
            c->value = value;
        if (feature == NULL || value == NULL)
            return err_memory(e, "codes", capacity * 8);
        c->capacity = capacity;
    }
    return 0;
}
