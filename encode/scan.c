/* SPDX-License-Identifier: MIT */
#include "encode/scan.h"

#include <stdio.h>

#include "base/interrupt.h"
#include "base/progress.h"

static size_t n_groups(const struct dump *dump)
{
    const struct dump_groups *groups = dump_groups(dump);
    return groups != NULL ? groups->n : 0;
}

static int init_parts(struct scan *s, struct err *e)
{
    const struct scan_input *in = &s->in;
    size_t m = in->sae->m;
    uint32_t longest = (uint32_t)sample_longest(in->sample) - 1;
    TRY(chunk_init(&s->chunk, in->dump, in->layer, in->sae, in->sample,
                   s->heads, in->team, e));
    TRY(metrics_init(&s->metrics, in->sae->d, m, (size_t)s->heads, e));
    TRY(statistics_init(&s->statistics, m, s->heads,
                        (size_t)statistics_position_bin(longest) + 1,
                        n_groups(in->dump), e));
    TRY(quantiles_init(&s->quantiles, m, e));
    TRY(examples_init(&s->top, m, in->examples, e));
    TRY(examples_init(&s->by_head, m * (size_t)s->heads, in->head_examples, e));
    TRY(token_counts_init(&s->strings, SCAN_PARTS,
                          in->memory / SCAN_MEMORY_SHARES, in->output, e));
    TRY(head_codes_init(&s->head_codes, s->heads, m, in->output, e));
    TRY(pairs_init(&s->pairs, m, in->sample->tokens, e));
    TRY(source_sample_init(&s->source_sample, in->sources ? in->sample : NULL,
                           e));
    return spill_open(&s->spill, in->output, CHUNK_ROWS, e);
}

int scan_init(struct scan *s, const struct scan_input *in, struct err *e)
{
    const struct dump_info *info = dump_info(in->dump);
    *s = (struct scan){.in = *in, .heads = info->heads, .tokens = info->tokens};
    int code = init_parts(s, e);
    if (code != 0)
        scan_free(s);
    return code;
}

void scan_free(struct scan *s)
{
    spill_close(&s->spill);
    source_sample_free(&s->source_sample);
    pairs_free(&s->pairs);
    head_codes_free(&s->head_codes);
    token_counts_free(&s->strings);
    examples_free(&s->by_head);
    examples_free(&s->top);
    quantiles_free(&s->quantiles);
    statistics_free(&s->statistics);
    metrics_free(&s->metrics);
    chunk_free(&s->chunk);
    *s = (struct scan){0};
}

/* ---- one chunk ---- */

enum { EXPECT = 8 }; /* entries ahead: some hundred nanoseconds */

struct counting {
    struct scan *scan;
    const int32_t *tokens;            /* ids of the dump, or NULL */
    const struct dump_groups *groups; /* or NULL */
};

/* `example` is the activation; a head's differs in its score. */
static void offer_to_heads(struct scan *s, uint32_t feature, uint32_t context,
                           struct best_entry example, const float *dfa)
{
    size_t slot = (size_t)feature * (size_t)s->heads;
    for (int h = 0; h < s->heads; h++) {
        example.score = dfa[h];
        if (dfa[h] > 0)
            examples_offer(&s->by_head, slot + (size_t)h, context, example);
    }
}

static struct statistics_place place_of(const struct counting *job,
                                        uint32_t context, uint32_t token)
{
    const struct sample *sample = job->scan->in.sample;
    return (struct statistics_place){
        .position = (uint32_t)(token - (uint64_t)sample->start[context]),
        .group = job->groups != NULL ? job->groups->of_context[context] : -1,
        .sampled = sample->in[context],
    };
}

/* One activation: entry i of the chunk's codes. */
static void count(const struct counting *job, size_t part, uint32_t feature,
                  size_t i)
{
    struct scan *s = job->scan;
    const struct chunk *c = &s->chunk;
    const float *dfa = c->dfa + i * (size_t)s->heads;
    float value = c->codes.value[i];
    uint32_t row = c->row[i], context = c->context[row];
    uint32_t token = (uint32_t)(c->first + row);
    struct best_entry example = {
        .id = token, .key = c->text[row], .score = value, .tie = value};
    struct statistics_place place = place_of(job, context, token);
    statistics_add(&s->statistics, feature, value, &place, dfa);
    quantiles_add(&s->quantiles, feature, value);
    examples_offer(&s->top, feature, context, example);
    offer_to_heads(s, feature, context, example, dfa);
    if (job->tokens != NULL)
        token_counts_add(&s->strings, part, feature,
                         (uint32_t)job->tokens[token], value);
}

/* Entry i comes soon: its DFA and its pair are likely far away. */
static void expect(const struct counting *job, size_t part, size_t i)
{
    const struct scan *s = job->scan;
    const struct chunk *c = &s->chunk;
    __builtin_prefetch(c->dfa + i * (size_t)s->heads);
    if (job->tokens != NULL)
        token_counts_prefetch(&s->strings, part, c->codes.feature[i],
                              (uint32_t)job->tokens[c->first + c->row[i]]);
}

static void count_part(void *ctx, size_t part, int thread)
{
    (void)thread;
    struct counting *job = ctx;
    const struct chunk *c = &job->scan->chunk;
    size_t m = c->sae->m, end = c->start[m * (part + 1) / SCAN_PARTS];
    for (size_t i = c->start[m * part / SCAN_PARTS]; i < end; i++) {
        if (i + EXPECT < end)
            expect(job, part, c->order[i + EXPECT]);
        count(job, part, c->codes.feature[c->order[i]], c->order[i]);
    }
}

int scan_add(struct scan *s, uint64_t first, size_t n, struct err *e)
{
    struct chunk *c = &s->chunk;
    TRY(chunk_encode(c, first, n, e));
    TRY(metrics_add(&s->metrics, s->in.sae, s->in.team, c->x, &c->codes, e));
    struct counting job = {.scan = s,
                           .tokens = dump_tokens(s->in.dump),
                           .groups = dump_groups(s->in.dump)};
    team_run(s->in.team, count_part, &job, SCAN_PARTS);
    TRY(token_counts_check(&s->strings, e));
    TRY(head_codes_add(&s->head_codes, c, e));
    TRY(pairs_add(&s->pairs, c, e));
    TRY(source_sample_add(&s->source_sample, c, e));
    return spill_write(&s->spill, &c->codes, e);
}

/* ---- all of them ---- */

int scan_run(struct scan *s, struct err *e)
{
    char what[128];
    (void)snprintf(what, sizeof what, "encode %.100s", s->in.sae->name);
    struct progress bar;
    progress_begin(&bar, what, "tokens", 0, s->tokens);
    int code = 0;
    for (uint64_t first = 0; code == 0 && first < s->tokens;) {
        uint64_t left = s->tokens - first;
        size_t n = left < CHUNK_ROWS ? (size_t)left : CHUNK_ROWS;
        if (interrupt_requested())
            code = err_set(e, ERR_INTERRUPTED, "interrupted");
        else
            code = scan_add(s, first, n, e);
        first += n;
        progress_set(&bar, first, NULL);
    }
    progress_end(&bar);
    if (code != 0)
        return code;
    examples_finish(&s->top);
    examples_finish(&s->by_head);
    token_counts_finish(&s->strings, s->in.team);
    return spill_rewind(&s->spill, e);
}
