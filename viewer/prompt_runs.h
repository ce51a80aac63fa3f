/* SPDX-License-Identifier: MIT
 *
 * Questions about texts, put to a lens (lens/prompt.h): the passes over the
 * last few texts are kept, as a page asks much of one text. One thread.
 */
#ifndef VIEWER_PROMPT_RUNS_H
#define VIEWER_PROMPT_RUNS_H

#include "lens/prompt.h"

enum { PROMPT_RUNS = 8, PROMPT_RUNS_BYTES = 512 << 20 };

/* The parts of an answer, as `headscope prompt --json` names them. */
enum prompt_part {
    PROMPT_TOKENS, /* its members stand at the top */
    PROMPT_NEXT,
    PROMPT_LOGIT,
    PROMPT_FEATURES,
    PROMPT_SOURCES,
    PROMPT_TRACE,
    PROMPT_EDIT,
    PROMPT_COMPARE,
    PROMPT_PARTS,
};
extern const char *const prompt_part_names[PROMPT_PARTS];

struct prompt_asked {
    const char *text, *with; /* with NULL: no second text */
    bool no_bos;
    bool part[PROMPT_PARTS];
    size_t features; /* `top` of PROMPT_FEATURES */
    struct prompt_question question;
};

struct prompt_runs {
    struct prompt_kept {
        char *text; /* NULL: free */
        bool no_bos;
        struct prompt_run *run;
        unsigned long long used; /* when it was asked last */
    } kept[PROMPT_RUNS];
    unsigned long long clock;
};

/* The answer, an object. ERR_INPUT and ERR_INTERRUPTED as in lens/prompt.h. */
int prompt_runs_ask(json_t **out, struct prompt_runs *r, struct prompt_lens *l,
                    const struct prompt_asked *asked, struct err *e);

/* Closes them all; before their lens. */
void prompt_runs_close(struct prompt_runs *r);

#endif
