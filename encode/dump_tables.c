/* SPDX-License-Identifier: MIT */
#include "encode/tables.h"

#include <string.h>

#include "base/output.h"
#include "base/utf8.h"

void tables_dump_row(struct store_dump *row, char *name,
                     const struct dump *dump, const struct sample *sample,
                     int64_t limit, int64_t seed)
{
    const struct dump_info *info = dump_info(dump);
    output_base_name(name, OUTPUT_PATH_MAX, info->path);
    utf8_repair(name);
    *row = (struct store_dump){
        .name = name,
        .model = info->model,
        .model_fingerprint = info->model_fingerprint,
        .fingerprint = info->fingerprint,
        .first_layer = info->first_layer,
        .layers = info->layers,
        .heads = info->heads,
        .d_head = info->d_head,
        .d_model = info->d_model,
        .dtype = dtype_name(info->dtype),
        .bos = info->bos,
        .fold_value_biases = info->fold_value_biases,
        .tokens = (int64_t)info->tokens,
        .contexts = (int64_t)sample->contexts,
        .contexts_known = dump_contexts(dump) != NULL,
        .has_tokens = dump_tokens(dump) != NULL,
        .has_strings = dump_vocab(dump) != NULL,
        .sample_limit = limit,
        .sample_seed = seed,
        .sample_contexts = (int64_t)sample->n_in,
        .sample_tokens = (int64_t)sample->tokens,
    };
}

/* ---- contexts ---- */

static int write_group(struct store_writer *w, const struct dump_groups *groups,
                       size_t g, const struct sample *s, struct err *e)
{
    struct store_document_group row = {.id = (int64_t)g,
                                       .dump = store_writer_dump_id(w),
                                       .name = groups->names[g]};
    for (size_t c = 0; c < s->contexts; c++)
        if (groups->of_context[c] == (int32_t)g) {
            row.contexts++;
            row.tokens += s->start[c + 1] - s->start[c];
        }
    return store_writer_document_group(w, &row, e);
}

static int write_contexts(struct store_writer *w, const struct dump *dump,
                          const struct sample *s, struct err *e)
{
    const struct dump_groups *groups = dump_groups(dump);
    for (size_t g = 0; groups != NULL && g < groups->n; g++)
        TRY(write_group(w, groups, g, s, e));
    for (size_t c = 0; c < s->contexts; c++) {
        struct store_context row = {
            .id = (int64_t)c,
            .dump = store_writer_dump_id(w),
            .document_group = groups != NULL ? groups->of_context[c] : -1,
            .first_token = s->start[c],
            .tokens = s->start[c + 1] - s->start[c],
            .sampled = s->in[c]};
        TRY(store_writer_context(w, &row, e));
    }
    return 0;
}

/* Bin b, of positions from `first` on, as far as contexts go. */
static int write_position_bin(struct store_writer *w, int b, int64_t first,
                              int64_t longest, const struct sample *s,
                              struct err *e)
{
    int64_t end = b == 0 ? 1 : 2 * first;
    struct store_position_bin row = {
        .bin = b, .first = first, .last = (end < longest ? end : longest) - 1};
    for (size_t c = 0; c < s->contexts; c++) {
        int64_t length = s->start[c + 1] - s->start[c];
        if (length > first)
            row.tokens += (length < end ? length : end) - first;
    }
    return store_writer_position_bin(w, store_writer_dump_id(w), &row, e);
}

static int write_position_bins(struct store_writer *w, const struct sample *s,
                               struct err *e)
{
    int64_t longest = (int64_t)sample_longest(s), first = 0;
    for (int b = 0; first < longest; b++) {
        TRY(write_position_bin(w, b, first, longest, s, e));
        first = b == 0 ? 1 : 2 * first;
    }
    return 0;
}

/* ---- tokens ---- */

/* Without a vocabulary only the ids that occur become rows. */
static int write_strings(struct store_writer *w, const struct vocab *vocab,
                         const uint64_t *count, size_t n_ids, struct err *e)
{
    for (size_t id = 0; id < n_ids; id++) {
        bool known = vocab != NULL && id < vocab->n;
        if (known || count[id] > 0)
            TRY(store_writer_vocab(
                w, (int64_t)id, known ? vocab->text[id] : NULL,
                known ? vocab->length[id] : 0, (int64_t)count[id], e));
        if (count[id] > 0)
            TRY(store_writer_vocab_use(w, store_writer_dump_id(w), (int64_t)id,
                                       (int64_t)count[id], e));
    }
    return 0;
}

static size_t string_ids(const struct dump *dump)
{
    const struct vocab *vocab = dump_vocab(dump);
    const int32_t *tokens = dump_tokens(dump);
    size_t n = vocab != NULL ? vocab->n : 0;
    for (uint64_t i = 0; tokens != NULL && i < dump_info(dump)->tokens; i++)
        if ((size_t)tokens[i] >= n)
            n = (size_t)tokens[i] + 1;
    return n;
}

int tables_count_strings(struct arena *arena, uint64_t **count, size_t *n,
                         const struct dump *dump, struct err *e)
{
    const int32_t *tokens = dump_tokens(dump);
    *n = string_ids(dump);
    TRY(arena_get(arena, count, *n, sizeof **count, "token strings", e));
    for (uint64_t i = 0; tokens != NULL && i < dump_info(dump)->tokens; i++)
        (*count)[tokens[i]]++;
    return 0;
}

static int write_vocab(struct store_writer *w, const struct dump *dump,
                       struct err *e)
{
    size_t n;
    struct arena scratch = {0};
    uint64_t *count;
    int code = tables_count_strings(&scratch, &count, &n, dump, e);
    if (code == 0)
        code = write_strings(w, dump_vocab(dump), count, n, e);
    arena_free(&scratch);
    return code;
}

static int write_tokens(struct store_writer *w, const struct dump *dump,
                        const struct sample *s, struct err *e)
{
    const int32_t *tokens = dump_tokens(dump);
    for (size_t c = 0; c < s->contexts; c++)
        for (int64_t i = s->start[c]; i < s->start[c + 1]; i++)
            TRY(store_writer_token(w, i, (int64_t)c, i - s->start[c],
                                   tokens != NULL ? tokens[i] : -1, e));
    return 0;
}

static int write_prompts(struct store_writer *w, const struct dump *dump,
                         const struct sample *s, struct err *e)
{
    const struct dump_prompts *p = dump_prompts(dump);
    for (size_t c = 0; p != NULL && c < s->contexts; c++)
        TRY(store_writer_prompt(w, (int64_t)c, p->label[c],
                                s->start[c] + p->position[c], p->answer[c], e));
    return 0;
}

int tables_write_dump(struct store_writer *w, const struct store_dump *row,
                      const struct dump *dump, const struct sample *sample,
                      struct err *e)
{
    TRY(store_writer_dump(w, row, e));
    TRY(write_contexts(w, dump, sample, e));
    TRY(write_position_bins(w, sample, e));
    TRY(write_vocab(w, dump, e));
    TRY(write_tokens(w, dump, sample, e));
    return write_prompts(w, dump, sample, e);
}

/* ---- another dump's strings ---- */

struct strings {
    const struct vocab *vocab; /* or NULL */
    const char *path;
    uint64_t *count; /* [n] */
    size_t n;
};

static int check_string(void *ctx, int64_t id, const char *bytes, size_t length,
                        struct err *e)
{
    const struct strings *s = ctx;
    char unknown[STORE_UNKNOWN_MAX];
    size_t i = (size_t)id;
    if (id < 0 || i >= s->n)
        return 0;
    bool known = s->vocab != NULL && i < s->vocab->n;
    if (!known && s->count[i] == 0)
        return 0;
    store_writer_unknown(unknown, id);
    const char *mine = known ? s->vocab->text[i] : unknown;
    size_t mine_length = known ? s->vocab->length[i] : strlen(unknown);
    if (length == mine_length && memcmp(bytes, mine, length) == 0)
        return 0;
    return err_set(e, ERR_INPUT,
                   "token id %lld is '%.*s' in the database and '%.*s' in %s: "
                   "another tokenizer, or %s was read without the strings "
                   "(--vocab, --tokenizer); use another file",
                   (long long)id, (int)(length < 80 ? length : 80), bytes,
                   (int)(mine_length < 80 ? mine_length : 80), mine, s->path,
                   s->path);
}

int tables_check_strings(struct store_writer *w, const struct dump *dump,
                         struct err *e)
{
    struct arena scratch = {0};
    struct strings s = {.vocab = dump_vocab(dump),
                        .path = dump_info(dump)->path};
    int code = tables_count_strings(&scratch, &s.count, &s.n, dump, e);
    if (code == 0)
        code = store_writer_each_string(w, check_string, &s, e);
    arena_free(&scratch);
    return code;
}
