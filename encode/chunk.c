/* SPDX-License-Identifier: MIT */
#include "encode/chunk.h"

#include <stdlib.h>
#include <string.h>

#include "encode/text_key.h"

/* Rows of one item of work. */
enum {
    ATTRIBUTE_ROWS = 32,
    READ_ROWS = 256,
    READ_ITEMS = CHUNK_ROWS / READ_ROWS
};

int chunk_init(struct chunk *c, const struct dump *dump, int layer,
               const struct sae *sae, const struct sample *sample, int heads,
               const struct team *team, struct err *e)
{
    *c = (struct chunk){.dump = dump,
                        .sae = sae,
                        .sample = sample,
                        .team = team,
                        .layer = layer,
                        .heads = heads};
    static const char what[] = "a chunk of tokens";
    struct arena *a = &c->arena;
    int code = arena_get(a, &c->x, CHUNK_ROWS * sae->d, sizeof *c->x, what, e);
    if (code == 0)
        code =
            arena_get(a, &c->context, CHUNK_ROWS, sizeof *c->context, what, e);
    if (code == 0)
        code = arena_get(a, &c->text, CHUNK_ROWS, sizeof *c->text, what, e);
    if (code == 0)
        code = arena_get(a, &c->head_code, CHUNK_ROWS * (size_t)heads,
                         sizeof *c->head_code, what, e);
    if (code == 0)
        code = arena_get(a, &c->start, sae->m + 1, sizeof *c->start, what, e);
    if (code == 0)
        code = arena_get(a, &c->offsets, sae->m * (size_t)heads,
                         sizeof *c->offsets, what, e);
    if (code == 0)
        code = sae_encoder_open(&c->encoder, sae, team, e);
    if (code != 0) {
        chunk_free(c);
        return code;
    }
    sae_attribute_offsets(sae, heads, c->offsets);
    return 0;
}

void chunk_free(struct chunk *c)
{
    free(c->dfa);
    free(c->row);
    free(c->order);
    sae_encoder_close(&c->encoder);
    codes_free(&c->codes);
    arena_free(&c->arena);
    *c = (struct chunk){0};
}

/* Gives an array room for n elements; its content is lost. */
static int make_room(void *array, size_t n, size_t size, struct err *e)
{
    void *old, *new = malloc(n * size);
    if (new == NULL)
        return err_memory(e, "a chunk of tokens", n * size);
    memcpy(&old, array, sizeof old);
    free(old);
    memcpy(array, &new, sizeof new);
    return 0;
}

static int have_room(struct chunk *c, size_t entries, struct err *e)
{
    if (entries <= c->capacity)
        return 0;
    size_t capacity = entries + entries / 4;
    c->capacity = 0;
    TRY(make_room(&c->dfa, capacity * (size_t)c->heads, sizeof *c->dfa, e));
    TRY(make_room(&c->row, capacity, sizeof *c->row, e));
    TRY(make_room(&c->order, capacity, sizeof *c->order, e));
    c->capacity = capacity;
    return 0;
}

static void set_contexts(struct chunk *c)
{
    size_t context = sample_context(c->sample, c->first);
    for (size_t r = 0; r < c->n; r++) {
        while (c->first + r >= (uint64_t)c->sample->start[context + 1])
            context++;
        c->context[r] = (uint32_t)context;
    }
}

static void set_texts(struct chunk *c)
{
    const int32_t *ids = dump_tokens(c->dump);
    for (size_t r = 0; r < c->n; r++) {
        uint64_t begin = (uint64_t)c->sample->start[c->context[r]];
        c->text[r] = text_key(ids, begin, c->first + r);
    }
}

/* The codes of a row's heads (docs/design.md): of concatenated heads the
 * feature with the head's largest positive DFA, of a single head its strongest.
 * Of equals the first. */
static void find_head_codes(struct chunk *c, size_t r)
{
    for (int h = 0; h < c->heads; h++) {
        uint32_t best = CHUNK_NO_CODE;
        float most = 0;
        for (size_t i = c->codes.start[r]; i < c->codes.start[r + 1]; i++) {
            float score = c->heads == 1
                              ? c->codes.value[i]
                              : c->dfa[i * (size_t)c->heads + (size_t)h];
            if (score > most) {
                most = score;
                best = c->codes.feature[i];
            }
        }
        c->head_code[r * (size_t)c->heads + (size_t)h] = best;
    }
}

/* Brings a feature's row of W_enc nearer: rows come in no order that hardware
 * would see. */
static void expect_feature(const struct sae *s, uint32_t feature)
{
    const float *w = s->w_enc + feature * s->d;
    for (size_t i = 0; i < s->d; i += 16)
        __builtin_prefetch(w + i, 0, 2);
}

static void attribute_rows(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct chunk *c = ctx;
    const struct codes *codes = &c->codes;
    size_t end = (item + 1) * ATTRIBUTE_ROWS;
    for (size_t r = item * ATTRIBUTE_ROWS; r < end && r < c->n; r++) {
        for (size_t i = codes->start[r]; i < codes->start[r + 1]; i++) {
            c->row[i] = (uint32_t)r;
            if (i + 2 < codes->start[c->n])
                expect_feature(c->sae, codes->feature[i + 2]);
            sae_attribute(c->sae, c->offsets, c->x + r * c->sae->d,
                          codes->feature[i], c->heads,
                          c->dfa + i * (size_t)c->heads);
        }
        find_head_codes(c, r);
    }
}

/* Counting sort of the entries by feature; rows stay in order. */
static void order_by_feature(struct chunk *c)
{
    size_t m = c->sae->m, entries = c->codes.start[c->n];
    memset(c->start, 0, (m + 1) * sizeof *c->start);
    for (size_t i = 0; i < entries; i++)
        c->start[c->codes.feature[i] + 1]++;
    for (size_t f = 0; f < m; f++)
        c->start[f + 1] += c->start[f];
    /* Filling moves each start to the next feature's; then back by one. */
    for (size_t i = 0; i < entries; i++)
        c->order[c->start[c->codes.feature[i]]++] = (uint32_t)i;
    memmove(c->start + 1, c->start, m * sizeof *c->start);
    c->start[0] = 0;
}

/* ---- reading ---- */

struct reading {
    struct chunk *c;
    int code[READ_ITEMS]; /* of each item */
    struct err e[READ_ITEMS];
};

static void read_rows(void *ctx, size_t item, int thread)
{
    (void)thread;
    struct reading *r = ctx;
    struct chunk *c = r->c;
    size_t first = item * READ_ROWS;
    size_t n = c->n - first < READ_ROWS ? c->n - first : READ_ROWS;
    r->code[item] = dump_read(c->dump, c->layer, c->first + first, n,
                              c->x + first * c->sae->d, &r->e[item]);
}

static int read_all(struct chunk *c, struct err *e)
{
    struct reading r = {.c = c};
    size_t items = (c->n + READ_ROWS - 1) / READ_ROWS;
    team_run(c->team, read_rows, &r, items);
    for (size_t i = 0; i < items; i++)
        if (r.code[i] != 0)
            return err_set(e, r.code[i], "%s", r.e[i].msg);
    return 0;
}

int chunk_encode(struct chunk *c, uint64_t first, size_t n, struct err *e)
{
    c->first = first;
    c->n = n;
    TRY(read_all(c, e));
    TRY(sae_encode(&c->encoder, c->x, n, &c->codes, e));
    TRY(have_room(c, c->codes.start[n], e));
    set_contexts(c);
    set_texts(c);
    team_run(c->team, attribute_rows, c,
             (n + ATTRIBUTE_ROWS - 1) / ATTRIBUTE_ROWS);
    order_by_feature(c);
    return 0;
}
