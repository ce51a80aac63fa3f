/* SPDX-License-Identifier: MIT
 *
 * One request to the API on its way: what it may use, and how it fails. An
 * endpoint (viewer/api.h) fills an object; the values that it puts belong to
 * the object at once. What goes wrong between them for want of memory is
 * remembered and told at the end, so that endpoints read as the shapes they
 * make.
 */
#ifndef VIEWER_CALL_H
#define VIEWER_CALL_H

#include <jansson.h>
#include <stdbool.h>

#include "store/catalog.h"
#include "store/head_shares.h"
#include "store/labels.h"
#include "store/pool.h"
#include "store/vocabulary.h"
#include "viewer/list.h"
#include "viewer/target.h"
#include "viewer/tops.h"

/* What the server shows; the same for all requests. */
struct call_site {
    struct pool *pool;
    struct catalog *catalog;
    struct head_shares *shares;
    struct vocabulary *vocabulary;
    struct tops *tops;
    struct labels *labels;
    const char *name;    /* of the database, without its path */
    const char *version; /* of the program */
};

enum { CALL_PAGE = 50, CALL_PAGE_MAX = 200, CALL_CSV_MAX = 5000 }; /* rows */

enum { CALL_NEXT = 48 }; /* room for "3:117" */

struct call {
    const struct call_site *site;
    const struct queries *queries;
    struct target *target;
    const char *body; /* of a POST */
    size_t body_size;
    struct label_set *labels; /* NULL: see labels_error */
    struct err labels_error;
    int status;           /* HTTP, for a failure: 500 unless told otherwise */
    bool csv;             /* asked for as a table */
    char next[CALL_NEXT]; /* `after` of the page behind this one; or empty */
    bool lost;            /* whether something could not be put */
    struct err *e;
};

/* Fails with that status. Returns the error code. */
int call_refuse(struct call *c, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Passes on what a getter of viewer/target.h returned; its failures are 400. */
int call_asked(struct call *c, int code);

/* Put a value into an object, at the end of an array. */
void call_put(struct call *c, json_t *object, const char *key, json_t *value);
void call_put_real(struct call *c, json_t *object, const char *key,
                   double value); /* not finite: null */
void call_put_int(struct call *c, json_t *object, const char *key,
                  int64_t value);
void call_put_text(struct call *c, json_t *object, const char *key,
                   const char *text); /* '?' for what is no UTF-8 */
void call_add(struct call *c, json_t *array, json_t *value);

/* Put a new object or array, and give it to be filled. */
json_t *call_put_object(struct call *c, json_t *object, const char *key);
json_t *call_put_array(struct call *c, json_t *object, const char *key);
json_t *call_add_object(struct call *c, json_t *array);

/* A real number, or null. */
json_t *call_real(double value);

/* The SAEs that `sae` or `layer` asks for, as a range of the catalog's; all of
 * them if neither is there. */
int call_get_saes(size_t *from, size_t *to, struct call *c);

/* The one SAE that they ask for. */
int call_get_sae(size_t *sae, struct call *c);

const struct catalog_sae *call_sae(const struct call *c, size_t sae);

/* A number of the feature or head of an SAE that must be given. */
int call_get_number(int64_t *out, struct call *c, const char *name);

/* A feature that a parameter names by the SAE's id, like 3:117, or does not. */
struct call_feature {
    bool asked;
    int64_t sae, feature;
};
int call_get_feature(struct call_feature *out, struct call *c,
                     const char *name);

/* `limit`, from 1 to `max`. */
int call_get_limit(int64_t *out, struct call *c, int64_t usual, int64_t max);

/* list_make with what the request may use. */
int call_list(struct list *out, struct call *c,
              const struct list_wanted *wanted);

/* `offset` and `limit` of a page. */
int call_get_page(size_t *offset, size_t *limit, struct call *c);

#endif
