/* SPDX-License-Identifier: MIT */
#include "base/team.h"

#include <cblas.h>
#include <omp.h>

struct team team_make(int threads)
{
    openblas_set_num_threads(1);
    return (struct team){threads > 0 ? threads : omp_get_num_procs()};
}

void team_run(const struct team *team, team_fn *fn, void *ctx, size_t items)
{
    int threads = team->threads;
    if (threads == 1 || items <= 1) {
        for (size_t i = 0; i < items; i++)
            fn(ctx, i, 0);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (size_t i = 0; i < items; i++)
        fn(ctx, i, omp_get_thread_num());
}
