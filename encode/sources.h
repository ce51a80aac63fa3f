/* SPDX-License-Identifier: MIT
 *
 * What encode asks of those who can run the model (lens/source_tables.h): from
 * which tokens features come. encode says where that is wanted; what is found
 * becomes rows of example_source, feature_source_offset and
 * feature_source_token within the SAE's transaction.
 */
#ifndef ENCODE_SOURCES_H
#define ENCODE_SOURCES_H

#include "encode/source_places.h"
#include "encode/source_sample.h"
#include "store/writer.h"

/* One SAE. */
struct source_request {
    const struct dump *dump; /* with token ids and contexts */
    const struct sae *sae;
    int layer;
    const struct team *team;
    const struct source_places *places;
    const struct source_sample *sample;
    const char *output; /* path beside which temporary files may lie */
    uint64_t memory;    /* bytes for what grows with the sample */
};

struct encode_sources {
    const char *fingerprint; /* of the model */
    bool folded;             /* its z is without value biases */
    /* The work on one token up to the layer, in operations, for estimates. */
    double (*flop)(void *ctx, int layer);
    /* Finds and writes all rows of the request's SAE. */
    int (*write)(void *ctx, const struct source_request *request,
                 struct store_writer *w, struct err *e);
    void *ctx;
};

#endif
