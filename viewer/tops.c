/* SPDX-License-Identifier: MIT */
#include "viewer/tops.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    PLACES = 1 << 17, /* all features of five SAEs of usual size */
    LOCKS = 64,
};

/* 32 bits are enough for all but damaged files, which go without. */
struct place {
    int32_t sae, feature, head;
    int32_t n; /* one more than there are strings; 0: nothing here */
    int32_t vocabs[TOPS_STRINGS];
};

struct tops {
    pthread_mutex_t locks[LOCKS];
    struct place places[PLACES];
};

int tops_new(struct tops **out, struct err *e)
{
    *out = calloc(1, sizeof **out); /* pages come as they are used */
    if (*out == NULL)
        return err_memory(e, "the strings of features", sizeof **out);
    for (int i = 0; i < LOCKS; i++)
        (void)pthread_mutex_init(&(*out)->locks[i], NULL);
    return 0;
}

void tops_free(struct tops **tops)
{
    if (*tops == NULL)
        return;
    for (int i = 0; i < LOCKS; i++)
        (void)pthread_mutex_destroy(&(*tops)->locks[i]);
    free(*tops);
    *tops = NULL;
}

static bool is_small(int64_t value)
{
    return value >= 0 && value <= INT32_MAX;
}

/* Features of an SAE lie side by side; SAEs and heads begin anywhere. */
static size_t place_of(const struct tops_of *of)
{
    uint64_t start = (uint64_t)of->sae * 64 + (uint64_t)(of->head + 1);
    return (size_t)((start * 0x9e3779b97f4a7c15U >> 32) +
                    (uint64_t)of->feature) %
           PLACES;
}

bool tops_find(struct tops_of *of, struct tops *tops)
{
    size_t at = place_of(of);
    (void)pthread_mutex_lock(&tops->locks[at % LOCKS]);
    struct place p = tops->places[at];
    (void)pthread_mutex_unlock(&tops->locks[at % LOCKS]);
    if (p.n == 0 || p.sae != of->sae || p.feature != of->feature ||
        p.head != of->head)
        return false;
    of->n = (size_t)p.n - 1;
    for (size_t i = 0; i < of->n; i++)
        of->vocabs[i] = p.vocabs[i];
    return true;
}

void tops_keep(struct tops *tops, const struct tops_of *of)
{
    struct place p = {.n = (int32_t)of->n + 1, .head = of->head};
    bool small = is_small(of->sae) && is_small(of->feature);
    for (size_t i = 0; i < of->n; i++) {
        small = small && is_small(of->vocabs[i]);
        p.vocabs[i] = (int32_t)of->vocabs[i];
    }
    if (!small)
        return;
    p.sae = (int32_t)of->sae;
    p.feature = (int32_t)of->feature;
    size_t at = place_of(of);
    (void)pthread_mutex_lock(&tops->locks[at % LOCKS]);
    tops->places[at] = p;
    (void)pthread_mutex_unlock(&tops->locks[at % LOCKS]);
}
