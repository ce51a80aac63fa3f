/* SPDX-License-Identifier: MIT */
#include "train/record.h"

#include <unistd.h>

#include "base/json.h"
#include "base/output.h"
#include "base/utf8.h"
#include "kernels/kernels.h"
#include "train/checkpoint.h"

/* The figures of docs/metrics.md, of the curve's rows. */
static json_t *figures_json(const struct record_point *p)
{
    const struct curve *c = p->curve;
    const struct metrics *q = &c->figures;
    const double scale = p->scale;
    double fvu = metrics_fvu(q);
    size_t rank = measure_pca_rank(q);
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, "
        "s:I, s:o, s:o}",
        "held_out_fvu", json_figure(fvu), "train_fvu",
        json_figure(c->train_fvu), "fvu_gap", json_figure(fvu - c->train_fvu),
        "fvu_legacy", json_figure(metrics_fvu_legacy(q)), "fvu_error_variance",
        json_figure(metrics_fvu_error_variance(q)), "held_out_l0",
        json_figure(metrics_l0(q)), "l1", json_figure(metrics_l1(q) / scale),
        "mse", json_figure(metrics_mse(q) / (scale * scale)), "cosine",
        json_figure(metrics_cosine(q)), "length_ratio",
        json_figure(metrics_length_ratio(q)), "relative_bias",
        json_figure(metrics_relative_bias(q)), "pca_rank", (json_int_t)rank,
        "pca_fvu", json_figure(spectrum_fvu(p->spectrum, rank)), "alive",
        (json_int_t)(q->m - metrics_dead(q)), "density_histogram",
        measure_densities(q), "per_head_fvu", measure_heads(q));
}

static json_t *point_json(const struct record_point *p)
{
    json_t *lambda =
        p->penalty->kind == PENALTY_NONE ? NULL : json_real(p->penalty->weight);
    return json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:o*}", "step",
        (json_int_t)p->step, "tokens", (json_int_t)p->tokens, "k",
        (json_int_t)p->k, "loss", p->loss, "batch_fvu", p->batch_fvu, "l0",
        p->l0, "dead_fraction", p->dead_fraction, "learning_rate", p->rate,
        "gradient_norm", p->gradient_norm, "lambda", lambda);
}

int record_curve_point(const struct record_point *p, struct err *e)
{
    FILE *f = p->curve->file;
    json_t *line = point_json(p);
    json_t *figures = figures_json(p);
    int code = 0;
    if (line == NULL || figures == NULL ||
        json_object_update(line, figures) != 0)
        code = err_memory(e, "metrics.jsonl", 0);
    else if (json_dumpf(line, f, JSON_COMPACT) != 0 || fputc('\n', f) == EOF)
        code = err_errno(e, "cannot write metrics.jsonl");
    json_decref(figures);
    json_decref(line);
    return code;
}

/* Prefix sizes; NULL, which json_pack leaves out, where there are none. */
static json_t *groups_json(const struct groups *g)
{
    json_t *ends = g->n > 0 ? json_array() : NULL;
    for (size_t i = 0; i < g->n; i++)
        (void)json_array_append_new(ends, json_integer((json_int_t)g->end[i]));
    return ends;
}

static json_t *training_json(const struct run *run,
                             const struct train_result *r)
{
    const struct train_config *c = &r->config;
    return json_pack(
        "{s:I, s:I, s:o*, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:b, "
        "s:I, s:O}",
        "features", (json_int_t)c->m, "k", (json_int_t)c->k, "groups",
        groups_json(&c->groups), "aux_parts", (json_int_t)c->aux_parts, "batch",
        (json_int_t)c->batch, "steps", (json_int_t)c->steps, "warmup",
        (json_int_t)c->warmup, "decay_from", (json_int_t)c->decay_from,
        "anneal_until", (json_int_t)c->anneal_until, "dead_tokens",
        (json_int_t)c->dead_tokens, "learning_rate", c->rate, "seed",
        (json_int_t)run->job->reading.seed, "finished", r->steps == c->steps,
        "tokens_trained", (json_int_t)r->tokens, "options",
        run->spec->recorded);
}

static json_t *dump_json(const struct reading *r)
{
    const struct dump_info *info = dump_info(r->dump);
    char name[256];
    output_base_name(name, sizeof name, info->path);
    utf8_repair(name); /* a path may be any bytes, JSON may not */
    json_t *fold = info->fold_value_biases < 0
                       ? json_null()
                       : json_boolean(info->fold_value_biases);
    return json_pack("{s:s, s:s, s:s?, s:o, s:s, s:I, s:I, s:I, s:I, s:s}",
                     "name", name, "model", info->model, "model_fingerprint",
                     info->model_fingerprint, "fold_value_biases", fold,
                     "fingerprint", info->fingerprint, "tokens",
                     (json_int_t)info->tokens, "train_rows",
                     (json_int_t)view_rows(r->view, &r->train), "held_out_rows",
                     (json_int_t)view_rows(r->view, &r->held_out), "left_out",
                     (json_int_t)r->left_out, "bos", info->bos);
}

/* What a row is: the layers read, the columns taken. */
static json_t *rows_json(const struct run *run)
{
    const struct train_spec *spec = run->spec;
    const struct view *v = run->job->view;
    json_t *layers = json_array();
    for (size_t l = 0; l < v->layers; l++)
        (void)json_array_append_new(layers, json_integer(v->layer[l]));
    json_t *heads = json_array();
    size_t d_head = (size_t)dump_info(v->dump)->d_head;
    for (size_t p = 0; p < v->parts * v->pieces; p++)
        for (size_t j = 0; j < v->piece[p].n; j += d_head)
            if (spec->head < 0 ||
                v->piece[p].first + j == (size_t)spec->head * d_head)
                (void)json_array_append_new(
                    heads, json_integer(
                               (json_int_t)((v->piece[p].first + j) / d_head)));
    return json_pack("{s:s, s:o, s:o}", "kind", spec->rows, "layers", layers,
                     "heads", heads);
}

static json_t *metrics_json(const struct train_result *r)
{
    json_t *metrics =
        json_pack("{s:o, s:f, s:f, s:f, s:f, s:I}", "fvu",
                  json_figure(r->held_out.fvu), "l0", r->held_out.l0,
                  "dead_fraction", r->dead_fraction, "never_on_held_out",
                  r->held_out.never, "threshold", r->held_out.threshold,
                  "held_out_rows_measured", (json_int_t)r->held_out.rows);
    if (metrics != NULL &&
        json_object_update_missing(metrics, r->held_out.all) != 0) {
        json_decref(metrics);
        metrics = NULL;
    }
    return metrics;
}

json_t *record_json(const struct run *r, const struct train_result *result)
{
    const struct dump_info *info = dump_info(r->job->view->dump);
    return json_pack(
        "{s:s, s:i, s:s, s:i, s:i, s:i, s:o, s:f, s:o, s:o, s:o}", "format",
        "headscope sae", "version", 1, "training_architecture",
        train_architecture_name(result->config.architecture), "layer",
        r->job->view->layer[0], "heads", r->spec->heads, "d_head", info->d_head,
        "rows", rows_json(r), "input_scale", r->in.scale, "training",
        training_json(r, result), "dump", dump_json(r->in.reading), "metrics",
        metrics_json(result));
}

json_t *record_identity(const struct run *r)
{
    const struct dump_info *info = dump_info(r->job->view->dump);
    return json_pack("{s:s, s:i, s:s, s:s, s:o, s:I, s:I, s:I, s:O}", "format",
                     "headscope checkpoint", "version", CHECKPOINT_VERSION,
                     "cpu", cpu_tier_name(kernels.tier), "dump",
                     info->fingerprint, "rows", rows_json(r), "seed",
                     (json_int_t)r->job->reading.seed, "steps",
                     (json_int_t)r->config.steps, "extended_from",
                     (json_int_t)0, "options", r->spec->recorded);
}

bool record_is_finished(const char *folder)
{
    char path[OUTPUT_PATH_MAX];
    struct err unused;
    json_t *own = NULL;
    if (output_join(path, folder, "cfg.json", &unused) != 0 ||
        access(path, F_OK) != 0 ||
        output_join(path, folder, "headscope.json", &unused) != 0 ||
        json_read(&own, path, &unused) != 0)
        return false;
    bool finished = json_is_true(
        json_object_get(json_object_get(own, "training"), "finished"));
    json_decref(own);
    return finished;
}

int record_timing(const char *folder, const struct train_result *r,
                  struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "timing.json", e));
    double rate = r->seconds > 0 ? (double)r->tokens_now / r->seconds : 0;
    json_t *timing =
        json_pack("{s:f, s:f, s:f}", "seconds", r->seconds, "tokens_per_second",
                  rate, "waited_seconds", r->waited);
    if (timing == NULL)
        return err_memory(e, "timing.json", 0);
    int code = json_write(path, timing, e);
    json_decref(timing);
    return code;
}
