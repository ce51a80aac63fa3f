/* SPDX-License-Identifier: MIT
 *
 * Labels, stars and notes (store/labels.h) in the API: beside what a feature
 * is, as a filter of lists, as a whole, and changed by POST.
 */
#ifndef VIEWER_MARKS_H
#define VIEWER_MARKS_H

#include "viewer/api.h"
#include "viewer/call.h"

/* Reads the labels for a request. Without them it goes on, and says why where
 * they would have been. */
void marks_take(struct call *c);
void marks_give(struct call *c);

/* "label" and "starred" of a feature in a list. */
void marks_put_row(struct call *c, json_t *row,
                   const struct catalog_feature *feature);

/* "mark" of a feature's page: all there is, and what went wrong. */
void marks_put(struct call *c, json_t *out, size_t sae, int64_t feature);

/* "labels": how many features have a label, a star or a note. */
void marks_put_count(struct call *c, json_t *out);

/* Reads `label` and `starred`; *only (one for each feature of the catalog, the
 * caller's free) says which they leave, NULL: they are not there. */
int marks_get_filter(bool **only, struct call *c);

/* Adds features whose label holds the words, at most so many, as results of a
 * search of kind "label". */
int marks_put_found(struct call *c, json_t *results, const char *words,
                    int limit);

/* /api/labels.csv */
void marks_answer_csv(struct api_answer *out, const struct call_site *site);

#endif
