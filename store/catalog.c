/* SPDX-License-Identifier: MIT */
#include "store/catalog.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* More heads than any model has; a number beyond it is damage. */
enum { MAX_HEADS = 4096 };

struct catalog {
    struct catalog_sae *saes;
    size_t n_saes;
    pthread_mutex_t mutex; /* around what is filled later */
    atomic_bool filled;    /* features may be read without the mutex */
    struct catalog_feature *features;
    size_t n_features, room;
    uint32_t *orders[CATALOG_ORDERS];
};

/* ---- SAEs ---- */

static int64_t within(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static int add_sae(struct catalog *c, const struct query *q, struct err *e)
{
    struct catalog_sae *grown =
        realloc(c->saes, (c->n_saes + 1) * sizeof *grown);
    if (grown == NULL)
        return err_memory(e, "the SAEs", sizeof *grown);
    c->saes = grown;
    size_t length;
    char *name = strdup(query_text(q, SAE_FACTS_NAME, &length));
    char *fingerprint = strdup(query_text(q, SAE_FACTS_FINGERPRINT, &length));
    if (name == NULL || fingerprint == NULL) {
        free(name);
        free(fingerprint);
        return err_memory(e, "the SAEs", length);
    }
    c->saes[c->n_saes++] = (struct catalog_sae){
        .id = query_int(q, SAE_FACTS_ID),
        .layer = (int)within(query_int(q, SAE_FACTS_LAYER), 0, INT32_MAX),
        .heads = (int)within(query_int(q, SAE_FACTS_HEADS), 1, MAX_HEADS),
        .name = name,
        .fingerprint = fingerprint,
        .d_sae = query_int(q, SAE_FACTS_D_SAE),
        .tokens = query_int(q, SAE_FACTS_TOKENS),
    };
    return 0;
}

static int read_saes(struct catalog *c, const struct queries *queries,
                     struct err *e)
{
    int code = 0;
    struct query q = query_begin(queries, QUERY_SAE_FACTS);
    while (code == 0 && query_next(&q))
        code = add_sae(c, &q, e);
    int ended = query_end(&q, e);
    return code != 0 ? code : ended;
}

int catalog_open(struct catalog **out, const struct queries *queries,
                 struct err *e)
{
    struct catalog *c = calloc(1, sizeof *c);
    *out = c;
    if (c == NULL)
        return err_memory(e, "the list of features", sizeof *c);
    (void)pthread_mutex_init(&c->mutex, NULL);
    int code = read_saes(c, queries, e);
    if (code != 0)
        catalog_close(out);
    return code;
}

void catalog_close(struct catalog **catalog)
{
    struct catalog *c = *catalog;
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_saes; i++) {
        free(c->saes[i].name);
        free(c->saes[i].fingerprint);
    }
    for (int i = 0; i < CATALOG_ORDERS; i++)
        free(c->orders[i]);
    free(c->saes);
    free(c->features);
    (void)pthread_mutex_destroy(&c->mutex);
    free(c);
    *catalog = NULL;
}

const struct catalog_sae *catalog_saes(const struct catalog *c, size_t *n)
{
    *n = c->n_saes;
    return c->saes;
}

int catalog_heads(const struct catalog *c)
{
    int heads = 0;
    for (size_t i = 0; i < c->n_saes; i++)
        heads = c->saes[i].heads > heads ? c->saes[i].heads : heads;
    return heads;
}

/* ---- features ---- */

static int make_room(struct catalog *c, struct err *e)
{
    if (c->n_features < c->room)
        return 0;
    size_t room = c->room == 0 ? 4096 : 2 * c->room;
    if (room > UINT32_MAX)
        return err_set(e, ERR_INPUT, "more than %u features", UINT32_MAX / 2);
    struct catalog_feature *grown = realloc(c->features, room * sizeof *grown);
    if (grown == NULL)
        return err_memory(e, "the list of features", room * sizeof *grown);
    c->features = grown;
    c->room = room;
    return 0;
}

static int add_feature(struct catalog *c, size_t sae, const struct query *q,
                       struct err *e)
{
    TRY(make_room(c, e));
    int64_t top = query_is_null(q, CATALOG_TOP_HEAD)
                      ? -1
                      : query_int(q, CATALOG_TOP_HEAD);
    bool known = top >= 0 && top < c->saes[sae].heads;
    c->features[c->n_features++] = (struct catalog_feature){
        .feature = query_int(q, CATALOG_FEATURE),
        .fires = query_int(q, CATALOG_FIRES),
        .density = query_real(q, CATALOG_DENSITY),
        .max = query_real(q, CATALOG_MAX),
        .mean = query_real(q, CATALOG_MEAN),
        .top_share = known ? query_real(q, CATALOG_TOP_SHARE) : (double)NAN,
        .top_head = known ? (int)top : -1,
        .entropy = query_real(q, CATALOG_ENTROPY),
        .sae = (int)sae,
    };
    return 0;
}

static int read_features(struct catalog *c, const struct queries *queries,
                         struct err *e)
{
    c->n_features = 0;
    for (size_t i = 0; i < c->n_saes; i++) {
        c->saes[i].first = c->n_features;
        int code = 0;
        struct query q = query_begin(queries, QUERY_CATALOG);
        query_bind(&q, c->saes[i].id);
        while (code == 0 && query_next(&q))
            code = add_feature(c, i, &q, e);
        int ended = query_end(&q, e);
        TRY(code != 0 ? code : ended);
        c->saes[i].n = c->n_features - c->saes[i].first;
    }
    return 0;
}

int catalog_features(const struct catalog_feature **out, size_t *n,
                     struct catalog *c, const struct queries *queries,
                     struct err *e)
{
    int code = 0;
    if (!atomic_load(&c->filled)) {
        (void)pthread_mutex_lock(&c->mutex);
        if (!atomic_load(&c->filled)) {
            code = read_features(c, queries, e);
            atomic_store(&c->filled, code == 0);
        }
        (void)pthread_mutex_unlock(&c->mutex);
    }
    *out = c->features;
    *n = c->n_features;
    return code;
}

const struct catalog_feature *catalog_find(const struct catalog *c, size_t sae,
                                           int64_t feature)
{
    size_t from = c->saes[sae].first, to = from + c->saes[sae].n;
    /* As a rule they are numbered without gaps. */
    if (feature >= 0 && feature < (int64_t)c->saes[sae].n &&
        c->features[from + (size_t)feature].feature == feature)
        return &c->features[from + (size_t)feature];
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (c->features[middle].feature < feature)
            from = middle + 1;
        else
            to = middle;
    }
    bool found = from < c->saes[sae].first + c->saes[sae].n &&
                 c->features[from].feature == feature;
    return found ? &c->features[from] : NULL;
}

size_t catalog_place(const struct catalog *c, const struct catalog_feature *f)
{
    return (size_t)(f - c->features);
}

/* ---- orders ---- */

struct sortable {
    double key;
    uint32_t place;
};

static double key_of(const struct catalog_feature *f, enum catalog_order order)
{
    double key = order == CATALOG_BY_DENSITY ? f->density
                 : order == CATALOG_BY_MAX   ? f->max
                 : order == CATALOG_BY_SHARE ? f->top_share
                                             : f->entropy;
    return isnan(key) ? -(double)INFINITY : key;
}

static int compare(const void *left, const void *right)
{
    const struct sortable *a = left, *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static int make_order(struct catalog *c, enum catalog_order order,
                      struct err *e)
{
    size_t n = c->n_features;
    struct sortable *items = malloc((n + 1) * sizeof *items);
    uint32_t *places = malloc((n + 1) * sizeof *places);
    if (items == NULL || places == NULL) {
        free(items);
        free(places);
        return err_memory(e, "an order of features", n * sizeof *items);
    }
    for (size_t i = 0; i < n; i++)
        items[i] =
            (struct sortable){key_of(&c->features[i], order), (uint32_t)i};
    qsort(items, n, sizeof *items, compare);
    for (size_t i = 0; i < n; i++)
        places[i] = items[i].place;
    free(items);
    c->orders[order] = places;
    return 0;
}

int catalog_sorted(const uint32_t **out, struct catalog *c,
                   enum catalog_order order, struct err *e)
{
    int code = 0;
    (void)pthread_mutex_lock(&c->mutex);
    if (c->orders[order] == NULL)
        code = make_order(c, order, e);
    *out = c->orders[order];
    (void)pthread_mutex_unlock(&c->mutex);
    return code;
}
