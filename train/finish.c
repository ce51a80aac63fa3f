/* SPDX-License-Identifier: MIT */
#include "train/finish.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "kernels/kernels.h"
#include "sae/tensors.h"
#include "train/train.h"

static int copy(struct sae *s, float **out, const float *in, size_t n,
                float scale, struct err *e)
{
    TRY(arena_get(&s->arena, out, n, sizeof **out, "SAE", e));
    memcpy(*out, in, n * sizeof **out);
    kernels.scale(*out, scale, n);
    return 0;
}

static enum sae_architecture written_as(enum train_architecture a)
{
    return a == TRAIN_TOPK   ? SAE_TOPK
           : a == TRAIN_RELU ? SAE_STANDARD
                             : SAE_JUMPRELU;
}

/* W_enc and b_enc hold the gate's. */
static int fold_gates(struct sae *s, const struct parameters *p, float unit,
                      struct err *e)
{
    TRY(arena_get(&s->arena, &s->threshold, p->m, sizeof(float), "threshold",
                  e));
    for (size_t i = 0; i < p->m; i++) {
        float gate = s->b_enc[i];
        s->b_enc[i] = unit * p->b_mag.w[i];
        if (!sae_fold_gate(s, i, gate, p->r_mag.w[i]))
            return err_set(e, ERR_INPUT,
                           "feature %zu: its magnitude is e^%g times its gate, "
                           "which is too large; train with a lower --rate",
                           i, (double)p->r_mag.w[i]);
    }
    return 0;
}

/* All but a threshold that is to be calibrated. */
static int fold(struct sae *s, const struct finish_input *f, struct err *e)
{
    const struct parameters *p = f->p;
    const struct train_config *c = f->config;
    const struct reading *r = f->in->reading;
    const struct dump_info *info = dump_info(r->dump);
    float unit = (float)(1 / f->in->scale);
    *s = (struct sae){
        .architecture = written_as(c->architecture),
        .d = p->d,
        .m = p->m,
        .k = c->architecture == TRAIN_TOPK ? c->k : 0,
        .apply_b_dec_to_input = true,
        .layer = r->view->layer[0],
        .head = -1,
        .heads = f->spec->heads,
    };
    TRY(arena_string(&s->arena, &s->model, info->model, e));
    TRY(arena_string(&s->arena, &s->hook, f->spec->hook, e));
    TRY(copy(s, &s->w_enc, p->w_enc.w, p->m * p->d, 1, e));
    TRY(copy(s, &s->w_dec, p->w_dec.w, p->m * p->d, 1, e));
    TRY(copy(s, &s->b_enc, p->b_enc.w, p->m, unit, e));
    TRY(copy(s, &s->b_dec, p->b_dec.w, p->d, unit, e));
    if (c->optimiser.free_rows)
        sae_fold_decoder_norms(s);
    if (p->threshold.w != NULL)
        TRY(copy(s, &s->threshold, p->threshold.w, p->m, unit, e));
    return p->b_mag.w != NULL ? fold_gates(s, p, unit, e) : 0;
}

static int least_value(float *out, const struct codes *c, struct err *e)
{
    size_t n = c->start[c->n];
    if (n == 0)
        return err_set(e, ERR_INPUT,
                       "no feature is active on the held-out rows; train "
                       "longer or at a lower --rate");
    *out = c->value[0];
    for (size_t i = 1; i < n; i++)
        *out = c->value[i] < *out ? c->value[i] : *out;
    return 0;
}

/* The n·k largest pre-activations of the sample stay: the threshold is the
 * float just below the least of them, as jumprelu wants h > threshold. */
static int calibrate(struct sae *s, struct sae_encoder *enc,
                     const struct input *in, size_t k, struct err *e)
{
    TRY(arena_get(&s->arena, &s->threshold, s->m, sizeof(float), "threshold",
                  e));
    struct selection rule = {.rule = RULE_BATCH_TOPK, .k = k};
    struct codes codes = {0};
    float least = 0;
    int code =
        sae_encode_by(enc, &rule, in->sample, in->sample_rows, &codes, e);
    if (code == 0)
        code = least_value(&least, &codes, e);
    for (size_t i = 0; i < s->m; i++)
        s->threshold[i] = nextafterf(least, 0);
    codes_free(&codes);
    return code;
}

/* FVU of as many training rows as there are held-out ones, for the gap between
 * the two. */
static int measure_training(double *fvu, struct sae_encoder *enc,
                            const struct input *in, const struct team *team,
                            struct err *e)
{
    struct arena scratch = {0};
    struct measure q;
    float *rows;
    size_t n;
    int code = input_training_sample(&rows, &n, in, &scratch, e);
    if (code == 0)
        code = measure_init(&q, enc, 0, false, team, e);
    if (code == 0) {
        code = measure_rows(&q, rows, n, e);
        *fvu = metrics_fvu(&q.metrics);
        measure_free(&q);
    }
    arena_free(&scratch);
    return code;
}

static int add_gap(json_t *figures, double fvu, double train_fvu, struct err *e)
{
    json_t *gap = json_pack("{s:o, s:o}", "train_fvu", json_figure(train_fvu),
                            "fvu_gap", json_figure(fvu - train_fvu));
    int bad = gap == NULL || json_object_update(figures, gap) != 0;
    json_decref(gap);
    return bad ? err_memory(e, "figures", 0) : 0;
}

static int measure(struct finish_figures *figures, struct sae_encoder *enc,
                   const struct finish_input *f, struct err *e)
{
    const struct sae *s = enc->s;
    const struct input *in = f->in;
    struct measure q;
    double train_fvu = (double)NAN;
    TRY(measure_init(&q, enc, s->heads, false, f->team, e));
    int code = measure_rows(&q, in->sample, in->sample_rows, e);
    if (code == 0)
        code = measure_training(&train_fvu, enc, in, f->team, e);
    if (code == 0)
        *figures = (struct finish_figures){
            .fvu = metrics_fvu(&q.metrics),
            .l0 = metrics_l0(&q.metrics),
            .threshold = s->threshold != NULL ? (double)s->threshold[0] : 0,
            .never = (double)metrics_dead(&q.metrics) / (double)s->m,
            .rows = in->sample_rows,
        };
    if (code == 0)
        code = measure_figures(&figures->all, &q, e);
    if (code == 0)
        code = measure_add_pca(figures->all, &q.metrics, f->held_out, e);
    if (code == 0)
        code = add_gap(figures->all, figures->fvu, train_fvu, e);
    measure_free(&q);
    return code;
}

int finish_sae(struct sae *s, struct finish_figures *figures,
               const struct finish_input *f, struct err *e)
{
    struct sae_encoder enc = {0};
    *figures = (struct finish_figures){0};
    int code = fold(s, f, e);
    if (code == 0)
        code = sae_encoder_open(&enc, s, f->team, e);
    if (code == 0 && f->config->rule == RULE_BATCH_TOPK)
        code = calibrate(s, &enc, f->in, f->config->k, e);
    if (code == 0)
        code = measure(figures, &enc, f, e);
    sae_encoder_close(&enc);
    if (code != 0) {
        json_decref(figures->all);
        figures->all = NULL;
        sae_free(s);
    }
    return code;
}
