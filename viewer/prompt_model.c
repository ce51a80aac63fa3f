/* SPDX-License-Identifier: MIT */
#include "viewer/prompt_model.h"

#include <string.h>

#include "base/arena.h"
#include "base/json.h"

/* One dump of the database with its SAEs. */
struct of_dump {
    int64_t id;
    bool fold_value_biases;
    struct prompt_known known;
};

/* All of them. */
struct found {
    struct of_dump *dump;
    size_t n;
    char *folder; /* of the database */
    struct arena arena;
};

/* ---- what the database says ---- */

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text == NULL ? "" : text;
}

/* The rows of a query, as objects by the names of its columns. */
static int read_rows(json_t **out, const struct call_site *site,
                     enum query_name name, struct err *e)
{
    struct pool_reader *reader;
    *out = json_array();
    TRY(pool_take(&reader, site->pool, e));
    struct query q = query_begin(&reader->queries, name);
    bool lost = *out == NULL;
    while (!lost && query_next(&q))
        lost = json_array_append_new(*out, query_object(&q)) != 0;
    int code = query_end(&q, e);
    pool_give(site->pool, reader);
    return code == 0 && lost ? err_memory(e, "the database's SAEs", 0) : code;
}

static int keep_dump(struct found *f, const json_t *row,
                     const struct call_site *site, struct err *e)
{
    struct of_dump *d = &f->dump[f->n++];
    char *model, *fingerprint;
    d->id = json_integer_value(json_object_get(row, "id"));
    d->fold_value_biases =
        json_integer_value(json_object_get(row, "fold_value_biases")) == 1;
    TRY(arena_string(&f->arena, &model, text_of(row, "model"), e));
    TRY(arena_string(&f->arena, &fingerprint, text_of(row, "model_fingerprint"),
                     e));
    d->known.file = site->name;
    d->known.model = model;
    d->known.model_fingerprint = *fingerprint == '\0' ? NULL : fingerprint;
    return 0;
}

static int keep_sae(struct found *f, struct of_dump *d, const json_t *row,
                    struct prompt_known_sae *sae, struct err *e)
{
    char *name, *fingerprint;
    TRY(arena_string(&f->arena, &name, text_of(row, "name"), e));
    TRY(arena_string(&f->arena, &fingerprint, text_of(row, "fingerprint"), e));
    *sae = (struct prompt_known_sae){
        .id = json_integer_value(json_object_get(row, "id")),
        .layer = (int)json_integer_value(json_object_get(row, "layer")),
        .name = name,
        .fingerprint = fingerprint};
    d->known.n++;
    return 0;
}

static int keep_saes_of(struct found *f, struct of_dump *d, const json_t *saes,
                        struct err *e)
{
    size_t i;
    const json_t *row;
    struct prompt_known_sae *list;
    TRY(arena_get(&f->arena, &list, json_array_size(saes), sizeof *list, "SAEs",
                  e));
    d->known.sae = list;
    json_array_foreach(
        saes, i, row) if (json_integer_value(json_object_get(row, "dump")) ==
                          d->id) TRY(keep_sae(f, d, row, &list[d->known.n], e));
    return 0;
}

static int keep_all(struct found *f, const json_t *dumps, const json_t *saes,
                    const struct call_site *site, struct err *e)
{
    size_t i;
    const json_t *row;
    TRY(arena_get(&f->arena, &f->dump, json_array_size(dumps), sizeof *f->dump,
                  "dumps", e));
    json_array_foreach(dumps, i, row)
    {
        TRY(keep_dump(f, row, site, e));
        TRY(keep_saes_of(f, &f->dump[f->n - 1], saes, e));
    }
    if (f->n == 0)
        return err_set(e, ERR_INPUT, "%s holds no dump", site->name);
    return 0;
}

static int find(struct found *f, const struct prompt_model_options *o,
                const struct call_site *site, struct err *e)
{
    json_t *dumps = NULL, *saes = NULL;
    TRY(arena_string(&f->arena, &f->folder, o->database, e));
    char *slash = strrchr(f->folder, '/');
    if (slash == NULL)
        TRY(arena_string(&f->arena, &f->folder, ".", e));
    else
        slash[slash == f->folder] = '\0'; /* the root stays "/" */
    int code = read_rows(&dumps, site, QUERY_DUMPS, e);
    if (code == 0)
        code = read_rows(&saes, site, QUERY_SAES, e);
    if (code == 0)
        code = keep_all(f, dumps, saes, site, e);
    json_decref(dumps);
    json_decref(saes);
    return code;
}

/* ---- opening ---- */

static int open_for(struct prompt_model *m, struct found *f,
                    const struct of_dump *d, struct err *e)
{
    char **paths;
    size_t n;
    const struct prompt_model_options *o = &m->options;
    if (o->saes != NULL)
        TRY(arena_list(&f->arena, &paths, &n, o->saes, e));
    else
        TRY(prompt_find_saes(&paths, &n, &f->arena, f->folder, &d->known, e));
    const struct prompt_lens_options options = {
        .model = o->model,
        .sae = (const char *const *)paths,
        .n_saes = n,
        .fold_value_biases = d->fold_value_biases,
        .threads = o->threads,
    };
    TRY(prompt_lens_open(&m->lens, &options, e));
    int code = prompt_lens_match(m->lens, &d->known, e);
    if (code != 0)
        prompt_lens_close(&m->lens);
    return code;
}

/* A database may hold dumps of several models: the first that is of this one.
 * If none is, what is wrong with the first. */
static int open_any(struct prompt_model *m, struct found *f, struct err *e)
{
    struct err other;
    int code = open_for(m, f, &f->dump[0], e);
    for (size_t i = 1; i < f->n && m->lens == NULL; i++)
        if (open_for(m, f, &f->dump[i], &other) == 0)
            return 0;
    return code;
}

bool prompt_model_is_for(const struct prompt_model *m,
                         const struct call_site *site)
{
    return m->tried && m->state == pool_fingerprint(site->pool);
}

int prompt_model_open(struct prompt_model *m, const struct call_site *site,
                      struct err *e)
{
    if (!prompt_model_is_for(m, site)) {
        struct found f = {0};
        prompt_model_close(m);
        m->tried = true;
        m->state = pool_fingerprint(site->pool);
        m->error = (struct err){0};
        if (find(&f, &m->options, site, &m->error) == 0)
            (void)open_any(m, &f, &m->error);
        else
            m->tried = false; /* a file that is being written, say */
        arena_free(&f.arena);
    }
    if (m->lens != NULL)
        return 0;
    *e = m->error;
    return e->code;
}

void prompt_model_close(struct prompt_model *m)
{
    prompt_lens_close(&m->lens);
    m->tried = false;
}
