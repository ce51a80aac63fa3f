/* SPDX-License-Identifier: MIT */
#include "train/record.h"

#include "base/json.h"
#include "base/output.h"
#include "base/utf8.h"

int record_curve_point(FILE *f, const struct record_point *p, struct err *e)
{
    json_t *line = json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:o, s:f, s:f, s:f, s:f, s:o}", "step",
        (json_int_t)p->step, "tokens", (json_int_t)p->tokens, "k",
        (json_int_t)p->k, "loss", p->loss, "train_fvu", p->train_fvu,
        "held_out_fvu", json_figure(metrics_fvu(p->held_out)), "l0", p->l0,
        "dead_fraction", p->dead_fraction, "learning_rate", p->rate,
        "gradient_norm", p->gradient_norm, "per_head_fvu",
        measure_heads(p->held_out));
    if (line == NULL)
        return err_memory(e, "metrics.jsonl", 0);
    int bad = json_dumpf(line, f, JSON_COMPACT) != 0;
    bad |= fputc('\n', f) == EOF;
    json_decref(line);
    return bad ? err_errno(e, "cannot write metrics.jsonl") : 0;
}

static json_t *training_json(const struct train_job *job,
                             const struct train_result *r)
{
    const struct train_config *c = &r->config;
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:b, s:I, s:O}",
        "features", (json_int_t)c->m, "k", (json_int_t)c->k, "batch",
        (json_int_t)c->batch, "steps", (json_int_t)c->steps, "warmup",
        (json_int_t)c->warmup, "decay_from", (json_int_t)c->decay_from,
        "anneal_until", (json_int_t)c->anneal_until, "dead_tokens",
        (json_int_t)c->dead_tokens, "learning_rate", c->rate, "seed",
        (json_int_t)job->seed, "finished", r->steps == c->steps,
        "tokens_trained", (json_int_t)r->tokens, "options", job->recorded);
}

static json_t *dump_json(const struct input *in)
{
    const struct dump_info *info = dump_info(in->dump);
    char name[256];
    output_base_name(name, sizeof name, info->path);
    utf8_repair(name); /* a path may be any bytes, JSON may not */
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:s}", "name", name, "fingerprint",
        info->fingerprint, "tokens", (json_int_t)info->tokens, "train_rows",
        (json_int_t)row_set_total(&in->train), "held_out_rows",
        (json_int_t)row_set_total(&in->held_out), "bos", info->bos);
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

json_t *record_json(const struct train_job *job,
                    const struct train_result *result, const struct input *in)
{
    const struct dump_info *info = dump_info(in->dump);
    bool topk = result->config.architecture == TRAIN_TOPK;
    return json_pack("{s:s, s:i, s:s, s:i, s:i, s:i, s:f, s:o, s:o, s:o}",
                     "format", "headscope sae", "version", 1,
                     "training_architecture", topk ? "topk" : "batchtopk",
                     "layer", in->layer, "heads", info->heads, "d_head",
                     info->d_head, "input_scale", in->scale, "training",
                     training_json(job, result), "dump", dump_json(in),
                     "metrics", metrics_json(result));
}

int record_timing(const char *folder, const struct train_result *r,
                  struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, "timing.json", e));
    double rate = r->seconds > 0 ? (double)r->tokens / r->seconds : 0;
    json_t *timing = json_pack("{s:f, s:f}", "seconds", r->seconds,
                               "tokens_per_second", rate);
    if (timing == NULL)
        return err_memory(e, "timing.json", 0);
    int code = json_write(path, timing, e);
    json_decref(timing);
    return code;
}
