/* SPDX-License-Identifier: MIT
 *
 * The stage: a model folder and texts become a dump of z (docs/formats.md).
 * Contexts are packed into groups of about a thousand tokens; the thread team
 * runs groups, each thread with a workspace of its own, while the groups before
 * them are written in order. What a group is does not depend on the number of
 * threads, so the dump is the same for any.
 *
 * Call order: open, then measure or run, close.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include "base/team.h"
#include "capture/options.h"

/* What a capture will do. */
struct capture_plan {
    uint64_t contexts, tokens;
    int first_layer, layers; /* that are written */
    int heads, d_head;
    enum dtype dtype;
    uint64_t there;        /* tokens that capture_run found done already */
    uint64_t output_bytes; /* on disk */
    uint64_t memory_bytes; /* at most, beside the program itself */
};

struct capture;

/* Loads the model, its tokenizer and the texts, and checks all that can be
 * checked without running. Keeps `o` and `team`. */
int capture_open(struct capture **out, const char *model,
                 const struct capture_options *o, const struct team *team,
                 struct err *e);
void capture_close(struct capture **c);

const struct capture_plan *capture_plan(const struct capture *c);

/* Runs one group on each thread, writing nothing; how fast that was. */
int capture_measure(struct capture *c, double *tokens_per_second,
                    struct err *e);

/* Writes the dump o->output, with a bar that counts tokens. Where an earlier
 * run of the same model, texts and options was killed or left, it goes on
 * behind the last complete shard, to the bytes of a run that was not. After a
 * signal (ERR_INTERRUPTED) or an error complete shards stay for that, else
 * nothing does. `seconds` is how long it took. */
int capture_run(struct capture *c, bool force, double *seconds, struct err *e);

#endif
