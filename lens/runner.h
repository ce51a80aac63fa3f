/* SPDX-License-Identifier: MIT
 *
 * Many contexts through a model, on the thread team: packed into groups
 * (capture/packing.h), each one thread's work. `after` is called for the groups
 * in their order, so that sums taken there do not depend on the number of
 * threads, as groups do not.
 */
#ifndef LENS_RUNNER_H
#define LENS_RUNNER_H

#include "base/team.h"
#include "capture/gpt2.h"
#include "capture/packing.h"

/* The contexts to run: context i is ids[starts[i]] up to ids[starts[i + 1]],
 * as gpt2_batch wants them. */
struct runner_contexts {
    const int32_t *ids;
    const int64_t *starts; /* [n + 1] */
    size_t n;
};

/* A group at work. */
struct runner_group {
    struct gpt2_batch batch;
    size_t context; /* the first one's number */
    size_t slot;    /* below runner.slots: memory of this group until `after` */
    int thread;     /* picks what belongs to a thread */
    struct gpt2_workspace *workspace; /* the thread's */
};

struct runner {
    const struct gpt2 *model;
    const struct team *team;
    struct runner_contexts contexts;
    struct packing packing;
    size_t slots; /* groups between two meetings of the team */
    struct gpt2_workspace *workspace; /* [team threads] */
    struct arena arena;
};

/* Keeps all it is given. On failure nothing is held. */
int runner_open(struct runner *r, const struct gpt2 *model,
                const struct runner_contexts *contexts, const struct team *team,
                struct err *e);
/* Accepts a zeroed one. */
void runner_close(struct runner *r);

/* What is done with a group: `run` in a thread of the team, then `after`, which
 * may be NULL, in the caller's. */
struct runner_work {
    int (*run)(void *ctx, const struct runner_group *g, struct err *e);
    int (*after)(void *ctx, const struct runner_group *g, struct err *e);
    void *ctx;
};

/* Does it with every group, with a bar that counts tokens, `what`. The first
 * failure, in the order of the groups, ends it, and so does Ctrl-C. */
int runner_each(struct runner *r, const struct runner_work *work,
                const char *what, struct err *e);

#endif
