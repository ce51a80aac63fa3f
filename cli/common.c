/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stddef.h>

#define FIELD(name) offsetof(struct common_options, name)

const struct option common_option_table[] = {
    {.name = "help",
     .letter = 'h',
     .type = OPTION_FLAG,
     .offset = FIELD(help),
     .help = "show this text"},
    {.name = "json",
     .type = OPTION_FLAG,
     .offset = FIELD(json),
     .help = "print the result as one JSON object, for scripts; a failure as "
             "{\"error\": ...}"},
    {.name = "threads",
     .type = OPTION_COUNT,
     .offset = FIELD(threads),
     .fallback = "0",
     .max = 1024,
     .value = "N",
     .help = "threads to use; 0 takes all that the process may run on. The "
             "result does not depend on it"},
    {.name = "cpu",
     .type = OPTION_TEXT,
     .offset = FIELD(cpu),
     .value = "TIER",
     .help = "kernels to use: portable, avx2, avx512, avx512vnni, avx512bf16, "
             "amx; unset: "
             "HEADSCOPE_CPU, or the best this computer has"},
    {.name = "seed",
     .type = OPTION_COUNT,
     .offset = FIELD(seed),
     .fallback = "0",
     .value = "N",
     .help = "where random numbers begin; equal seeds give equal files"},
    {.name = "force",
     .type = OPTION_FLAG,
     .offset = FIELD(force),
     .help = "replace an output that exists"},
    {.name = "dry-run",
     .type = OPTION_FLAG,
     .offset = FIELD(dry_run),
     .help = "check the input, say what would be written and what it would "
             "cost, write nothing"},
    {.name = "quiet",
     .letter = 'q',
     .type = OPTION_FLAG,
     .offset = FIELD(quiet),
     .help = "no progress on stderr, only warnings and errors"},
    {.name = "verbose",
     .letter = 'v',
     .type = OPTION_FLAG,
     .offset = FIELD(verbose),
     .help = "say which choices are made on the way"},
};
const size_t common_option_count =
    sizeof common_option_table / sizeof *common_option_table;
