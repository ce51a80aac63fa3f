/* SPDX-License-Identifier: MIT
 *
 * headscope export: the codes of one SAE as a table for other programs, or an
 * SAE in another file format (export_sae.c). docs/formats.md has the columns.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/format.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/output.h"
#include "base/progress.h"
#include "cli/export.h"
#include "dump/npy.h"
#include "store/codes.h"

/* After the tables those of enum sae_format, in its order. */
enum export_format { FORMAT_BY_NAME, FORMAT_CSV, FORMAT_NPY, FORMAT_SAELENS };

struct export_options {
    const char *output, *sae;
    int format; /* enum export_format */
    bool heads;
};
static struct export_options options;

#define FIELD(name) offsetof(struct export_options, name)
static const struct option export_option_table[] = {
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = FIELD(output),
     .value = "OUT",
     .help = "the file to write, for an SAE the folder"},
    {.name = "sae",
     .type = OPTION_TEXT,
     .offset = FIELD(sae),
     .value = "NAME",
     .help = "the SAE whose codes to write, DUMP/NAME where several dumps have "
             "one of that name; needed where there are several"},
    {.name = "heads",
     .type = OPTION_FLAG,
     .offset = FIELD(heads),
     .help = "a row for each token with the code of every head, instead of a "
             "row for each activation"},
    {.name = "format",
     .type = OPTION_CHOICE,
     .offset = FIELD(format),
     .fallback = "name",
     .choices = "name|csv|npy|saelens|sparsify|dictionary_learning|"
                "gemma_scope|kissane",
     .help = "what to write; name: of a database what the name of OUT ends in. "
             "The others from saelens on are for SAEs"},
};
#undef FIELD

/* A file on its way. Failures to write show in it at the end. */
struct export
{
    const struct store_codes *codes;
    FILE *f;
    int64_t rows; /* that there will be */
};

/* ---- CSV: RFC 4180, lines end in \n ---- */

/* In quotes whatever it holds; not known is an empty field without them. */
static void put_text(FILE *f, const char *text, size_t length)
{
    if (text == NULL)
        return;
    (void)putc('"', f);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            (void)putc('"', f);
        (void)putc(text[i], f);
    }
    (void)putc('"', f);
}

static void put_place(const struct export *x)
{
    const struct store_codes *c = x->codes;
    (void)fprintf(x->f, "%lld,%lld,%d,", (long long)c->token,
                  (long long)c->context, (int)c->position);
    put_text(x->f, c->text, c->length);
}

static int csv_begin(const struct export *x, struct err *e)
{
    (void)e;
    (void)fputs("token,context,position,text", x->f);
    if (options.heads)
        for (int h = 0; h < x->codes->heads; h++)
            (void)fprintf(x->f, ",L%dH%d", x->codes->layer, h);
    else
        (void)fputs(",feature,level,value", x->f);
    (void)putc('\n', x->f);
    return 0;
}

static void csv_token(const struct export *x)
{
    const struct store_codes *c = x->codes;
    for (size_t i = 0; !options.heads && i < c->n; i++) {
        put_place(x);
        (void)fprintf(x->f, ",%d,%d,%.7g\n", (int)c->feature[i], c->level[i],
                      c->value[i]);
    }
    if (!options.heads)
        return;
    put_place(x);
    for (size_t h = 0; h < c->n; h++) {
        (void)putc(',', x->f);
        if (c->feature[h] >= 0)
            (void)fprintf(x->f, "%d", (int)c->feature[h]);
    }
    (void)putc('\n', x->f);
}

/* ---- npy: one array of packed records ---- */

static int npy_begin(const struct export *x, struct err *e)
{
    char last[64], fields[NPY_FIELDS_MAX];
    (void)snprintf(last, sizeof last, "('code', '<i4', (%d,))",
                   x->codes->heads);
    (void)snprintf(
        fields, sizeof fields,
        "[('token', '<i8'), ('context', '<i8'), ('position', '<i4'), %s]",
        options.heads
            ? last
            : "('feature', '<i4'), ('level', '|u1'), ('value', '<f4')");
    return npy_begin_records(x->f, fields, x->rows, options.output, e);
}

static void put(const struct export *x, const void *bytes, size_t n)
{
    (void)fwrite(bytes, 1, n, x->f);
}

static void npy_place(const struct export *x)
{
    const struct store_codes *c = x->codes;
    put(x, &c->token, sizeof c->token);
    put(x, &c->context, sizeof c->context);
    put(x, &c->position, sizeof c->position);
}

static void npy_token(const struct export *x)
{
    const struct store_codes *c = x->codes;
    for (size_t i = 0; !options.heads && i < c->n; i++) {
        const unsigned char level = (unsigned char)c->level[i];
        const float value = (float)c->value[i];
        npy_place(x);
        put(x, &c->feature[i], sizeof c->feature[i]);
        put(x, &level, sizeof level);
        put(x, &value, sizeof value);
    }
    if (!options.heads)
        return;
    npy_place(x);
    put(x, c->feature, c->n * sizeof *c->feature);
}

/* ---- the file ---- */

static const struct {
    const char *ending;
    int (*begin)(const struct export *x, struct err *e);
    void (*token)(const struct export *x);
} formats[] = {
    [FORMAT_CSV] = {".csv", csv_begin, csv_token},
    [FORMAT_NPY] = {".npy", npy_begin, npy_token},
};

static int find_format(enum export_format *out, struct err *e)
{
    *out = (enum export_format)options.format;
    size_t n = strlen(options.output);
    for (int f = FORMAT_CSV; *out == FORMAT_BY_NAME && f <= FORMAT_NPY; f++) {
        size_t length = strlen(formats[f].ending);
        if (n > length &&
            strcmp(options.output + n - length, formats[f].ending) == 0)
            *out = (enum export_format)f;
    }
    if (*out != FORMAT_BY_NAME)
        return 0;
    return err_set(e, ERR_USAGE,
                   "%s ends in neither .csv nor .npy; add --format csv or "
                   "--format npy",
                   options.output);
}

static int write_tokens(const struct export *x, enum export_format format,
                        struct store_codes *c, struct err *e)
{
    struct progress bar;
    uint64_t done = 0;
    int code = formats[format].begin(x, e);
    progress_begin(&bar, "export", "tokens", 0, (uint64_t)c->tokens);
    while (code == 0 && (code = store_codes_next(c, e)) == 0 && c->token >= 0) {
        formats[format].token(x);
        if (ferror(x->f))
            code = err_errno(e, "cannot write %s", options.output);
        else if (interrupt_requested())
            code = err_set(e, ERR_INTERRUPTED, "interrupted");
        progress_set(&bar, ++done, NULL);
    }
    progress_end(&bar);
    if (code == 0 && done != (uint64_t)c->tokens)
        code = err_set(e, ERR_INPUT,
                       "the database is damaged: dump.sample_tokens is %lld, "
                       "but it has %llu",
                       (long long)c->tokens, (unsigned long long)done);
    return code;
}

static int write_file(struct export *x, enum export_format format,
                      struct store_codes *c, bool force, struct err *e)
{
    struct output out;
    TRY(output_begin_file(&out, options.output, force, e));
    x->f = fopen(out.partial, "wb");
    int code = x->f == NULL ? err_errno(e, "cannot write %s", options.output)
                            : write_tokens(x, format, c, e);
    if (x->f != NULL && fclose(x->f) != 0 && code == 0)
        code = err_errno(e, "cannot write %s", options.output);
    if (code == 0)
        code = output_commit(&out, e);
    output_abort(&out);
    return code;
}

/* ---- the command ---- */

static int say(const struct common_options *common, const struct export *x,
               enum export_format format, json_t *report, struct err *e)
{
    const struct store_codes *c = x->codes;
    json_t *facts =
        json_pack("{s:s?, s:s, s:s?, s:s, s:I, s:I}", "output", options.output,
                  "format", formats[format].ending + 1, "sae", c->name, "codes",
                  options.heads ? "heads" : "activations", "tokens",
                  (json_int_t)c->tokens, "rows", (json_int_t)x->rows);
    int bad = facts == NULL || json_object_update(report, facts) != 0;
    json_decref(facts);
    if (bad)
        return err_memory(e, "the report", sizeof(void *));
    char rows[32], tokens[32];
    format_count(rows, sizeof rows, (double)x->rows);
    format_count(tokens, sizeof tokens, (double)c->tokens);
    if (!common->json)
        (void)printf("%s %s: %s rows of %s, %s tokens\n",
                     common->dry_run ? "would write" : "wrote", options.output,
                     rows, c->name, tokens);
    return 0;
}

/* Whether the argument and --format go together: both an SAE, or neither. */
static int check_kind(bool is_sae, const char *path, struct err *e)
{
    bool wants_sae = options.format >= FORMAT_SAELENS;
    if (is_sae && !wants_sae)
        return err_set(e, ERR_USAGE,
                       "%s is an SAE; add --format saelens, sparsify, "
                       "dictionary_learning, gemma_scope or kissane",
                       path);
    if (!is_sae && wants_sae)
        return err_set(e, ERR_INPUT,
                       "%s is no SAE; a database is written as csv or npy",
                       path);
    if (is_sae && (options.heads || options.sae != NULL))
        return err_set(e, ERR_USAGE,
                       "--heads and --sae are for the codes of a database");
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    (void)n_args;
    enum export_format format;
    struct store_codes *codes;
    if (options.output == NULL)
        return err_set(e, ERR_USAGE,
                       "no output; add -o FILE.csv or FILE.npy, for an SAE a "
                       "folder");
    bool is_sae = sae_format_of(args[0]) != SAE_FORMAT_NONE;
    TRY(check_kind(is_sae, args[0], e));
    if (is_sae)
        return export_sae(common, args[0],
                          (enum sae_format)(SAE_FORMAT_SAELENS +
                                            options.format - FORMAT_SAELENS),
                          options.output, report, e);
    TRY(find_format(&format, e));
    TRY(output_check(options.output, false, common->force, e));
    TRY(output_check_input(options.output, args[0], e));
    TRY(store_codes_open(&codes, args[0], options.sae,
                         options.heads ? STORE_HEAD_CODES : STORE_ACTIVATIONS,
                         e));
    struct export x = {.codes = codes,
                       .rows = options.heads ? codes->tokens : codes->rows};
    int code = 0;
    if (!common->dry_run)
        code = write_file(&x, format, codes, common->force, e);
    if (code == 0)
        code = say(common, &x, format, report, e);
    store_codes_close(&codes);
    return code;
}

const struct command command_export = {
    .usage = {.command = "export",
              .summary = "Write codes as CSV or npy, or an SAE for others.",
              .arguments = "FILE.db|SAE -o OUT",
              .details =
                  "Of a database, a row for each activation: token, context, "
                  "position, text, "
                  "feature, level (1 to 255) and value; or with --heads a row "
                  "for each token with the code of every head, none being "
                  "empty in CSV and -1 in npy. Both are of the sample of "
                  "contexts that the database keeps rows of (encode --rows), "
                  "in the order of the text.\n"
                  "\n"
                  "An SAE is read in any of the file formats and written in "
                  "the one of --format, as a folder. What a format cannot "
                  "carry is refused. docs/formats.md has the columns, and "
                  "what each format holds."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", export_option_table,
                sizeof export_option_table / sizeof *export_option_table,
                &options}},
    .n_groups = 1,
    .run = run,
};
