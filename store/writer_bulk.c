/* SPDX-License-Identifier: MIT */
#include "store/stream.h"
#include "store/writer_state.h"

#define AT(row, field) offsetof(struct row, field)

static const struct stream_shape by_token_shape = {
    .table = "activation_by_token",
    .row_bytes = sizeof(struct store_activation),
    .columns = 4,
    .column = {{STREAM_TOKEN, AT(store_activation, token)},
               {STREAM_U32, AT(store_activation, feature)},
               {STREAM_U8, AT(store_activation, level)},
               {STREAM_INT64, AT(store_activation, heads)}},
};

static const struct stream_shape by_feature_shape = {
    .table = "activation",
    .row_bytes = sizeof(struct store_activation),
    .columns = 3,
    .column = {{STREAM_U32, AT(store_activation, feature)},
               {STREAM_TOKEN, AT(store_activation, token)},
               {STREAM_U8, AT(store_activation, level)}},
};

static const struct stream_shape around_shape = {
    .table = "example_activation",
    .row_bytes = sizeof(struct store_activation),
    .columns = 3,
    .column = {{STREAM_U32, AT(store_activation, feature)},
               {STREAM_TOKEN, AT(store_activation, token)},
               {STREAM_U8, AT(store_activation, level)}},
};

static const struct stream_shape head_example_shape = {
    .table = "head_example",
    .row_bytes = sizeof(struct store_head_example),
    .columns = 6,
    .column = {{STREAM_INT64, AT(store_head_example, feature)},
               {STREAM_INT, AT(store_head_example, head)},
               {STREAM_INT, AT(store_head_example, rank)},
               {STREAM_TOKEN64, AT(store_head_example, token)},
               {STREAM_REAL, AT(store_head_example, contribution)},
               {STREAM_U8, AT(store_head_example, level)}},
};

static const struct stream_shape example_source_shape = {
    .table = "example_source",
    .row_bytes = sizeof(struct store_example_source),
    .columns = 6,
    .column = {{STREAM_U32, AT(store_example_source, feature)},
               {STREAM_TOKEN, AT(store_example_source, token)},
               {STREAM_INT, AT(store_example_source, head)},
               {STREAM_INT, AT(store_example_source, rank)},
               {STREAM_TOKEN, AT(store_example_source, source)},
               {STREAM_REAL, AT(store_example_source, contribution)}},
};

static const struct stream_shape token_feature_shape = {
    .table = "token_feature",
    .row_bytes = sizeof(struct store_token_feature),
    .columns = 5,
    .column = {{STREAM_INT64, AT(store_token_feature, vocab)},
               {STREAM_INT64, AT(store_token_feature, feature)},
               {STREAM_INT64, AT(store_token_feature, count)},
               {STREAM_REAL, AT(store_token_feature, max)},
               {STREAM_REAL, AT(store_token_feature, mean)}},
};

int store_array_next(void *ctx, const void **rows, size_t *n, struct err *e)
{
    (void)e;
    struct store_array *array = ctx;
    *rows = array->rows;
    *n = array->n;
    array->n = 0;
    return 0;
}

static int insert(struct store_writer *w, const struct stream_shape *shape,
                  const struct store_source *rows, struct err *e)
{
    struct stream_keys keys = {w->sae, w->first_token};
    return stream_insert(w->db, w->output.path, shape, &keys, rows, e);
}

int store_writer_by_token(struct store_writer *w,
                          const struct store_source *rows, struct err *e)
{
    return insert(w, &by_token_shape, rows, e);
}

int store_writer_by_feature(struct store_writer *w,
                            const struct store_source *rows, struct err *e)
{
    return insert(w, &by_feature_shape, rows, e);
}

int store_writer_around_examples(struct store_writer *w,
                                 const struct store_source *rows, struct err *e)
{
    return insert(w, &around_shape, rows, e);
}

int store_writer_head_examples(struct store_writer *w,
                               const struct store_source *rows, struct err *e)
{
    return insert(w, &head_example_shape, rows, e);
}

int store_writer_example_sources(struct store_writer *w,
                                 const struct store_source *rows, struct err *e)
{
    return insert(w, &example_source_shape, rows, e);
}

int store_writer_token_features(struct store_writer *w,
                                const struct store_source *rows, struct err *e)
{
    return insert(w, &token_feature_shape, rows, e);
}
