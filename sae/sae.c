/* SPDX-License-Identifier: MIT */
#include "sae/sae.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

const char *sae_architecture_name(enum sae_architecture a)
{
    static const char *const names[] = {
        [SAE_STANDARD] = "standard",
        [SAE_TOPK] = "topk",
        [SAE_JUMPRELU] = "jumprelu",
        [SAE_GATED] = "gated",
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
    case SAE_GATED:
        return (struct selection){.rule = RULE_THRESHOLD,
                                  .threshold = s->threshold};
    case SAE_STANDARD:
        break;
    }
    return (struct selection){.rule = RULE_POSITIVE};
}

int sae_encoder_open(struct sae_encoder *enc, const struct sae *s,
                     const struct team *team, struct err *e)
{
    *enc = (struct sae_encoder){.s = s};
    TRY(forward_init(&enc->forward, team, e));
    int code = encoder_init(&enc->encoder, s->d, s->m, ENCODER_COARSE, e);
    if (code != 0) {
        sae_encoder_close(enc);
        return code;
    }
    encoder_set(&enc->encoder, s->w_enc, s->b_enc, NULL, s->m);
    encoder_pack(&enc->encoder, team);
    return 0;
}

int sae_encoder_share(struct sae_encoder *enc, const struct sae_encoder *of,
                      const struct team *team, struct err *e)
{
    *enc = (struct sae_encoder){
        .s = of->s, .encoder = of->encoder, .shares = true};
    int code = forward_init(&enc->forward, team, e);
    if (code != 0)
        *enc = (struct sae_encoder){0};
    return code;
}

void sae_encoder_close(struct sae_encoder *enc)
{
    if (enc->s != NULL)
        forward_free(&enc->forward);
    if (!enc->shares)
        encoder_free(&enc->encoder);
    free(enc->centred);
    *enc = (struct sae_encoder){0};
}

enum { CENTRE_ROWS = 128 }; /* of one item of work */

struct centring {
    struct sae_encoder *enc;
    const float *x;
    size_t n;
};

static void centre_block(void *ctx, size_t block, int thread)
{
    (void)thread;
    const struct centring *c = ctx;
    size_t d = c->enc->s->d, first = block * CENTRE_ROWS;
    for (size_t r = first; r < c->n && r < first + CENTRE_ROWS; r++)
        kernels.subtract(c->enc->centred + r * d, c->x + r * d,
                         c->enc->s->b_dec, d);
}

static int centre(struct sae_encoder *enc, const float *x, size_t n,
                  struct err *e)
{
    if (n > enc->capacity) {
        free(enc->centred);
        enc->capacity = 0;
        enc->centred = malloc(n * enc->s->d * sizeof *enc->centred);
        if (enc->centred == NULL)
            return err_memory(e, "centred rows",
                              n * enc->s->d * sizeof *enc->centred);
        enc->capacity = n;
    }
    struct centring c = {enc, x, n};
    team_run(enc->forward.team, centre_block, &c,
             (n + CENTRE_ROWS - 1) / CENTRE_ROWS);
    return 0;
}

int sae_encode_by(struct sae_encoder *enc, const struct selection *rule,
                  const float *x, size_t n, struct codes *out, struct err *e)
{
    if (enc->s->apply_b_dec_to_input) {
        TRY(centre(enc, x, n, e));
        x = enc->centred;
    }
    return forward_run(&enc->forward, &enc->encoder, rule, x, n, out, e);
}

int sae_encode(struct sae_encoder *enc, const float *x, size_t n,
               struct codes *out, struct err *e)
{
    struct selection rule = selection_of(enc->s);
    rule.guess = &enc->guess;
    return sae_encode_by(enc, &rule, x, n, out, e);
}

void sae_decode_row(const struct sae *s, const struct codes *c, size_t row,
                    float *out)
{
    memcpy(out, s->b_dec, s->d * sizeof *out);
    for (size_t i = c->start[row]; i < c->start[row + 1]; i++)
        kernels.add_scaled(out, c->value[i], s->w_dec + c->feature[i] * s->d,
                           s->d);
}

void sae_attribute_offsets(const struct sae *s, int heads, float *offsets)
{
    size_t n = (size_t)heads, d_head = s->d / n;
    memset(offsets, 0, s->m * n * sizeof *offsets);
    for (size_t f = 0; s->apply_b_dec_to_input && f < s->m; f++)
        kernels.dot_heads(offsets + f * n, s->b_dec, s->w_enc + f * s->d, n,
                          d_head);
}

void sae_attribute(const struct sae *s, const float *offsets, const float *x,
                   uint32_t feature, int heads, float *dfa)
{
    size_t n = (size_t)heads;
    kernels.dot_heads(dfa, x, s->w_enc + feature * s->d, n, s->d / n);
    for (size_t h = 0; h < n; h++)
        dfa[h] -= offsets[feature * n + h];
}
