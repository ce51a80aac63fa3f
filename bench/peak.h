/* SPDX-License-Identifier: MIT
 *
 * What this computer can do at best, measured now: the figures that a kernel's
 * rate is a share of.
 */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include "base/team.h"
#include "kernels/kernels.h"

struct peak {
    double exact;  /* flop/s of the exact product's multiply-adds */
    double coarse; /* of the coarse one's; 0 where there is none */
    double memory; /* bytes/s of a = b + s·c over arrays beyond any cache, three
                      numbers each, what the caches fetch on top not counted */
};

/* The best of several tries of a tenth of a second, all threads at once. */
int peak_measure(struct peak *out, const struct team *team, struct err *e);

#endif
