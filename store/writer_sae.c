/* SPDX-License-Identifier: MIT */
#include "store/writer_state.h"

int store_writer_begin_sae(struct store_writer *w, const struct store_sae *s,
                           struct err *e)
{
    TRY(writer_begin(w, e));
    w->sae = s->id;
    struct row r = row_begin(&w->inserts, INSERT_SAE);
    row_int(&r, s->id);
    row_int(&r, s->dump);
    row_text(&r, s->name);
    row_int(&r, s->layer);
    row_text(&r, s->hook);
    row_text(&r, s->architecture);
    row_int(&r, s->d_in);
    row_int(&r, s->d_sae);
    row_int(&r, s->heads);
    row_text(&r, s->fingerprint);
    row_text(&r, s->config);
    row_text(&r, s->options);
    row_real(&r, s->held_out_fvu);
    row_real(&r, s->held_out_l0);
    row_real(&r, s->held_out_dead);
    row_real(&r, s->train_fvu);
    row_real(&r, s->pca_fvu);
    row_int(&r, s->tokens);
    row_real(&r, s->fvu);
    row_real(&r, s->l0);
    row_real(&r, s->l1);
    row_real(&r, s->mse);
    row_real(&r, s->cosine);
    row_real(&r, s->relative_bias);
    row_int(&r, s->dead);
    row_int(&r, s->activations);
    row_int(&r, s->pair_tokens);
    row_int(&r, s->source_tokens);
    return row_end(&r, &w->inserts, e);
}

int store_writer_metric(struct store_writer *w, const char *name, int64_t step,
                        double value, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_METRIC);
    row_int(&r, w->sae);
    row_text(&r, name);
    row_int(&r, step);
    row_real(&r, value);
    return row_end(&r, &w->inserts, e);
}

int store_writer_head(struct store_writer *w, const struct store_head *h,
                      struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_HEAD);
    row_int(&r, w->sae);
    row_int(&r, h->head);
    row_text(&r, h->name);
    row_int(&r, h->features);
    row_real(&r, h->fvu);
    row_real(&r, h->held_out_fvu);
    row_int(&r, h->codes);
    row_real(&r, h->code_entropy);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature(struct store_writer *w, const struct store_feature *f,
                         struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE);
    row_int(&r, w->sae);
    row_int(&r, f->feature);
    row_int(&r, f->fires);
    row_real(&r, f->density);
    row_real(&r, f->max);
    row_real(&r, f->mean);
    row_real(&r, f->scale);
    row_int_if(&r, f->strings >= 0, f->strings);
    row_real(&r, f->entropy);
    row_int_if(&r, f->top_head >= 0, f->top_head);
    row_real(&r, f->top_share);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_head(struct store_writer *w,
                              const struct store_feature_head *f, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_HEAD);
    row_int(&r, w->sae);
    row_int(&r, f->feature);
    row_int(&r, f->head);
    row_real(&r, f->weight_share);
    row_real(&r, f->data_share);
    return row_end(&r, &w->inserts, e);
}

int store_writer_histogram(struct store_writer *w, int64_t feature, int bin,
                           int64_t count, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_HISTOGRAM);
    row_int(&r, w->sae);
    row_int(&r, feature);
    row_int(&r, bin);
    row_int(&r, count);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_position(struct store_writer *w, int64_t feature,
                                  int bin, int64_t fires, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_POSITION);
    row_int(&r, w->sae);
    row_int(&r, feature);
    row_int(&r, bin);
    row_int(&r, fires);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_group(struct store_writer *w, int64_t feature,
                               int64_t document_group, int64_t fires,
                               struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_GROUP);
    row_int(&r, w->sae);
    row_int(&r, feature);
    row_int(&r, w->first_group + document_group);
    row_int(&r, fires);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_neighbour(struct store_writer *w, int64_t feature,
                                   int rank, int64_t neighbour, double cosine,
                                   struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_NEIGHBOUR);
    row_int(&r, w->sae);
    row_int(&r, feature);
    row_int(&r, rank);
    row_int(&r, neighbour);
    row_real(&r, cosine);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_pair(struct store_writer *w,
                              const struct store_feature_pair *p, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_PAIR);
    row_int(&r, w->sae);
    row_int(&r, p->feature);
    row_int(&r, p->rank);
    row_int(&r, p->other);
    row_int(&r, p->count);
    row_real(&r, p->expected);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_logit(struct store_writer *w, int64_t feature,
                               int rank, int64_t vocab, double logit,
                               struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_LOGIT);
    row_int(&r, w->sae);
    row_int(&r, feature);
    row_int(&r, rank);
    row_int(&r, vocab);
    row_real(&r, logit);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_source_offset(struct store_writer *w,
                                       const struct store_source_offset *o,
                                       struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_SOURCE_OFFSET);
    row_int(&r, w->sae);
    row_int(&r, o->feature);
    row_int(&r, o->bin);
    row_real(&r, o->share);
    row_int(&r, o->count);
    return row_end(&r, &w->inserts, e);
}

int store_writer_feature_source_token(struct store_writer *w,
                                      const struct store_source_token *t,
                                      struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_FEATURE_SOURCE_TOKEN);
    row_int(&r, w->sae);
    row_int(&r, t->feature);
    row_int(&r, t->rank);
    row_int(&r, t->vocab);
    row_real(&r, t->share);
    row_int(&r, t->count);
    return row_end(&r, &w->inserts, e);
}

int store_writer_head_code_count(struct store_writer *w, int head,
                                 int64_t feature, int64_t count, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_HEAD_CODE_COUNT);
    row_int(&r, w->sae);
    row_int(&r, head);
    row_int(&r, feature);
    row_int(&r, count);
    return row_end(&r, &w->inserts, e);
}

int store_writer_head_group(struct store_writer *w, int head, int number,
                            int64_t feature, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_HEAD_GROUP);
    row_int(&r, w->sae);
    row_int(&r, head);
    row_int(&r, number);
    row_int(&r, feature);
    return row_end(&r, &w->inserts, e);
}

/* Of enum store_example_kind. */
static const char *const kind_names[] = {"top", "width", "count", "random",
                                         "silent"};

int store_writer_example_set(struct store_writer *w,
                             const struct store_example_set *x, struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_EXAMPLE_SET);
    row_int(&r, w->sae);
    row_int(&r, x->feature);
    row_text(&r, kind_names[x->kind]);
    row_int(&r, x->interval);
    row_real(&r, x->above);
    row_real(&r, x->up_to);
    row_int(&r, x->tokens);
    row_int(&r, x->examples);
    return row_end(&r, &w->inserts, e);
}

int store_writer_example(struct store_writer *w, const struct store_example *x,
                         struct err *e)
{
    struct row r = row_begin(&w->inserts, INSERT_EXAMPLE);
    row_int(&r, w->sae);
    row_int(&r, x->feature);
    row_text(&r, kind_names[x->kind]);
    row_int(&r, x->interval);
    row_int(&r, x->rank);
    row_int(&r, w->first_token + x->token);
    row_real(&r, x->value);
    return row_end(&r, &w->inserts, e);
}
