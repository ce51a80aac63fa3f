/* SPDX-License-Identifier: MIT
 *
 * headscope encode: a dump and SAEs into a database.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#include "base/format.h"
#include "base/log.h"
#include "base/output.h"
#include "cli/inputs.h"
#include "encode/encode.h"
#include "encode/sources.h"
#include "lens/source_tables.h"
#include "lens/subject.h"
#include "store/summary.h"

static struct encode_options options;
static struct dump_options array_options;

/* ---- --dry-run ---- */

static int report_estimate(const struct encode_estimate *x, json_t *report,
                           struct err *e)
{
    json_t *object = json_pack(
        "{s:f, s:f, s:f, s:f, s:f}", "seconds", x->seconds, "disk_bytes",
        x->disk_bytes, "temporary_bytes", x->spill_bytes, "memory_bytes",
        x->memory_bytes, "activations", x->activations);
    if (json_object_set_new(report, "estimate", object) != 0)
        return err_memory(e, "the report", sizeof(void *));
    return 0;
}

static void print_estimate(const struct encode_estimate *x)
{
    char time[32], disk[32], spill[32], memory[32], activations[32];
    format_duration(time, sizeof time, x->seconds);
    format_bytes(disk, sizeof disk, x->disk_bytes);
    format_bytes(spill, sizeof spill, x->spill_bytes);
    format_bytes(memory, sizeof memory, x->memory_bytes);
    format_count(activations, sizeof activations, x->activations);
    (void)printf("would write %s: about %s with %s activations, and %s of "
                 "temporary file beside it\n"
                 "time: about %s, memory: about %s\n",
                 options.output, disk, activations, spill, time, memory);
}

static int estimate(const struct encode_job *job, bool json, json_t *report,
                    struct err *e)
{
    struct encode_estimate x;
    TRY(encode_estimate(&x, job, e));
    if (!json)
        print_estimate(&x);
    return report_estimate(&x, report, e);
}

/* ---- the command ---- */

static int encode(const struct encode_job *job, bool json, json_t *report,
                  struct err *e)
{
    TRY(encode_run(job, e));
    log_line(LOG_PROGRESS, "wrote %s", options.output);
    return store_summary_print(json ? NULL : stdout, options.output, report, e);
}

static int run_job(const struct common_options *common,
                   const struct encode_job *job, json_t *report, struct err *e)
{
    return common->dry_run ? estimate(job, common->json, report, e)
                           : encode(job, common->json, report, e);
}

static int run_with_model(const struct common_options *common,
                          struct encode_job *job, json_t *report, struct err *e)
{
    struct model model;
    TRY(subject_open(&model, options.model, job->dump, e));
    const struct encode_sources sources = source_tables_of(&model.gpt2);
    job->sources = &sources;
    int code = run_job(common, job, report, e);
    model_close(&model);
    return code;
}

static int run_inputs(const struct common_options *common,
                      const struct inputs *in, json_t *report, struct err *e)
{
    struct dump *dump = NULL;
    for (size_t i = 0; i < in->n_dump; i++)
        TRY(output_check_input(options.output, in->dump[i], e));
    TRY(dump_open(&dump, in->dump, in->n_dump, &array_options, e));
    struct encode_job job = {
        .dump = dump,
        .saes = in->saes,
        .n_saes = in->n_saes,
        .options = &options,
        .seed = common->seed,
        .force = common->force,
        .team = team_make((int)common->threads),
    };
    int code = options.model == NULL ? run_job(common, &job, report, e)
                                     : run_with_model(common, &job, report, e);
    dump_close(&dump);
    return code;
}

/* ---- --remove ---- */

static int run_remove(const struct common_options *common, size_t n_args,
                      json_t *report, struct err *e)
{
    if (n_args > 0)
        return err_set(e, ERR_USAGE,
                       "--remove takes no dump and no SAE folders, only names: "
                       "--remove NAME,... -o FILE.db");
    if (options.append || options.replace || common->dry_run)
        return err_set(e, ERR_USAGE,
                       "--remove goes with neither --append nor --replace nor "
                       "--dry-run");
    TRY(encode_remove(&options, e));
    return store_summary_print(common->json ? NULL : stdout, options.output,
                               report, e);
}

/* ---- the arguments ---- */

/* What can be known at once; nobody waits an hour for it. */
static int check_output(const struct common_options *common, struct err *e)
{
    if (!options.append && !options.replace)
        return output_check(options.output, false, common->force, e);
    if (common->force)
        return err_set(e, ERR_INPUT,
                       "--force writes a new file, --append and --replace "
                       "change one that is there; choose one");
    if (access(options.output, F_OK) != 0)
        return err_errno(e, "cannot add to %s", options.output);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    if (options.output == NULL)
        return err_set(e, ERR_USAGE, "no output; add -o FILE.db");
    if (options.remove != NULL)
        return run_remove(common, n_args, report, e);
    if (n_args < 2)
        return err_set(e, ERR_USAGE,
                       "missing arguments; usage: headscope encode [options] "
                       "%s",
                       command_encode.usage.arguments);
    TRY(check_output(common, e));
    struct inputs in;
    TRY(inputs_divide(&in, args, n_args, e));
    int code = run_inputs(common, &in, report, e);
    inputs_free(&in);
    return code;
}

const struct command command_encode = {
    .usage =
        {.command = "encode",
         .summary = "Turn activations into codes in an SQLite database.",
         .arguments = "DUMP... SAE... -o FILE.db",
         .details =
             "Folders with cfg.json are SAEs, and what docs/formats.md lists "
             "of other trainers; everything else is the dump: a folder that "
             "headscope capture wrote, or .npy and .safetensors arrays. All "
             "SAEs go into one database, in the order given.\n"
             "\n"
             "The database holds features with their statistics, top tokens "
             "and heads, and the activations of a sample of contexts. "
             "docs/sql.md shows how to ask it.\n"
             "\n"
             "A run that is stopped or killed leaves the SAEs that are "
             "complete; the same command goes on behind them. --append adds "
             "SAEs to a database that is there, of its dump or of another with "
             "the same tokenizer; --replace puts an SAE in the place of one, "
             "under a number (sae.id) that may be another; --remove takes SAEs "
             "out, with what only they need. Each is done wholly or not at "
             "all. What is removed leaves room in the file for what is added "
             "next."},
    .args_min = 0,
    .args_max = -1,
    .groups = {{"Encoding", encode_option_table, ENCODE_OPTION_COUNT, &options},
               {"Array files", dump_option_table, DUMP_OPTION_COUNT,
                &array_options}},
    .n_groups = 2,
    .run = run,
};
