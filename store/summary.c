/* SPDX-License-Identifier: MIT */
#include "store/summary.h"

#include <stdbool.h>
#include <string.h>

#include <sqlite3.h>

#include "base/format.h"
#include "store/database.h"

static const char dumps_sql[] =
    "SELECT name, model, layers, heads, d_head, tokens, contexts,"
    " context_source, sample_tokens, id, fingerprint FROM dump ORDER BY id";

/* The median is over the features that are active at all. */
static const char saes_sql[] =
    "SELECT layer, name, fvu, l0, dead,"
    " (SELECT density FROM"
    "  (SELECT density, row_number() OVER (ORDER BY density) AS i,"
    "   count(*) OVER () AS n FROM feature"
    "   WHERE sae = s.id AND density > 0) WHERE i = (n + 1) / 2)"
    " AS median_density,"
    " d_sae AS features, activations, id, dump, architecture, d_in, heads, "
    "tokens,"
    " held_out_fvu, held_out_l0, held_out_dead, train_fvu, pca_fvu, l1, mse,"
    " cosine, relative_bias, fingerprint"
    " FROM sae AS s ORDER BY id";

/* Columns of saes_sql that the table shows. */
enum { LAYER, NAME, FVU, L0, DEAD, MEDIAN, FEATURES, ACTIVATIONS, ID, DUMP };

/* Where to print; with several dumps each line says which. */
struct page {
    FILE *out; /* or NULL */
    bool several;
};

static const char *text_of(sqlite3_stmt *row, int column)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    return text == NULL ? "" : (const char *)text;
}

/* Text of a file on a terminal: control characters become '?'. */
static void print_text(FILE *out, const char *text, int width)
{
    for (; *text != '\0'; text++, width--) {
        unsigned char c = (unsigned char)*text;
        (void)fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
    }
    (void)fprintf(out, "%*s", width > 0 ? width : 0, "");
}

static void print_dump(const struct page *page, sqlite3_stmt *row)
{
    FILE *out = page->out;
    char tokens[32], contexts[32], sample[32];
    format_count(tokens, sizeof tokens, sqlite3_column_double(row, 5));
    format_count(contexts, sizeof contexts, sqlite3_column_double(row, 6));
    format_count(sample, sizeof sample, sqlite3_column_double(row, 8));
    (void)fputs("dump ", out);
    if (page->several)
        (void)fprintf(out, "%lld, ", (long long)sqlite3_column_int64(row, 9));
    print_text(out, text_of(row, 0), 0);
    (void)fputs(", model ", out);
    print_text(out, text_of(row, 1), 0);
    (void)fprintf(out,
                  ": %s tokens in %s %s; activations of %s of them are kept "
                  "as rows\n",
                  tokens, contexts,
                  strcmp(text_of(row, 7), "dump") == 0 ? "contexts"
                                                       : "blocks of 256",
                  sample);
}

/* A figure with that many digits, or a dash if it is not known. */
static void print_real(FILE *out, sqlite3_stmt *row, int column, int digits,
                       int width)
{
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        (void)fprintf(out, " %*s", width, "-");
    else
        (void)fprintf(out, " %*.*g", width, digits,
                      sqlite3_column_double(row, column));
}

enum { NAME_WIDTH = 20 };

static void print_head(FILE *out)
{
    (void)fprintf(out, "%5s  %-*s %8s %8s %8s %10s %9s %12s\n", "layer",
                  NAME_WIDTH, "SAE", "FVU", "L0", "dead", "density", "features",
                  "activations");
}

/* As encode --remove takes it. */
static void print_name(const struct page *page, sqlite3_stmt *row)
{
    int used = 0;
    if (page->several)
        used = fprintf(page->out, "%lld/",
                       (long long)sqlite3_column_int64(row, DUMP));
    print_text(page->out, text_of(row, NAME), NAME_WIDTH - used);
}

static void print_sae(const struct page *page, sqlite3_stmt *row)
{
    FILE *out = page->out;
    char activations[32];
    format_count(activations, sizeof activations,
                 sqlite3_column_double(row, ACTIVATIONS));
    (void)fprintf(out, "%5d  ", sqlite3_column_int(row, LAYER));
    print_name(page, row);
    print_real(out, row, FVU, 4, 8);
    print_real(out, row, L0, 4, 8);
    (void)fprintf(out, " %8lld", (long long)sqlite3_column_int64(row, DEAD));
    print_real(out, row, MEDIAN, 2, 10);
    (void)fprintf(out, " %9lld %12s\n",
                  (long long)sqlite3_column_int64(row, FEATURES), activations);
}

/* Runs a query; each row goes to `print` and, as an object, into `list`. */
static int each_row(sqlite3 *db, const char *path, const char *sql,
                    const struct page *page,
                    void (*print)(const struct page *page, sqlite3_stmt *row),
                    json_t *list, struct err *e)
{
    sqlite3_stmt *row = NULL;
    TRY(store_prepare(&row, db, path, sql, e));
    int stepped;
    while ((stepped = sqlite3_step(row)) == SQLITE_ROW) {
        if (page->out != NULL)
            print(page, row);
        if (list != NULL)
            (void)json_array_append_new(list, store_row_object(row));
    }
    int code = stepped == SQLITE_DONE ? 0 : store_error(db, "read", path, e);
    (void)sqlite3_finalize(row);
    return code;
}

/* A new array under `key`, owned by the report; NULL without one. */
static json_t *new_list(json_t *report, const char *key)
{
    if (report == NULL)
        return NULL;
    json_t *list = json_array();
    return json_object_set_new(report, key, list) == 0 ? list : NULL;
}

static int print_all(FILE *out, sqlite3 *db, const char *path, json_t *report,
                     struct err *e)
{
    int64_t dumps;
    TRY(store_number(&dumps, db, path, "SELECT count(*) FROM dump", e));
    struct page page = {.out = out, .several = dumps > 1};
    TRY(each_row(db, path, dumps_sql, &page, print_dump,
                 new_list(report, "dumps"), e));
    if (out != NULL)
        print_head(out);
    return each_row(db, path, saes_sql, &page, print_sae,
                    new_list(report, "saes"), e);
}

int store_summary_print(FILE *out, const char *path, json_t *report,
                        struct err *e)
{
    sqlite3 *db = NULL;
    TRY(store_open_read(&db, path, e));
    if (report != NULL)
        (void)json_object_set_new(report, "database", json_string(path));
    int code = print_all(out, db, path, report, e);
    (void)sqlite3_close(db);
    return code;
}
