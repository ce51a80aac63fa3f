/* SPDX-License-Identifier: MIT
 *
 * headscope COMMAND ...: finds the command, reads its options, runs it, and
 * turns its error into one line on stderr and an exit status (docs/design.md).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/log.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "kernels/kernels.h"

static const struct command *const commands[] = {
    &command_capture,
    &command_train,
    &command_eval,
    &command_encode,
    &command_view,
    &command_ablate,
    &command_prompt,
    &command_circuit,
    &command_circuit_codes,
    &command_circuit_truth,
    &command_circuit_faithful,
    &command_induction,
    &command_labels,
    &command_export,
    &command_info,
    &command_bench,
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static struct common_options common;
static struct option_group common_group(void)
{
    return (struct option_group){"Common options", common_option_table,
                                 common_option_count, &common};
}

/* ---- standard streams ---- */

/* A stream that the caller has closed would lend its number to the first file
 * we open, and text meant for a person would end in that file. Its place is
 * taken by one that fails: reading from stdin, writing to the others. */
static void occupy_closed_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Whether all that was printed has reached its place. */
static int finish_stdout(struct err *e)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    if (errno == 0)
        return err_set(e, ERR_SYSTEM, "cannot write to standard output");
    return err_errno(e, "cannot write to standard output");
}

static void print_json(const json_t *object)
{
    (void)json_dumpf(object, stdout, JSON_COMPACT);
    (void)putchar('\n');
}

/* ---- errors ---- */

/* A file name in the message may be any bytes; JSON takes only UTF-8. */
static void print_error_json(struct err *e)
{
    utf8_repair(e->msg);
    json_t *object = json_pack("{s:s}", "error", e->msg);
    if (object != NULL)
        print_json(object);
    json_decref(object);
    (void)fflush(stdout);
}

static int exit_status(int code)
{
    if (code != ERR_INTERRUPTED)
        return err_exit_status(code);
    int status = interrupt_exit_status();
    return status != 0 ? status : 130;
}

/* Says what went wrong; `command` may be NULL. Returns the exit status. */
static int fail(const char *command, bool json, struct err *e)
{
    log_line(LOG_ERROR, "headscope%s%s: %s", command != NULL ? " " : "",
             command != NULL ? command : "", e->msg);
    if (json)
        print_error_json(e);
    return exit_status(e->code);
}

/* ---- one command ---- */

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->usage.command, name) == 0)
            return commands[i];
    return NULL;
}

/* "circuit truth" and the like; `second` may be NULL. */
static const struct command *find_two_words(const char *first,
                                            const char *second)
{
    char words[64];
    (void)snprintf(words, sizeof words, "%s %s", first,
                   second != NULL ? second : "");
    return find_command(words);
}

/* The command's groups and the common one behind them. */
static size_t all_groups(struct option_group groups[CLI_GROUPS_MAX + 1],
                         const struct command *c)
{
    memcpy(groups, c->groups, c->n_groups * sizeof *groups);
    groups[c->n_groups] = common_group();
    return c->n_groups + 1;
}

static void print_command_help(const struct command *c)
{
    struct option_group groups[CLI_GROUPS_MAX + 1];
    size_t n = all_groups(groups, c);
    options_print_help(stdout, &c->usage, groups, n);
}

static int check_arguments(const struct command *c, int n, struct err *e)
{
    if (n >= c->args_min && (c->args_max < 0 || n <= c->args_max))
        return 0;
    return err_set(e, ERR_USAGE,
                   "%s arguments; usage: headscope %s [options] %s",
                   n < c->args_min ? "missing" : "too many", c->usage.command,
                   c->usage.arguments);
}

static int set_log_level(struct err *e)
{
    if (common.quiet && common.verbose)
        return err_set(e, ERR_INPUT,
                       "--quiet and --verbose exclude each other");
    log_set_level(common.quiet     ? LOG_RESULT
                  : common.verbose ? LOG_DETAIL
                                   : LOG_PROGRESS);
    return 0;
}

static int run(const struct command *c, int argc, char **argv, struct err *e)
{
    struct option_group groups[CLI_GROUPS_MAX + 1];
    size_t n_groups = all_groups(groups, c);
    int n_args;
    TRY(options_parse(groups, n_groups, argc, argv, &n_args, e));
    if (common.help) {
        print_command_help(c);
        return finish_stdout(e);
    }
    TRY(check_arguments(c, n_args, e));
    TRY(set_log_level(e));
    TRY(kernels_choose(common.cpu, e));
    json_t *report = json_object();
    if (report == NULL)
        return err_memory(e, "the report", sizeof(void *));
    int code =
        c->run(&common, (const char *const *)argv, (size_t)n_args, report, e);
    if (code == 0 && common.json)
        print_json(report);
    if (code == 0)
        code = finish_stdout(e);
    json_decref(report);
    return code;
}

/* Whether --json was asked for, also where the options cannot be parsed. */
static bool asks_json(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int run_command(const struct command *c, int argc, char **argv)
{
    struct err e = {0};
    bool json = asks_json(argc, argv);
    if (run(c, argc, argv, &e) != 0)
        return fail(c->usage.command, json, &e);
    return EXIT_SUCCESS;
}

/* ---- help ---- */

static void print_overview(void)
{
    (void)printf("usage: headscope COMMAND [options] ...\n\n"
                 "Trains sparse autoencoders on captured attention outputs and "
                 "turns their\nactivations into codes in SQLite.\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void)printf("  %-16s %s\n", commands[i]->usage.command,
                     commands[i]->usage.summary);
    (void)printf("\nheadscope COMMAND --help shows a command's options.\n"
                 "headscope --version prints the version.\n");
}

/* docs/commands.md, which a test compares with this. */
static void print_docs(void)
{
    (void)printf("# Commands\n\n"
                 "Made by `headscope help --docs`; every page is also "
                 "`headscope COMMAND --help`.\n"
                 "Results go to stdout, progress and errors to stderr. Exit "
                 "status: 0 done, 1 wrong\nusage, 2 bad input, 3 the system "
                 "failed, 130 or 143 interrupted.\n\n"
                 "## Every command\n\n");
    struct option_group group = common_group();
    options_print_table(stdout, &group);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        (void)putchar('\n');
        options_print_markdown(stdout, &commands[i]->usage, commands[i]->groups,
                               commands[i]->n_groups);
    }
}

static int unknown_command(const char *name)
{
    struct err e = {0};
    (void)err_set(&e, ERR_USAGE,
                  "unknown command '%.60s'; see headscope "
                  "--help",
                  name);
    return fail(NULL, false, &e);
}

/* headscope help [COMMAND | --docs]; a command may be two words. */
static int help(const char *topic, const char *second)
{
    if (topic == NULL) {
        print_overview();
    } else if (strcmp(topic, "--docs") == 0) {
        print_docs();
    } else {
        const struct command *c = find_two_words(topic, second);
        if (c == NULL)
            c = find_command(topic);
        if (c == NULL)
            return unknown_command(topic);
        print_command_help(c);
    }
    struct err e = {0};
    return finish_stdout(&e) != 0 ? fail(NULL, false, &e) : EXIT_SUCCESS;
}

static int version(void)
{
    struct err e = {0};
    (void)printf("headscope %s\n", HEADSCOPE_VERSION);
    return finish_stdout(&e) != 0 ? fail(NULL, false, &e) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    occupy_closed_streams();
    interrupt_install();
    if (argc < 2) {
        struct err e = {0};
        (void)err_set(&e, ERR_USAGE, "no command; see headscope --help");
        return fail(NULL, false, &e);
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0)
        return version();
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return help(NULL, NULL);
    if (strcmp(word, "help") == 0)
        return help(argc > 2 ? argv[2] : NULL, argc > 3 ? argv[3] : NULL);
    const struct command *c = find_two_words(word, argv[2]);
    if (c != NULL)
        return run_command(c, argc - 3, argv + 3);
    c = find_command(word);
    if (c != NULL)
        return run_command(c, argc - 2, argv + 2);
    if (word[0] == '-') {
        struct err e = {0};
        (void)err_set(&e, ERR_INPUT,
                      "unknown option %.60s; see headscope "
                      "--help",
                      word);
        return fail(NULL, false, &e);
    }
    return unknown_command(word);
}
