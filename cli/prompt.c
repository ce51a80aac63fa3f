/* SPDX-License-Identifier: MIT
 *
 * headscope prompt: what a model predicts behind a prompt, and which heads and
 * features make it do so.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "capture/model.h"
#include "cli/cli.h"
#include "lens/attribution.h"
#include "lens/predictions.h"

static struct prompt_options {
    const char *position, *token, *minus;
    int64_t top;
    int bos;
    bool fold;
} own;

#define FIELD(name) offsetof(struct prompt_options, name)

static const struct option own_table[] = {
    {"position", 0, OPTION_TEXT, FIELD(position), "-1", 0, 0, NULL, "N",
     "token whose prediction is explained: from 0, or from the end, -1 the "
     "last"},
    {"token", 0, OPTION_TEXT, FIELD(token), NULL, 0, 0, NULL, "TEXT",
     "next token whose logit is explained; unset: the most likely"},
    {"minus", 0, OPTION_TEXT, FIELD(minus), NULL, 0, 0, NULL, "TEXT",
     "explain how far that logit is above this token's"},
    {"top", 0, OPTION_COUNT, FIELD(top), "20", 0, 0, NULL, "N",
     "parts to print, the largest; --json has all"},
    {"fold-value-biases", 0, OPTION_FLAG, FIELD(fold), NULL, 0, 0, NULL, NULL,
     "z is without value biases, as the SAEs were trained"},
    {"bos", 0, OPTION_CHOICE, FIELD(bos), "always", 0, 0, "always|never", NULL,
     "whether the model's BOS token comes in front"},
};

/* What one run works with. Zero it to begin. */
struct prompt {
    struct model model;
    struct saes saes;
    struct token_list ids;
    size_t position;
    int32_t token, minus;
    struct attribution attribution;
    struct gpt2_workspace workspace;
    float *logits; /* (vocab) at the position */
    struct team team;
    struct arena arena;
};

static void prompt_free(struct prompt *p)
{
    attribution_free(&p->attribution);
    gpt2_workspace_close(&p->workspace);
    token_list_free(&p->ids);
    saes_close(&p->saes);
    model_close(&p->model);
    arena_free(&p->arena);
}

/* ---- input ---- */

static int read_text(struct prompt *p, const char *text, struct err *e)
{
    const struct tokenizer *t = p->model.tokenizer;
    if (own.bos == 0)
        TRY(token_list_add(&p->ids, tokenizer_bos(t), e));
    TRY(tokenizer_encode(t, &p->ids, text, strlen(text), "the prompt", e));
    if (p->ids.n == 0)
        return err_set(e, ERR_INPUT, "the prompt is empty");
    if (p->ids.n > (size_t)p->model.gpt2.config.positions)
        return err_set(e, ERR_INPUT,
                       "the prompt has %zu tokens, but the model only %d "
                       "positions",
                       p->ids.n, p->model.gpt2.config.positions);
    return 0;
}

static int read_position(struct prompt *p, struct err *e)
{
    char *end;
    long long n = (long long)p->ids.n;
    long long value = strtoll(own.position, &end, 10);
    if (*own.position == '\0' || *end != '\0' || value < -n || value >= n)
        return err_set(e, ERR_INPUT,
                       "--position %.20s: the prompt has tokens 0 to %lld, or "
                       "-1 to %lld",
                       own.position, n - 1, -n);
    p->position = (size_t)(value < 0 ? value + n : value);
    return 0;
}

static int read_token(int32_t *out, const struct prompt *p, const char *option,
                      const char *text, struct err *e)
{
    struct token_list ids = {0};
    int code = tokenizer_encode(p->model.tokenizer, &ids, text, strlen(text),
                                option, e);
    if (code == 0 && ids.n != 1)
        code = err_set(e, ERR_INPUT, "%s '%.60s' is %zu tokens, not one",
                       option, text, ids.n);
    if (code == 0)
        *out = ids.ids[0];
    token_list_free(&ids);
    return code;
}

static int open_all(struct prompt *p, const char *const *args, size_t n,
                    struct err *e)
{
    TRY(model_open(&p->model, args[0], own.fold, e));
    TRY(read_text(p, args[n - 1], e));
    TRY(read_position(p, e));
    p->token = p->minus = -1;
    if (own.token != NULL)
        TRY(read_token(&p->token, p, "--token", own.token, e));
    if (own.minus != NULL)
        TRY(read_token(&p->minus, p, "--minus", own.minus, e));
    return saes_open(&p->saes, args + 1, n - 2, &p->model.gpt2, &p->team, e);
}

/* ---- running ---- */

static int predict(struct prompt *p, struct err *e)
{
    const struct gpt2 *g = &p->model.gpt2;
    size_t vocab = (size_t)g->config.vocab, d = (size_t)g->config.d_model;
    const int64_t starts[] = {0, (int64_t)p->ids.n};
    const struct gpt2_batch batch = {p->ids.ids, starts, 1};
    const struct gpt2_tap tap = {.to_end = true};
    TRY(arena_get(&p->arena, &p->logits, vocab, sizeof *p->logits, "logits",
                  e));
    TRY(gpt2_workspace_open(&p->workspace, g, p->ids.n, e));
    gpt2_forward(g, &p->workspace, &batch, &tap);
    gpt2_logits(g, &p->workspace, p->logits, p->workspace.x + p->position * d,
                1);
    for (size_t v = 0; v < vocab; v++)
        if (!isfinite(p->logits[v]))
            return err_set(e, ERR_INPUT,
                           "the model's logit of token %zu is not finite", v);
    for (size_t v = 0; own.token == NULL && v < vocab; v++)
        if (p->token < 0 || p->logits[v] > p->logits[p->token])
            p->token = (int32_t)v;
    return 0;
}

static int explain(struct prompt *p, struct err *e)
{
    const struct attribution_job job = {.model = &p->model.gpt2,
                                        .saes = &p->saes,
                                        .ids = p->ids.ids,
                                        .n = p->ids.n,
                                        .position = p->position,
                                        .token = p->token,
                                        .minus = p->minus};
    return attribution_find(&p->attribution, &job, e);
}

/* ---- parts ---- */

/* One line of the table. */
struct part {
    char name[48];
    double value;
};

static int largest_first(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    double x = fabs(a->value), y = fabs(b->value);
    return x != y ? (x > y ? -1 : 1) : strcmp(a->name, b->name);
}

/* "what", "L2 what" or, with an index, "L2what7". */
static void add_part(struct part *parts, size_t *n, double value, int layer,
                     const char *what, int64_t index)
{
    struct part *p = &parts[(*n)++];
    p->value = value;
    if (layer < 0)
        (void)snprintf(p->name, sizeof p->name, "%s", what);
    else if (index < 0)
        (void)snprintf(p->name, sizeof p->name, "L%d %s", layer, what);
    else
        (void)snprintf(p->name, sizeof p->name, "L%d%s%" PRId64, layer, what,
                       index);
}

/* The parts that add up to the logit. */
static size_t list_parts(struct part *parts, const struct attribution *a)
{
    size_t n = 0;
    add_part(parts, &n, a->token, -1, "token embedding", -1);
    add_part(parts, &n, a->position, -1, "position embedding", -1);
    add_part(parts, &n, a->norm_bias, -1, "bias of the last LayerNorm", -1);
    for (int l = 0; l < a->layers; l++) {
        for (int h = 0; h < a->heads; h++)
            add_part(parts, &n, a->head[l * a->heads + h], l, "H", h);
        add_part(parts, &n, a->bias[l], l, "output bias", -1);
        add_part(parts, &n, a->mlp[l], l, "MLP", -1);
    }
    return n;
}

/* What the heads of layers with an SAE consist of. */
static size_t list_features(struct part *parts, const struct prompt *p)
{
    const struct attribution *a = &p->attribution;
    size_t n = 0;
    for (int l = 0; l < a->layers; l++)
        if (saes_has(&p->saes, l)) {
            add_part(parts, &n, a->b_dec[l], l, "b_dec", -1);
            add_part(parts, &n, a->error[l], l, "error of the SAE", -1);
        }
    for (size_t i = 0; i < a->n_features; i++)
        add_part(parts, &n, a->feature[i].part, a->feature[i].layer, "F",
                 (int64_t)a->feature[i].feature);
    return n;
}

static int get_parts(struct part **parts, struct prompt *p, struct err *e)
{
    const struct attribution *a = &p->attribution;
    size_t layers = (size_t)a->layers, heads = (size_t)a->heads;
    size_t n = 3 + layers * (heads + 4) + a->n_features;
    return arena_get(&p->arena, parts, n, sizeof **parts, "parts", e);
}

/* ---- report ---- */

/* The text of a token, quoted, with what is no text shown. */
static void token_text(char *out, size_t size, const struct prompt *p,
                       int32_t id)
{
    const struct vocab *v = tokenizer_vocab(p->model.tokenizer);
    (void)snprintf(out, size, "%.*s",
                   (size_t)id < v->n ? (int)v->length[id] : 0,
                   (size_t)id < v->n ? v->text[id] : "");
    utf8_repair(out);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '\n' || *c == '\r' || *c == '\t' ? ' ' : *c;
}

static json_t *token_json(const struct prompt *p, int32_t id)
{
    const struct vocab *v = tokenizer_vocab(p->model.tokenizer);
    char text[256] = "";
    if ((size_t)id < v->n)
        (void)snprintf(text, sizeof text, "%.*s", (int)v->length[id],
                       v->text[id]);
    utf8_repair(text);
    return json_pack("{s:i, s:s}", "id", id, "text", text);
}

struct likely {
    int32_t id;
    double probability;
};
enum { LIKELY = 10 };

/* The LIKELY most likely next tokens. */
static void find_likely(struct likely *best, const struct prompt *p)
{
    size_t vocab = (size_t)p->model.gpt2.config.vocab;
    double log_sum = predictions_log_sum(p->logits, vocab);
    for (int i = 0; i < LIKELY; i++)
        best[i] = (struct likely){-1, -1};
    for (size_t v = 0; v < vocab; v++) {
        double q = exp((double)p->logits[v] - log_sum);
        int at = LIKELY;
        while (at > 0 && q > best[at - 1].probability)
            at--;
        if (at == LIKELY)
            continue;
        memmove(best + at + 1, best + at,
                (size_t)(LIKELY - 1 - at) * sizeof *best);
        best[at] = (struct likely){(int32_t)v, q};
    }
}

static json_t *parts_json(const struct part *parts, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(array, json_pack("{s:s, s:f}", "part",
                                                     parts[i].name, "logit",
                                                     parts[i].value));
    return array;
}

static int add_report(json_t *report, struct prompt *p, struct part *parts,
                      const struct likely *likely, struct err *e)
{
    const struct attribution *a = &p->attribution;
    json_t *tokens = json_array(), *next = json_array();
    for (size_t i = 0; i < p->ids.n; i++)
        (void)json_array_append_new(tokens, token_json(p, p->ids.ids[i]));
    for (int i = 0; i < LIKELY && likely[i].id >= 0; i++) {
        json_t *token = token_json(p, likely[i].id);
        (void)json_object_set_new(token, "probability",
                                  json_real(likely[i].probability));
        (void)json_array_append_new(next, token);
    }
    json_t *object = json_pack(
        "{s:o, s:I, s:o, s:o, s:o, s:f, s:f}", "tokens", tokens, "position",
        (json_int_t)p->position, "next", next, "token", token_json(p, p->token),
        "minus", p->minus < 0 ? json_null() : token_json(p, p->minus), "logit",
        a->logit, "sum", a->sum);
    if (json_object_update_new(report, object) != 0)
        return err_memory(e, "report", 0);
    size_t n = list_parts(parts, a);
    int bad = json_object_set_new(report, "parts", parts_json(parts, n));
    n = list_features(parts, p);
    bad |= json_object_set_new(report, "features", parts_json(parts, n));
    return bad != 0 ? err_memory(e, "report", 0) : 0;
}

static void print_parts(struct part *parts, size_t n)
{
    qsort(parts, n, sizeof *parts, largest_first);
    for (size_t i = 0; i < n && (int64_t)i < own.top; i++)
        (void)printf("  %-24s %+9.4f\n", parts[i].name, parts[i].value);
}

static void print_all(struct prompt *p, struct part *parts,
                      const struct likely *likely)
{
    char text[128];
    for (size_t i = 0; i < p->ids.n; i++) {
        token_text(text, sizeof text, p, p->ids.ids[i]);
        (void)printf("%s'%s'%s", i == p->position ? "[" : "", text,
                     i == p->position ? "] " : " ");
    }
    (void)printf("\n\nnext token:\n");
    for (int i = 0; i < LIKELY && likely[i].id >= 0; i++) {
        token_text(text, sizeof text, p, likely[i].id);
        (void)printf("  %-24s %8.4f\n", text, likely[i].probability);
    }
    token_text(text, sizeof text, p, p->token);
    (void)printf("\nlogit of '%s'", text);
    if (p->minus >= 0) {
        token_text(text, sizeof text, p, p->minus);
        (void)printf(" less that of '%s'", text);
    }
    (void)printf(" %.4f, the sum of\n", p->attribution.logit);
    print_parts(parts, list_parts(parts, &p->attribution));
    size_t n = list_features(parts, p);
    if (n > 0)
        (void)printf("\nof which through SAEs\n");
    print_parts(parts, n);
}

/* ---- the command ---- */

static int run_prompt(struct prompt *p, const struct common_options *common,
                      const char *const *args, size_t n, json_t *report,
                      struct err *e)
{
    struct likely likely[LIKELY];
    struct part *parts;
    TRY(open_all(p, args, n, e));
    if (common->dry_run && !common->json)
        (void)printf("would run a prompt of %zu tokens; writes nothing\n",
                     p->ids.n);
    if (common->dry_run)
        return 0;
    TRY(predict(p, e));
    TRY(explain(p, e));
    TRY(get_parts(&parts, p, e));
    find_likely(likely, p);
    TRY(add_report(report, p, parts, likely, e));
    if (!common->json)
        print_all(p, parts, likely);
    return 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    struct prompt p = {.team = team_make((int)common->threads)};
    int code = run_prompt(&p, common, args, n_args, report, e);
    prompt_free(&p);
    return code;
}

const struct command command_prompt = {
    .usage = {"prompt", "Explain what a model predicts behind a prompt.",
              "MODEL [SAE...] TEXT",
              "Shows the most likely next tokens and divides the logit of one "
              "of them over embeddings, heads, MLPs and biases, as each adds "
              "to it directly; with SAEs also over features. The parts add up "
              "to the logit. Writes nothing."},
    .args_min = 2,
    .args_max = -1,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own}},
    .n_groups = 1,
    .run = run,
};
