/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/format.h"
#include "base/json.h"
#include "base/log.h"
#include "base/output.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "train/checkpoint.h"
#include "train/plan.h"
#include "train/presets.h"
#include "train/record.h"

static struct train_own_options {
    struct plan_options plan;
    const char *config;
    bool resume, print_config;
    int64_t extend, checkpoint;
} own;

static struct dump_options input;
static struct train_options training;

#define FIELD(name) offsetof(struct train_own_options, name)

static const struct option own_table[] = {
    {"output", 'o', OPTION_TEXT, FIELD(plan.output), NULL, 0, 0, NULL,
     "NAME.sae",
     "SAE folder to write; a folder of them where several are trained"},
    {"layer", 0, OPTION_TEXT, FIELD(plan.layer), NULL, 0, 0, NULL, "L",
     "layer to train on, as hook names number it, or all; needed where the "
     "dump has several"},
    {"heads", 0, OPTION_TEXT, FIELD(plan.heads), NULL, 0, 0, NULL, "H,H,...",
     "only these heads"},
    {"per-head", 0, OPTION_FLAG, FIELD(plan.per_head), NULL, 0, 0, NULL, NULL,
     "an SAE for each head"},
    {"shared-heads", 0, OPTION_FLAG, FIELD(plan.shared_heads), NULL, 0, 0, NULL,
     NULL,
     "one SAE for all heads, of all layers with --layer all: each head gives a "
     "row of its own"},
    {"result", 0, OPTION_FLAG, FIELD(plan.result), NULL, 0, 0, NULL, NULL,
     "with --shared-heads: rows are z times the head's W_O, what it adds to "
     "the "
     "residual stream"},
    {"sweep", 0, OPTION_TEXT, FIELD(plan.sweep), NULL, 0, 0, NULL,
     "\"NAME=V,V ...\"",
     "train an SAE for each combination of these options from one reading, "
     "like \"k=16,32 rate=1e-3,2e-3\"; one whose loss is not finite does not "
     "stop the others"},
    {"resume", 0, OPTION_FLAG, FIELD(resume), NULL, 0, 0, NULL, NULL,
     "go on from the last checkpoint where a run was interrupted; begins where "
     "there is none, and leaves finished SAEs as they are"},
    {"extend", 0, OPTION_COUNT, FIELD(extend), "0", 0, 1e15, NULL, "N",
     "train a finished SAE on so many more rows"},
    {"checkpoint", 0, OPTION_COUNT, FIELD(checkpoint), "0", 0, 1e9, NULL,
     "STEPS", "steps between checkpoints; 0: one every five minutes"},
    {"config", 0, OPTION_TEXT, FIELD(config), NULL, 0, 0, NULL, "FILE",
     "read options from a JSON object, as --print-config shows it; what is "
     "typed goes before"},
    {"print-config", 0, OPTION_FLAG, FIELD(print_config), NULL, 0, 0, NULL,
     NULL, "print the options as JSON and end"},
};

static double rate_of(const struct train_result *r)
{
    return r->seconds > 0 ? (double)r->tokens_now / r->seconds : 0;
}

/* One SAE's figures. */
static json_t *result_json(const struct plan_job *job, size_t i,
                           const struct train_result *r)
{
    char output[OUTPUT_PATH_MAX];
    (void)snprintf(output, sizeof output, "%s", job->specs[i].output);
    utf8_repair(output); /* a path may be any bytes, JSON may not */
    return json_pack(
        "{s:s, s:i, s:I, s:I, s:I, s:I, s:o, s:f, s:f, s:f, s:f, s:f, s:f}",
        "output", output, "layer", job->view.layer[0], "features",
        (json_int_t)r->config.m, "k", (json_int_t)r->config.k, "steps",
        (json_int_t)r->steps, "tokens", (json_int_t)r->tokens, "fvu",
        json_figure(r->held_out.fvu), "l0", r->held_out.l0, "dead_fraction",
        r->dead_fraction, "threshold", r->held_out.threshold, "seconds",
        r->seconds, "tokens_per_second", rate_of(r), "waited_share",
        r->seconds > 0 ? r->waited / r->seconds : 0);
}

static void print_result(const struct train_spec *spec, int layer,
                         const struct train_result *r)
{
    char rate[32];
    format_count(rate, sizeof rate, rate_of(r));
    (void)printf("%s: layer %d, %zu features, held-out FVU %.4f, L0 %.1f, dead "
                 "%.1f %%, %s tokens/s, %.1f %% of the time waiting for data\n",
                 spec->output, layer, r->config.m, r->held_out.fvu,
                 r->held_out.l0, 100 * r->dead_fraction, rate,
                 r->seconds > 0 ? 100 * r->waited / r->seconds : 0);
}

/* ---- --dry-run ---- */

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
        (void)printf("would train %zu SAE%s, the first of %zu features, k %zu, "
                     "%" PRIu64 " steps of %zu rows of layer %d\n"
                     "would write %s (%s)\nexpects %s and up to %s of memory\n",
                     job->n_specs, job->n_specs == 1 ? "" : "s", x.config.m,
                     x.config.k, x.config.steps, x.config.batch,
                     job->view->layer[0], job->specs[0].output, disk, time,
                     memory);
    /* Jobs follow each other: times and files add up, the largest memory
     * counts. */
    json_t *memory_now = json_object_get(report, "memory_bytes");
    double seconds = json_real_value(json_object_get(report, "seconds"));
    json_int_t written =
        json_integer_value(json_object_get(report, "output_bytes"));
    json_int_t most = json_integer_value(memory_now);
    most = (json_int_t)x.memory > most ? (json_int_t)x.memory : most;
    int bad = json_object_update_new(
        report,
        json_pack("{s:I, s:f, s:I, s:I}", "steps", (json_int_t)x.config.steps,
                  "seconds", seconds + x.seconds, "memory_bytes", most,
                  "output_bytes", written + (json_int_t)x.written));
    return bad != 0 ? err_memory(e, "report", 0) : 0;
}

/* ---- training ---- */

/* What the jobs came to. */
struct outcome {
    bool several; /* jobs */
    json_t *results;
    struct err failure; /* of the first whose loss was not finite */
};

/* Takes out the SAEs that are there and finished, which --resume passes over.
 */
static void pass_over_finished(struct plan_job *job, bool says)
{
    size_t left = 0;
    for (size_t i = 0; i < job->n_specs; i++) {
        const char *output = job->specs[i].output;
        if (!record_is_finished(output) ||
            output_is_unfinished(output, CHECKPOINT_STATE))
            job->specs[left++] = job->specs[i];
        else if (says)
            (void)printf("%s: finished\n", output);
    }
    job->n_specs = left;
}

static int run_job(const struct common_options *common, struct train_job *job,
                   const struct plan_job *planned, struct outcome *all,
                   struct err *e)
{
    bool diverged = false;
    struct train_result *r = calloc(planned->n_specs, sizeof *r);
    if (r == NULL)
        return err_memory(e, "results", planned->n_specs * sizeof *r);
    int code = train_run(r, job, e);
    for (size_t i = 0; i < planned->n_specs; i++) {
        diverged |= r[i].diverged;
        if (r[i].steps == 0)
            continue;
        if (!common->json)
            print_result(&planned->specs[i], planned->view.layer[0], &r[i]);
        (void)json_array_append_new(all->results,
                                    result_json(planned, i, &r[i]));
    }
    free(r);
    if (!diverged || code == ERR_INTERRUPTED)
        return code;
    /* Other rows may go well; where there are some, it is said at once. */
    if (all->failure.code == 0)
        all->failure = *e;
    if (all->several)
        log_line(LOG_RESULT, "%s", e->msg);
    return 0;
}

/* The result of one SAE is the report; of a folder of them, they are its
 * "saes". */
static int fill_report(json_t *report, json_t *results, bool is_folder,
                       struct err *e)
{
    int bad = !is_folder && json_array_size(results) == 1
                  ? json_object_update(report, json_array_get(results, 0))
                  : json_object_set(report, "saes", results);
    return bad != 0 ? err_memory(e, "report", 0) : 0;
}

static int run_plan(const struct common_options *common, struct plan *plan,
                    json_t *report, struct err *e)
{
    struct team team = team_make((int)common->threads);
    struct outcome all = {.several = plan->n_jobs > 1, .results = json_array()};
    int code = all.results == NULL ? err_memory(e, "report", 0) : 0;
    for (size_t j = 0; code == 0 && j < plan->n_jobs; j++) {
        struct plan_job *planned = &plan->jobs[j];
        if (own.resume && own.extend == 0 && !common->dry_run)
            pass_over_finished(planned, !common->json);
        if (planned->n_specs == 0)
            continue;
        struct train_job job = {
            .view = &planned->view,
            .reading = {.held_out = training.held_out,
                        .seed = (uint64_t)common->seed,
                        .memory = (uint64_t)training.memory,
                        .skip_bos = training.skip_bos,
                        .skip_outliers = training.skip_outliers},
            .specs = planned->specs,
            .n_specs = planned->n_specs,
            .checkpoint_steps = own.checkpoint,
            .force = common->force,
            .resume = own.resume,
            .extend = (uint64_t)own.extend,
            .team = &team,
        };
        if (common->dry_run)
            code = report_estimate(common, &job, report, e);
        else
            code = run_job(common, &job, planned, &all, e);
    }
    if (code == 0 && all.failure.code != 0)
        code = err_set(e, all.failure.code, "%s", all.failure.msg);
    if (code == 0 && !common->dry_run)
        code = fill_report(report, all.results, plan->is_folder, e);
    json_decref(all.results);
    return code;
}

/* The folder for several SAEs; one that exists is used. */
static int have_folder(const struct plan *plan, bool *made, struct err *e)
{
    char cfg[OUTPUT_PATH_MAX];
    *made = false;
    if (!plan->is_folder)
        return 0;
    TRY(output_join(cfg, own.plan.output, "cfg.json", e));
    if (access(cfg, F_OK) == 0)
        return err_set(e, ERR_INPUT,
                       "%s exists and is an SAE; several go into a folder of "
                       "their own",
                       own.plan.output);
    *made = mkdir(own.plan.output, 0777) == 0;
    if (*made)
        return 0;
    if (errno == EEXIST)
        return 0;
    return err_errno(e, "cannot create folder %s", own.plan.output);
}

static int check_outputs(const struct plan *plan, bool force, struct err *e)
{
    bool goes_on = own.resume || own.extend > 0;
    for (size_t j = 0; j < plan->n_jobs; j++)
        for (size_t i = 0; i < plan->jobs[j].n_specs; i++)
            TRY(output_check(plan->jobs[j].specs[i].output, true,
                             force || goes_on, e));
    return 0;
}

static const struct option_group training_group = {
    "Training", train_option_table, TRAIN_OPTION_COUNT, &training,
    train_presets};

static int train_open_dump(const struct common_options *common,
                           const struct dump *dump, json_t *report,
                           struct err *e)
{
    struct plan plan;
    TRY(plan_make(&plan, dump, &own.plan, &training_group, e));
    bool made = false;
    int code = common->dry_run ? 0 : have_folder(&plan, &made, e);
    if (code == 0 && !(common->dry_run && plan.is_folder))
        code = check_outputs(&plan, common->force, e);
    if (code == 0)
        code = run_plan(common, &plan, report, e);
    if (code != 0 && made)
        (void)rmdir(own.plan.output); /* if nothing is in it */
    plan_free(&plan);
    return code;
}

static int print_config(const struct common_options *common, json_t *report,
                        struct err *e)
{
    const struct option_group groups[] = {
        {NULL, own_table, sizeof own_table / sizeof *own_table, &own, NULL},
        training_group,
        {NULL, dump_option_table, DUMP_OPTION_COUNT, &input, NULL},
    };
    json_t *all = json_object();
    for (size_t g = 0; all != NULL && g < 3; g++)
        (void)json_object_update_new(all, options_json(&groups[g]));
    /* They say where options came from and are none. */
    (void)json_object_del(all, "config");
    (void)json_object_del(all, "print-config");
    (void)json_object_set_new(all, "seed", json_integer(common->seed));
    int bad = json_object_set(report, "config", all);
    if (!common->json) {
        bad |= json_dumpf(all, stdout, JSON_INDENT(2)) != 0;
        (void)putchar('\n');
    }
    json_decref(all);
    return bad ? err_memory(e, "options", 0) : 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    if (own.print_config)
        return print_config(common, report, e);
    if (own.plan.output == NULL)
        return err_set(e, ERR_USAGE, "-o NAME.sae is needed");
    if (n_args == 0)
        return err_set(e, ERR_USAGE,
                       "missing arguments; usage: headscope train [options] "
                       "DUMP...");
    struct dump *dump;
    TRY(dump_open(&dump, args, n_args, &input, e));
    int code = train_open_dump(common, dump, report, e);
    dump_close(&dump);
    return code;
}

const struct command command_train = {
    .usage = {"train", "Train sparse autoencoders on layers of a dump.",
              "DUMP...",
              "DUMP is a folder that `headscope capture` wrote, or array files "
              "(.npy, .safetensors) with --layout. An SAE is written as a "
              "folder that SAELens loads with SAE.load_from_disk."},
    .args_min = 0,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own},
               {"Training", train_option_table, TRAIN_OPTION_COUNT, &training,
                train_presets},
               {"Input", dump_option_table, DUMP_OPTION_COUNT, &input}},
    .n_groups = 3,
    .run = run,
};
