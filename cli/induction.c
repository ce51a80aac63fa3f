/* SPDX-License-Identifier: MIT
 *
 * headscope induction: which heads copy what followed the last time, and how
 * many tokens must match for it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/interrupt.h"
#include "base/output.h"
#include "cli/cli.h"
#include "cli/induction_plot.h"
#include "lens/prompt.h"

static struct induction_options {
    const char *output, *prompts, *text;
    int64_t count, tokens, longest, top, text_tokens;
} own;

#define FIELD(name) offsetof(struct induction_options, name)

static const struct option own_table[] = {
    {"output", 'o', OPTION_TEXT, FIELD(output), NULL, 0, 0, NULL, "FILE.svg",
     "write the plot to this file"},
    {"prompts", 0, OPTION_TEXT, FIELD(prompts), NULL, 0, 0, NULL, "FILE.jsonl",
     "write the sequences as prompts, for headscope ablate and others"},
    {"count", 0, OPTION_COUNT, FIELD(count), "100", 1, 1e6, NULL, "N",
     "sequences for each length of the prefix"},
    {"tokens", 0, OPTION_COUNT, FIELD(tokens), "128", 3, 1e6, NULL, "N",
     "random tokens of a sequence, behind BOS"},
    {"longest", 0, OPTION_COUNT, FIELD(longest), "9", 1, 1000, NULL, "N",
     "lengths of the prefix are 1 to this"},
    {"text", 0, OPTION_TEXT, FIELD(text), NULL, 0, 0, NULL, "FILE[,...]",
     "also look for two tokens that repeat in these texts, at most --count of "
     "a "
     "head, and at what becomes of the attention when the first of the earlier "
     "two is another"},
    {"text-tokens", 0, OPTION_COUNT, FIELD(text_tokens), "20k", 1, 1e9, NULL,
     "N", "tokens of text to read"},
    {"top", 0, OPTION_COUNT, FIELD(top), "8", 1, 1e6, NULL, "N",
     "heads to print and to plot; --json has all"},
};

static bool is_interrupted(void *ctx)
{
    (void)ctx;
    return interrupt_requested();
}

/* ---- report ---- */

static void print_figures(const json_t *heads, const char *name, int digits)
{
    size_t i, p;
    json_t *head, *figure;
    json_array_foreach(heads, i, head)
    {
        if ((int64_t)i >= own.top)
            break;
        char text[32];
        (void)snprintf(
            text, sizeof text, "L%" PRId64 "H%" PRId64,
            (int64_t)json_integer_value(json_object_get(head, "layer")),
            (int64_t)json_integer_value(json_object_get(head, "head")));
        (void)printf("  %-8s", text);
        json_array_foreach(json_object_get(head, name), p, figure)
        {
            (void)printf("%7.*f", digits, json_number_value(figure));
        }
        if (name[0] == 'a')
            (void)printf("%6" PRId64, (int64_t)json_integer_value(
                                          json_object_get(head, "half")));
        (void)printf("\n");
    }
}

static void print_text(const json_t *text)
{
    size_t i;
    json_t *head;
    if (text == NULL)
        return;
    (void)printf("\nin text: attention above 0.3 to what followed the same two "
                 "tokens, and when the\nfirst of those is replaced\n  %-8s%7s"
                 "%11s%10s\n",
                 "head", "pairs", "attention", "replaced");
    json_array_foreach(json_object_get(text, "heads"), i, head)
    {
        if ((int64_t)i >= own.top)
            break;
        (void)printf(
            "  L%" PRId64 "H%-5" PRId64 "%7" PRId64 "%11.3f%10.3f\n",
            (int64_t)json_integer_value(json_object_get(head, "layer")),
            (int64_t)json_integer_value(json_object_get(head, "head")),
            (int64_t)json_integer_value(json_object_get(head, "pairs")),
            json_number_value(json_object_get(head, "attention")),
            json_number_value(json_object_get(head, "replaced")));
    }
}

static void print_report(const json_t *report)
{
    const json_t *heads = json_object_get(report, "heads");
    (void)printf("attention from the last token of a repeated prefix to what "
                 "followed it before, by length;\nhalf: the shortest with half "
                 "of the most\n  %-8s",
                 "head");
    for (int64_t p = 1; p <= own.longest; p++)
        (void)printf("%7" PRId64, p);
    (void)printf("%6s\n", "half");
    print_figures(heads, "attention", 3);
    (void)printf("\nwhat the head adds to that token's logit, over the mean of "
                 "all\n");
    print_figures(heads, "logit", 2);
    print_text(json_object_get(report, "text"));
}

static void put_plot(FILE *f, const json_t *report, const char *model)
{
    induction_plot(f, report, model, (size_t)own.top);
}

static void put_lines(FILE *f, const json_t *sequences, const char *model)
{
    (void)model;
    size_t i;
    json_t *line;
    json_array_foreach(sequences, i, line)
    {
        (void)json_dumpf(line, f, JSON_COMPACT);
        (void)fputc('\n', f);
    }
}

static int write_file(const char *path, bool force,
                      void (*put)(FILE *f, const json_t *x, const char *model),
                      const json_t *x, const char *model, struct err *e)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL)
        return err_memory(e, path, 0);
    put(f, x, model);
    int code = fclose(f) != 0 ? err_memory(e, path, size)
                              : output_write_file(path, text, size, force, e);
    free(text);
    return code;
}

/* ---- the command ---- */

static struct prompt_induction options_of(const struct common_options *common)
{
    return (struct prompt_induction){.seed = (uint64_t)common->seed,
                                     .count = (size_t)own.count,
                                     .tokens = (size_t)own.tokens,
                                     .longest = (size_t)own.longest};
}

static int write_prompts(const struct prompt_lens *lens,
                         const struct common_options *common, struct err *e)
{
    json_t *sequences;
    const struct prompt_induction options = options_of(common);
    if (own.prompts == NULL)
        return 0;
    TRY(prompt_induction_sequences(&sequences, lens, &options, e));
    int code =
        write_file(own.prompts, common->force, put_lines, sequences, NULL, e);
    json_decref(sequences);
    return code;
}

static int measure(json_t *report, struct prompt_lens *lens,
                   const struct common_options *common, struct err *e)
{
    const struct prompt_induction options = options_of(common);
    const struct prompt_stop stop = {is_interrupted, NULL};
    json_t *answer;
    TRY(prompt_induction(&answer, lens, &options, &stop, e));
    if (json_object_update_new(report, answer) != 0)
        return err_memory(e, "report", 0);
    if (own.text != NULL) {
        TRY(prompt_induction_text(&answer, lens, own.text,
                                  (uint64_t)own.text_tokens, &options, &stop,
                                  e));
        if (json_object_set_new(report, "text", answer) != 0)
            return err_memory(e, "report", 0);
    }
    return write_prompts(lens, common, e);
}

static int check_outputs(const struct common_options *common, struct err *e)
{
    if (own.output != NULL)
        TRY(output_check(own.output, false, common->force, e));
    if (own.prompts != NULL)
        TRY(output_check(own.prompts, false, common->force, e));
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    (void)n_args;
    struct prompt_lens *lens = NULL;
    const struct prompt_lens_options options = {
        .model = args[0], .threads = (int)common->threads};
    TRY(check_outputs(common, e));
    TRY(prompt_lens_open(&lens, &options, e));
    if (common->dry_run && !common->json)
        (void)printf("would run %" PRId64 " sequences of %" PRId64 " tokens\n",
                     own.count * own.longest, own.tokens + 1);
    int code = common->dry_run ? 0 : measure(report, lens, common, e);
    prompt_lens_close(&lens);
    if (code != 0 || common->dry_run)
        return code;
    if (own.output != NULL) {
        char name[256];
        output_base_name(name, sizeof name, args[0]);
        TRY(write_file(own.output, common->force, put_plot, report, name, e));
    }
    if (!common->json)
        print_report(report);
    return 0;
}

const struct command command_induction = {
    .usage = {"induction",
              "Find induction heads, and how long a prefix they need.", "MODEL",
              "Runs random tokens whose last ones repeat a prefix from before, "
              "and measures of every head the attention to the token that "
              "followed it then, and what the head adds to that token's logit "
              "(Kissane et al. 2024). A head for which one token is enough is "
              "short-prefix, one that needs two or more long-prefix."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own}},
    .n_groups = 1,
    .run = run,
};
