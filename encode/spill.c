/* SPDX-License-Identifier: MIT */
#include "encode/spill.h"

#include <stdlib.h>

enum { BUFFER_BYTES = 1 << 20 };

int spill_open(struct spill *s, const char *path, size_t rows_max,
               struct err *e)
{
    *s = (struct spill){0};
    TRY(temporary_open(&s->file, path, BUFFER_BYTES, e));
    s->counts = malloc(rows_max * sizeof *s->counts);
    if (s->counts == NULL) {
        spill_close(s);
        return err_memory(e, "codes", rows_max * sizeof *s->counts);
    }
    return 0;
}

void spill_close(struct spill *s)
{
    temporary_close(&s->file);
    free(s->counts);
    free(s->feature);
    free(s->value);
    *s = (struct spill){0};
}

int spill_write(struct spill *s, const struct codes *codes, struct err *e)
{
    size_t entries = codes->start[codes->n];
    for (size_t r = 0; r < codes->n; r++)
        s->counts[r] = (uint32_t)(codes->start[r + 1] - codes->start[r]);
    TRY(temporary_write(&s->file, s->counts, codes->n * sizeof *s->counts, e));
    TRY(temporary_write(&s->file, codes->feature,
                        entries * sizeof *codes->feature, e));
    return temporary_write(&s->file, codes->value,
                           entries * sizeof *codes->value, e);
}

int spill_rewind(struct spill *s, struct err *e)
{
    return temporary_rewind(&s->file, e);
}

static int have_room(struct spill *s, size_t entries, struct err *e)
{
    if (entries <= s->capacity)
        return 0;
    size_t capacity = entries + entries / 4;
    free(s->feature);
    free(s->value);
    s->capacity = 0;
    s->feature = malloc(capacity * sizeof *s->feature);
    s->value = malloc(capacity * sizeof *s->value);
    if (s->feature == NULL || s->value == NULL)
        return err_memory(e, "codes",
                          capacity * (sizeof *s->feature + sizeof *s->value));
    s->capacity = capacity;
    return 0;
}

int spill_read(struct spill *s, size_t n, struct err *e)
{
    TRY(temporary_read(&s->file, s->counts, n * sizeof *s->counts, e));
    size_t entries = 0;
    for (size_t r = 0; r < n; r++)
        entries += s->counts[r];
    TRY(have_room(s, entries, e));
    TRY(temporary_read(&s->file, s->feature, entries * sizeof *s->feature, e));
    return temporary_read(&s->file, s->value, entries * sizeof *s->value, e);
}
