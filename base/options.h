/* SPDX-License-Identifier: MIT
 *
 * Options are data: one table per command gives the parser, --help, the
 * recorded config and the page in docs/. A row names a field of the struct
 * that the command reads afterwards.
 *
 * Accepted forms: --name VALUE, --name=VALUE, --flag, -o VALUE for a row with
 * a letter, and "--" before arguments that begin with a dash. Options and
 * arguments may be mixed. Not thread-safe; strings point into argv.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

enum option_type {
    OPTION_FLAG,   /* bool */
    OPTION_COUNT,  /* int64_t; 1000, 64k, 1.5M, 2G */
    OPTION_REAL,   /* double */
    OPTION_TEXT,   /* const char *, or NULL */
    OPTION_CHOICE, /* int: index into `choices` */
};

struct option {
    const char *name; /* "batch" for --batch */
    char letter;      /* 'o' for -o, or 0 */
    enum option_type type;
    size_t offset;        /* of the field in the group's struct */
    const char *fallback; /* default, as the user would type it; NULL: unset */
    double min, max;      /* range of a count or real; both 0: any ≥ 0 */
    const char *choices;  /* "topk|batchtopk"; of a text "preset", what each
                             sets: "one width=64 seed=1|other width=32" */
    const char *value;    /* what --help calls the value: "N", "FILE" */
    const char *help;     /* one or two sentences, without a full stop */
};

/* Rows with the struct they fill. */
struct option_group {
    const char *title;
    const struct option *options;
    size_t n;
    void *values;
};

/* What a command takes, for --help and docs. */
struct option_usage {
    const char *command;   /* "train" */
    const char *summary;   /* one line */
    const char *arguments; /* "DUMP..." */
    const char *details;   /* paragraphs below the summary, or NULL */
};

/* Fills every field with its default, then, where argv has --config FILE and a
 * table a row "config", from that file (options_read_file), then from the
 * preset that argv names with --preset NAME, then from argv.
 * Arguments that are no options are moved to the front of argv; *n_args says
 * how many. Unknown options, missing values and values out of range are
 * ERR_INPUT, with the nearest known name where one is near. */
int options_parse(const struct option_group *groups, size_t n_groups, int argc,
                  char **argv, int *n_args, struct err *e);

/* Sets the option of that name from text, as if typed. The text is kept by
 * options that are text. */
int options_set(const struct option_group *groups, size_t n_groups,
                const char *name, const char *text, struct err *e);

/* Sets options from a JSON object {"name": value}, as options_json gives it;
 * null leaves an option alone. */
int options_read_file(const struct option_group *groups, size_t n_groups,
                      const char *path, struct err *e);

/* Prints what --help shows. */
void options_print_help(FILE *out, const struct option_usage *usage,
                        const struct option_group *groups, size_t n_groups);

/* Prints one group as a table of docs/commands.md. */
void options_print_table(FILE *out, const struct option_group *group);

/* Prints the command's section of docs/commands.md. */
void options_print_markdown(FILE *out, const struct option_usage *usage,
                            const struct option_group *groups, size_t n_groups);

/* The values as {"name": value}; the caller's json_decref; NULL without
 * memory. */
json_t *options_json(const struct option_group *group);

#endif
