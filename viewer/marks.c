/* SPDX-License-Identifier: MIT */
#include "viewer/marks.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "store/label_csv.h"

void marks_take(struct call *c)
{
    (void)labels_get(&c->labels, c->site->labels, &c->labels_error);
}

void marks_give(struct call *c)
{
    label_set_free(c->labels);
    c->labels = NULL;
}

/* NULL: none. */
static const struct label *find(const struct call *c, size_t sae,
                                int64_t feature)
{
    return c->labels == NULL
               ? NULL
               : label_set_find(c->labels, call_sae(c, sae)->fingerprint,
                                feature);
}

void marks_put_row(struct call *c, json_t *row,
                   const struct catalog_feature *feature)
{
    const struct label *l = find(c, (size_t)feature->sae, feature->feature);
    call_put_text(c, row, "label", l == NULL ? "" : l->text);
    call_put(c, row, "starred", json_boolean(l != NULL && l->starred));
}

void marks_put(struct call *c, json_t *out, size_t sae, int64_t feature)
{
    const struct label *l = find(c, sae, feature);
    json_t *mark = call_put_object(c, out, "mark");
    call_put_text(c, mark, "label", l == NULL ? "" : l->text);
    call_put_text(c, mark, "note", l == NULL ? "" : l->note);
    call_put(c, mark, "starred", json_boolean(l != NULL && l->starred));
    call_put_int(c, mark, "version", l == NULL ? 0 : l->version);
    if (l != NULL)
        call_put_text(c, mark, "changed", l->changed);
    if (c->labels_error.code != 0)
        call_put_text(c, mark, "error", c->labels_error.msg);
}

void marks_put_count(struct call *c, json_t *out)
{
    size_t n = 0, marked = 0;
    const struct label *all =
        c->labels == NULL ? NULL : label_set_all(c->labels, &n);
    for (size_t i = 0; i < n; i++)
        marked += !label_is_empty(&all[i]);
    call_put_int(c, out, "labels", (int64_t)marked);
}

/* ---- filter ---- */

/* Whether a label holds the words, whatever the case of ASCII letters. */
static bool holds(const char *label, const char *words)
{
    size_t length = strlen(words);
    if (label[0] == '\0')
        return false;
    for (; strlen(label) >= length; label++)
        if (strncasecmp(label, words, length) == 0)
            return true;
    return false;
}

/* Several SAEs may be one by their fingerprint. */
static void choose(bool *only, const struct call *c, const struct label *l,
                   const struct catalog_feature *first)
{
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    for (size_t s = 0; s < n; s++) {
        if (strcmp(saes[s].fingerprint, l->sae) != 0)
            continue;
        const struct catalog_feature *f =
            catalog_find(c->site->catalog, s, l->feature);
        if (f != NULL)
            only[f - first] = true;
    }
}

int marks_get_filter(bool **only, struct call *c)
{
    int starred;
    size_t n, n_labels;
    const struct catalog_feature *features;
    const char *words = target_text(c->target, "label");
    *only = NULL;
    TRY(call_asked(
        c, target_choice(&starred, c->target, "starred", "0|1", 0, c->e)));
    if (words == NULL && starred == 0)
        return 0;
    if (c->labels == NULL)
        return call_refuse(c, 500, "%s", c->labels_error.msg);
    TRY(catalog_features(&features, &n, c->site->catalog, c->queries, c->e));
    *only = calloc(n + 1, sizeof **only);
    if (*only == NULL)
        return err_memory(c->e, "a list of features", n);
    const struct label *all = label_set_all(c->labels, &n_labels);
    for (size_t i = 0; i < n_labels; i++)
        if ((words == NULL || holds(all[i].text, words)) &&
            (starred == 0 || all[i].starred))
            choose(*only, c, &all[i], features);
    return 0;
}

int marks_put_found(struct call *c, json_t *results, const char *words,
                    int limit)
{
    size_t n, n_saes, n_labels = 0;
    const struct catalog_feature *features;
    const struct label *all =
        c->labels == NULL ? NULL : label_set_all(c->labels, &n_labels);
    if (n_labels == 0)
        return 0;
    TRY(catalog_features(&features, &n, c->site->catalog, c->queries, c->e));
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n_saes);
    for (size_t i = 0; i < n_labels * n_saes && limit > 0; i++) {
        const struct label *l = &all[i / n_saes];
        const struct catalog_sae *s = &saes[i % n_saes];
        if (strcmp(s->fingerprint, l->sae) != 0 || !holds(l->text, words) ||
            catalog_find(c->site->catalog, i % n_saes, l->feature) == NULL)
            continue;
        json_t *one = call_add_object(c, results);
        call_put_text(c, one, "kind", "label");
        call_put_int(c, one, "sae", s->id);
        call_put_int(c, one, "layer", s->layer);
        call_put_int(c, one, "feature", l->feature);
        call_put_text(c, one, "label", l->text);
        limit--;
    }
    return 0;
}

/* ---- all of them ---- */

static void put_label(struct call *c, json_t *labels, const struct label *l)
{
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    json_t *one = call_add_object(c, labels);
    for (size_t s = 0; s < n; s++) {
        if (strcmp(saes[s].fingerprint, l->sae) == 0) {
            call_put_int(c, one, "sae", saes[s].id);
            call_put_int(c, one, "layer", saes[s].layer);
            break;
        }
    }
    call_put_text(c, one, "fingerprint", l->sae);
    call_put_int(c, one, "feature", l->feature);
    call_put_text(c, one, "label", l->text);
    call_put(c, one, "starred", json_boolean(l->starred));
    call_put_text(c, one, "note", l->note);
    call_put_text(c, one, "changed", l->changed);
    call_put_int(c, one, "version", l->version);
}

int api_labels(json_t *out, struct call *c)
{
    size_t n;
    TRY(call_asked(c, target_finish(c->target, c->e)));
    if (c->labels == NULL)
        return call_refuse(c, 500, "%s", c->labels_error.msg);
    const struct label *all = label_set_all(c->labels, &n);
    json_t *labels = call_put_array(c, out, "labels");
    for (size_t i = 0; i < n; i++)
        if (!label_is_empty(&all[i]))
            put_label(c, labels, &all[i]);
    return 0;
}

static int write_csv(struct api_answer *out, const struct label_set *set,
                     const struct call_site *site, struct err *e)
{
    FILE *f = open_memstream(&out->text, &out->length);
    if (f == NULL)
        return err_memory(e, "the labels", sizeof *f);
    (void)label_csv_write(f, set, site->catalog);
    if (fclose(f) == 0)
        return 0;
    free(out->text);
    return err_memory(e, "the labels", out->length);
}

void marks_answer_csv(struct api_answer *out, const struct call_site *site)
{
    struct err e = {0};
    struct label_set *set;
    *out = (struct api_answer){
        .status = 200, .type = "text/csv; charset=utf-8", .file = "labels.csv"};
    int code = labels_get(&set, site->labels, &e);
    if (code == 0)
        code = write_csv(out, set, site, &e);
    label_set_free(set);
    if (code != 0)
        api_error(out, 500, e.msg);
}
