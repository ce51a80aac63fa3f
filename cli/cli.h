/* SPDX-License-Identifier: MIT
 *
 * A subcommand: its tables, and the function that runs it. main.c lists them
 * all; each lives in a file of its own.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/options.h"
#include "base/team.h"

/* What every subcommand takes. */
struct common_options {
    bool help, json, quiet, verbose, force, dry_run;
    int64_t threads, seed;
    const char *cpu;
};
extern const struct option common_option_table[];
extern const size_t common_option_count;

enum { CLI_GROUPS_MAX = 4 };

struct command {
    struct option_usage usage;
    int args_min, args_max; /* args_max -1: any number */
    /* The command's own option groups with their static structs; main adds
     * the common options behind them. */
    struct option_group groups[CLI_GROUPS_MAX];
    size_t n_groups;
    /* Runs with the options filled. `report` is an object to fill: main prints
     * it to stdout with --json. Results for a person go to stdout, unless
     * common->json. */
    int (*run)(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e);
};

extern const struct command command_capture, command_train, command_encode,
    command_view, command_info, command_bench, command_eval, command_export,
    command_ablate, command_prompt, command_circuit, command_circuit_truth,
    command_circuit_codes, command_circuit_faithful, command_induction,
    command_labels;

#endif
