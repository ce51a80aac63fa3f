/* SPDX-License-Identifier: MIT */
#include "encode/examples.h"

int examples_init(struct examples *x, size_t slots, size_t limit, struct err *e)
{
    *x = (struct examples){.slots = slots};
    int code = best_init(&x->best, slots, limit, e);
    if (code == 0)
        code = arena_get(&x->arena, &x->pending, slots, sizeof *x->pending,
                         "examples", e);
    if (code == 0)
        code = arena_get(&x->arena, &x->context, slots, sizeof *x->context,
                         "examples", e);
    if (code != 0)
        examples_free(x);
    return code;
}

void examples_free(struct examples *x)
{
    best_free(&x->best);
    arena_free(&x->arena);
    *x = (struct examples){0};
}

void examples_offer(struct examples *x, size_t slot, uint32_t context,
                    struct best_entry entry)
{
    if (best_is_late(&x->best, slot, entry.score))
        return;
    if (x->context[slot] != context + 1) {
        if (x->context[slot] != 0)
            best_offer(&x->best, slot, x->pending[slot]);
        x->context[slot] = context + 1;
        x->pending[slot] = entry;
    } else if (entry.score > x->pending[slot].score) {
        x->pending[slot] = entry;
    }
}

void examples_finish(struct examples *x)
{
    for (size_t slot = 0; slot < x->slots; slot++) {
        if (x->context[slot] != 0)
            best_offer(&x->best, slot, x->pending[slot]);
        x->context[slot] = 0;
    }
}
