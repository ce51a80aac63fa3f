/* SPDX-License-Identifier: MIT
 *
 * A task on a model, as the options of a command name it: prompts, their
 * corrupted partners, and what means are taken over.
 */
#ifndef CLI_TRIAL_H
#define CLI_TRIAL_H

#include "base/options.h"
#include "capture/texts.h"
#include "lens/effects.h"

struct trial_options {
    const char *prompts, *corrupted, *reference, *layout;
    int mean_by, metric, label, bos;
    bool fold;
};
enum { TRIAL_OPTION_COUNT = 9 }; /* a constant, for static option groups */
extern const struct option trial_option_table[TRIAL_OPTION_COUNT];

/* Zero it to begin. */
struct trial {
    const struct trial_options *o;
    struct model model;
    struct prompts prompts, corrupted, reference;
    struct texts text; /* the reference, if it is text */
    json_t *layouts;
    struct means means;
    struct team team;
};

/* Opens the model and reads the prompts. Keeps `o`. Fails if no prompts are
 * named. After a failure, too, trial_close. */
int trial_open(struct trial *t, const char *model,
               const struct trial_options *o, int threads, struct err *e);
/* Takes means over the reference, of z and of some features of SAEs, which may
 * be none. */
int trial_find_means(struct trial *t, const struct saes *saes,
                     const struct means_feature *feature, size_t n,
                     struct err *e);
void trial_close(struct trial *t);

/* A job on the trial's prompts, without edits. `saes` may be NULL. */
struct effects_job trial_job(const struct trial *t, const struct saes *saes);

#endif
