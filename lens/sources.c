/* SPDX-License-Identifier: MIT */
#include "lens/sources.h"

#include <assert.h>
#include <string.h>

#include <cblas.h>

#include "base/least.h"

int sources_open(struct sources *s, const struct gpt2_config *config,
                 const struct sae *sae, size_t longest, struct err *e)
{
    static const char what[] = "attention patterns";
    size_t heads = (size_t)config->heads, d_head = (size_t)config->d_head;
    assert(sae->d == heads * d_head);
    *s = (struct sources){.config = config, .sae = sae, .longest = longest};
    struct arena *a = &s->arena;
    int code = arena_get(a, &s->pattern, heads,
                         longest * longest * sizeof(float), what, e);
    if (code == 0)
        code = arena_get(a, &s->w_enc, SOURCES_BLOCK, d_head * sizeof(float),
                         what, e);
    if (code == 0)
        code = arena_get(a, &s->u, SOURCES_BLOCK, longest * sizeof(float), what,
                         e);
    if (code == 0)
        code = arena_get(a, &s->dfa, longest, sizeof(float), what, e);
    if (code != 0)
        sources_close(s);
    return code;
}

void sources_close(struct sources *s)
{
    arena_free(&s->arena);
    *s = (struct sources){0};
}

/* u (features, t) of one head = W_enc[h, f]·v_h[src], for the features of the
 * block's points in their order. */
static void project(struct sources *s, const float *qkv, size_t t, int head,
                    const struct source_point *points, size_t n)
{
    const struct gpt2_config *c = s->config;
    size_t d_head = (size_t)c->d_head, at = (size_t)head * d_head, features = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || points[i].feature != points[i - 1].feature)
            memcpy(s->w_enc + features++ * d_head,
                   s->sae->w_enc + points[i].feature * s->sae->d + at,
                   d_head * sizeof *s->w_enc);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)features, (int)t,
                c->d_head, 1, s->w_enc, c->d_head, qkv + 2 * c->d_model + at,
                3 * c->d_model, 0, s->u, (int)t);
}

static void visit(struct sources *s, size_t t, int head,
                  const struct source_point *points, size_t n,
                  const struct source_visitor *visitor)
{
    const float *pattern = s->pattern + (size_t)head * t * t, *u = s->u;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && points[i].feature != points[i - 1].feature)
            u += t;
        const float *row = pattern + points[i].destination * t;
        for (size_t src = 0; src <= points[i].destination; src++)
            s->dfa[src] = row[src] * u[src];
        visitor->head(visitor->ctx, i, &points[i], head, s->dfa);
    }
}

void sources_walk(struct sources *s, const float *qkv, size_t t,
                  const struct source_point *points, size_t n,
                  const struct source_visitor *visitor)
{
    const struct gpt2_config *c = s->config;
    assert(t <= s->longest);
    for (int h = 0; n > 0 && h < c->heads; h++)
        gpt2_pattern(c, s->pattern + (size_t)h * t * t, qkv, h, (int)t);
    for (size_t first = 0; first < n; first += SOURCES_BLOCK) {
        size_t count = least(SOURCES_BLOCK, n - first);
        for (int h = 0; h < c->heads; h++) {
            project(s, qkv, t, h, points + first, count);
            visit(s, t, h, points + first, count, visitor);
        }
        visitor->block(visitor->ctx, points + first, count);
    }
}
