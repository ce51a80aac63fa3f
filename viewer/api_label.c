/* SPDX-License-Identifier: MIT
 *
 * POST /api/label: what a reader writes about a feature; and
 * POST /api/labels/import: a table of it.
 */
#include "viewer/api.h"

#include <string.h>

#include "store/label_csv.h"
#include "viewer/marks.h"

/* What the body asks for. Texts belong to the body's object. */
struct wanted {
    json_int_t sae, feature, version;
    const char *label, *note;
    int starred;
};

static int read_body(json_t **body, struct wanted *w, struct call *c)
{
    json_error_t why;
    size_t n = c->body_size;
    json_t *object = *body =
        json_loadb(c->body, n, JSON_REJECT_DUPLICATES, &why);
    if (object == NULL)
        return call_refuse(c, 400, "the body is no JSON: %.100s", why.text);
    if (json_unpack_ex(
            object, &why, JSON_STRICT, "{s:I, s:I, s:I, s:s, s:s, s:b}", "sae",
            &w->sae, "feature", &w->feature, "version", &w->version, "label",
            &w->label, "note", &w->note, "starred", &w->starred) != 0)
        return call_refuse(c, 400, "the body: %.100s", why.text);
    return 0;
}

static int find_sae(size_t *place, int64_t id, struct call *c)
{
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    for (*place = 0; *place < n; ++*place)
        if (saes[*place].id == id)
            return 0;
    return call_refuse(c, 404, "no SAE with id %lld", (long long)id);
}

static int write_label(json_t *out, struct call *c, const struct wanted *w)
{
    size_t place;
    struct labels_written written;
    TRY(find_sae(&place, w->sae, c));
    const struct catalog_sae *s = call_sae(c, place);
    if (w->feature < 0 || w->feature >= s->d_sae)
        return call_refuse(c, 404, "%s has features 0 to %lld", s->name,
                           (long long)s->d_sae - 1);
    struct label label = {.feature = w->feature,
                          .text = w->label,
                          .note = w->note,
                          .starred = w->starred != 0,
                          .version = w->version};
    (void)snprintf(label.sae, sizeof label.sae, "%s", s->fingerprint);
    TRY(call_asked(c, label_check(&label, c->e)));
    c->status = 500;
    TRY(labels_write(c->site->labels, &written, &label, 1, LABELS_IF_VERSION,
                     c->e));
    if (written.kept > 0)
        return call_refuse(c, 409,
                           "somebody else has changed this label meanwhile; "
                           "look at it again, then save");
    marks_give(c);
    marks_take(c);
    marks_put(c, out, place, w->feature);
    return 0;
}

int api_label(json_t *out, struct call *c)
{
    json_t *body;
    struct wanted w;
    TRY(call_asked(c, target_finish(c->target, c->e)));
    int code = read_body(&body, &w, c);
    if (code == 0)
        code = write_label(out, c, &w);
    json_decref(body);
    return code;
}

/* ---- tables ---- */

/* Of an SAE that is here, only features that it has; others may be those of
 * another database. *elsewhere: labels of such. */
static int check_features(int64_t *elsewhere, struct call *c,
                          const struct label_table *table)
{
    size_t n;
    const struct catalog_sae *saes = catalog_saes(c->site->catalog, &n);
    for (size_t i = 0; i < table->n; i++) {
        const struct label *l = &table->items[i];
        size_t s = 0;
        while (s < n && strcmp(saes[s].fingerprint, l->sae) != 0)
            s++;
        *elsewhere += s == n;
        if (s < n && (l->feature < 0 || l->feature >= saes[s].d_sae))
            return call_refuse(c, 400,
                               "labels.csv:%zu: %s has features 0 to %lld, not "
                               "%lld",
                               table->lines[i], saes[s].name,
                               (long long)saes[s].d_sae - 1,
                               (long long)l->feature);
    }
    return 0;
}

static int write_table(json_t *out, struct call *c,
                       const struct label_table *table, bool replaces)
{
    int64_t elsewhere = 0;
    struct labels_written done;
    TRY(check_features(&elsewhere, c, table));
    c->status = 500;
    TRY(labels_write(c->site->labels, &done, table->items, table->n,
                     replaces ? LABELS_REPLACE : LABELS_KEEP, c->e));
    call_put_int(c, out, "read", (int64_t)table->n);
    call_put_int(c, out, "new", (int64_t)done.added);
    call_put_int(c, out, "replaced", (int64_t)done.replaced);
    call_put_int(c, out, "same", (int64_t)done.same);
    call_put_int(c, out, "kept", (int64_t)done.kept);
    call_put_int(c, out, "elsewhere", elsewhere);
    return 0;
}

int api_labels_import(json_t *out, struct call *c)
{
    int replaces;
    struct label_table table;
    TRY(call_asked(
        c, target_choice(&replaces, c->target, "replace", "0|1", 0, c->e)));
    TRY(call_asked(c, target_finish(c->target, c->e)));
    TRY(call_asked(
        c, label_csv_parse(&table, c->body, c->body_size, "labels.csv", c->e)));
    int code = write_table(out, c, &table, replaces == 1);
    label_table_free(&table);
    return code;
}
