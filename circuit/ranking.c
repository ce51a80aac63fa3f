/* SPDX-License-Identifier: MIT */
#include "circuit/ranking.h"

#include <math.h>

double ranking_auc(const double *score, const bool *truth, size_t heads)
{
    double won = 0, pairs = 0;
    for (size_t i = 0; i < heads; i++)
        for (size_t j = 0; j < heads; j++) {
            if (!truth[i] || truth[j])
                continue;
            won += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
            pairs++;
        }
    return pairs > 0 ? won / pairs : (double)NAN;
}

struct ranking_set ranking_above(const double *score, const bool *truth,
                                 size_t heads, double least)
{
    struct ranking_set s = {0};
    size_t all = 0;
    for (size_t h = 0; h < heads; h++) {
        bool in = score[h] >= least;
        s.predicted += in;
        s.right += in && truth[h];
        all += truth[h];
    }
    double right = (double)s.right, wrong = (double)(s.predicted - s.right);
    double others = (double)(heads - all);
    double tpr = all > 0 ? right / (double)all : 0;
    double tnr = others > 0 ? 1 - wrong / others : 0;
    s.precision = s.predicted > 0 ? right / (double)s.predicted : 0;
    s.recall = tpr;
    s.f1 =
        s.right > 0 ? 2 * s.precision * s.recall / (s.precision + s.recall) : 0;
    s.paper_f1 = tpr + tnr > 0 ? 2 * tpr * tnr / (tpr + tnr) : 0;
    return s;
}

/* Softmax rises with the score, so its bound is one on the score: the least
 * score of the heads above it. */
struct ranking_set ranking_at(const double *score, const bool *truth,
                              size_t heads, double theta)
{
    double most = -INFINITY, sum = 0, least = INFINITY;
    for (size_t h = 0; h < heads; h++)
        most = fmax(most, score[h]);
    for (size_t h = 0; h < heads; h++)
        sum += exp(score[h] - most);
    for (size_t h = 0; h < heads; h++)
        if (exp(score[h] - most) / sum > theta)
            least = fmin(least, score[h]);
    return ranking_above(score, truth, heads, least);
}
