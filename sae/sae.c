/* SPDX-License-Identifier: MIT */
#include "sae/sae.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/vector.h"

const char *sae_architecture_name(enum sae_architecture a)
{
    static const char *const names[] = {
        [SAE_STANDARD] = "standard",
        [SAE_TOPK] = "topk",
        [SAE_JUMPRELU] = "jumprelu",
    };
    return names[a];
}

void sae_free(struct sae *s)
{
    arena_free(&s->arena);
    *s = (struct sae){0};
}

static struct selection selection_of(const struct sae *s)
{
    switch (s->architecture) {
    case SAE_TOPK:
        return (struct selection){.rule = RULE_TOPK, .k = s->k};
    case SAE_JUMPRELU:
        return (struct selection){.rule = RULE_THRESHOLD,
                                  .threshold = s->threshold};
    case SAE_STANDARD:
        break;
    }
    return (struct selection){.rule = RULE_POSITIVE};
}

struct centring {
    const struct sae *s;
    const float *x;
    float *out;
    size_t n;
};

static void centre_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct centring *c = ctx;
    size_t d = c->s->d, first = block * ENCODER_ROWS;
    for (size_t r = first; r < c->n && r < first + ENCODER_ROWS; r++)
        vector_subtract(c->out + r * d, c->x + r * d, c->s->b_dec, d);
}

int sae_encode(const struct sae *s, const struct team *team, const float *x,
               size_t n, struct codes *out, struct err *e)
{
    float *centred = NULL;
    if (s->apply_b_dec_to_input) {
        centred = malloc((n > 0 ? n : 1) * s->d * sizeof *centred);
        if (centred == NULL)
            return err_memory(e, "centred rows", n * s->d * sizeof *centred);
        struct centring c = {s, x, centred, n};
        team_run(team, centre_block, &c, (n + ENCODER_ROWS - 1) / ENCODER_ROWS);
        x = centred;
    }
    struct encoder enc = {s->w_enc, s->b_enc, s->d, s->m};
    struct selection rule = selection_of(s);
    struct forward f;
    int code = forward_init(&f, team, e);
    if (code == 0)
        code = forward_run(&f, &enc, &rule, x, n, out, e);
    forward_free(&f);
    free(centred);
    return code;
}

void sae_decode_row(const struct sae *s, const struct codes *c, size_t row,
                    float *out)
{
    memcpy(out, s->b_dec, s->d * sizeof *out);
    for (size_t i = c->start[row]; i < c->start[row + 1]; i++)
        vector_add_scaled(out, c->value[i], s->w_dec + c->feature[i] * s->d,
                          s->d);
}

void sae_attribute(const struct sae *s, const float *x, uint32_t feature,
                   int heads, float *dfa)
{
    size_t d_head = s->d / (size_t)heads;
    const float *w = s->w_enc + feature * s->d;
    for (int h = 0; h < heads; h++) {
        size_t from = (size_t)h * d_head;
        float sum = vector_dot(x + from, w + from, d_head);
        if (s->apply_b_dec_to_input)
            sum -= vector_dot(s->b_dec + from, w + from, d_head);
        dfa[h] = sum;
    }
}
