/* SPDX-License-Identifier: MIT */
#include "store/labels.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <sqlite3.h>

#include "base/output.h"
#include "base/utf8.h"
#include "store/label_file.h"

struct label_set {
    atomic_int holders;
    struct label *items;
    size_t n, room;
};

struct labels {
    char path[OUTPUT_PATH_MAX];
    pthread_mutex_t mutex;
    struct label_set *set; /* NULL: not read */
    struct stat seen; /* the file as it was then; no link: there was none */
    uint64_t writes;  /* our own */
};

/* ---- one label ---- */

bool label_is_empty(const struct label *label)
{
    return label->text[0] == '\0' && label->note[0] == '\0' && !label->starred;
}

/* Line ends and tabs belong into notes only. */
static int check_text(const char *what, const char *text, size_t most,
                      bool lines, struct err *e)
{
    size_t length = strlen(text);
    if (length > most)
        return err_set(e, ERR_INPUT, "the %s has %zu bytes, more than %zu",
                       what, length, most);
    if (utf8_valid_prefix(text, length) != length)
        return err_set(e, ERR_INPUT, "the %s is not valid UTF-8", what);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' || c == 0x7f) && !(lines && (c == '\n' || c == '\t')))
            return err_set(e, ERR_INPUT,
                           "the %s has a control character (byte %zu)", what,
                           i + 1);
    }
    return 0;
}

int label_check(const struct label *label, struct err *e)
{
    size_t digits = strspn(label->sae, "0123456789abcdef");
    if (digits != LABEL_SAE - 1 || label->sae[digits] != '\0')
        return err_set(e, ERR_INPUT,
                       "'%.40s' is no fingerprint of 32 hexadecimal digits",
                       label->sae);
    if (label->feature < 0 || label->feature > INT32_MAX)
        return err_set(e, ERR_INPUT, "there is no feature %lld",
                       (long long)label->feature);
    TRY(check_text("label", label->text, LABEL_TEXT_MAX, false, e));
    return check_text("note", label->note, LABEL_NOTE_MAX, true, e);
}

/* ---- sets ---- */

const struct label *label_set_all(const struct label_set *set, size_t *n)
{
    *n = set->n;
    return set->items;
}

static int by_key(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    int order = strcmp(a->sae, b->sae);
    return order != 0 ? order
                      : (a->feature > b->feature) - (a->feature < b->feature);
}

const struct label *label_set_find(const struct label_set *set, const char *sae,
                                   int64_t feature)
{
    struct label wanted = {.feature = feature};
    if (strlen(sae) >= sizeof wanted.sae || set->n == 0)
        return NULL;
    (void)snprintf(wanted.sae, sizeof wanted.sae, "%s", sae);
    return bsearch(&wanted, set->items, set->n, sizeof wanted, by_key);
}

void label_set_free(struct label_set *set)
{
    if (set == NULL || atomic_fetch_sub(&set->holders, 1) > 1)
        return;
    for (size_t i = 0; i < set->n; i++)
        free(set->items[i].owned);
    free(set->items);
    free(set);
}

/* Takes over what the label owns. */
static int add(void *context, struct label *label, struct err *e)
{
    struct label_set *set = context;
    if (set->n == set->room) {
        size_t room = set->room == 0 ? 64 : 2 * set->room;
        struct label *grown = realloc(set->items, room * sizeof *grown);
        if (grown == NULL) {
            free(label->owned);
            return err_memory(e, "the labels", room * sizeof *grown);
        }
        set->items = grown;
        set->room = room;
    }
    set->items[set->n++] = *label;
    return 0;
}

static int read_set(struct label_set **out, const char *path, struct err *e)
{
    struct label_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        return err_memory(e, "the labels", sizeof *set);
    atomic_init(&set->holders, 1);
    int code = label_file_read(path, add, set, e);
    /* The file gives them in this order, if nobody has tampered with it. */
    if (code == 0 && set->n > 0)
        qsort(set->items, set->n, sizeof *set->items, by_key);
    if (code != 0)
        label_set_free(set);
    else
        *out = set;
    return code;
}

/* ---- the file beside the database ---- */

int labels_open(struct labels **out, const char *database, struct err *e)
{
    static const char ending[] = ".db";
    size_t length = strlen(database);
    struct labels *l = calloc(1, sizeof *l);
    *out = l;
    if (l == NULL)
        return err_memory(e, "the labels", sizeof *l);
    (void)pthread_mutex_init(&l->mutex, NULL);
    if (length >= sizeof ending &&
        strcmp(database + length - (sizeof ending - 1), ending) == 0)
        length -= sizeof ending - 1;
    if (length + sizeof ".labels.db" > sizeof l->path) {
        labels_close(out);
        return err_set(e, ERR_INPUT, "the path %s is too long", database);
    }
    (void)snprintf(l->path, sizeof l->path, "%.*s.labels.db", (int)length,
                   database);
    return 0;
}

void labels_close(struct labels **labels)
{
    struct labels *l = *labels;
    if (l == NULL)
        return;
    label_set_free(l->set);
    (void)pthread_mutex_destroy(&l->mutex);
    free(l);
    *labels = NULL;
}

const char *labels_path(const struct labels *labels)
{
    return labels->path;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_nlink == b->st_nlink && a->st_dev == b->st_dev &&
           a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The file as it is; all zero where there is none. */
static int look(struct stat *out, const struct labels *l, struct err *e)
{
    if (stat(l->path, out) == 0)
        return 0;
    *out = (struct stat){0};
    return errno == ENOENT ? 0 : err_errno(e, "cannot read %s", l->path);
}

/* With the mutex held. The look comes before the reading: what is written
 * between the two is read again. */
static int refresh(struct labels *l, struct err *e)
{
    struct stat now;
    struct label_set *set = NULL;
    TRY(look(&now, l, e));
    if (l->set != NULL && is_same(&now, &l->seen))
        return 0;
    TRY(read_set(&set, now.st_nlink == 0 ? NULL : l->path, e));
    label_set_free(l->set);
    l->set = set;
    l->seen = now;
    return 0;
}

int labels_get(struct label_set **out, struct labels *labels, struct err *e)
{
    *out = NULL;
    (void)pthread_mutex_lock(&labels->mutex);
    int code = refresh(labels, e);
    if (code == 0) {
        *out = labels->set;
        (void)atomic_fetch_add(&labels->set->holders, 1);
    }
    (void)pthread_mutex_unlock(&labels->mutex);
    return code;
}

uint64_t labels_state(struct labels *labels)
{
    struct stat now;
    (void)look(&now, labels, NULL);
    (void)pthread_mutex_lock(&labels->mutex);
    uint64_t writes = labels->writes;
    (void)pthread_mutex_unlock(&labels->mutex);
    const uint64_t parts[] = {
        writes, (uint64_t)now.st_ino, (uint64_t)now.st_size,
        (uint64_t)now.st_mtim.tv_sec, (uint64_t)now.st_mtim.tv_nsec};
    uint64_t state = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        state = (state ^ parts[i]) * 0x9e3779b97f4a7c15U;
    return state;
}

int labels_write(struct labels *labels, struct labels_written *written,
                 const struct label *items, size_t n, enum labels_policy policy,
                 struct err *e)
{
    *written = (struct labels_written){0};
    for (size_t i = 0; i < n; i++)
        TRY(label_check(&items[i], e));
    /* Not under the mutex: who only reads does not wait for another program. */
    struct label_file f = {.path = labels->path, .policy = policy};
    int code = label_file_write(&f, items, n, e);
    *written = f.written;
    (void)pthread_mutex_lock(&labels->mutex);
    labels->writes++;
    /* Two writes can leave one time and size: what is known is let go. */
    label_set_free(labels->set);
    labels->set = NULL;
    (void)pthread_mutex_unlock(&labels->mutex);
    return code;
}
