/* SPDX-License-Identifier: MIT */
#include "train/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"

enum { VARIANTS_MAX = 64, HEADS_MAX = 1024, NAME_SIZE = 200 };

void plan_free(struct plan *p)
{
    for (size_t j = 0; p->jobs != NULL && j < p->n_jobs; j++)
        view_free(&p->jobs[j].view);
    for (size_t v = 0; p->recorded != NULL && v < p->n_variants; v++)
        json_decref(p->recorded[v]);
    arena_free(&p->arena);
    *p = (struct plan){0};
}

/* ---- the sweep ---- */

/* One option of a sweep: "k" with "16", "32". */
struct dimension {
    char *name;
    char *values[VARIANTS_MAX];
    size_t n;
};

static int parse_dimension(struct dimension *d, char *word, struct err *e)
{
    char *equals = strchr(word, '=');
    if (equals == NULL || equals == word || equals[1] == '\0')
        return err_set(e, ERR_INPUT,
                       "--sweep: '%.60s' is not NAME=VALUE,VALUE,...", word);
    *equals = '\0';
    d->name = word;
    d->n = 0;
    /* One reading serves all, so what shapes it is the same for all. */
    static const char *const shared[] = {"batch",  "tokens",   "held-out",
                                         "memory", "skip-bos", "skip-outliers",
                                         "preset"};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (strcmp(word, shared[i]) == 0)
            return err_set(e, ERR_INPUT,
                           "--sweep: %s is the same for all SAEs that share a "
                           "reading",
                           word);
    char *rest = NULL;
    for (char *v = strtok_r(equals + 1, ",", &rest); v != NULL;
         v = strtok_r(NULL, ",", &rest)) {
        if (d->n == VARIANTS_MAX)
            return err_set(e, ERR_INPUT, "--sweep: more than %d values",
                           VARIANTS_MAX);
        for (size_t i = 0; i < d->n; i++)
            if (strcmp(d->values[i], v) == 0)
                return err_set(e, ERR_INPUT, "--sweep: %s %s twice", word, v);
        d->values[d->n++] = v;
    }
    if (d->n == 0)
        return err_set(e, ERR_INPUT, "--sweep: %s has no value", word);
    return 0;
}

/* Variant v of the product of all dimensions, the last turning fastest. */
static int make_variant(struct plan *p, size_t v, const struct dimension *dims,
                        size_t n_dims, const struct option_group *group,
                        struct err *e)
{
    char name[NAME_SIZE] = "";
    struct option_group own = *group;
    own.values = &p->variants[v];
    memcpy(&p->variants[v], group->values, sizeof p->variants[v]);
    size_t place = v;
    size_t index[8];
    for (size_t i = n_dims; i-- > 0;) {
        index[i] = place % dims[i].n;
        place /= dims[i].n;
    }
    for (size_t i = 0; i < n_dims; i++) {
        const char *value = dims[i].values[index[i]];
        size_t used = strlen(name);
        TRY(options_set(&own, 1, dims[i].name, value, e));
        (void)snprintf(name + used, sizeof name - used, "%s%s%s",
                       i > 0 ? "." : "", dims[i].name, value);
    }
    if (strchr(name, '/') != NULL)
        return err_set(e, ERR_INPUT, "--sweep: '/' in a value");
    p->recorded[v] = options_json(&own);
    if (p->recorded[v] == NULL)
        return err_memory(e, "options", 0);
    return arena_string(&p->arena, &p->names[v], name, e);
}

static int parse_sweep(struct dimension *dims, size_t *n_dims, size_t *n,
                       char *text, struct err *e)
{
    enum { DIMENSIONS_MAX = 8 };
    char *rest = NULL;
    *n = 1;
    for (char *word = strtok_r(text, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        if (*n_dims == DIMENSIONS_MAX)
            return err_set(e, ERR_INPUT, "--sweep: more than %d options",
                           DIMENSIONS_MAX);
        TRY(parse_dimension(&dims[*n_dims], word, e));
        for (size_t i = 0; i < *n_dims; i++)
            if (strcmp(dims[i].name, dims[*n_dims].name) == 0)
                return err_set(e, ERR_INPUT, "--sweep: %s twice", dims[i].name);
        *n *= dims[(*n_dims)++].n;
        if (*n > VARIANTS_MAX)
            return err_set(e, ERR_INPUT, "--sweep: more than %d combinations",
                           VARIANTS_MAX);
    }
    return 0;
}

static int make_variants(struct plan *p, const char *sweep,
                         const struct option_group *group, struct err *e)
{
    struct dimension *dims;
    size_t n_dims = 0, n = 1;
    struct arena *a = &p->arena;
    char *text;
    TRY(arena_string(a, &text, sweep != NULL ? sweep : "", e));
    TRY(arena_get(a, &dims, 8, sizeof *dims, "sweep", e));
    TRY(parse_sweep(dims, &n_dims, &n, text, e));
    TRY(arena_get(a, &p->variants, n, sizeof *p->variants, "sweep", e));
    TRY(arena_get(a, &p->recorded, n, sizeof(json_t *), "sweep", e));
    TRY(arena_get(a, &p->names, n, sizeof(char *), "sweep", e));
    p->n_variants = n;
    for (size_t v = 0; v < n; v++)
        TRY(make_variant(p, v, dims, n_dims, group, e));
    return 0;
}

/* ---- layers and heads ---- */

static int choose_layers(int *first, size_t *n, const char *layer,
                         const struct dump_info *info, struct err *e)
{
    int64_t value = info->first_layer;
    int last = info->first_layer + info->layers - 1;
    *first = info->first_layer;
    *n = 1;
    if (layer == NULL && info->layers == 1)
        return 0;
    if (layer != NULL && strcmp(layer, "all") == 0) {
        *n = (size_t)info->layers;
        return 0;
    }
    if (layer == NULL || !format_parse_count(layer, &value) ||
        value < info->first_layer || value > last)
        return err_set(e, ERR_INPUT,
                       "%s: the dump has layers %d to %d; choose one with "
                       "--layer, or all",
                       info->path, info->first_layer, last);
    *first = (int)value;
    return 0;
}

/* "0,3,5" into ascending numbers; n 0: all. */
static int choose_heads(int heads[HEADS_MAX], size_t *n, const char *text,
                        const struct dump_info *info, struct err *e)
{
    *n = 0;
    while (text != NULL) {
        char *end;
        long head = strtol(text, &end, 10);
        bool bad = end == text || (*end != ',' && *end != '\0') || head < 0 ||
                   head >= info->heads || *n == HEADS_MAX ||
                   (*n > 0 && heads[*n - 1] >= head);
        if (bad)
            return err_set(e, ERR_INPUT,
                           "--heads %.60s: must be ascending numbers from 0 to "
                           "%d with commas between them",
                           text, info->heads - 1);
        heads[(*n)++] = (int)head;
        /* A comma wants a number behind it. */
        text = *end == ',' ? end + 1 : NULL;
    }
    return 0;
}

/* ---- jobs ---- */

/* What a job makes of each layer. */
struct making {
    struct plan *p;
    const struct dump *dump;
    const struct plan_options *o;
    int heads[HEADS_MAX];
    size_t n_heads; /* chosen; 0: all */
    size_t each;    /* SAEs of a job without the sweep */
};

/* "layer3", "layer3.head2", "heads", with the variant behind. */
static int name_output(struct making *mk, struct train_spec *spec,
                       const struct plan_job *job, const char *variant,
                       struct err *e)
{
    const struct plan_options *o = mk->o;
    char name[NAME_SIZE], *kept;
    if (!mk->p->is_folder) {
        spec->output = o->output;
        return 0;
    }
    char head[24] = "", layer[24] = "heads";
    if (spec->head >= 0)
        (void)snprintf(head, sizeof head, ".head%d", spec->head);
    if (!o->shared_heads || job->view.layers == 1)
        (void)snprintf(layer, sizeof layer, "layer%d", job->view.layer[0]);
    (void)snprintf(name, sizeof name, "%s%s%s%s.sae", layer, head,
                   variant[0] != '\0' ? "." : "", variant);
    size_t size = strlen(o->output) + strlen(name) + 2;
    TRY(arena_get(&mk->p->arena, &kept, size, 1, "names", e));
    (void)snprintf(kept, size, "%s/%s", o->output, name);
    spec->output = kept;
    return 0;
}

static int make_specs(struct making *mk, struct plan_job *job, struct err *e)
{
    struct plan *p = mk->p;
    const struct dump_info *info = dump_info(mk->dump);
    size_t d_head = (size_t)info->d_head, width = job->view.width;
    job->n_specs = mk->each * p->n_variants;
    TRY(arena_get(&p->arena, &job->specs, job->n_specs, sizeof *job->specs,
                  "SAEs", e));
    for (size_t i = 0; i < job->n_specs; i++) {
        struct train_spec *spec = &job->specs[i];
        size_t which = i / p->n_variants, v = i % p->n_variants;
        *spec = (struct train_spec){
            .options = &p->variants[v],
            .recorded = p->recorded[v],
            .first = mk->o->per_head ? which * d_head : 0,
            .d = mk->o->per_head ? d_head : width,
            .heads = mk->o->per_head || mk->o->shared_heads
                         ? 1
                         : (int)(width / d_head),
            .rows = mk->o->per_head       ? "head"
                    : mk->o->result       ? "results"
                    : mk->o->shared_heads ? "heads"
                                          : "layer",
            .head = -1,
        };
        if (mk->o->per_head)
            spec->head = mk->n_heads > 0 ? mk->heads[which] : (int)which;
        (void)snprintf(spec->hook, sizeof spec->hook, "blocks.%d.attn.hook_%s",
                       job->view.layer[0], mk->o->result ? "result" : "z");
        TRY(name_output(mk, spec, job, p->names[v], e));
    }
    return 0;
}

static int make_jobs(struct making *mk, int first, size_t layers, struct err *e)
{
    struct plan *p = mk->p;
    const struct plan_options *o = mk->o;
    int numbers[1 << 10];
    size_t n_jobs = o->shared_heads ? 1 : layers;
    if (layers > sizeof numbers / sizeof *numbers)
        return err_set(e, ERR_INPUT, "too many layers");
    for (size_t l = 0; l < layers; l++)
        numbers[l] = first + (int)l;
    TRY(arena_get(&p->arena, &p->jobs, n_jobs, sizeof *p->jobs, "jobs", e));
    p->n_jobs = n_jobs;
    for (size_t j = 0; j < n_jobs; j++) {
        struct plan_job *job = &p->jobs[j];
        TRY(o->shared_heads ? view_of_heads(&job->view, mk->dump, numbers,
                                            layers, mk->heads, mk->n_heads, e)
                            : view_of_layer(&job->view, mk->dump, numbers[j],
                                            mk->heads, mk->n_heads, e));
        if (o->result)
            TRY(view_take_result(&job->view, e));
        TRY(make_specs(mk, job, e));
    }
    return 0;
}

static int make(struct making *mk, const struct option_group *group,
                struct err *e)
{
    const struct plan_options *o = mk->o;
    const struct dump_info *info = dump_info(mk->dump);
    int first;
    size_t layers;
    if (o->per_head && o->shared_heads)
        return err_set(e, ERR_INPUT,
                       "--per-head and --shared-heads exclude each other");
    if (o->result && !o->shared_heads)
        return err_set(e, ERR_INPUT, "--result goes with --shared-heads");
    TRY(choose_layers(&first, &layers, o->layer, info, e));
    TRY(choose_heads(mk->heads, &mk->n_heads, o->heads, info, e));
    TRY(make_variants(mk->p, o->sweep, group, e));
    size_t heads = mk->n_heads > 0 ? mk->n_heads : (size_t)info->heads;
    mk->each = o->per_head ? heads : 1;
    size_t jobs = o->shared_heads ? 1 : layers;
    /* A folder also for one, where several were possible: a script finds the
     * same names for any dump. */
    mk->p->is_folder =
        o->per_head || o->sweep != NULL || jobs > 1 ||
        (o->layer != NULL && strcmp(o->layer, "all") == 0 && !o->shared_heads);
    return make_jobs(mk, first, layers, e);
}

int plan_make(struct plan *p, const struct dump *dump,
              const struct plan_options *o, const struct option_group *group,
              struct err *e)
{
    struct making *mk = calloc(1, sizeof *mk);
    *p = (struct plan){0};
    if (mk == NULL)
        return err_memory(e, "plan", sizeof *mk);
    mk->p = p;
    mk->dump = dump;
    mk->o = o;
    int code = make(mk, group, e);
    free(mk);
    if (code != 0)
        plan_free(p);
    return code;
}
