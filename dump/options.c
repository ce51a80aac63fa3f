/* SPDX-License-Identifier: MIT */
#include <stddef.h>

#include "dump/dump.h"

/* The choices stand in the order of enum dump_layout. */
const struct option dump_option_table[DUMP_OPTION_COUNT] = {
    {.name = "layout",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct dump_options, layout),
     .fallback = "none",
     .choices = "none|tokens,d|tokens,heads,d_head|"
                "contexts,positions,heads,d_head|tokens,layers,heads,d_head",
     .value = "AXES",
     .help =
         "the axes of bare .npy or .safetensors arrays; a dump folder needs "
         "none"},
    {.name = "row-heads",
     .type = OPTION_COUNT,
     .offset = offsetof(struct dump_options, heads),
     .fallback = "0",
     .max = DUMP_HEADS_MAX,
     .value = "N",
     .help = "heads side by side in a row of layout tokens,d; 0 takes the row "
             "as one head"},
    {.name = "first-layer",
     .type = OPTION_COUNT,
     .offset = offsetof(struct dump_options, first_layer),
     .fallback = "0",
     .max = DUMP_LAYERS_MAX - 1,
     .value = "L",
     .help = "number of the layer, or of the first one, in bare arrays"},
    {.name = "tensor",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, tensor),
     .value = "NAME",
     .help = "tensor to read from .safetensors files; needed where there are "
             "several and none is called z"},
    {.name = "token-ids",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, token_ids),
     .value = "FILE",
     .help = "token ids of bare arrays as .npy: one axis, or two (contexts, "
             "positions), which gives the contexts"},
    {.name = "tokenizer",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, tokenizer),
     .value = "FOLDER",
     .help = "folder of a Hugging Face tokenizer whose vocab.json names the "
             "tokens"},
    {.name = "vocab",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, vocab),
     .value = "FILE",
     .help = "a vocab.json that names the tokens: an array of strings, or "
             "GPT-2's"},
    {.name = "model-name",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, model),
     .value = "NAME",
     .help = "name of the model, recorded in place of the manifest's"},
    {.name = "context-groups",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, groups),
     .value = "FILE",
     .help =
         "which group each context belongs to, as .npy: a number from 0, or "
         "-1 for none; encode counts features by group"},
    {.name = "context-group-names",
     .type = OPTION_TEXT,
     .offset = offsetof(struct dump_options, group_names),
     .value = "NAMES",
     .help = "names of the --context-groups, from number 0 on, with commas "
             "between; "
             "without, groups are called by their numbers"},
};
