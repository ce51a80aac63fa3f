/* SPDX-License-Identifier: MIT */
#include "viewer/api_prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char model[] = "/api/model", prompt[] = "/api/prompt",
                  induction[] = "/api/induction";

/* The longest lists; CLI and API begin with the same. */
enum { TOP = 20, TOP_MAX = 1000, FEATURES_MAX = 64 };

/* Of an experiment; a page does not wait for as many as a command. */
enum { COUNT = 20, COUNT_MAX = 1000, TOKENS_MAX = 4096, LONGEST_MAX = 64 };

static const char no_model[] =
    "this server has no model; start it with headscope view FILE.db --model "
    "DIR, the folder that the database's dump was captured from";

static bool is_path(const char *path, const char *name)
{
    size_t n = strlen(name);
    return strncmp(path, name, n) == 0 &&
           (path[n] == '\0' || strcmp(path + n, ".json") == 0);
}

bool api_prompt_owns(const char *path)
{
    return is_path(path, model) || is_path(path, prompt) ||
           is_path(path, induction);
}

/* ---- parameters ---- */

/* The parts that `ask` names, with commas. */
static int read_parts(struct prompt_asked *a, const char *ask, struct err *e)
{
    while (*ask != '\0') {
        size_t n = strcspn(ask, ","), i = 0;
        while (i < PROMPT_PARTS && (strlen(prompt_part_names[i]) != n ||
                                    strncmp(prompt_part_names[i], ask, n) != 0))
            i++;
        if (i == PROMPT_PARTS)
            return err_set(e, ERR_INPUT,
                           "ask names tokens, next, logit, features, sources, "
                           "trace, edit and compare with commas, not '%.40s'",
                           ask);
        a->part[i] = true;
        ask += n + (ask[n] == ',');
    }
    return 0;
}

/* Without `ask`, what the parameters are there for, as on the command line. */
static void choose_parts(struct prompt_asked *a, bool recursive)
{
    const struct prompt_question *q = &a->question;
    a->part[PROMPT_TOKENS] = a->part[PROMPT_NEXT] = a->part[PROMPT_LOGIT] =
        true;
    a->part[PROMPT_FEATURES] = a->features > 0;
    a->part[PROMPT_SOURCES] = q->feature != NULL;
    a->part[PROMPT_TRACE] = recursive;
    a->part[PROMPT_EDIT] = q->edits != NULL;
    a->part[PROMPT_COMPARE] = a->with != NULL;
}

static int check_parts(const struct prompt_asked *a, struct err *e)
{
    const struct prompt_question *q = &a->question;
    if ((a->part[PROMPT_SOURCES] || a->part[PROMPT_TRACE]) &&
        q->feature == NULL)
        return err_set(e, ERR_INPUT, "sources and recursive need a feature");
    if (a->part[PROMPT_EDIT] && q->edits == NULL)
        return err_set(e, ERR_INPUT, "edit is missing");
    if (a->part[PROMPT_COMPARE] && a->with == NULL)
        return err_set(e, ERR_INPUT, "with, the other text, is missing");
    return 0;
}

static int read_numbers(struct prompt_asked *a, struct target *t, struct err *e)
{
    int64_t top, features;
    int bos;
    TRY(target_int(&a->question.position, t, "position", INT32_MIN, INT32_MAX,
                   -1, e));
    TRY(target_int(&top, t, "top", 1, TOP_MAX, TOP, e));
    TRY(target_int(&features, t, "features", 0, FEATURES_MAX, 0, e));
    TRY(target_choice(&bos, t, "bos", "always|never", 0, e));
    a->question.top = (size_t)top;
    a->features = (size_t)features;
    a->no_bos = bos == 1;
    return 0;
}

static int read_asked(struct prompt_asked *a, struct target *t, struct err *e)
{
    struct prompt_question *q = &a->question;
    const char *ask = target_text(t, "ask");
    a->text = target_text(t, "text");
    a->with = target_text(t, "with");
    q->token = target_text(t, "token");
    q->minus = target_text(t, "minus");
    q->feature = target_text(t, "feature");
    q->edits = target_text(t, "edit");
    q->path = target_text(t, "recursive");
    TRY(read_numbers(a, t, e));
    TRY(target_finish(t, e));
    if (a->text == NULL)
        return err_set(e, ERR_INPUT, "text, the prompt, is missing");
    if (ask != NULL)
        TRY(read_parts(a, ask, e));
    else
        choose_parts(a, q->path != NULL);
    if (q->path != NULL && strcmp(q->path, "largest") == 0)
        q->path = NULL;
    return check_parts(a, e);
}

/* ---- the key ---- */

/* Texts hold no NUL, so a length in front keeps them apart. */
static int add_text(char *out, size_t size, const char *text)
{
    return text == NULL ? snprintf(out, size, "-")
                        : snprintf(out, size, "%zu:%s", strlen(text), text);
}

static char *make_key(const struct prompt_asked *a)
{
    const struct prompt_question *q = &a->question;
    const char *const texts[] = {a->text,    a->with, q->token, q->minus,
                                 q->feature, q->path, q->edits};
    enum { N = sizeof texts / sizeof *texts };
    size_t size = 64 + PROMPT_PARTS;
    for (int i = 0; i < N; i++)
        size += texts[i] == NULL ? 1 : strlen(texts[i]) + 21;
    char *key = malloc(size);
    if (key == NULL)
        return NULL;
    int n = snprintf(key, size, "%d %lld %zu %zu ", a->no_bos,
                     (long long)q->position, q->top, a->features);
    for (int i = 0; i < PROMPT_PARTS; i++)
        key[n++] = a->part[i] ? '1' : '0';
    for (int i = 0; i < N; i++)
        n += add_text(key + n, size - (size_t)n, texts[i]);
    return key;
}

/* ---- answers ---- */

static int ask_prompt(struct prompts_answer *out, struct prompts *prompts,
                      struct prompts_question *q, struct target *target,
                      struct err *e)
{
    struct prompt_asked asked = {0};
    out->status = 400;
    TRY(read_asked(&asked, target, e));
    char *key = make_key(&asked);
    q->asked = &asked;
    q->key = key;
    int code = prompts_ask(out, prompts, q, e);
    free(key);
    return code;
}

static int ask_induction(struct prompts_answer *out, struct prompts *prompts,
                         struct prompts_question *q, struct target *t,
                         struct err *e)
{
    char key[128];
    int64_t seed, count, tokens, longest;
    out->status = 400;
    TRY(target_int(&seed, t, "seed", 0, INT64_MAX, 0, e));
    TRY(target_int(&count, t, "count", 1, COUNT_MAX, COUNT, e));
    TRY(target_int(&tokens, t, "tokens", 3, TOKENS_MAX, 0, e));
    TRY(target_int(&longest, t, "longest", 1, LONGEST_MAX, 0, e));
    TRY(target_finish(t, e));
    (void)snprintf(key, sizeof key, "induction %lld %lld %lld %lld",
                   (long long)seed, (long long)count, (long long)tokens,
                   (long long)longest);
    const struct prompt_induction options = {.seed = (uint64_t)seed,
                                             .count = (size_t)count,
                                             .tokens = (size_t)tokens,
                                             .longest = (size_t)longest};
    q->induction = &options;
    q->key = key;
    return prompts_ask(out, prompts, q, e);
}

/* That there is none is an answer, as the page asks for it. */
static int say_no_model(struct prompts_answer *out, struct err *e)
{
    json_t *object = json_pack("{s:n, s:s}", "model", "how", no_model);
    out->text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    out->status = out->text == NULL ? 500 : 200;
    out->length = out->text == NULL ? 0 : strlen(out->text);
    return out->text == NULL ? err_memory(e, "an answer", 0) : 0;
}

static int ask_model(struct prompts_answer *out, struct prompts *prompts,
                     struct prompts_question *q, struct target *target,
                     struct err *e)
{
    out->status = 400;
    TRY(target_finish(target, e));
    return prompts == NULL ? say_no_model(out, e)
                           : prompts_ask(out, prompts, q, e);
}

static int ask(struct prompts_answer *out, struct prompts *prompts,
               struct prompts_question *q, struct target *target, struct err *e)
{
    if (is_path(target->path, model))
        return ask_model(out, prompts, q, target, e);
    out->status = 404;
    if (prompts == NULL)
        return err_set(e, ERR_INPUT, "%s", no_model);
    return is_path(target->path, induction)
               ? ask_induction(out, prompts, q, target, e)
               : ask_prompt(out, prompts, q, target, e);
}

void api_prompt_answer(struct api_answer *out, struct prompts *prompts,
                       const struct call_site *site, struct target *target,
                       int socket)
{
    struct err e = {0};
    struct prompts_answer made = {0};
    struct prompts_question question = {.site = site, .socket = socket};
    if (ask(&made, prompts, &question, target, &e) != 0)
        api_error(out, made.status, e.msg);
    else
        *out = (struct api_answer){
            .status = 200, .text = made.text, .length = made.length};
}
