/* SPDX-License-Identifier: MIT */
#include "encode/job.h"

#include <string.h>

#include "base/format.h"
#include "base/utf8.h"

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
static int check_name(char **names, size_t i, const struct encode_job *job,
                      struct err *e)
{
    for (size_t j = 0; j < i; j++)
        if (strcmp(names[j], names[i]) == 0)
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

int job_check(const struct encode_job *job, struct err *e)
{
    TRY(check_dump(job, e));
    struct arena arena = {0};
    char **names;
    int code =
        arena_get(&arena, &names, job->n_saes, sizeof *names, "names", e);
    int verified = -1; /* the last layer whose shards were read */
    for (size_t i = 0; code == 0 && i < job->n_saes; i++) {
        struct sae s;
        int layer;
        code = job_load_sae(&s, &layer, job, i, e);
        if (code != 0)
            break;
        code = arena_string(&arena, &names[i], s.name, e);
        sae_free(&s);
        if (code == 0)
            code = check_name(names, i, job, e);
        if (code == 0 && layer != verified)
            code = dump_verify_layer(job->dump, layer, e);
        verified = layer;
    }
    arena_free(&arena);
    return code;
}

int job_begin_scan(struct job_scan *s, const struct encode_job *job, size_t i,
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
        .output = job->options->output,
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
