/* SPDX-License-Identifier: MIT */
#include "viewer/prompt_runs.h"

#include <stdlib.h>
#include <string.h>

typedef int part_fn(json_t **out, struct prompt_run *run,
                    const struct prompt_question *q, struct err *e);

static part_fn *const parts[PROMPT_PARTS] = {
    [PROMPT_TOKENS] = prompt_tokens,   [PROMPT_NEXT] = prompt_next,
    [PROMPT_LOGIT] = prompt_logit,     [PROMPT_FEATURES] = prompt_features,
    [PROMPT_SOURCES] = prompt_sources, [PROMPT_TRACE] = prompt_trace,
    [PROMPT_EDIT] = prompt_edit,       [PROMPT_COMPARE] = prompt_compare,
};

const char *const prompt_part_names[PROMPT_PARTS] = {
    "tokens",  "next",  "logit", "features",
    "sources", "trace", "edit",  "compare",
};

/* ---- runs that are kept ---- */

static void drop(struct prompt_kept *k)
{
    prompt_run_close(&k->run);
    free(k->text);
    *k = (struct prompt_kept){0};
}

/* Those used longest ago go until the others are small enough; the two that an
 * answer may need stay. */
static void make_room(struct prompt_runs *r)
{
    for (;;) {
        size_t bytes = 0;
        struct prompt_kept *oldest = NULL;
        for (int i = 0; i < PROMPT_RUNS; i++) {
            struct prompt_kept *k = &r->kept[i];
            if (k->text == NULL)
                continue;
            bytes += prompt_run_bytes(k->run);
            if (k->used + 1 < r->clock &&
                (oldest == NULL || k->used < oldest->used))
                oldest = k;
        }
        if (bytes <= PROMPT_RUNS_BYTES || oldest == NULL)
            return;
        drop(oldest);
    }
}

/* A free place, or the one used longest ago. */
static struct prompt_kept *find_place(struct prompt_runs *r)
{
    struct prompt_kept *place = &r->kept[0];
    for (int i = 0; i < PROMPT_RUNS; i++)
        if (r->kept[i].text == NULL)
            return &r->kept[i];
        else if (r->kept[i].used < place->used)
            place = &r->kept[i];
    drop(place);
    return place;
}

static int open_new(struct prompt_kept *k, struct prompt_lens *l,
                    const char *text, const struct prompt_asked *asked,
                    struct err *e)
{
    const struct prompt_text wanted = {
        .text = text, .size = strlen(text), .no_bos = asked->no_bos};
    TRY(prompt_run_open(&k->run, l, &wanted, &asked->question.stop, e));
    k->text = strdup(text);
    k->no_bos = asked->no_bos;
    if (k->text != NULL)
        return 0;
    prompt_run_close(&k->run);
    return err_memory(e, "a prompt", wanted.size);
}

static int get_run(struct prompt_run **out, struct prompt_runs *r,
                   struct prompt_lens *l, const char *text,
                   const struct prompt_asked *asked, struct err *e)
{
    struct prompt_kept *k = NULL;
    for (int i = 0; i < PROMPT_RUNS && k == NULL; i++)
        if (r->kept[i].text != NULL && r->kept[i].no_bos == asked->no_bos &&
            strcmp(r->kept[i].text, text) == 0)
            k = &r->kept[i];
    if (k == NULL) {
        k = find_place(r);
        TRY(open_new(k, l, text, asked, e));
    }
    k->used = ++r->clock;
    *out = k->run;
    return 0;
}

void prompt_runs_close(struct prompt_runs *r)
{
    for (int i = 0; i < PROMPT_RUNS; i++)
        drop(&r->kept[i]);
}

/* ---- answers ---- */

static int ask_part(json_t *out, enum prompt_part part, struct prompt_run *run,
                    const struct prompt_question *q, struct err *e)
{
    json_t *answer;
    TRY(parts[part](&answer, run, q, e));
    int lost = part == PROMPT_TOKENS
                   ? json_object_update_new(out, answer)
                   : json_object_set_new(out, prompt_part_names[part], answer);
    return lost != 0 ? err_memory(e, "an answer", 0) : 0;
}

static int ask_parts(json_t *out, struct prompt_runs *r, struct prompt_lens *l,
                     const struct prompt_asked *asked, struct err *e)
{
    struct prompt_run *run;
    struct prompt_question q = asked->question;
    TRY(get_run(&run, r, l, asked->text, asked, e));
    if (asked->with != NULL &&
        get_run(&q.other, r, l, asked->with, asked, e) != 0)
        return e->code == ERR_INPUT ? err_prefix(e, "with") : e->code;
    make_room(r);
    for (int i = 0; i < PROMPT_PARTS; i++) {
        q.top = i == PROMPT_FEATURES ? asked->features : asked->question.top;
        if (asked->part[i])
            TRY(ask_part(out, (enum prompt_part)i, run, &q, e));
    }
    return 0;
}

int prompt_runs_ask(json_t **out, struct prompt_runs *r, struct prompt_lens *l,
                    const struct prompt_asked *asked, struct err *e)
{
    json_t *answer = json_object();
    int code = ask_parts(answer, r, l, asked, e);
    if (code != 0)
        json_decref(answer);
    else
        *out = answer;
    return code;
}
