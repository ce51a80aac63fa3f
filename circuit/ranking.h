/* SPDX-License-Identifier: MIT
 *
 * How well scores of heads agree with a set of heads that is taken for true.
 */
#ifndef CIRCUIT_RANKING_H
#define CIRCUIT_RANKING_H

#include <stdbool.h>
#include <stddef.h>

/* Area under the ROC curve: the chance that a head of the set scores above one
 * outside, equals counting half. NaN if all or none are in the set. */
double ranking_auc(const double *score, const bool *truth, size_t heads);

/* What a predicted set comes to. */
struct ranking_set {
    size_t predicted, right; /* heads */
    double precision, recall, f1;
    double paper_f1; /* 2·TPR·TNR / (TPR + TNR), which the paper calls F1 */
};

/* Of the set softmax(score) > theta. */
struct ranking_set ranking_at(const double *score, const bool *truth,
                              size_t heads, double theta);
/* Of the set of all heads whose score is `least` or more. */
struct ranking_set ranking_above(const double *score, const bool *truth,
                                 size_t heads, double least);

#endif
