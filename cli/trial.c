/* SPDX-License-Identifier: MIT */
#include "cli/trial.h"

#include "capture/text_list.h"

#define FIELD(name) offsetof(struct trial_options, name)

/* The choices of `metric` and `label` stand in the order of their enums. */
const struct option trial_option_table[TRIAL_OPTION_COUNT] = {
    {"prompts", 0, OPTION_TEXT, FIELD(prompts), NULL, 0, 0, NULL, "FILE.jsonl",
     "prompts with what should come behind them (docs/formats.md); needed"},
    {"corrupted", 0, OPTION_TEXT, FIELD(corrupted), NULL, 0, 0, NULL,
     "FILE.jsonl",
     "a partner of the same length for each prompt, line by line, without what "
     "the task needs: to patch from, and for the gap"},
    {"reference", 0, OPTION_TEXT, FIELD(reference), NULL, 0, 0, NULL, "FILE",
     "prompts (.jsonl) or text to take means over; unset: --corrupted, or else "
     "--prompts"},
    {"mean-by", 0, OPTION_CHOICE, FIELD(mean_by), "layout", 0, 0, "layout|all",
     NULL,
     "one mean for each position of prompts with the same layout, or one of "
     "all tokens; of text there is only the latter"},
    {"layout", 0, OPTION_TEXT, FIELD(layout), NULL, 0, 0, NULL, "FIELDS",
     "fields of a prompt in which those with the same layout agree, with "
     "commas "
     "between, like meta.template,meta.kind; unset: all of one length"},
    {"metric", 0, OPTION_CHOICE, FIELD(metric), "logit-diff", 0, 0,
     "logit-diff|logit-mean-diff|mass-diff|mass|answer-loss|loss", NULL,
     "logit of the answer less the largest of the wrong tokens, or less their "
     "mean; probability of the answers less that of the wrong tokens, or "
     "alone; "
     "-ln of it; or the loss of predicting the prompt itself"},
    {"label", 0, OPTION_CHOICE, FIELD(label), "any", 0, 0, "any|0|1", NULL,
     "take only prompts with this label"},
    {"fold-value-biases", 0, OPTION_FLAG, FIELD(fold), NULL, 0, 0, NULL, NULL,
     "z is without value biases, as the SAEs were trained"},
    {"bos", 0, OPTION_CHOICE, FIELD(bos), "always", 0, 0, "always|never", NULL,
     "whether a prompt that is text begins with the model's BOS token"},
};

int trial_open(struct trial *t, const char *model,
               const struct trial_options *o, int threads, struct err *e)
{
    *t = (struct trial){.o = o, .team = team_make(threads)};
    if (o->prompts == NULL)
        return err_set(e, ERR_USAGE, "no prompts; give --prompts FILE.jsonl");
    TRY(model_open(&t->model, model, o->fold, e));
    struct prompts_options p = {
        .bos = o->bos == 0, .label = o->label - 1, .layout = o->layout};
    t->layouts = json_object();
    if (t->layouts == NULL)
        return err_memory(e, "layouts", 0);
    TRY(prompts_read(&t->prompts, &t->model, o->prompts, &p, t->layouts, e));
    /* Partners are found by line, whatever their labels. */
    p.label = -1;
    p.layout = NULL;
    if (o->corrupted == NULL)
        return 0;
    return prompts_read(&t->corrupted, &t->model, o->corrupted, &p, t->layouts,
                        e);
}

void trial_close(struct trial *t)
{
    means_close(&t->means);
    texts_free(&t->text);
    prompts_free(&t->prompts);
    prompts_free(&t->corrupted);
    prompts_free(&t->reference);
    json_decref(t->layouts);
    model_close(&t->model);
    *t = (struct trial){0};
}

/* ---- means ---- */

/* The file whose prompts or text means are taken over. */
static const char *reference_path(const struct trial_options *o)
{
    if (o->reference != NULL)
        return o->reference;
    return o->corrupted != NULL ? o->corrupted : o->prompts;
}

static int read_text(struct means_reference *from, struct trial *t,
                     const char *path, struct err *e)
{
    const struct texts_options cut = {
        .cut = {.length = (size_t)t->model.gpt2.config.positions,
                .bos = t->o->bos == 0},
        .fields = {.text = "text"}};
    if (cut.cut.bos && cut.cut.length < 2)
        return err_set(e, ERR_INPUT,
                       "the model's one position leaves no room beside the "
                       "BOS token; give --bos never");
    TRY(texts_read(&t->text, t->model.tokenizer, path, &cut, e));
    const struct contexts *c = &t->text.contexts;
    from->contexts = (struct runner_contexts){c->ids, c->starts, (size_t)c->n};
    return 0;
}

static int read_prompts(struct means_reference *from, struct trial *t,
                        const char *path, struct err *e)
{
    const struct prompts_options o = {
        .bos = t->o->bos == 0, .label = -1, .layout = t->o->layout};
    struct prompts *p = &t->reference;
    TRY(prompts_read(p, &t->model, path, &o, t->layouts, e));
    from->contexts =
        (struct runner_contexts){p->tokens.ids, p->tokens.start, p->n};
    if (t->o->mean_by == 0) {
        from->layout = p->layout;
        from->layouts = json_object_size(t->layouts);
    }
    return 0;
}

int trial_find_means(struct trial *t, const struct saes *saes,
                     const struct means_feature *feature, size_t n,
                     struct err *e)
{
    const char *path = reference_path(t->o);
    struct means_reference from = {
        .saes = saes, .feature = feature, .n_features = n};
    TRY(text_list_is_jsonl(path) ? read_prompts(&from, t, path, e)
                                 : read_text(&from, t, path, e));
    return means_open(&t->means, &t->model.gpt2, &from, &t->team, e);
}

struct effects_job trial_job(const struct trial *t, const struct saes *saes)
{
    return (struct effects_job){
        .model = &t->model.gpt2,
        .prompts = &t->prompts,
        .corrupted = t->o->corrupted != NULL ? &t->corrupted : NULL,
        .metric = (enum effect_metric)t->o->metric,
        .sources = {.config = &t->model.gpt2.config,
                    .saes = saes,
                    .means = &t->means,
                    .layout = t->prompts.layout},
        .team = &t->team,
    };
}
