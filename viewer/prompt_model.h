/* SPDX-License-Identifier: MIT
 *
 * The model that `headscope view` runs prompts with, beside its database: found
 * and opened when it is first asked for, and opened anew when the database has
 * become another. A database does not know where SAEs lie, so they are looked
 * for in its folder unless they were named; all are matched by fingerprint.
 *
 * One thread.
 */
#ifndef VIEWER_PROMPT_MODEL_H
#define VIEWER_PROMPT_MODEL_H

#include "lens/prompt.h"
#include "viewer/call.h"

struct prompt_model_options {
    const char *database; /* path */
    const char *model;    /* folder */
    const char *saes;     /* folders with commas, or NULL: look for them */
    int threads;          /* 0: as many as there are */
};

struct prompt_model {
    struct prompt_model_options options;
    struct prompt_lens *lens; /* NULL: not open */
    uint64_t state;           /* of the database that it was opened for */
    bool tried;               /* for that state; why it failed: */
    struct err error;
};

/* Whether it was opened, or could not be, for the site's database. If not, runs
 * of its lens must be closed before the next call. */
bool prompt_model_is_for(const struct prompt_model *m,
                         const struct call_site *site);

/* Opens the lens for the site's database unless it is open. Seconds for a large
 * model. A failure is remembered, and told again. */
int prompt_model_open(struct prompt_model *m, const struct call_site *site,
                      struct err *e);

/* Accepts one that is not open. */
void prompt_model_close(struct prompt_model *m);

#endif
