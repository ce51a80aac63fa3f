/* SPDX-License-Identifier: MIT */
#include "capture/packing.h"

int packing_make(struct packing *p, const int64_t *starts, size_t contexts,
                 struct arena *arena, struct err *e)
{
    *p = (struct packing){0};
    TRY(arena_get(arena, &p->first, contexts + 1, sizeof *p->first, "groups",
                  e));
    for (size_t first = 0, end; first < contexts; first = end) {
        end = first + 1;
        while (end < contexts &&
               starts[end + 1] - starts[first] <= PACKING_ROWS)
            end++;
        size_t rows = (size_t)(starts[end] - starts[first]);
        p->rows = rows > p->rows ? rows : p->rows;
        p->first[p->groups++] = first;
    }
    p->first[p->groups] = contexts;
    return 0;
}
