/* SPDX-License-Identifier: MIT
 *
 * The worker that answers questions about prompts: one thread with the model
 * (viewer/prompt_model.h), a short queue in front of it, and the answers that
 * were given last. Who asks waits on the thread of its connection, as for SQL;
 * the queue is far shorter than there are connections, and the worker and its
 * team run at a lower priority than the connections, so that browsing goes on
 * beside it.
 *
 * A question ends when its client leaves, when its time is over and when the
 * server stops; only reading the model cannot be stopped.
 *
 * prompts_ask may be called by any number of threads.
 */
#ifndef VIEWER_PROMPTS_H
#define VIEWER_PROMPTS_H

#include "viewer/prompt_model.h"
#include "viewer/prompt_runs.h"

enum {
    PROMPTS_WAITING = 16,          /* questions in the queue */
    PROMPTS_CACHE_BYTES = 32 << 20 /* of finished answers */
};

struct prompts;

struct prompts_question {
    const struct call_site *site; /* the database that is shown */
    /* At most one of these; none: about the model. The first's stop is set
     * here. */
    const struct prompt_asked *asked;
    const struct prompt_induction *induction;
    const char *key; /* differs where the answer does; NULL: not kept */
    int socket;      /* of the client; -1: it does not leave */
};

struct prompts_answer {
    int status; /* HTTP */
    char *text; /* JSON, the caller's free; NULL: failed */
    size_t length;
};

/* Starts the worker; the model is opened when it is first asked about. Keeps
 * the options' strings. seconds: that a question may take, waiting included. */
int prompts_open(struct prompts **out,
                 const struct prompt_model_options *options, double seconds,
                 struct err *e);

int prompts_ask(struct prompts_answer *out, struct prompts *p,
                const struct prompts_question *question, struct err *e);

/* Ends the question under way, and those to come at once. Accepts NULL. */
void prompts_interrupt(struct prompts *p);

/* When nobody asks any more. Accepts NULL inside. */
void prompts_close(struct prompts **p);

#endif
