/* SPDX-License-Identifier: MIT
 *
 * headscope view: a database as a page in the browser. A server has no end of
 * its own: Ctrl-C or SIGTERM is how its work is done, with exit status 0.
 */
#include "cli/cli.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/output.h"
#include "viewer/server.h"

struct view_options {
    int64_t port;
    double sql_seconds, prompt_seconds;
    bool open, token;
    const char *allow_host, *bind, *web, *model, *sae;
};
static struct view_options options;

static const struct option view_option_table[] = {
    {.name = "port",
     .type = OPTION_COUNT,
     .offset = offsetof(struct view_options, port),
     .fallback = "8765",
     .max = 65535,
     .value = "N",
     .help = "port on 127.0.0.1; 0 takes any that is free"},
    {.name = "open",
     .type = OPTION_FLAG,
     .offset = offsetof(struct view_options, open),
     .help = "open the page in the browser (xdg-open)"},
    {.name = "allow-host",
     .type = OPTION_TEXT,
     .offset = offsetof(struct view_options, allow_host),
     .value = "NAME,...",
     .help = "names other than localhost under which a browser may ask, as a "
             "proxy in front of it gives them"},
    {.name = "bind",
     .type = OPTION_TEXT,
     .offset = offsetof(struct view_options, bind),
     .value = "ADDRESS",
     .help = "listen on this address of the computer instead of 127.0.0.1, "
             "0.0.0.0 for all; who is to be let in needs the address that is "
             "printed, with a token in it. It is not encrypted: ssh -L is "
             "better"},
    {.name = "token",
     .type = OPTION_FLAG,
     .offset = offsetof(struct view_options, token),
     .help = "ask for a token on 127.0.0.1 too, which other users of this "
             "computer do not have"},
    {.name = "model",
     .type = OPTION_TEXT,
     .offset = offsetof(struct view_options, model),
     .value = "DIR",
     .help = "the model that the database was made from, for the page of "
             "prompts; it is read when that is first opened"},
    {.name = "sae",
     .type = OPTION_TEXT,
     .offset = offsetof(struct view_options, sae),
     .value = "NAME.sae[,...]",
     .help = "with --model: SAE folders of the database; unset: those beside "
             "it that have the names"},
    {.name = "prompt-seconds",
     .type = OPTION_REAL,
     .offset = offsetof(struct view_options, prompt_seconds),
     .fallback = "20",
     .max = 50,
     .value = "SECONDS",
     .help = "with --model: longest that an answer about a prompt may take, "
             "reading the model aside"},
    {.name = "sql-seconds",
     .type = OPTION_REAL,
     .offset = offsetof(struct view_options, sql_seconds),
     .fallback = "10",
     .max = 50,
     .value = "SECONDS",
     .help = "longest that a question on the SQL page may take; 0 takes none"},
    {.name = "web",
     .type = OPTION_TEXT,
     .offset = offsetof(struct view_options, web),
     .value = "DIR",
     .help = "serve the page's files from a folder instead of those in the "
             "program, to change them while it runs"},
};

extern char **environ;

static void open_browser(const char *url)
{
    char command[] = "xdg-open";
    char address[SERVER_URL];
    (void)snprintf(address, sizeof address, "%s", url);
    char *const argv[] = {command, address, NULL};
    pid_t pid;
    /* Nobody waits for it; the system clears it away. */
    (void)signal(SIGCHLD, SIG_IGN);
    if (posix_spawnp(&pid, command, NULL, NULL, argv, environ) != 0)
        log_line(LOG_RESULT, "cannot start xdg-open; the page is at %s", url);
}

/* What can be told without reading it. */
static int check_model(struct err *e)
{
    char config[OUTPUT_PATH_MAX];
    if (options.model == NULL)
        return options.sae == NULL ? 0
                                   : err_set(e, ERR_INPUT,
                                             "--sae is for prompts, which need "
                                             "--model");
    TRY(output_join(config, options.model, "config.json", e));
    if (access(config, R_OK) != 0)
        return err_errno(e, "--model: cannot read %s", config);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    (void)n_args;
    const struct server_options wanted = {
        .database = args[0],
        .port = (int)options.port,
        .web = options.web,
        .bind = options.bind,
        .token = options.token,
        .allow_hosts = options.allow_host,
        .sql_seconds = options.sql_seconds,
        .model = options.model,
        .saes = options.sae,
        .prompt_seconds = options.prompt_seconds,
        .threads = (int)common->threads,
        .version = HEADSCOPE_VERSION,
    };
    struct server *server;
    TRY(check_model(e));
    TRY(server_open(&server, &wanted, e));
    const char *url = server_url(server);
    int code = 0;
    if (options.open && strchr(url, '?') != NULL)
        code = err_set(e, ERR_INPUT,
                       "--open would show the token to other users of this "
                       "computer, in its list of processes");
    if (code == 0 && json_object_set_new(report, "url", json_string(url)) != 0)
        code = err_memory(e, "the report", sizeof(void *));
    if (code == 0 && common->dry_run)
        code = server_open_model(server, e);
    if (code == 0 && !common->dry_run) {
        /* One line that scripts can read, at once. */
        (void)fprintf(common->json ? stderr : stdout, "%s\n", url);
        (void)fflush(stdout);
        log_line(LOG_PROGRESS, "%s; Ctrl-C ends it", args[0]);
        if (options.open)
            open_browser(url);
        server_run(server);
    }
    server_close(&server);
    return code;
}

const struct command command_view = {
    .usage = {.command = "view",
              .summary = "Show a database as a page in the browser.",
              .arguments = "FILE.db",
              .details =
                  "Serves the page and its JSON API (docs/api.md) on 127.0.0.1 "
                  "(--bind) until Ctrl-C or SIGTERM, which end it with exit "
                  "status 0. "
                  "Its address is printed on stdout, with --json on stderr. "
                  "The database is not written; labels go into a file beside "
                  "it. No request leaves this computer. From elsewhere: ssh -L "
                  "8765:127.0.0.1:8765 HOST, and open "
                  "http://localhost:8765/ there. --dry-run only checks that "
                  "the database can be served, and that the model is "
                  "its."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", view_option_table,
                sizeof view_option_table / sizeof *view_option_table,
                &options}},
    .n_groups = 1,
    .run = run,
};
