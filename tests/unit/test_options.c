/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"

struct values {
    bool flag;
    int64_t count, free_count;
    double real;
    const char *text, *unset, *preset;
    int choice;
};
static struct values values;

#define FIELD(name) offsetof(struct values, name)
static const struct option table[] = {
    {.name = "flag",
     .letter = 'f',
     .type = OPTION_FLAG,
     .offset = FIELD(flag),
     .help = "a flag"},
    {.name = "count",
     .letter = 'c',
     .type = OPTION_COUNT,
     .offset = FIELD(count),
     .fallback = "2k",
     .min = 1,
     .max = 5000,
     .value = "N",
     .help = "how many"},
    {.name = "free-count",
     .type = OPTION_COUNT,
     .offset = FIELD(free_count),
     .value = "N",
     .help = "any number"},
    {.name = "real",
     .type = OPTION_REAL,
     .offset = FIELD(real),
     .fallback = "0.5",
     .min = -1,
     .max = 1,
     .value = "X",
     .help = "a number"},
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = FIELD(text),
     .fallback = "out",
     .value = "FILE",
     .help = "where to"},
    {.name = "unset",
     .type = OPTION_TEXT,
     .offset = FIELD(unset),
     .value = "TEXT",
     .help = "nothing unless given"},
    {.name = "rule",
     .type = OPTION_CHOICE,
     .offset = FIELD(choice),
     .fallback = "topk",
     .choices = "relu|topk|batchtopk",
     .help = "which rule"},
    {.name = "preset",
     .type = OPTION_TEXT,
     .offset = FIELD(preset),
     .choices = "big count=4k rule=relu real=-1|small count=2",
     .value = "big|small",
     .help = "several at once"},
};
static const struct option_group group = {
    "Test options", table, sizeof table / sizeof *table, &values};
static const struct option_usage usage = {"try", "Tries things", "FILE...",
                                          NULL};

enum { WORDS_MAX = 12 };
static char *argv[WORDS_MAX + 1];
static char words[256];
static int n_args;
static struct err e;

/* Parses words separated by single spaces; "~" stands for an empty word. */
static int parse(const char *line)
{
    (void)snprintf(words, sizeof words, "%s", line);
    int argc = 0;
    for (char *w = strtok(words, " "); w != NULL; w = strtok(NULL, " ")) {
        assert_true(argc < WORDS_MAX);
        if (strcmp(w, "~") == 0)
            *w = '\0';
        argv[argc++] = w;
    }
    argv[argc] = NULL;
    e = (struct err){0};
    memset(&values, 0xA5, sizeof values);
    return options_parse(&group, 1, argc, argv, &n_args, &e);
}

static void defaults_fill_every_field(void **state)
{
    (void)state;
    assert_int_equal(parse(""), 0);
    assert_int_equal(n_args, 0);
    assert_false(values.flag);
    assert_int_equal(values.count, 2000);
    assert_int_equal(values.free_count, 0);
    assert_true(values.real == 0.5);
    assert_string_equal(values.text, "out");
    assert_null(values.unset);
    assert_int_equal(values.choice, 1);
}

static void every_form_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        parse("--count 7 --real=-0.25 -f -o x --rule=batchtopk --unset="), 0);
    assert_int_equal(n_args, 0);
    assert_true(values.flag);
    assert_int_equal(values.count, 7);
    assert_true(values.real == -0.25);
    assert_string_equal(values.text, "x");
    assert_int_equal(values.choice, 2);
    assert_string_equal(values.unset, "");
    assert_int_equal(parse("-c9 --unset --flag --flag"), 0);
    assert_int_equal(values.count, 9);
    assert_string_equal(values.unset, "--flag");
    assert_true(values.flag);
    /* The last one counts. */
    assert_int_equal(parse("--count 1 --count 1.5k"), 0);
    assert_int_equal(values.count, 1500);
}

static void arguments_may_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(parse("a --count 5 - b -- --flag -o"), 0);
    assert_int_equal(n_args, 5);
    static const char *const want[] = {"a", "-", "b", "--flag", "-o"};
    for (int i = 0; i < 5; i++)
        assert_string_equal(argv[i], want[i]);
    assert_false(values.flag);
    assert_int_equal(parse("~"), 0);
    assert_int_equal(n_args, 1);
}

/* Wherever it stands, what is typed comes on top. */
static void a_preset_sets_several(void **state)
{
    (void)state;
    assert_int_equal(parse("--real 0.25 --preset big"), 0);
    assert_int_equal(values.count, 4000);
    assert_int_equal(values.choice, 0);
    assert_true(values.real == 0.25);
    assert_string_equal(values.preset, "big");
    assert_int_equal(parse("--preset=small"), 0);
    assert_int_equal(values.count, 2);
    assert_int_equal(values.choice, 1);
    assert_int_equal(parse("-- --preset big"), 0);
    assert_int_equal(values.count, 2000);
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *line, *message;
    } rows[] = {
        {"--cuont 5", "unknown option --cuont; did you mean --count?"},
        {"--outptu=x", "unknown option --outptu; did you mean --output?"},
        {"--wholly-different", "unknown option --wholly-different; see --help"},
        {"--", NULL},
        {"-x", "unknown option -x; see --help"},
        {"--coun 5", "unknown option --coun; did you mean --count?"},
        {"--count", "--count needs a value (N)"},
        {"-o", "--output needs a value (FILE)"},
        {"--flag=1", "--flag takes no value"},
        {"-fx", "--flag takes no value"},
        {"--count 0", "--count 0: must be between 1 and 5000"},
        {"--count 5.001k", "--count 5.001k: must be between 1 and 5000"},
        {"--free-count -1", "--free-count -1: must be a whole number, like "
                            "4096, 64k or 1.5M"},
        {"--count ~", "--count : must be a whole number, like 4096, 64k or "
                      "1.5M"},
        {"--real x", "--real x: must be a number"},
        {"--real nan", "--real nan: must be a number"},
        {"--real 1e999", "--real 1e999: must be a number"},
        {"--real 0.5z", "--real 0.5z: must be a number"},
        {"--real -1.1", "--real -1.1: must be between -1 and 1"},
        {"--rule top", "--rule top: must be one of relu|topk|batchtopk"},
        {"--rule relu|topk", "--rule relu|topk: must be one of "
                             "relu|topk|batchtopk"},
        {"--preset bi", "--preset bi: there is only big|small"},
        {"--preset ~", "--preset : there is only big|small"},
        {"--rule ~", "--rule : must be one of relu|topk|batchtopk"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int code = parse(rows[i].line);
        if (rows[i].message == NULL) {
            assert_int_equal(code, 0);
            continue;
        }
        assert_int_equal(code, ERR_INPUT);
        assert_string_equal(e.msg, rows[i].message);
    }
}

/* A name far longer than any buffer for it. */
static void long_names_do_no_harm(void **state)
{
    (void)state;
    static char word[5000];
    memset(word, '-', sizeof word - 1);
    char *args[] = {word};
    e = (struct err){0};
    assert_int_equal(options_parse(&group, 1, 1, args, &n_args, &e), ERR_INPUT);
    memset(word + 2, 'x', 3000);
    word[40] = '\n';
    assert_int_equal(options_parse(&group, 1, 1, args, &n_args, &e), ERR_INPUT);
    assert_null(strchr(e.msg, '\n'));
}

static char *printed(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void print_help(FILE *out)
{
    options_print_help(out, &usage, &group, 1);
}

static void print_page(FILE *out)
{
    options_print_markdown(out, &usage, &group, 1);
}

static void help_fits_a_terminal_and_names_all(void **state)
{
    (void)state;
    char *text = printed(print_help);
    assert_non_null(strstr(text, "usage: headscope try [options] FILE...\n"));
    assert_non_null(strstr(text, "  -o, --output FILE       where to [out]\n"));
    assert_non_null(strstr(text, "  --rule relu|topk|batchtopk\n"));
    for (char *line = strtok(text, "\n"); line != NULL;
         line = strtok(NULL, "\n")) {
        assert_true(strlen(line) < 80);
        assert_true(line[strlen(line) - 1] != ' ');
    }
    free(text);
}

static void the_page_is_a_table(void **state)
{
    (void)state;
    char *text = printed(print_page);
    assert_non_null(strstr(text, "## headscope try\n"));
    assert_non_null(strstr(text, "| `-c, --count N` | 2k | how many |\n"));
    /* A bar inside a cell would end it. */
    assert_non_null(strstr(text, "| `--rule relu\\|topk\\|batchtopk` |"));
    free(text);
}

static void values_become_json(void **state)
{
    (void)state;
    assert_int_equal(parse("--count 3 --rule relu"), 0);
    json_t *all = options_json(&group);
    assert_non_null(all);
    char *text = json_dumps(all, JSON_COMPACT);
    assert_string_equal(text, "{\"flag\":false,\"count\":3,\"free-count\":0,"
                              "\"real\":0.5,\"output\":\"out\",\"unset\":null,"
                              "\"rule\":\"relu\",\"preset\":null}");
    free(text);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_every_field),
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(arguments_may_stand_anywhere),
        cmocka_unit_test(a_preset_sets_several),
        cmocka_unit_test(mistakes_are_explained),
        cmocka_unit_test(long_names_do_no_harm),
        cmocka_unit_test(help_fits_a_terminal_and_names_all),
        cmocka_unit_test(the_page_is_a_table),
        cmocka_unit_test(values_become_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
