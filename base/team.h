/* SPDX-License-Identifier: MIT
 *
 * The thread team: one parallel loop over numbered items. What an item is must
 * not depend on the number of threads, and items may not add into shared
 * results: each writes its own place, and the caller sums in item order. Then
 * results are the same for any number of threads.
 */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <stddef.h>

/* Work on item `item`; `thread` is in [0, team_threads) and picks a workspace.
 */
typedef void team_fn(void *ctx, size_t item, int thread);

struct team {
    int threads;
};

/* threads 0: as many as the process may run on. Also tells OpenBLAS to stay
 * single-threaded in each call, which keeps its results and our threads apart.
 */
struct team team_make(int threads);

/* Runs fn(ctx, i, thread) for i in [0, items), each once, threads taking the
 * next one when they are free. Returns when all are done. Not to be called
 * from within an item. */
void team_run(const struct team *team, team_fn *fn, void *ctx, size_t items);

#endif
