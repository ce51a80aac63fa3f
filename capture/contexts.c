/* SPDX-License-Identifier: MIT */
#include "capture/contexts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/map.h"
#include "base/progress.h"

/* Ids that are cut at a time, between two looks at the bar. */
enum { STEP = 4096 };

/* What is being built. */
struct cutting {
    const struct tokenizer *t;
    const struct contexts_options *o;
    struct token_list ids;
    int64_t *starts;
    size_t n, capacity; /* contexts so far; room in starts */
    bool open;          /* the last context is of the document at hand */
    bool enough;        /* as many tokens as were asked for */
};

static int add_start(struct cutting *c, struct err *e)
{
    if (c->n == c->capacity) {
        size_t capacity = c->capacity == 0 ? 256 : 2 * c->capacity;
        int64_t *starts = realloc(c->starts, capacity * sizeof *starts);
        if (starts == NULL)
            return err_memory(e, "contexts", capacity * sizeof *starts);
        c->starts = starts;
        c->capacity = capacity;
    }
    c->starts[c->n++] = (int64_t)c->ids.n;
    return 0;
}

static int begin_context(struct cutting *c, struct err *e)
{
    c->open = true;
    TRY(add_start(c, e));
    return c->o->bos ? token_list_add(&c->ids, tokenizer_bos(c->t), e) : 0;
}

/* Takes the next id of the text. */
static int cut(struct cutting *c, int32_t id, struct err *e)
{
    if (id == tokenizer_eos(c->t)) {
        c->open = false;
        return 0;
    }
    bool full =
        c->open && c->ids.n - (size_t)c->starts[c->n - 1] == c->o->length;
    if (!c->open || full) {
        c->enough = c->o->tokens > 0 && c->ids.n >= c->o->tokens;
        if (c->enough)
            return 0;
        TRY(begin_context(c, e));
    }
    return token_list_add(&c->ids, id, e);
}

static int cut_text(struct cutting *c, struct encoding *g, size_t size,
                    struct token_list *step, struct err *e)
{
    struct progress bar;
    progress_begin(&bar, "tokenize", "bytes", 0, size);
    while (encoding_position(g) < size && !c->enough) {
        step->n = 0;
        TRY(encoding_next(g, step, STEP, e));
        for (size_t i = 0; i < step->n && !c->enough; i++)
            TRY(cut(c, step->ids[i], e));
        progress_set(&bar, encoding_position(g), NULL);
        if (interrupt_requested())
            return err_set(e, ERR_INTERRUPTED, "interrupted");
    }
    progress_end(&bar);
    return add_start(c, e); /* the end of the last context */
}

int contexts_make(struct contexts *c, const struct tokenizer *t,
                  const char *text, size_t size, const char *name,
                  const struct contexts_options *o, struct err *e)
{
    assert(o->length > (o->bos ? 1 : 0));
    *c = (struct contexts){0};
    struct cutting cutting = {.t = t, .o = o};
    struct token_list step = {0};
    struct encoding *g;
    TRY(encoding_open(&g, t, text, size, name, e));
    int code = cut_text(&cutting, g, size, &step, e);
    if (code == 0 && cutting.ids.n == 0)
        code = err_set(e, ERR_INPUT, "%s: no text in it", name);
    encoding_close(&g);
    token_list_free(&step);
    c->ids = cutting.ids.ids;
    c->starts = cutting.starts;
    c->tokens = cutting.ids.n;
    c->n = code == 0 ? cutting.n - 1 : 0;
    if (code != 0)
        contexts_free(c);
    return code;
}

int contexts_read(struct contexts *c, const struct tokenizer *t,
                  const char *path, const struct contexts_options *o,
                  struct err *e)
{
    struct map m;
    *c = (struct contexts){0};
    TRY(map_open(&m, path, e));
    map_advise_sequential(&m);
    int code = contexts_make(c, t, (const char *)m.data, m.size, path, o, e);
    map_close(&m);
    return code;
}

void contexts_free(struct contexts *c)
{
    free(c->ids);
    free(c->starts);
    *c = (struct contexts){0};
}
