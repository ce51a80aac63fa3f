/* SPDX-License-Identifier: MIT
 *
 * headscope info: what a file or folder is. Every description is made as JSON
 * first and printed for a person from that, so that both say the same.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/output.h"
#include "cli/describe.h"
#include "sae/formats.h"
#include "store/summary.h"

struct info_options {
    bool verify;
};
static struct info_options options;
static struct dump_options array_options;

static const struct option info_option_table[] = {
    {.name = "verify",
     .type = OPTION_FLAG,
     .offset = offsetof(struct info_options, verify),
     .help = "read a dump to its end and compare it with its checksums"},
};

/* ---- finding out what a path is ---- */

static int describe_database(json_t *item, const char *path, struct err *e)
{
    if (json_object_set_new(item, "kind", json_string("database")) != 0)
        return err_memory(e, "a description", sizeof(void *));
    return store_summary_print(NULL, path, item, e);
}

static int describe_folder(json_t *item, const char *path, struct err *e)
{
    char inside[OUTPUT_PATH_MAX];
    TRY(output_join(inside, path, "manifest.json", e));
    if (access(inside, F_OK) == 0)
        return describe_dump(item, &path, 1, &array_options, options.verify, e);
    if (sae_format_of(path) != SAE_FORMAT_NONE)
        return describe_sae(item, path, e);
    TRY(output_join(inside, path, "config.json", e));
    if (access(inside, F_OK) == 0)
        return describe_model(item, inside, e);
    return err_set(e, ERR_INPUT,
                   "%s: a folder without manifest.json (a dump), cfg.json (an "
                   "SAE) or config.json (a model)",
                   path);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool begins_with(const struct map *m, const char *magic, size_t size)
{
    return m->size >= size && memcmp(m->data, magic, size) == 0;
}

static int describe_file(json_t *item, const char *path, struct err *e)
{
    static const char npy[] = "\x93NUMPY", sqlite[] = "SQLite format 3";
    struct map m;
    if (sae_format_of(path) != SAE_FORMAT_NONE)
        return describe_sae(item, path, e);
    TRY(map_open(&m, path, e));
    bool is_npy = begins_with(&m, npy, sizeof npy - 1);
    bool is_database = begins_with(&m, sqlite, sizeof sqlite);
    map_close(&m);
    if (is_database)
        return describe_database(item, path, e);
    if (is_npy || ends_with(path, ".npy"))
        return describe_npy(item, path, e);
    if (ends_with(path, ".safetensors"))
        return describe_safetensors(item, path, e);
    if (ends_with(path, ".json"))
        return describe_vocab(item, path, e);
    return err_set(e, ERR_INPUT,
                   "%s: not a kind of file that headscope reads; expected a "
                   "dump, SAE or model folder, .npy, .safetensors, vocab.json, "
                   "an SAE's .pt or .npz, or a database",
                   path);
}

static int describe(json_t *item, const char *path, struct err *e)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_errno(e, "cannot examine %s", path);
    if (S_ISDIR(st.st_mode))
        return describe_folder(item, path, e);
    return describe_file(item, path, e);
}

/* ---- for a person ---- */

static bool fits_a_line(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* A number or string as it is; a string with control characters as JSON shows
 * it. */
static void print_scalar(const json_t *value)
{
    const char *text = json_string_value(value);
    if (json_is_null(value))
        (void)putchar('-'); /* not recorded, or of no meaning here */
    else if (json_is_real(value))
        (void)printf("%g", json_real_value(value));
    else if (text != NULL && fits_a_line(text))
        (void)fputs(text, stdout);
    else
        (void)json_dumpf(value, stdout, JSON_ENCODE_ANY);
    (void)putchar('\n');
}

/* Members in two columns; an object's own members below it. */
static void print_members(json_t *object, int indent)
{
    int width = 0;
    void *i;
    for (i = json_object_iter(object); i != NULL;
         i = json_object_iter_next(object, i)) {
        int length = (int)strlen(json_object_iter_key(i));
        width = length > width ? length : width;
    }
    for (i = json_object_iter(object); i != NULL;
         i = json_object_iter_next(object, i)) {
        json_t *value = json_object_iter_value(i);
        const char *key = json_object_iter_key(i);
        if (json_is_object(value)) {
            (void)printf("%*s%s\n", indent, "", key);
            print_members(value, indent + 2);
        } else {
            (void)printf("%*s%-*s  ", indent, "", width, key);
            print_scalar(value);
        }
    }
}

/* ---- the command ---- */

static bool is_kind(const json_t *item, const char *kind)
{
    const char *found = json_string_value(json_object_get(item, "kind"));
    return found != NULL && strcmp(found, kind) == 0;
}

/* A database brings a table of its own. */
static int print_item(json_t *item, const char *path, struct err *e)
{
    if (is_kind(item, "database"))
        return store_summary_print(stdout, path, NULL, e);
    print_members(item, 0);
    return 0;
}

/* Describes one path, or with a layout all paths together. */
static int fill_item(json_t *item, const char *const *paths, size_t n,
                     struct err *e)
{
    TRY(describe_path(item, paths[0], e));
    if (array_options.layout != LAYOUT_NONE)
        TRY(describe_dump(item, paths, n, &array_options, options.verify, e));
    else
        TRY(describe(item, paths[0], e));
    if (options.verify && !is_kind(item, "dump"))
        return err_set(e, ERR_INPUT, "%s: only a dump has checksums to verify",
                       paths[0]);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    json_t *items = json_array();
    if (items == NULL || json_object_set_new(report, "items", items) != 0)
        return err_memory(e, "a description", sizeof(void *));
    size_t step = array_options.layout != LAYOUT_NONE ? n_args : 1;
    for (size_t i = 0; i < n_args; i += step) {
        json_t *item = json_object();
        if (item == NULL || json_array_append_new(items, item) != 0)
            return err_memory(e, "a description", sizeof(void *));
        TRY(fill_item(item, args + i, step, e));
        if (!common->json)
            TRY(print_item(item, args[i], e));
    }
    return 0;
}

const struct command command_info = {
    .usage = {.command = "info",
              .summary = "Say what a file or folder is.",
              .arguments = "PATH...",
              .details =
                  "Reads dump, SAE and model folders, .npy and .safetensors "
                  "arrays, vocab.json and databases. With --layout the files "
                  "are one dump. --json gives {\"items\": [...]}, one object a "
                  "path."},
    .args_min = 1,
    .args_max = -1,
    .groups = {{"Options", info_option_table,
                sizeof info_option_table / sizeof *info_option_table, &options},
               {"Bare arrays", dump_option_table, DUMP_OPTION_COUNT,
                &array_options}},
    .n_groups = 2,
    .run = run,
};
