/* SPDX-License-Identifier: MIT */
#include "encode/tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "encode/head_groups.h"
#include "encode/levels.h"
#include "encode/relations.h"
#include "encode/rows.h"
#include "encode/sources.h"
#include "encode/token_features.h"

/* What is worked out once from the scan. */
struct table {
    struct store_writer *writer;
    struct scan *scan;
    double *scale;      /* (m) */
    double *data_share; /* (m, heads) */
    int *top_head;      /* (m) or -1 */
    uint64_t *strings;  /* (m) */
    double *entropy;    /* (m) */
    struct token_features token_features;
    struct example_sets sets;
    struct relations relations;
    const struct encode_sources *sources; /* or NULL */
    struct source_places places;
    struct arena arena;
};

static int work_out(struct table *t, struct err *e)
{
    const struct statistics *st = &t->scan->statistics;
    size_t heads = (size_t)st->heads;
    static const char what[] = "feature statistics";
    struct arena *a = &t->arena;
    TRY(arena_get(a, &t->scale, st->m, sizeof *t->scale, what, e));
    TRY(arena_get(a, &t->data_share, st->m * heads, sizeof *t->data_share, what,
                  e));
    TRY(arena_get(a, &t->top_head, st->m, sizeof *t->top_head, what, e));
    TRY(arena_get(a, &t->strings, st->m, sizeof *t->strings, what, e));
    TRY(arena_get(a, &t->entropy, st->m, sizeof *t->entropy, what, e));
    for (size_t f = 0; f < st->m; f++) {
        t->scale[f] = levels_scale(st->max[f]);
        t->top_head[f] =
            statistics_data_shares(st, f, t->data_share + f * heads);
    }
    return token_counts_strings(&t->scan->strings, t->strings, t->entropy,
                                st->m, e);
}

/* ---- the SAE itself ---- */

/* What the trainer measured on held-out tokens, as far as it is recorded; NaN
 * where it is not. */
struct recorded {
    double fvu, l0, dead, train_fvu, pca_fvu;
    double *head_fvu; /* (heads) */
};

static int take_recorded(struct recorded *out, const json_t *metrics, int heads,
                         const char *where, struct err *e)
{
    const struct {
        const char *key;
        double *value;
    } figures[] = {
        {"fvu", &out->fvu},
        {"l0", &out->l0},
        {"dead_fraction", &out->dead},
        {"train_fvu", &out->train_fvu},
        {"pca_fvu", &out->pca_fvu},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        TRY(json_get_real(figures[i].value, metrics, figures[i].key,
                          (double)NAN, where, e));
    const json_t *list = json_object_get(metrics, "per_head_fvu");
    for (int h = 0; h < heads; h++) {
        const json_t *value = json_array_get(list, (size_t)h);
        out->head_fvu[h] =
            json_is_number(value) ? json_number_value(value) : (double)NAN;
    }
    return 0;
}

static int read_recorded(struct recorded *out, struct table *t, struct err *e)
{
    const struct sae *s = t->scan->in.sae;
    int heads = t->scan->heads;
    TRY(arena_get(&t->arena, &out->head_fvu, (size_t)heads, sizeof(double),
                  "figures", e));
    char where[128];
    (void)snprintf(where, sizeof where, "%.80s: headscope.json", s->name);
    json_t *root = NULL;
    if (s->headscope != NULL) {
        root = json_loads(s->headscope, JSON_REJECT_DUPLICATES, NULL);
        if (root == NULL)
            return err_set(e, ERR_INPUT, "%s: no valid JSON", where);
    }
    int code =
        take_recorded(out, json_object_get(root, "metrics"), heads, where, e);
    json_decref(root);
    return code;
}

static int write_sae(const struct table *t, int64_t id,
                     const struct recorded *recorded, struct err *e)
{
    const struct scan *scan = t->scan;
    const struct sae *s = scan->in.sae;
    const struct metrics *q = &scan->metrics;
    struct store_sae row = {
        .id = id,
        .dump = store_writer_dump_id(t->writer),
        .name = s->name,
        .layer = scan->in.layer,
        .hook = s->hook[0] != '\0' ? s->hook : NULL,
        .architecture = sae_architecture_name(s->architecture),
        .d_in = (int64_t)s->d,
        .d_sae = (int64_t)s->m,
        .heads = scan->heads,
        .fingerprint = s->fingerprint,
        .config = s->headscope,
        .options = scan->in.options,
        .held_out_fvu = recorded->fvu,
        .held_out_l0 = recorded->l0,
        .held_out_dead = recorded->dead,
        .train_fvu = recorded->train_fvu,
        .pca_fvu = recorded->pca_fvu,
        .tokens = (int64_t)scan->tokens,
        .fvu = metrics_fvu(q),
        .l0 = metrics_l0(q),
        .l1 = metrics_l1(q),
        .mse = metrics_mse(q),
        .cosine = metrics_cosine(q),
        .relative_bias = metrics_relative_bias(q),
        .dead = (int64_t)metrics_dead(q),
        .pair_tokens = (int64_t)scan->pairs.tokens,
        .source_tokens = (int64_t)scan->source_sample.tokens,
    };
    for (size_t f = 0; f < s->m; f++)
        row.activations += (int64_t)scan->statistics.sampled[f];
    return store_writer_begin_sae(t->writer, &row, e);
}

/* Where the training curve goes, and how far it has come. */
struct curve {
    struct store_writer *writer;
    json_int_t last; /* step, -1 at first */
};

/* A number under its name, an array's numbers under name[0], name[1], ... */
static int write_metric(const struct curve *curve, const char *name,
                        const json_t *value, struct err *e)
{
    if (json_is_number(value))
        return store_writer_metric(curve->writer, name, curve->last,
                                   json_number_value(value), e);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        char label[160];
        (void)snprintf(label, sizeof label, "%.120s[%zu]", name, i);
        if (json_is_number(item))
            TRY(store_writer_metric(curve->writer, label, curve->last,
                                    json_number_value(item), e));
    }
    return 0;
}

/* One line of the training curve. */
static int write_metrics_line(void *ctx, const json_t *line, struct err *e)
{
    struct curve *curve = ctx;
    const json_t *step = json_object_get(line, "step");
    if (!json_is_integer(step))
        return err_set(e, ERR_INPUT, "metrics.jsonl: a line without 'step'");
    json_int_t last = curve->last, now = json_integer_value(step);
    if (now <= last)
        return err_set(e, ERR_INPUT,
                       "metrics.jsonl: step %lld comes after step %lld",
                       (long long)now, (long long)last);
    curve->last = now;
    const char *name;
    json_t *value;
    /* A copy, because jansson does not walk over a const object. */
    json_t *object = json_deep_copy(line);
    int code = object == NULL ? err_memory(e, "metrics.jsonl", 0) : 0;
    json_object_foreach(object, name, value)
    {
        if (code == 0 && strcmp(name, "step") != 0)
            code = write_metric(curve, name, value, e);
    }
    json_decref(object);
    return code;
}

static int write_heads(const struct table *t, const struct recorded *recorded,
                       struct err *e)
{
    const struct scan *s = t->scan;
    for (int h = 0; h < s->heads; h++) {
        char name[32];
        (void)snprintf(name, sizeof name, "L%dH%d", s->in.layer, h);
        int64_t features = 0;
        for (size_t f = 0; f < s->in.sae->m; f++)
            features += t->top_head[f] == h;
        struct store_head row = {h,
                                 name,
                                 features,
                                 metrics_head_fvu(&s->metrics, (size_t)h),
                                 recorded->head_fvu[h],
                                 0,
                                 (double)NAN};
        head_codes_measure(&s->head_codes, h, &row.codes, &row.code_entropy);
        TRY(store_writer_head(t->writer, &row, e));
    }
    return 0;
}

/* ---- features ---- */

static struct store_feature feature_row(const struct table *t, size_t f)
{
    const struct scan *s = t->scan;
    const struct statistics *st = &s->statistics;
    struct store_feature row = {.feature = (int64_t)f,
                                .fires = (int64_t)st->fires[f],
                                .density =
                                    (double)st->fires[f] / (double)s->tokens,
                                .max = (double)NAN,
                                .mean = (double)NAN,
                                .scale = (double)NAN,
                                .strings = -1,
                                .entropy = (double)NAN,
                                .top_head = t->top_head[f],
                                .top_share = (double)NAN};
    if (st->fires[f] == 0)
        return row;
    row.max = (double)st->max[f];
    row.mean = st->sum[f] / (double)st->fires[f];
    row.scale = t->scale[f];
    if (dump_tokens(s->in.dump) != NULL) {
        row.strings = (int64_t)t->strings[f];
        row.entropy = t->entropy[f];
    }
    if (row.top_head >= 0)
        row.top_share =
            t->data_share[f * (size_t)st->heads + (size_t)row.top_head];
    return row;
}

static int write_features(const struct table *t, struct err *e)
{
    for (size_t f = 0; f < t->scan->statistics.m; f++) {
        struct store_feature row = feature_row(t, f);
        TRY(store_writer_feature(t->writer, &row, e));
    }
    return 0;
}

static int write_feature_heads(struct table *t, struct err *e)
{
    const struct sae *s = t->scan->in.sae;
    int heads = t->scan->heads;
    double *weight_share;
    TRY(arena_get(&t->arena, &weight_share, (size_t)heads, sizeof *weight_share,
                  "head shares", e));
    for (size_t f = 0; f < s->m; f++) {
        statistics_weight_shares(s->w_dec + f * s->d, s->d, heads,
                                 weight_share);
        for (int h = 0; h < heads; h++) {
            struct store_feature_head row = {
                (int64_t)f, h, weight_share[h],
                t->data_share[f * (size_t)heads + (size_t)h]};
            TRY(store_writer_feature_head(t->writer, &row, e));
        }
    }
    return 0;
}

/* At which positions and in which groups of contexts features are active. */
static int write_places(const struct table *t, struct err *e)
{
    const struct statistics *st = &t->scan->statistics;
    for (size_t f = 0; f < st->m; f++) {
        const uint32_t *fires = st->position_fires + f * st->bins;
        for (size_t b = 0; b < st->bins; b++)
            if (fires[b] > 0)
                TRY(store_writer_feature_position(t->writer, (int64_t)f, (int)b,
                                                  fires[b], e));
        fires = st->group_fires + f * st->groups;
        for (size_t g = 0; g < st->groups; g++)
            if (fires[g] > 0)
                TRY(store_writer_feature_group(t->writer, (int64_t)f,
                                               (int64_t)g, fires[g], e));
    }
    return 0;
}

/* Everything that needs the random examples; they take much memory, and go
 * before the rows come. */
static int write_examples(struct table *t, struct windows *around,
                          struct err *e)
{
    const struct scan *s = t->scan;
    const struct example_sets *sets = &t->sets;
    const struct windows_of of[] = {
        {&s->top.best, 1, STORE_EXAMPLE_WINDOW},
        {&sets->drawn, EXAMPLE_SLOTS, STORE_RANDOM_EXAMPLE_WINDOW}};
    int code = windows_init(around, of, sizeof of / sizeof *of, s->in.sae->m,
                            s->in.sample, e);
    if (code == 0)
        code = tables_write_examples(t->writer, s, sets, t->scale, e);
    if (code == 0 && t->sources != NULL)
        code = source_places_make(&t->places, s, sets, e);
    example_sets_end(&t->sets);
    return code;
}

/* All rows of single activations. */
static int write_rows(struct table *t, struct err *e)
{
    struct windows around = {0};
    int code = write_examples(t, &around, e);
    if (code == 0)
        code = rows_write(t->scan, t->scale, &around, t->writer, e);
    windows_free(&around);
    return code;
}

/* From which tokens features come, if the model is there. */
static int write_sources(const struct table *t, struct err *e)
{
    const struct scan_input *in = &t->scan->in;
    const struct source_request request = {
        .dump = in->dump,
        .sae = in->sae,
        .layer = in->layer,
        .team = in->team,
        .places = &t->places,
        .sample = &t->scan->source_sample,
        .output = in->output,
        .memory = in->memory / SCAN_MEMORY_SHARES,
    };
    if (t->sources == NULL)
        return 0;
    return t->sources->write(t->sources->ctx, &request, t->writer, e);
}

static int write_all(struct table *t, int64_t id, const char *folder,
                     struct err *e)
{
    struct curve curve = {t->writer, -1};
    struct recorded recorded;
    token_features_begin(&t->token_features, t->scan);
    example_sets_begin(&t->sets, t->scan);
    TRY(work_out(t, e));
    TRY(read_recorded(&recorded, t, e));
    TRY(write_sae(t, id, &recorded, e));
    TRY(sae_read_metrics(folder, write_metrics_line, &curve, e));
    TRY(write_heads(t, &recorded, e));
    TRY(write_features(t, e));
    TRY(write_feature_heads(t, e));
    TRY(write_places(t, e));
    TRY(head_codes_write_counts(&t->scan->head_codes, t->writer, e));
    TRY(head_groups_write(t->scan, t->data_share, t->writer, e));
    TRY(example_sets_wait(&t->sets, e));
    /* Not before: examples are waited for, relations only at the end. */
    relations_begin(&t->relations, t->scan);
    TRY(write_rows(t, e));
    TRY(token_features_write(&t->token_features, t->writer, e));
    TRY(relations_write(&t->relations, t->writer, e));
    TRY(write_sources(t, e));
    return store_writer_end_sae(t->writer, e);
}

int tables_write_sae(struct store_writer *w, struct scan *s, int64_t id,
                     const char *folder, const struct encode_sources *sources,
                     struct err *e)
{
    struct table t = {.writer = w, .scan = s, .sources = sources};
    int code = write_all(&t, id, folder, e);
    token_features_end(&t.token_features);
    example_sets_end(&t.sets);
    relations_end(&t.relations);
    source_places_free(&t.places);
    arena_free(&t.arena);
    return code;
}
