/* SPDX-License-Identifier: MIT
 *
 * A run with heads, features or layers changed, beside the run as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "lens/edits.h"
#include "lens/prompt_next.h"
#include "lens/prompt_text.h"

enum { EDITS_MOST = 256 };

/* ---- what is asked ---- */

/* Cuts "x0.5" or "=other" off the word, which says what becomes of the thing;
 * without, it becomes zero. */
static int cut_kind(struct edit *out, char *word, struct err *e)
{
    char *end, *equals = strchr(word, '='), *times = strchr(word, 'x');
    if (equals != NULL) {
        if (strcmp(equals, "=other") != 0)
            return err_set(e, ERR_INPUT,
                           "%s: only =other can be set, its value in the other "
                           "prompt",
                           word);
        *equals = '\0';
        out->kind = EDIT_PATCH;
    } else if (times != NULL) {
        out->factor = strtod(times + 1, &end);
        if (times[1] == '\0' || *end != '\0' || !(out->factor >= -1e6) ||
            out->factor > 1e6)
            return err_set(e, ERR_INPUT,
                           "%s: behind x stands a factor of at most a million",
                           word);
        *times = '\0';
        out->kind = EDIT_SCALE;
    } else {
        out->kind = EDIT_ZERO;
    }
    return 0;
}

static int read_edit(struct edit *out, struct prompt_run *run, char *word,
                     const struct prompt_run *other, struct err *e)
{
    const struct prompt_lens *l = run->lens;
    const struct edit_sources from = {.config = &l->model.gpt2.config,
                                      .saes = &l->saes};
    struct edit kind = {0};
    size_t position;
    TRY(cut_kind(&kind, word, e));
    TRY(edits_parse(out, word, &l->model.gpt2.config, e));
    out->kind = kind.kind;
    out->factor = kind.factor;
    TRY(edits_check(out, &from, e));
    if (!out->everywhere) {
        if (prompt_text_position(&position, run, out->position, e) != 0)
            return err_prefix(e, "%s", word);
        out->position = (int64_t)position;
    }
    if (out->kind != EDIT_PATCH)
        return 0;
    if (other == NULL)
        return err_set(e, ERR_INPUT, "%s=other needs another prompt", word);
    if (other->n != run->n)
        return err_set(e, ERR_INPUT,
                       "%s=other: the prompt has %zu tokens, the other %zu; "
                       "they must have as many",
                       word, run->n, other->n);
    return 0;
}

static int read_edits(struct edit *edits, size_t *n, struct prompt_run *run,
                      const struct prompt_question *q, struct arena *arena,
                      struct err *e)
{
    char *words, *rest, *word;
    *n = 0;
    if (q->edits == NULL)
        return err_set(e, ERR_INPUT, "no edits are named");
    TRY(arena_string(arena, &words, q->edits, e));
    for (word = strtok_r(words, "+", &rest); word != NULL;
         word = strtok_r(NULL, "+", &rest)) {
        if (*n == EDITS_MOST)
            return err_set(e, ERR_INPUT, "more than %d edits", EDITS_MOST);
        TRY(read_edit(&edits[*n], run, word, q->other, e));
        (*n)++;
    }
    if (*n == 0)
        return err_set(e, ERR_INPUT, "no edits are named");
    return 0;
}

/* ---- the pass ---- */

static int run_edited(struct prompt_run *run, const struct edit *edit, size_t n,
                      const struct prompt_question *q, struct err *e)
{
    const struct prompt_lens *l = run->lens;
    const int64_t starts[] = {0, (int64_t)run->n};
    const struct edit_sources from = {.config = &l->model.gpt2.config,
                                      .saes = &l->saes};
    const struct runner_group group = {.batch = {run->ids.ids, starts, 1},
                                       .workspace = &run->workspace};
    struct edits edits = {.from = &from,
                          .edit = edit,
                          .n = n,
                          .group = &group,
                          .patch = q->other != NULL ? q->other->z : NULL};
    const struct prompt_run_pass pass = {edits_apply, &edits, &q->stop};
    TRY(prompt_run_again(run, &pass, e));
    if (edits.e.code != 0 && e != NULL)
        *e = edits.e;
    return edits.e.code;
}

static json_t *edits_json(const struct edit *edit, size_t n)
{
    static const char *const how[] = {
        [EDIT_ZERO] = "zero", [EDIT_SCALE] = "scale", [EDIT_PATCH] = "other"};
    char name[EDIT_NAME_MAX];
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++) {
        edits_name(name, &edit[i]);
        json_t *factor = edit[i].kind == EDIT_SCALE ? json_real(edit[i].factor)
                                                    : json_null();
        (void)json_array_append_new(
            out, json_pack("{s:s, s:s, s:o}", "what", name, "how",
                           how[edit[i].kind], "factor", factor));
    }
    return out;
}

/* The logit of token less that of minus, before and after. */
static int add_logit(json_t *out, const struct prompt_lens *l,
                     const struct prompt_question *q,
                     const struct distribution *before,
                     const struct distribution *after, struct err *e)
{
    int32_t token = 0, minus = -1;
    int vocab = l->model.gpt2.config.vocab;
    if (q->token != NULL)
        TRY(prompt_text_token(&token, l, q->token, "token", e));
    for (int32_t v = 1; q->token == NULL && v < vocab; v++)
        if (before->logits[v] > before->logits[token])
            token = v;
    if (q->minus != NULL)
        TRY(prompt_text_token(&minus, l, q->minus, "minus", e));
    double was = (double)before->logits[token];
    double is = (double)after->logits[token];
    if (minus >= 0) {
        was -= (double)before->logits[minus];
        is -= (double)after->logits[minus];
    }
    json_t *logit = json_pack(
        "{s:o, s:o, s:{s:f, s:f}}", "token", prompt_text_json(l, token),
        "minus", minus < 0 ? json_null() : prompt_text_json(l, minus), "logit",
        "before", was, "after", is);
    return json_object_update_new(out, logit) != 0
               ? err_memory(e, "an answer", 0)
               : 0;
}

static int answer(json_t *out, struct prompt_run *run,
                  const struct prompt_question *q, struct arena *arena,
                  struct err *e)
{
    const struct prompt_lens *l = run->lens;
    int stage = 2 * l->model.gpt2.config.layers;
    struct edit *edit;
    struct distribution before, after;
    size_t n, position;
    TRY(arena_get(arena, &edit, EDITS_MOST, sizeof *edit, "edits", e));
    TRY(prompt_text_position(&position, run, q->position, e));
    TRY(read_edits(edit, &n, run, q, arena, e));
    TRY(run_edited(run, edit, n, q, e));
    TRY(distribution_find(&before, run, prompt_stage(run, stage, position),
                          arena, e));
    TRY(distribution_find(&after, run, run->workspace.x + position * run->d,
                          arena, e));
    if (json_object_set_new(out, "edits", edits_json(edit, n)) != 0 ||
        json_object_set_new(out, "position",
                            json_integer((json_int_t)position)) != 0)
        return err_memory(e, "an answer", 0);
    TRY(distribution_add_pair(out, l, &before, &after, q->top, e));
    return add_logit(out, l, q, &before, &after, e);
}

int prompt_edit(json_t **out, struct prompt_run *run,
                const struct prompt_question *q, struct err *e)
{
    struct arena arena = {0};
    json_t *object = json_object();
    int code = answer(object, run, q, &arena, e);
    arena_free(&arena);
    if (code != 0)
        json_decref(object);
    else
        *out = object;
    return code;
}
