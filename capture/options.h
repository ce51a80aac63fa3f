/* SPDX-License-Identifier: MIT
 *
 * What the user can ask of a capture.
 */
#ifndef CAPTURE_OPTIONS_H
#define CAPTURE_OPTIONS_H

#include <stdbool.h>

#include "base/options.h"
#include "dump/tensor.h"

struct capture_options {
    const char *output;                   /* NAME.dump */
    const char *text;                     /* UTF-8 files, see texts_read */
    const char *prompts;                  /* or prompts of a task */
    const char *text_field, *group_field; /* of JSON Lines; group NULL: none */
    const char *layers; /* "all", or as capture_parse_layers reads it */
    int dtype;          /* choice, see capture_dtype */
    int bos;            /* choice: 0 always, 1 never */
    int64_t tokens;     /* of each text; 0: all */
    int64_t context;    /* tokens a context; 0: as many as the model has */
    bool pack, fold_value_biases;
};

enum { CAPTURE_OPTION_COUNT = 12 }; /* a constant, for static option groups */
extern const struct option capture_option_table[CAPTURE_OPTION_COUNT];

enum dtype capture_dtype(const struct capture_options *o);

/* "0", "2-3", "0,1,2-3" or "all", of a model with `layers` layers. A dump holds
 * layers that follow one another, so a list must be ascending without gaps. */
int capture_parse_layers(int *first, int *count, const char *text, int layers,
                         struct err *e);

#endif
