/* SPDX-License-Identifier: MIT */
#include "store/label_csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* More than a person writes; bounds what a wrong file takes. */
enum { FILE_MAX = 256 << 20, COLUMNS_MAX = 32 };

static const char *const names[] = {"fingerprint", "feature", "label",
                                    "starred",     "note",    "changed"};
enum { FINGERPRINT, FEATURE, TEXT, STARRED, NOTE, CHANGED, KNOWN };
enum { NEEDED = TEXT + 1 }; /* of them, the first */

/* ---- writing ---- */

static void put_text(FILE *f, const char *text)
{
    (void)putc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)putc('"', f);
        (void)putc(*text, f);
    }
    (void)putc('"', f);
}

static void put_sae(FILE *f, const struct catalog *catalog, const char *sae)
{
    size_t n;
    const struct catalog_sae *saes = catalog_saes(catalog, &n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(saes[i].fingerprint, sae) == 0) {
            put_text(f, saes[i].name);
            (void)fprintf(f, ",%d,", saes[i].layer);
            return;
        }
    }
    (void)fputs(",,", f);
}

size_t label_csv_write(FILE *f, const struct label_set *set,
                       const struct catalog *catalog)
{
    size_t n, written = 0;
    const struct label *all = label_set_all(set, &n);
    (void)fputs("sae,layer,fingerprint,feature,starred,label,note,changed\n",
                f);
    for (size_t i = 0; i < n; i++) {
        if (label_is_empty(&all[i]))
            continue;
        put_sae(f, catalog, all[i].sae);
        (void)fprintf(f, "%s,%lld,%d,", all[i].sae, (long long)all[i].feature,
                      all[i].starred);
        put_text(f, all[i].text);
        (void)putc(',', f);
        put_text(f, all[i].note);
        (void)fprintf(f, ",%s\n", all[i].changed);
        written++;
    }
    return written;
}

/* ---- reading ---- */

/* Where the next record begins in a text that is changed as it is read. */
struct reader {
    char *at;
    size_t line; /* of the record on hand */
    size_t next_line;
    const char *path;
    size_t columns[KNOWN]; /* which field each is; COLUMNS_MAX: none */
};

/* Takes the quotes off a field, in place; *end is what ended it. */
static char *take_field(struct reader *r, char *end)
{
    char *from = r->at, *to = from, *field = from;
    bool quoted = *from == '"';
    if (quoted)
        from++;
    while (*from != '\0') {
        if (quoted && *from == '"' && from[1] == '"')
            from++;
        else if (quoted && *from == '"') {
            quoted = false;
            from++;
            continue;
        } else if (!quoted && (*from == ',' || *from == '\n'))
            break;
        r->next_line += *from == '\n';
        *to++ = *from++;
    }
    *end = quoted ? '"' : *from;
    if (*from != '\0')
        from++;
    /* A line may end in \r\n. */
    if (*end != ',' && to > field && to[-1] == '\r')
        to--;
    r->at = from;
    *to = '\0';
    return field;
}

/* A record's fields; *n 0 at the end. */
static int next_record(char *fields[COLUMNS_MAX], size_t *n, struct reader *r,
                       struct err *e)
{
    char end = ',';
    r->line = r->next_line + 1;
    for (*n = 0; end == ',' && (*n > 0 || *r->at != '\0');) {
        if (*n == COLUMNS_MAX)
            return err_set(e, ERR_INPUT, "%s:%zu: more than %d columns",
                           r->path, r->line, COLUMNS_MAX);
        fields[(*n)++] = take_field(r, &end);
    }
    r->next_line += end == '\n';
    if (end == '"')
        return err_set(e, ERR_INPUT, "%s:%zu: a quote that does not end",
                       r->path, r->line);
    return 0;
}

static int read_header(struct reader *r, struct err *e)
{
    char *fields[COLUMNS_MAX];
    size_t n;
    /* Spreadsheets put a byte order mark first. */
    if (strncmp(r->at, "\xef\xbb\xbf", 3) == 0)
        r->at += 3;
    TRY(next_record(fields, &n, r, e));
    for (size_t k = 0; k < KNOWN; k++) {
        r->columns[k] = COLUMNS_MAX;
        for (size_t i = 0; i < n; i++)
            if (strcasecmp(fields[i], names[k]) == 0)
                r->columns[k] = i;
        if (r->columns[k] == COLUMNS_MAX && k < NEEDED)
            return err_set(e, ERR_INPUT, "%s: the first line has no column %s",
                           r->path, names[k]);
    }
    return 0;
}

static char *field_of(char *const *fields, size_t n, const struct reader *r,
                      int column)
{
    static char none[] = "";
    return r->columns[column] < n ? fields[r->columns[column]] : none;
}

/* A time as we write it; another is left out, and becomes now. */
static bool is_time(const char *text)
{
    return strlen(text) == LABEL_CHANGED - 1 &&
           strspn(text, "0123456789-:TZ") == LABEL_CHANGED - 1;
}

static int take_label(struct label *out, char *const *fields, size_t n,
                      const struct reader *r, struct err *e)
{
    const char *sae = field_of(fields, n, r, FINGERPRINT);
    const char *feature = field_of(fields, n, r, FEATURE);
    const char *starred = field_of(fields, n, r, STARRED);
    const char *changed = field_of(fields, n, r, CHANGED);
    char *end;
    *out = (struct label){.text = field_of(fields, n, r, TEXT),
                          .note = field_of(fields, n, r, NOTE),
                          .starred = strcmp(starred, "1") == 0};
    (void)snprintf(out->sae, sizeof out->sae, "%s", sae);
    if (is_time(changed))
        (void)snprintf(out->changed, sizeof out->changed, "%s", changed);
    out->feature = strtoll(feature, &end, 10);
    if (*feature == '\0' || *end != '\0')
        return err_set(e, ERR_INPUT, "%s:%zu: '%.40s' is no feature", r->path,
                       r->line, feature);
    if (*starred != '\0' && strcmp(starred, "0") != 0 && !out->starred)
        return err_set(e, ERR_INPUT, "%s:%zu: starred is '%.40s', not 0 or 1",
                       r->path, r->line, starred);
    if (strlen(sae) != LABEL_SAE - 1 || label_check(out, e) != 0)
        return strlen(sae) != LABEL_SAE - 1
                   ? err_set(e, ERR_INPUT, "%s:%zu: '%.40s' is no fingerprint",
                             r->path, r->line, sae)
                   : err_prefix(e, "%s:%zu", r->path, r->line);
    return 0;
}

static int grow(struct label_table *t, size_t *room, struct err *e)
{
    size_t more = *room == 0 ? 64 : 2 * *room;
    struct label *items = realloc(t->items, more * sizeof *items);
    if (items != NULL)
        t->items = items;
    size_t *lines = realloc(t->lines, more * sizeof *lines);
    if (lines != NULL)
        t->lines = lines;
    if (items == NULL || lines == NULL)
        return err_memory(e, "the labels", more * sizeof *items);
    *room = more;
    return 0;
}

static int read_records(struct label_table *out, struct reader *r,
                        struct err *e)
{
    size_t room = 0, n;
    char *fields[COLUMNS_MAX];
    TRY(read_header(r, e));
    for (;;) {
        TRY(next_record(fields, &n, r, e));
        if (n == 0)
            return 0;
        if (n == 1 && fields[0][0] == '\0')
            continue; /* a blank line */
        if (out->n == room)
            TRY(grow(out, &room, e));
        TRY(take_label(&out->items[out->n], fields, n, r, e));
        out->lines[out->n] = r->line;
        out->n++;
    }
}

/* The whole file, ended by zero. */
static int read_text(char **out, size_t *length, const char *path,
                     struct err *e)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        int code = err_errno(e, "cannot read %s", path);
        if (f != NULL)
            (void)fclose(f);
        return code;
    }
    int code = 0;
    size_t size = (size_t)st.st_size, got = 0;
    if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
        code = err_set(e, ERR_INPUT, "%s is no file of labels", path);
    else if ((*out = malloc(size + 1)) == NULL)
        code = err_memory(e, "the labels", size);
    else
        got = fread(*out, 1, size, f);
    if (code == 0 && ferror(f))
        code = err_errno(e, "cannot read %s", path);
    if (*out != NULL)
        (*out)[got] = '\0';
    *length = got;
    (void)fclose(f);
    return code;
}

/* Takes out->text, of that length, apart. */
static int parse_text(struct label_table *out, size_t length, const char *name,
                      struct err *e)
{
    if (memchr(out->text, '\0', length) != NULL)
        return err_set(e, ERR_INPUT, "%s has a NUL in it", name);
    struct reader r = {.at = out->text, .path = name};
    return read_records(out, &r, e);
}

int label_csv_read(struct label_table *out, const char *path, struct err *e)
{
    size_t length = 0;
    *out = (struct label_table){0};
    int code = read_text(&out->text, &length, path, e);
    if (code == 0)
        code = parse_text(out, length, path, e);
    if (code != 0)
        label_table_free(out);
    return code;
}

int label_csv_parse(struct label_table *out, const char *bytes, size_t size,
                    const char *name, struct err *e)
{
    *out = (struct label_table){.text = malloc(size + 1)};
    if (out->text == NULL)
        return err_memory(e, "the labels", size);
    if (size > 0)
        memcpy(out->text, bytes, size);
    out->text[size] = '\0';
    int code = parse_text(out, size, name, e);
    if (code != 0)
        label_table_free(out);
    return code;
}

void label_table_free(struct label_table *table)
{
    free(table->items);
    free(table->lines);
    free(table->text);
    *table = (struct label_table){0};
}
