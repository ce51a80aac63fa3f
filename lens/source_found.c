/* SPDX-License-Identifier: MIT */
#include "lens/source_found.h"

#include <stdlib.h>

void source_found_empty(struct source_found *f)
{
    f->n_rows = f->n_bins = f->n_strings = 0;
}

void source_found_free(struct source_found *f)
{
    free(f->rows);
    free(f->bins);
    free(f->strings);
    *f = (struct source_found){0};
}

/* Room for one entry more, in `list` or in what is returned instead; NULL after
 * a failure. */
static void *have_room(struct source_found *f, void *list, size_t n,
                       size_t *room, size_t size)
{
    if (f->code != 0)
        return NULL;
    if (n < *room)
        return list;
    size_t wanted = 2 * *room + 256;
    void *grown = realloc(list, wanted * size);
    if (grown == NULL)
        f->code = err_memory(&f->e, "sources", wanted * size);
    else
        *room = wanted;
    return grown;
}

void source_found_row(struct source_found *f, struct source_row row)
{
    struct source_row *rows =
        have_room(f, f->rows, f->n_rows, &f->rows_room, sizeof *rows);
    if (rows == NULL)
        return;
    f->rows = rows;
    rows[f->n_rows++] = row;
}

void source_found_bin(struct source_found *f, struct source_bin bin)
{
    struct source_bin *bins =
        have_room(f, f->bins, f->n_bins, &f->bins_room, sizeof *bins);
    if (bins == NULL)
        return;
    f->bins = bins;
    bins[f->n_bins++] = bin;
}

void source_found_string(struct source_found *f, struct source_string string)
{
    struct source_string *strings = have_room(
        f, f->strings, f->n_strings, &f->strings_room, sizeof *strings);
    if (strings == NULL)
        return;
    f->strings = strings;
    strings[f->n_strings++] = string;
}
