/* SPDX-License-Identifier: MIT */
#include "capture/contexts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/interrupt.h"

/* Ids that are cut at a time, between two looks at the bar. */
enum { STEP = 4096 };

/* ---- contexts ---- */

/* Gives an array room for n elements; an old one is kept on failure. */
static int grow(void *array, size_t n, size_t size, struct err *e)
{
    void *old, *new;
    memcpy(&old, array, sizeof old);
    new = realloc(old, n * size);
    if (new == NULL)
        return err_memory(e, "contexts", n * size);
    memcpy(array, &new, sizeof new);
    return 0;
}

/* Room for n contexts. */
static int make_room(struct contexts *c, size_t n, struct err *e)
{
    if (n <= c->capacity)
        return 0;
    size_t capacity = n < 256 ? 256 : 2 * n;
    TRY(grow(&c->starts, capacity + 1, sizeof *c->starts, e));
    TRY(grow(&c->group, capacity, sizeof *c->group, e));
    c->capacity = capacity;
    return 0;
}

int contexts_append(struct contexts *c, const struct contexts *more,
                    struct err *e)
{
    if (more->n == 0)
        return 0;
    TRY(make_room(c, c->n + more->n, e));
    TRY(grow(&c->ids, c->tokens + more->tokens, sizeof *c->ids, e));
    memcpy(c->ids + c->tokens, more->ids, more->tokens * sizeof *c->ids);
    for (size_t i = 0; i < more->n; i++) {
        c->starts[c->n + i] = (int64_t)c->tokens + more->starts[i];
        c->group[c->n + i] = more->group[i];
    }
    c->n += more->n;
    c->tokens += more->tokens;
    c->starts[c->n] = (int64_t)c->tokens;
    return 0;
}

void contexts_free(struct contexts *c)
{
    free(c->ids);
    free(c->starts);
    free(c->group);
    *c = (struct contexts){0};
}

/* ---- cutting ---- */

void cutter_begin(struct cutter *c, struct cut_text *text)
{
    assert(text->o->length > (text->o->bos ? 1 : 0));
    *c = (struct cutter){.text = text};
}

static bool is_full(const struct cutter *c)
{
    const struct contexts *x = &c->contexts;
    return c->open &&
           c->ids.n - (size_t)x->starts[x->n - 1] == c->text->o->length;
}

static int add_id(struct cutter *c, int32_t id, struct err *e)
{
    c->text->tokens++;
    return token_list_add(&c->ids, id, e);
}

static int begin_context(struct cutter *c, struct err *e)
{
    struct contexts *x = &c->contexts;
    TRY(make_room(x, x->n + 1, e));
    x->starts[x->n] = (int64_t)c->ids.n;
    x->group[x->n++] = c->group;
    c->open = true;
    return c->text->o->bos ? add_id(c, tokenizer_bos(c->text->t), e) : 0;
}

static int put(struct cutter *c, int32_t id, struct err *e)
{
    const struct contexts_options *o = c->text->o;
    if (!c->open || is_full(c)) {
        c->text->enough = o->tokens > 0 && c->text->tokens >= o->tokens;
        if (c->text->enough)
            return 0;
        TRY(begin_context(c, e));
    }
    return add_id(c, id, e);
}

static void end_document(struct cutter *c)
{
    c->inside = false;
    c->open = c->open && c->text->o->pack;
}

/* The token between two packed documents; where the next context's BOS would be
 * the same token, that does for both. */
static int separate(struct cutter *c, struct err *e)
{
    int32_t eos = tokenizer_eos(c->text->t);
    bool again = c->text->o->bos && tokenizer_bos(c->text->t) == eos;
    return !c->open || (is_full(c) && again) ? 0 : put(c, eos, e);
}

/* Takes the next id of the text. */
static int cut(struct cutter *c, int32_t id, struct err *e)
{
    if (id == tokenizer_eos(c->text->t)) {
        end_document(c);
        return 0;
    }
    if (!c->inside)
        TRY(separate(c, e));
    c->inside = true;
    return c->text->enough ? 0 : put(c, id, e);
}

static int cut_piece(struct cutter *c, struct encoding *g, size_t size,
                     struct token_list *step, struct err *e)
{
    struct cut_text *text = c->text;
    while (encoding_position(g) < size && !text->enough) {
        step->n = 0;
        TRY(encoding_next(g, step, STEP, e));
        for (size_t i = 0; i < step->n && !text->enough; i++)
            TRY(cut(c, step->ids[i], e));
        progress_set(&text->bar, text->at + encoding_position(g), NULL);
        if (interrupt_requested())
            return err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    end_document(c);
    return 0;
}

int cutter_add(struct cutter *c, const char *piece, size_t size,
               const char *name, struct err *e)
{
    struct token_list step = {0};
    struct encoding *g;
    TRY(encoding_open(&g, c->text->t, piece, size, name, e));
    int code = cut_piece(c, g, size, &step, e);
    encoding_close(&g);
    token_list_free(&step);
    return code;
}

int cutter_end(struct cutter *c, struct err *e)
{
    struct contexts *x = &c->contexts;
    TRY(make_room(x, 1, e));
    x->starts[x->n] = (int64_t)c->ids.n;
    x->tokens = c->ids.n;
    x->ids = c->ids.ids;
    c->ids = (struct token_list){0};
    return 0;
}

void cutter_free(struct cutter *c)
{
    token_list_free(&c->ids);
    contexts_free(&c->contexts);
}
