/* SPDX-License-Identifier: MIT */
#include "circuit/shared.h"

#include <stdlib.h>

#include "base/least.h"
#include "sae/forward.h"

/* Rows that are encoded at a time. */
enum { ROWS = 8192 };

struct coding {
    struct encoder encoder;
    struct forward forward;
    struct codes codes;
    float *centred; /* (ROWS, d) */
};

static int32_t strongest(const struct codes *c, size_t row)
{
    int32_t best = -1;
    float value = 0;
    for (size_t i = c->start[row]; i < c->start[row + 1]; i++)
        if (c->value[i] > value) {
            value = c->value[i];
            best = (int32_t)c->feature[i];
        }
    return best;
}

static int encode(struct coding *q, const struct shared *s, int32_t *code,
                  const float *x, size_t rows, struct err *e)
{
    static const struct selection positive = {.rule = RULE_POSITIVE};
    for (size_t first = 0, n; first < rows; first += n) {
        n = least(ROWS, rows - first);
        for (size_t r = 0; r < n; r++)
            kernels.subtract(q->centred + r * s->d, x + (first + r) * s->d,
                             s->b, s->d);
        TRY(forward_run(&q->forward, &q->encoder, &positive, q->centred, n,
                        &q->codes, e));
        for (size_t r = 0; r < n; r++)
            code[first + r] = strongest(&q->codes, r);
    }
    return 0;
}

int shared_codes(const struct shared *s, int32_t *code, const float *x,
                 size_t rows, const struct team *team, struct err *e)
{
    struct coding q = {0};
    TRY(forward_init(&q.forward, team, e));
    size_t bytes = least(ROWS, rows) * s->d * sizeof *q.centred;
    q.centred = malloc(bytes);
    int failed = q.centred == NULL ? err_memory(e, "rows", bytes) : 0;
    if (failed == 0)
        failed = encoder_init(&q.encoder, s->d, s->n, ENCODER_COARSE, e);
    if (failed == 0) {
        encoder_set(&q.encoder, s->w_enc, s->c, NULL, s->n);
        encoder_pack(&q.encoder, team);
        failed = encode(&q, s, code, x, rows, e);
    }
    forward_free(&q.forward);
    encoder_free(&q.encoder);
    codes_free(&q.codes);
    free(q.centred);
    return failed;
}
