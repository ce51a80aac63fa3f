/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "base/format.h"
#include "base/json.h"
#include "base/output.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "train/train.h"

static struct train_own_options {
    const char *output;
    const char *layer;
} own;

static struct dump_options input;
static struct train_options training;

static const struct option own_table[] = {
    {"output", 'o', OPTION_TEXT, offsetof(struct train_own_options, output),
     NULL, 0, 0, NULL, "NAME.sae", "SAE folder to write"},
    {"layer", 0, OPTION_TEXT, offsetof(struct train_own_options, layer), NULL,
     0, 0, NULL, "L",
     "layer to train on, as hook names number it; needed where the dump has "
     "several"},
};

/* The layer asked for, or the only one. */
static int choose_layer(int *layer, const struct dump_info *info, struct err *e)
{
    int last = info->first_layer + info->layers - 1;
    *layer = info->first_layer;
    if (own.layer == NULL && info->layers == 1)
        return 0;
    int64_t value = -1;
    if (own.layer == NULL || !format_parse_count(own.layer, &value) ||
        value < info->first_layer || value > last)
        return err_set(e, ERR_INPUT,
                       "%s: the dump has layers %d to %d; choose one with "
                       "--layer",
                       info->path, info->first_layer, last);
    *layer = (int)value;
    return 0;
}

static int fill_report(json_t *report, const struct train_job *job,
                       const struct train_result *r)
{
    char output[OUTPUT_PATH_MAX];
    (void)snprintf(output, sizeof output, "%s", job->output);
    utf8_repair(output); /* a path may be any bytes, JSON may not */
    return json_object_update_new(
        report,
        json_pack("{s:s, s:i, s:I, s:I, s:I, s:I, s:o, s:f, s:f, s:f, s:f, "
                  "s:f}",
                  "output", output, "layer", job->layer, "features",
                  (json_int_t)r->config.m, "k", (json_int_t)r->config.k,
                  "steps", (json_int_t)r->steps, "tokens",
                  (json_int_t)r->tokens, "fvu", json_figure(r->held_out.fvu),
                  "l0", r->held_out.l0, "dead_fraction", r->dead_fraction,
                  "threshold", r->held_out.threshold, "seconds", r->seconds,
                  "tokens_per_second", (double)r->tokens / r->seconds));
}

static void print_result(const struct train_job *job,
                         const struct train_result *r)
{
    char rate[32];
    format_count(rate, sizeof rate, (double)r->tokens / r->seconds);
    (void)printf("%s: layer %d, %zu features, held-out FVU %.4f, L0 %.1f, dead "
                 "%.1f %%, %s tokens/s\n",
                 job->output, job->layer, r->config.m, r->held_out.fvu,
                 r->held_out.l0, 100 * r->dead_fraction, rate);
}

static int report_estimate(const struct common_options *common,
                           const struct train_job *job, json_t *report,
                           struct err *e)
{
    struct train_estimate x;
    TRY(train_estimate_run(&x, job, e));
    char memory[32], disk[32], time[32];
    format_bytes(memory, sizeof memory, (double)x.memory);
    format_bytes(disk, sizeof disk, (double)x.written);
    format_duration(time, sizeof time, x.seconds);
    if (!common->json)
        (void)printf("would train %zu features, k %zu, %" PRIu64
                     " steps of %zu rows of layer %d\nwould write %s (%s)\n"
                     "expects %s and up to %s of memory\n",
                     x.config.m, x.config.k, x.config.steps, x.config.batch,
                     job->layer, job->output, disk, time, memory);
    int bad = json_object_update_new(
        report,
        json_pack("{s:I, s:f, s:I, s:I}", "steps", (json_int_t)x.config.steps,
                  "seconds", x.seconds, "memory_bytes", (json_int_t)x.memory,
                  "output_bytes", (json_int_t)x.written));
    return bad != 0 ? err_memory(e, "report", 0) : 0;
}

static int train_open_dump(const struct common_options *common,
                           const struct dump *dump, json_t *report,
                           struct err *e)
{
    struct team team = team_make((int)common->threads);
    const struct option_group group = {NULL, train_option_table,
                                       TRAIN_OPTION_COUNT, &training};
    json_t *recorded = options_json(&group);
    if (recorded == NULL)
        return err_memory(e, "options", 0);
    struct train_job job = {
        .dump = dump,
        .options = &training,
        .recorded = recorded,
        .seed = (uint64_t)common->seed,
        .output = own.output,
        .force = common->force,
        .team = &team,
    };
    struct train_result result = {0};
    int code = choose_layer(&job.layer, dump_info(dump), e);
    if (code == 0 && common->dry_run) {
        code = report_estimate(common, &job, report, e);
    } else if (code == 0) {
        code = train_run(&result, &job, e);
        if ((code == 0 || code == ERR_INTERRUPTED) && result.steps > 0 &&
            !common->json)
            print_result(&job, &result);
        if (code == 0 && fill_report(report, &job, &result) != 0)
            code = err_memory(e, "report", 0);
    }
    json_decref(recorded);
    return code;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    if (own.output == NULL)
        return err_set(e, ERR_USAGE, "-o NAME.sae is needed");
    TRY(output_check(own.output, true, common->force, e));
    struct dump *dump;
    TRY(dump_open(&dump, args, n_args, &input, e));
    int code = train_open_dump(common, dump, report, e);
    dump_close(&dump);
    return code;
}

const struct command command_train = {
    .usage = {"train", "Train a sparse autoencoder on one layer of a dump.",
              "DUMP...",
              "DUMP is a folder that `headscope capture` wrote, or array files "
              "(.npy, .safetensors) with --layout. The SAE is written as a "
              "folder that SAELens loads with SAE.load_from_disk."},
    .args_min = 1,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own},
               {"Training", train_option_table, TRAIN_OPTION_COUNT, &training},
               {"Input", dump_option_table, DUMP_OPTION_COUNT, &input}},
    .n_groups = 3,
    .run = run,
};
