/* SPDX-License-Identifier: MIT */
#include "encode/encode.h"

#include <stddef.h>

#define FIELD(name) offsetof(struct encode_options, name)

const struct option encode_option_table[ENCODE_OPTION_COUNT] = {
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = FIELD(output),
     .value = "FILE.db",
     .help = "the database to write"},
    {.name = "rows",
     .type = OPTION_COUNT,
     .offset = FIELD(rows),
     .fallback = "1M",
     .value = "N",
     .help = "keep single activations and head codes of at most N tokens per "
             "SAE, a random sample of whole contexts (about 30 bytes an "
             "activation). Statistics and examples cover all tokens anyway"},
    {.name = "examples",
     .type = OPTION_COUNT,
     .offset = FIELD(examples),
     .fallback = "20",
     .min = 1,
     .max = 1000,
     .value = "N",
     .help = "top tokens to keep per feature, at most one from a context and "
             "none twice with the same text before it"},
    {.name = "interval-examples",
     .type = OPTION_COUNT,
     .offset = FIELD(interval_examples),
     .fallback = "5",
     .max = 100,
     .value = "N",
     .help = "tokens to draw at random per feature from each of 5 intervals of "
             "its activations of equal width, from each of 5 that hold equally "
             "many, from all tokens at which it is active, and from those at "
             "which it is not"},
    {.name = "head-examples",
     .type = OPTION_COUNT,
     .offset = FIELD(head_examples),
     .fallback = "5",
     .min = 1,
     .max = 1000,
     .value = "N",
     .help = "top tokens to keep per feature and head"},
    {.name = "model",
     .type = OPTION_TEXT,
     .offset = FIELD(model),
     .value = "DIR",
     .help = "folder of the dump's model: run it once more for each SAE, and "
             "keep from which earlier tokens features come, of every example "
             "and on up to 32k tokens of the sample"},
    {.name = "memory",
     .type = OPTION_COUNT,
     .offset = FIELD(memory),
     .fallback = "512M",
     .min = 1e6,
     .max = 1e13,
     .value = "BYTES",
     .help = "memory for what grows with the dump; the rest of it waits in "
             "temporary files beside the database. The SAE, its statistics and "
             "examples come on top. Has no influence on what is written"},
    {.name = "layer",
     .type = OPTION_TEXT,
     .offset = FIELD(layer),
     .value = "N",
     .help = "layer of SAEs whose folder does not name their hook"},
    {.name = "append",
     .type = OPTION_FLAG,
     .offset = FIELD(append),
     .help = "add the SAEs, and the dump if it is another, to a database that "
             "is there. SAEs that it has already are left out"},
    {.name = "replace",
     .type = OPTION_FLAG,
     .offset = FIELD(replace),
     .help = "as --append, but an SAE takes the place of one of the same name "
             "and dump that has other weights or was encoded with other "
             "options"},
    {.name = "remove",
     .type = OPTION_TEXT,
     .offset = FIELD(remove),
     .value = "NAME,...",
     .help = "take these SAEs, and dumps that then have none, out of the "
             "database. DUMP/NAME where several dumps have one of that name"},
};
