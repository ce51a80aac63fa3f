/* SPDX-License-Identifier: MIT */
#include "base/options.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"

enum { NAME_MAX_SHOWN = 60 };

/* ---- values ---- */

static void *field_of(const struct option_group *g, const struct option *o)
{
    return (char *)g->values + o->offset;
}

/* The k-th name in "a|b|c"; false if there are fewer. */
static bool nth_choice(const char *choices, int k, const char **name,
                       size_t *length)
{
    while (k-- > 0) {
        choices = strchr(choices, '|');
        if (choices == NULL)
            return false;
        choices++;
    }
    *name = choices;
    *length = strcspn(choices, "|");
    return true;
}

static bool choice_index(const char *choices, const char *text, int *index)
{
    const char *name;
    size_t length;
    for (int k = 0; nth_choice(choices, k, &name, &length); k++)
        if (strlen(text) == length && memcmp(name, text, length) == 0) {
            *index = k;
            return true;
        }
    return false;
}

static bool in_range(const struct option *o, double v)
{
    if (o->min == 0 && o->max == 0)
        return v >= 0;
    return v >= o->min && v <= o->max;
}

static int out_of_range(const struct option *o, const char *text, struct err *e)
{
    if (o->min == 0 && o->max == 0)
        return err_set(e, ERR_INPUT, "--%s %s: must not be negative", o->name,
                       text);
    return err_set(e, ERR_INPUT, "--%s %s: must be between %.10g and %.10g",
                   o->name, text, o->min, o->max);
}

static int set_count(const struct option *o, void *field, const char *text,
                     struct err *e)
{
    int64_t v;
    if (!format_parse_count(text, &v))
        return err_set(e, ERR_INPUT,
                       "--%s %s: must be a whole number, like 4096, 64k or "
                       "1.5M",
                       o->name, text);
    if (!in_range(o, (double)v))
        return out_of_range(o, text, e);
    memcpy(field, &v, sizeof v);
    return 0;
}

static int set_real(const struct option *o, void *field, const char *text,
                    struct err *e)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(v))
        return err_set(e, ERR_INPUT, "--%s %s: must be a number", o->name,
                       text);
    if (!in_range(o, v))
        return out_of_range(o, text, e);
    memcpy(field, &v, sizeof v);
    return 0;
}

static int set_value(const struct option *o, void *field, const char *text,
                     struct err *e)
{
    switch (o->type) {
    case OPTION_FLAG:
        if (text != NULL && strcmp(text, "true") != 0 &&
            strcmp(text, "false") != 0)
            return err_set(e, ERR_INPUT, "--%s %.60s: must be true or false",
                           o->name, text);
        *(bool *)field = text == NULL || text[0] == 't';
        return 0;
    case OPTION_COUNT:
        return set_count(o, field, text, e);
    case OPTION_REAL:
        return set_real(o, field, text, e);
    case OPTION_TEXT:
        memcpy(field, &text, sizeof text);
        return 0;
    case OPTION_CHOICE:
        if (choice_index(o->choices, text, field))
            return 0;
        return err_set(e, ERR_INPUT, "--%s %s: must be one of %s", o->name,
                       text, o->choices);
    }
    return err_set(e, ERR_INPUT, "--%s has no type", o->name);
}

static int set_defaults(const struct option_group *g, struct err *e)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct option *o = &g->options[i];
        void *field = field_of(g, o);
        const char *unset = NULL;
        int64_t zero = 0;
        double nothing = 0;
        switch (o->type) {
        case OPTION_FLAG:
            *(bool *)field = false;
            continue;
        case OPTION_COUNT:
            memcpy(field, &zero, sizeof zero);
            break;
        case OPTION_REAL:
            memcpy(field, &nothing, sizeof nothing);
            break;
        case OPTION_TEXT:
            memcpy(field, &unset, sizeof unset);
            break;
        case OPTION_CHOICE:
            *(int *)field = 0;
            break;
        }
        if (o->fallback != NULL)
            TRY(set_value(o, field, o->fallback, e));
    }
    return 0;
}

/* ---- parsing ---- */

/* Edit distance of two short names, to find what was meant. */
static int distance(const char *a, const char *b)
{
    int row[NAME_MAX_SHOWN + 1];
    int n = (int)strlen(b);
    if (n > NAME_MAX_SHOWN)
        return NAME_MAX_SHOWN;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1] != '\0'; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

static int unknown(const struct option_group *groups, size_t n_groups,
                   const char *word, size_t length, struct err *e)
{
    char given[NAME_MAX_SHOWN + 1];
    (void)snprintf(given, sizeof given, "%.*s", (int)length, word);
    const char *near = NULL;
    int best = 3; /* more than two slips is another word */
    for (size_t g = 0; g < n_groups; g++)
        for (size_t i = 0; i < groups[g].n; i++) {
            const char *name = groups[g].options[i].name;
            int d = distance(given, name);
            if (d < best) {
                best = d;
                near = name;
            }
        }
    if (near != NULL)
        return err_set(e, ERR_INPUT, "unknown option --%s; did you mean --%s?",
                       given, near);
    return err_set(e, ERR_INPUT, "unknown option --%s; see --help", given);
}

/* Finds a row by its long name (of `length` bytes) or, if `name` is NULL, by
 * its letter. */
static const struct option *find(const struct option_group *groups,
                                 size_t n_groups, const char *name,
                                 size_t length, char letter,
                                 const struct option_group **group)
{
    for (size_t g = 0; g < n_groups; g++)
        for (size_t i = 0; i < groups[g].n; i++) {
            const struct option *o = &groups[g].options[i];
            bool same = name != NULL ? strlen(o->name) == length &&
                                           memcmp(o->name, name, length) == 0
                                     : o->letter == letter;
            if (same) {
                *group = &groups[g];
                return o;
            }
        }
    return NULL;
}

/* Reads the option at argv[*i]; moves *i to its last word. */
static int parse_one(const struct option_group *groups, size_t n_groups,
                     int argc, char **argv, int *i, struct err *e)
{
    const char *word = argv[*i], *value = NULL;
    const struct option_group *group = NULL;
    const struct option *o;
    if (word[1] == '-') {
        const char *name = word + 2;
        size_t length = strcspn(name, "=");
        if (name[length] == '=')
            value = name + length + 1;
        o = find(groups, n_groups, name, length, 0, &group);
        if (o == NULL)
            return unknown(groups, n_groups, name, length, e);
    } else {
        o = find(groups, n_groups, NULL, 0, word[1], &group);
        if (o == NULL)
            return err_set(e, ERR_INPUT, "unknown option %.60s; see --help",
                           word);
        if (word[2] != '\0')
            value = word + 2;
    }
    if (o->type == OPTION_FLAG && value != NULL)
        return err_set(e, ERR_INPUT, "--%s takes no value", o->name);
    if (o->type != OPTION_FLAG && value == NULL) {
        if (*i + 1 >= argc)
            return err_set(e, ERR_INPUT, "--%s needs a value (%s)", o->name,
                           o->value);
        value = argv[++*i];
    }
    return set_value(o, field_of(group, o), value, e);
}

int options_set(const struct option_group *groups, size_t n_groups,
                const char *name, const char *text, struct err *e)
{
    const struct option_group *group = NULL;
    const struct option *o =
        find(groups, n_groups, name, strlen(name), 0, &group);
    if (o == NULL)
        return unknown(groups, n_groups, name, strlen(name), e);
    return set_value(o, field_of(group, o), text, e);
}

/* The value of --config or another option that counts before all others, or
 * NULL. */
static const char *early_value(const char *name, int argc, char **argv)
{
    size_t length = strlen(name);
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], name, length) != 0)
            continue;
        if (argv[i][length] == '\0' && i + 1 < argc)
            return argv[i + 1];
        if (argv[i][length] == '=')
            return argv[i] + length + 1;
    }
    return NULL;
}

/* Sets what stands in "width=64 seed=1" up to `end`. */
static int set_listed(const struct option_group *group, const char *at,
                      const char *end, struct err *e)
{
    while (at < end) {
        char name[64], value[64];
        int used = 0;
        if (sscanf(at, " %63[^= |]=%63[^ |]%n", name, value, &used) != 2)
            break;
        TRY(options_set(group, 1, name, value, e));
        at += used;
    }
    return 0;
}

/* The values of a preset of the row. Options that are text would keep a pointer
 * to the value: presets have none of these. */
static int set_preset(const struct option_group *group, const struct option *o,
                      const char *name, struct err *e)
{
    size_t length = strlen(name);
    for (const char *at = o->choices; at != NULL && *at != '\0';) {
        const char *end = at + strcspn(at, "|");
        if (strncmp(at, name, length) == 0 && at[length] == ' ')
            return set_listed(group, at + length, end, e);
        at = *end == '|' ? end + 1 : end;
    }
    return err_set(e, ERR_INPUT, "--preset %.40s: there is only %s", name,
                   o->value);
}

int options_parse(const struct option_group *groups, size_t n_groups, int argc,
                  char **argv, int *n_args, struct err *e)
{
    const struct option_group *group = NULL;
    for (size_t g = 0; g < n_groups; g++)
        TRY(set_defaults(&groups[g], e));
    const char *file = early_value("--config", argc, argv);
    if (file != NULL && find(groups, n_groups, "config", 6, 0, &group) != NULL)
        TRY(options_read_file(groups, n_groups, file, e));
    const char *preset = early_value("--preset", argc, argv);
    const struct option *o = find(groups, n_groups, "preset", 6, 0, &group);
    if (preset != NULL && o != NULL)
        TRY(set_preset(group, o, preset, e));
    int n = 0;
    bool only_arguments = false;
    for (int i = 0; i < argc; i++) {
        if (!only_arguments && strcmp(argv[i], "--") == 0) {
            only_arguments = true;
        } else if (!only_arguments && argv[i][0] == '-' && argv[i][1] != '\0') {
            TRY(parse_one(groups, n_groups, argc, argv, &i, e));
        } else {
            argv[n++] = argv[i];
        }
    }
    *n_args = n;
    return 0;
}

/* ---- help, docs, config ---- */

/* "--batch N" or "-o, --output FILE" */
static void option_head(char *out, size_t size, const struct option *o)
{
    const char *value = o->type == OPTION_CHOICE ? o->choices : o->value;
    char letter[8] = "";
    if (o->letter != 0)
        (void)snprintf(letter, sizeof letter, "-%c, ", o->letter);
    (void)snprintf(out, size, "%s--%s%s%s", letter, o->name,
                   o->type == OPTION_FLAG ? "" : " ",
                   o->type == OPTION_FLAG ? "" : value);
}

/* Prints text in lines of at most `width` columns, the later ones indented. */
static void print_wrapped(FILE *out, const char *text, int indent, int width)
{
    int column = indent;
    while (*text != '\0') {
        int word = (int)strcspn(text, " \n");
        if (column > indent && column + 1 + word > width) {
            (void)fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            (void)fputc(' ', out);
            column++;
        }
        (void)fprintf(out, "%.*s", word, text);
        column += word;
        text += word;
        while (*text == ' ')
            text++;
        if (*text == '\n') {
            (void)fprintf(out, "\n%*s", indent, "");
            column = indent;
            text++;
        }
    }
    (void)fputc('\n', out);
}

static void help_text(char *out, size_t size, const struct option *o)
{
    bool shown = o->fallback != NULL && o->fallback[0] != '\0';
    (void)snprintf(out, size, "%s%s%s%s", o->help, shown ? " [" : "",
                   shown ? o->fallback : "", shown ? "]" : "");
}

void options_print_help(FILE *out, const struct option_usage *usage,
                        const struct option_group *groups, size_t n_groups)
{
    enum { HELP_COLUMN = 26, HELP_WIDTH = 79 };
    (void)fprintf(out, "usage: headscope %s [options] %s\n\n", usage->command,
                  usage->arguments);
    print_wrapped(out, usage->summary, 0, HELP_WIDTH);
    if (usage->details != NULL) {
        (void)fputc('\n', out);
        print_wrapped(out, usage->details, 0, HELP_WIDTH);
    }
    for (size_t g = 0; g < n_groups; g++) {
        (void)fprintf(out, "\n%s:\n", groups[g].title);
        for (size_t i = 0; i < groups[g].n; i++) {
            char head[256], text[512];
            option_head(head, sizeof head, &groups[g].options[i]);
            help_text(text, sizeof text, &groups[g].options[i]);
            if (strlen(head) + 4 > HELP_COLUMN)
                (void)fprintf(out, "  %s\n%*s", head, HELP_COLUMN, "");
            else
                (void)fprintf(out, "  %-*s", HELP_COLUMN - 2, head);
            print_wrapped(out, text, HELP_COLUMN, HELP_WIDTH);
        }
    }
}

/* A table cell: '|' would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

void options_print_table(FILE *out, const struct option_group *group)
{
    (void)fprintf(out, "| %s | default | |\n|---|---|---|\n", group->title);
    for (size_t i = 0; i < group->n; i++) {
        const struct option *o = &group->options[i];
        char head[256];
        option_head(head, sizeof head, o);
        (void)fputs("| `", out);
        print_cell(out, head);
        (void)fprintf(out, "` | %s | ", o->fallback != NULL ? o->fallback : "");
        print_cell(out, o->help);
        (void)fputs(" |\n", out);
    }
}

void options_print_markdown(FILE *out, const struct option_usage *usage,
                            const struct option_group *groups, size_t n_groups)
{
    (void)fprintf(out, "## headscope %s\n\n`headscope %s [options] %s`\n\n",
                  usage->command, usage->command, usage->arguments);
    (void)fprintf(out, "%s\n", usage->summary);
    if (usage->details != NULL)
        (void)fprintf(out, "\n%s\n", usage->details);
    for (size_t g = 0; g < n_groups; g++) {
        (void)fputc('\n', out);
        options_print_table(out, &groups[g]);
    }
}

static json_t *value_json(const struct option *o, const void *field)
{
    const char *name;
    size_t length;
    switch (o->type) {
    case OPTION_FLAG:
        return json_boolean(*(const bool *)field);
    case OPTION_COUNT:
        return json_integer(*(const int64_t *)field);
    case OPTION_REAL:
        return json_real(*(const double *)field);
    case OPTION_TEXT:
        name = *(const char *const *)field;
        return name == NULL ? json_null() : json_string(name);
    case OPTION_CHOICE:
        return nth_choice(o->choices, *(const int *)field, &name, &length)
                   ? json_stringn(name, length)
                   : NULL;
    }
    return NULL;
}

json_t *options_json(const struct option_group *group)
{
    json_t *all = json_object();
    for (size_t i = 0; all != NULL && i < group->n; i++) {
        const struct option *o = &group->options[i];
        if (json_object_set_new(all, o->name,
                                value_json(o, field_of(group, o))) != 0) {
            json_decref(all);
            all = NULL;
        }
    }
    return all;
}
