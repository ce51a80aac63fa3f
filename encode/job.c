/* SPDX-License-Identifier: MIT */
#include "encode/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/format.h"
#include "base/utf8.h"
#include "encode/sources.h"
#include "sae/origin.h"

static int parse_layer(int *layer, const char *text, struct err *e)
{
    int64_t value;
    if (!format_parse_count(text, &value) || value >= DUMP_LAYERS_MAX)
        return err_set(e, ERR_INPUT,
                       "--layer %s: must be a whole number "
                       "below %d",
                       text, DUMP_LAYERS_MAX);
    *layer = (int)value;
    return 0;
}

/* What the SAE says of itself comes first. */
static int find_layer(int *layer, const struct sae *s,
                      const struct encode_job *job, const char *folder,
                      struct err *e)
{
    const struct dump_info *info = dump_info(job->dump);
    *layer = s->layer;
    if (*layer < 0 && job->options->layer == NULL)
        return err_set(e, ERR_INPUT,
                       "%s does not say which layer it is for; add --layer N",
                       folder);
    if (*layer < 0)
        TRY(parse_layer(layer, job->options->layer, e));
    int last = info->first_layer + info->layers - 1;
    if (*layer < info->first_layer || *layer > last)
        return err_set(e, ERR_INPUT,
                       "%s is for layer %d, but %s has layers %d to %d", folder,
                       *layer, info->path, info->first_layer, last);
    return 0;
}

static int check_shape(const struct sae *s, const struct encode_job *job,
                       const char *folder, struct err *e)
{
    const struct dump_info *info = dump_info(job->dump);
    size_t width = (size_t)info->heads * (size_t)info->d_head;
    if (s->head >= 0 && info->heads > 1)
        return err_set(e, ERR_INPUT,
                       "%s takes head %d alone (hook_head_index); encode takes "
                       "SAEs of all heads of a layer",
                       folder, s->head);
    if (s->d != width)
        return err_set(e, ERR_INPUT,
                       "%s takes rows of width %zu, but those of %s have %d "
                       "heads x %d = %zu",
                       folder, s->d, info->path, info->heads, info->d_head,
                       width);
    if (s->heads > 0 && s->heads != info->heads)
        return err_set(e, ERR_INPUT,
                       "%s was trained with %d heads, but %s is read with %d; "
                       "see --row-heads and --layout",
                       folder, s->heads, info->path, info->heads);
    return 0;
}

int job_load_sae(struct sae *s, int *layer, const struct encode_job *job,
                 size_t i, struct err *e)
{
    const char *folder = job->saes[i];
    TRY(sae_load(s, folder, e));
    utf8_repair(s->name);
    int code = check_shape(s, job, folder, e);
    if (code == 0)
        code = find_layer(layer, s, job, folder, e);
    if (code != 0)
        sae_free(s);
    return code;
}

/* Within a database an SAE is known by its name. */
static int check_name(const struct job_identity *known, size_t i,
                      const struct encode_job *job, struct err *e)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(known->saes[j].name, known->saes[i].name) == 0)
            return err_set(e, ERR_INPUT,
                           "%s and %s have the same name; rename one folder",
                           job->saes[j], job->saes[i]);
    return 0;
}

static int check_dump(const struct encode_job *job, struct err *e)
{
    const struct dump_info *info = dump_info(job->dump);
    if (info->tokens == 0)
        return err_set(e, ERR_INPUT, "%s has no tokens", info->path);
    if (info->tokens >= UINT32_MAX)
        return err_set(e, ERR_INPUT,
                       "%s has more than 4 billion tokens; encode it in parts",
                       info->path);
    return 0;
}

/* Options that say where to and which, not what is written of an SAE. `model`
 * becomes a fingerprint, wherever the folder is. */
static const char *const other_options[] = {"output", "rows",   "memory",
                                            "layer",  "append", "replace",
                                            "remove", "model"};

static int set_options(struct job_identity *out, const struct encode_job *job,
                       struct err *e)
{
    struct encode_options values = *job->options;
    /* Any bytes: */
    values.output = values.layer = values.remove = values.model = NULL;
    struct option_group group = {.options = encode_option_table,
                                 .n = ENCODE_OPTION_COUNT,
                                 .values = &values};
    json_t *object = options_json(&group);
    for (size_t i = 0; i < sizeof other_options / sizeof *other_options; i++)
        (void)json_object_del(object, other_options[i]);
    char *text = NULL;
    json_t *model = job->sources == NULL
                        ? json_null()
                        : json_string(job->sources->fingerprint);
    if (json_object_set_new(object, "model", model) == 0 &&
        json_object_set_new(object, "seed", json_integer(job->seed)) == 0)
        text = json_dumps(object, JSON_SORT_KEYS);
    json_decref(object);
    if (text == NULL)
        return err_memory(e, "options", sizeof(void *));
    int code = arena_string(&out->arena, &out->options, text, e);
    free(text);
    return code;
}

static int add_identity(struct job_identity *out, size_t i, const struct sae *s,
                        int layer, struct err *e)
{
    char *name, *fingerprint;
    TRY(arena_string(&out->arena, &name, s->name, e));
    TRY(arena_string(&out->arena, &fingerprint, s->fingerprint, e));
    out->saes[i] =
        (struct store_identity){name, fingerprint, out->options, layer};
    return 0;
}

/* The model would give sources of other rows than the SAE was made for. */
static int check_origin(const struct sae *s, const struct encode_job *job,
                        const char *folder, struct err *e)
{
    const struct dump_info *info = dump_info(job->dump);
    if (job->sources == NULL) {
        origin_warn(s, folder, info);
        return 0;
    }
    const struct origin rows = {job->sources->fingerprint, job->sources->folded,
                                info->bos};
    return origin_check(s, folder, &rows, e);
}

static int check_saes(struct job_identity *out, const struct encode_job *job,
                      struct err *e)
{
    int verified = -1; /* the last layer whose shards were read */
    for (size_t i = 0; i < job->n_saes; i++) {
        struct sae s;
        int layer;
        TRY(job_load_sae(&s, &layer, job, i, e));
        int code = check_origin(&s, job, job->saes[i], e);
        if (code == 0)
            code = add_identity(out, i, &s, layer, e);
        sae_free(&s);
        TRY(code);
        TRY(check_name(out, i, job, e));
        if (layer != verified)
            TRY(dump_verify_layer(job->dump, layer, e));
        verified = layer;
    }
    return 0;
}

int job_check(struct job_identity *out, const struct encode_job *job,
              struct err *e)
{
    *out = (struct job_identity){0};
    int code = check_dump(job, e);
    if (code == 0)
        code = arena_get(&out->arena, &out->saes, job->n_saes,
                         sizeof *out->saes, "names", e);
    if (code == 0)
        code = set_options(out, job, e);
    if (code == 0)
        code = check_saes(out, job, e);
    if (code != 0)
        job_identity_free(out);
    return code;
}

void job_identity_free(struct job_identity *identity)
{
    arena_free(&identity->arena);
    *identity = (struct job_identity){0};
}

int job_begin_scan(struct job_scan *s, const struct encode_job *job, size_t i,
                   const struct job_identity *identity,
                   const struct sample *sample, struct err *e)
{
    int layer;
    TRY(job_load_sae(&s->sae, &layer, job, i, e));
    struct scan_input in = {
        .dump = job->dump,
        .sae = &s->sae,
        .sample = sample,
        .team = &job->team,
        .layer = layer,
        .examples = (size_t)job->options->examples,
        .head_examples = (size_t)job->options->head_examples,
        .interval_examples = (size_t)job->options->interval_examples,
        .sources = job->sources != NULL,
        .seed = (uint64_t)job->seed,
        .output = job->options->output,
        .memory = (uint64_t)job->options->memory,
        .options = identity->options,
    };
    int code = scan_init(&s->scan, &in, e);
    if (code != 0)
        sae_free(&s->sae);
    return code;
}

void job_end_scan(struct job_scan *s)
{
    scan_free(&s->scan);
    sae_free(&s->sae);
}
