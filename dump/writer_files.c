/* SPDX-License-Identifier: MIT */
#include "dump/writing.h"

#include "base/json.h"
#include "dump/groups.h"
#include "dump/npy.h"
#include "dump/prompts_file.h"
#include "dump/tokens.h"
#include "dump/weights.h"

/* Records a finished file of the folder. */
static int record(struct dump_writer *w, struct manifest_file *file,
                  const char *name, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, name, e));
    TRY(checksum_file(&file->bytes, &file->xxh3, path, e));
    file->name = name;
    return 0;
}

static int write_array(struct dump_writer *w, struct manifest_file *file,
                       const char *name, enum dtype dtype, uint64_t n,
                       const void *data, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    int64_t shape = (int64_t)n;
    TRY(output_join(path, w->output.partial, name, e));
    TRY(npy_write(path, dtype, &shape, 1, data, e));
    return record(w, file, name, e);
}

int dump_writer_tokens(struct dump_writer *w, const int32_t *ids,
                       const int64_t *contexts, struct err *e)
{
    struct manifest *m = &w->manifest;
    const struct dump_info *info = &m->info;
    TRY(tokens_check_ids(ids, info->tokens, 0, "tokens", e));
    for (uint64_t i = 0; i < info->tokens; i++)
        w->last_id = ids[i] > w->last_id ? ids[i] : w->last_id;
    TRY(write_array(w, &m->tokens, "tokens.npy", DTYPE_I32, info->tokens, ids,
                    e));
    if (info->contexts == 0)
        return 0;
    TRY(tokens_check_contexts(contexts, info->contexts, info->tokens,
                              "contexts", e));
    return write_array(w, &m->contexts, "contexts.npy", DTYPE_I64,
                       info->contexts + 1, contexts, e);
}

int dump_writer_vocab(struct dump_writer *w, const struct vocab *v,
                      struct err *e)
{
    static const char name[] = "vocab.json";
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, name, e));
    TRY(vocab_write(v, path, e));
    w->n_vocab = v->n;
    return record(w, &w->manifest.vocab, name, e);
}

int dump_writer_groups(struct dump_writer *w, const struct dump_groups *groups,
                       struct err *e)
{
    struct manifest *m = &w->manifest;
    uint64_t contexts = m->info.contexts;
    TRY(groups_check_names(groups->names, groups->n, "groups", e));
    TRY(groups_check(groups, contexts, contexts, "groups", e));
    TRY(arena_get(&m->arena, &m->group_names, groups->n, sizeof *m->group_names,
                  "names of groups", e));
    for (size_t i = 0; i < groups->n; i++)
        TRY(arena_string(&m->arena, &m->group_names[i], groups->names[i], e));
    m->n_groups = groups->n;
    return write_array(w, &m->groups, "groups.npy", DTYPE_I32, contexts,
                       groups->of_context, e);
}

int dump_writer_prompts(struct dump_writer *w, const json_t *prompts,
                        struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, PROMPTS_NAME, e));
    TRY(json_write(path, prompts, e));
    return record(w, &w->manifest.prompts, PROMPTS_NAME, e);
}

int dump_writer_weights(struct dump_writer *w,
                        const struct weights_source *from, struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, w->output.partial, WEIGHTS_NAME, e));
    TRY(weights_write(path, &w->manifest.info, from, e));
    return record(w, &w->manifest.weights, WEIGHTS_NAME, e);
}
