/* SPDX-License-Identifier: MIT
 *
 * headscope labels: what readers have written about features, as a table, and
 * carried from an SAE to another that was trained anew.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/output.h"
#include "sae/match.h"
#include "store/label_csv.h"
#include "store/pool.h"

struct labels_options {
    const char *export, *import, *carry, *to;
    double threshold;
};
static struct labels_options own;

#define FIELD(name) offsetof(struct labels_options, name)
static const struct option labels_option_table[] = {
    {.name = "export",
     .type = OPTION_TEXT,
     .offset = FIELD(export),
     .value = "FILE.csv",
     .help = "write all labels into a table"},
    {.name = "import",
     .type = OPTION_TEXT,
     .offset = FIELD(import),
     .value = "FILE.csv",
     .help = "take the labels of a table; where a feature has another already, "
             "that stays, unless --force"},
    {.name = "carry",
     .type = OPTION_TEXT,
     .offset = FIELD(carry),
     .value = "OLD.sae",
     .help = "take the labels of this SAE's features over to the features of "
             "another (--to) that are the same by the cosine of their decoder "
             "rows: each the best match of the other"},
    {.name = "to",
     .type = OPTION_TEXT,
     .offset = FIELD(to),
     .value = "NEW.sae",
     .help = "the SAE that gets them, with --carry"},
    {.name = "threshold",
     .type = OPTION_REAL,
     .offset = FIELD(threshold),
     .fallback = "0.7",
     .max = 1,
     .value = "COSINE",
     .help = "with --carry: the least cosine"},
};
#undef FIELD

/* The labels of a database on hand. */
struct work {
    const struct common_options *common;
    struct pool *pool;
    struct catalog *catalog;
    struct labels *labels;
    struct label_set *set;
    json_t *report;
};

static int add(struct work *w, const char *key, size_t value, struct err *e)
{
    if (json_object_set_new(w->report, key, json_integer((json_int_t)value)) !=
        0)
        return err_memory(e, "the report", sizeof(void *));
    return 0;
}

static void print(const struct work *w, const char *line)
{
    if (!w->common->json)
        (void)puts(line);
}

static int open_all(struct work *w, const char *database, struct err *e)
{
    struct pool_reader *reader;
    TRY(pool_open(&w->pool, database, 1, e));
    TRY(pool_take(&reader, w->pool, e));
    int code = catalog_open(&w->catalog, &reader->queries, e);
    pool_give(w->pool, reader);
    if (code == 0)
        code = labels_open(&w->labels, database, e);
    if (code == 0)
        code = labels_get(&w->set, w->labels, e);
    return code;
}

static void close_all(struct work *w)
{
    label_set_free(w->set);
    labels_close(&w->labels);
    catalog_close(&w->catalog);
    pool_close(&w->pool);
}

/* ---- what there is ---- */

static int count(struct work *w, struct err *e)
{
    size_t n, labelled = 0, starred = 0, noted = 0;
    const struct label *all = label_set_all(w->set, &n);
    char line[128];
    for (size_t i = 0; i < n; i++) {
        labelled += all[i].text[0] != '\0';
        starred += all[i].starred;
        noted += all[i].note[0] != '\0';
    }
    (void)snprintf(line, sizeof line, "%zu labels, %zu stars, %zu notes",
                   labelled, starred, noted);
    print(w, line);
    TRY(add(w, "labels", labelled, e));
    TRY(add(w, "stars", starred, e));
    return add(w, "notes", noted, e);
}

/* ---- tables ---- */

static int write_table(FILE *f, struct work *w, struct err *e)
{
    size_t n = label_csv_write(f, w->set, w->catalog);
    char line[64];
    bool failed = ferror(f) != 0;
    if (fclose(f) != 0 || failed)
        return err_errno(e, "cannot write %s", own.export);
    (void)snprintf(line, sizeof line, "wrote %zu features", n);
    print(w, line);
    return add(w, "exported", n, e);
}

static int export_table(struct work *w, struct err *e)
{
    struct output o = {.lock_fd = -1};
    TRY(output_check(own.export, false, w->common->force, e));
    if (w->common->dry_run)
        return 0;
    TRY(output_begin_file(&o, own.export, w->common->force, e));
    FILE *f = fopen(o.partial, "wb");
    int code = f == NULL ? err_errno(e, "cannot write %s", own.export)
                         : write_table(f, w, e);
    if (code == 0)
        code = output_commit(&o, e);
    output_abort(&o);
    return code;
}

/* Writes them as --force and --dry-run say, and tells what came of it. */
static int put(struct work *w, const struct label *items, size_t n,
               struct err *e)
{
    struct labels_written done = {0};
    char line[200];
    if (!w->common->dry_run)
        TRY(labels_write(w->labels, &done, items, n,
                         w->common->force ? LABELS_REPLACE : LABELS_KEEP, e));
    (void)snprintf(line, sizeof line,
                   "%zu new, %zu replaced, %zu the same as before, %zu kept as "
                   "they were%s",
                   done.added, done.replaced, done.same, done.kept,
                   done.kept > 0 ? " (--force replaces)" : "");
    if (!w->common->dry_run)
        print(w, line);
    TRY(add(w, "new", done.added, e));
    TRY(add(w, "replaced", done.replaced, e));
    TRY(add(w, "same", done.same, e));
    return add(w, "kept", done.kept, e);
}

static int import_table(struct work *w, struct err *e)
{
    struct label_table table;
    TRY(label_csv_read(&table, own.import, e));
    int code = add(w, "read", table.n, e);
    if (code == 0)
        code = put(w, table.items, table.n, e);
    label_table_free(&table);
    return code;
}

/* ---- another SAE ---- */

struct carried {
    struct label *items;
    size_t n, of; /* of: labels that the old SAE has */
};

/* Labels of features whose match is mutual and close. The texts are the set's.
 */
static int choose(struct carried *out, const struct work *w,
                  const struct match *q, const char *from, const char *to,
                  struct err *e)
{
    size_t n;
    const struct label *all = label_set_all(w->set, &n);
    out->items = calloc(n + 1, sizeof *out->items);
    if (out->items == NULL)
        return err_memory(e, "the labels", n * sizeof *out->items);
    for (size_t i = 0; i < n; i++) {
        const struct label *l = &all[i];
        if (strcmp(l->sae, from) != 0 || label_is_empty(l))
            continue;
        out->of++;
        if (l->feature >= (int64_t)q->n ||
            !(q->cosine[l->feature] >= own.threshold) ||
            q->back[q->best[l->feature]] != (uint32_t)l->feature)
            continue;
        struct label *one = &out->items[out->n++];
        *one = *l;
        one->feature = q->best[l->feature];
        (void)snprintf(one->sae, sizeof one->sae, "%s", to);
    }
    return 0;
}

static int carry_matched(struct work *w, const struct sae *old,
                         const struct sae *new, struct err *e)
{
    struct team team = team_make((int)w->common->threads);
    struct match q;
    struct carried carried = {0};
    char line[160];
    TRY(match_decoders(&q, old, new, &team, e));
    int code = choose(&carried, w, &q, old->fingerprint, new->fingerprint, e);
    match_free(&q);
    if (code == 0) {
        (void)snprintf(line, sizeof line,
                       "%zu of %zu labelled features have a mutual match of "
                       "cosine %.3g or more",
                       carried.n, carried.of, own.threshold);
        print(w, line);
        code = add(w, "labelled", carried.of, e);
    }
    if (code == 0)
        code = add(w, "matched", carried.n, e);
    if (code == 0)
        code = put(w, carried.items, carried.n, e);
    free(carried.items);
    return code;
}

static int carry_between(struct work *w, const struct sae *old, struct sae *new,
                         struct err *e)
{
    TRY(sae_load(new, own.to, e));
    if (old->d != new->d)
        return err_set(e, ERR_INPUT, "%s has rows of %zu numbers, %s of %zu",
                       own.carry, old->d, own.to, new->d);
    if (strcmp(old->fingerprint, new->fingerprint) == 0)
        return err_set(e, ERR_INPUT, "%s and %s are the same SAE", own.carry,
                       own.to);
    return carry_matched(w, old, new, e);
}

static int carry(struct work *w, struct err *e)
{
    struct sae old, new = {0};
    TRY(sae_load(&old, own.carry, e));
    int code = carry_between(w, &old, &new, e);
    sae_free(&old);
    sae_free(&new);
    return code;
}

/* ---- all of it ---- */

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct work w = {.common = common, .report = report};
    int tasks =
        (own.export != NULL) + (own.import != NULL) + (own.carry != NULL);
    (void)n_args;
    if (tasks > 1)
        return err_set(e, ERR_INPUT,
                       "--export, --import and --carry exclude each other");
    if ((own.carry == NULL) != (own.to == NULL))
        return err_set(e, ERR_INPUT,
                       "--carry OLD.sae and --to NEW.sae go "
                       "together");
    int code = open_all(&w, args[0], e);
    if (code == 0)
        code = own.export != NULL   ? export_table(&w, e)
               : own.import != NULL ? import_table(&w, e)
               : own.carry != NULL  ? carry(&w, e)
                                    : count(&w, e);
    close_all(&w);
    return code;
}

const struct command command_labels = {
    .usage = {.command = "labels",
              .summary = "Export, import or carry over labels of features.",
              .arguments = "FILE.db",
              .details =
                  "Labels, stars and notes are written on the page (headscope "
                  "view). They live beside the database, for demo.db in "
                  "demo.labels.db, keyed by the SAE's fingerprint and the "
                  "feature. Without options it counts them. Tables are CSV "
                  "(docs/formats.md)."},
    .args_min = 1,
    .args_max = 1,
    .groups = {{"Options", labels_option_table,
                sizeof labels_option_table / sizeof *labels_option_table,
                &own}},
    .n_groups = 1,
    .run = run,
};
