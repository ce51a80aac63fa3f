/* SPDX-License-Identifier: MIT
 *
 * What a reader writes about features: a label, a star, a note. They live in an
 * SQLite file of their own beside the database, demo.labels.db for demo.db,
 * keyed by the SAE's fingerprint and the feature: so the database is only ever
 * read, and labels outlive a new encode. The file comes into being with the
 * first that is written. Any number of threads and programs.
 */
#ifndef STORE_LABELS_H
#define STORE_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    LABEL_SAE = 33,       /* a fingerprint, with its zero */
    LABEL_TEXT_MAX = 200, /* bytes */
    LABEL_NOTE_MAX = 8000,
    LABEL_CHANGED = 21, /* "2025-01-31T12:00:00Z" */
};

struct label {
    char sae[LABEL_SAE];
    int64_t feature;
    const char *text, *note; /* UTF-8, may be empty */
    void *owned;             /* holds both where a set has the label */
    bool starred;
    char changed[LABEL_CHANGED];
    int64_t version; /* counts its changes; 0: never written */
};

/* All of a file at one moment, by SAE and feature. What is empty, as the user
 * has taken it back, is in it for its version only (label_is_empty). */
struct label_set;

bool label_is_empty(const struct label *label);

/* Whether label and note are of a size and kind that is taken. */
int label_check(const struct label *label, struct err *e);

const struct label *label_set_all(const struct label_set *set, size_t *n);
/* NULL: there is none. */
const struct label *label_set_find(const struct label_set *set, const char *sae,
                                   int64_t feature);
void label_set_free(struct label_set *set); /* accepts NULL */

struct labels;

/* For the labels beside a database; the file need not exist. */
int labels_open(struct labels **out, const char *database, struct err *e);
void labels_close(struct labels **labels); /* accepts NULL */
const char *labels_path(const struct labels *labels);

/* What the file holds now, for label_set_free. It is read again only when the
 * file has changed. */
int labels_get(struct label_set **out, struct labels *labels, struct err *e);

/* A number that changes with the file. */
uint64_t labels_state(struct labels *labels);

enum labels_policy {
    LABELS_IF_VERSION, /* only over the version that the label names */
    LABELS_KEEP,       /* only where there is none that is not empty */
    LABELS_REPLACE,
};

struct labels_written {
    size_t added, replaced, same;
    size_t kept; /* not written, as the policy has it */
};

/* Writes all of them or none; `changed` becomes now, but with LABELS_KEEP and
 * LABELS_REPLACE what it says. Nothing is written where nothing would change.
 */
int labels_write(struct labels *labels, struct labels_written *written,
                 const struct label *items, size_t n, enum labels_policy policy,
                 struct err *e);

#endif
