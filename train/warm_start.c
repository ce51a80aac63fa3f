/* SPDX-License-Identifier: MIT */
#include "train/warm_start.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

int warm_start_load(struct sae *s, const char *folder, size_t d, struct err *e)
{
    TRY(sae_load(s, folder, e));
    if (s->d == d)
        return 0;
    int code = err_set(e, ERR_INPUT,
                       "--start %s: its rows have %zu numbers, those to train "
                       "on %zu",
                       folder, s->d, d);
    sae_free(s);
    return code;
}

/* What feature i has beside its rows: the threshold, in the run's units, or
 * gates that are as good. */
static void start_own(struct parameters *p, const struct sae *s, size_t i,
                      float unit)
{
    float threshold = s->threshold != NULL ? unit * s->threshold[i] : 0;
    if (p->threshold.w != NULL)
        p->threshold.w[i] = threshold > 0 ? threshold : 0;
    if (p->b_mag.w != NULL) {
        p->b_mag.w[i] = p->b_enc.w[i];
        p->b_enc.w[i] -= threshold;
    }
}

void warm_start(struct step *step, const struct sae *s, const struct input *in)
{
    struct parameters *p = step->p;
    size_t d = p->d;
    for (size_t j = 0; j < d; j++)
        p->b_dec.w[j] = (float)in->scale * s->b_dec[j];
    for (size_t i = 0; i < p->m; i++) {
        float *dec = p->w_dec.w + i * d, *enc = p->w_enc.w + i * d;
        float bias = s->b_enc[i];
        memcpy(dec, s->w_dec + i * d, d * sizeof *dec);
        memcpy(enc, s->w_enc + i * d, d * sizeof *enc);
        if (!s->apply_b_dec_to_input)
            bias += kernels.dot(s->b_dec, enc, d);
        double length = sqrt(kernels.dot_double(dec, dec, d));
        /* A feature without a direction stays one until AuxK finds it one. */
        if (length > 0) {
            kernels.scale(dec, (float)(1 / length), d);
            kernels.scale(enc, (float)length, d);
            bias *= (float)length;
        }
        p->b_enc.w[i] = (float)in->scale * bias;
        start_own(p, s, i, (float)in->scale * (length > 0 ? (float)length : 1));
    }
    step_pack(step);
}
