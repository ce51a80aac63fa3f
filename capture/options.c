/* SPDX-License-Identifier: MIT */
#include "capture/options.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(name) offsetof(struct capture_options, name)

const struct option capture_option_table[CAPTURE_OPTION_COUNT] = {
    {.name = "output",
     .letter = 'o',
     .type = OPTION_TEXT,
     .offset = FIELD(output),
     .value = "NAME.dump",
     .help = "folder to write; needed"},
    {.name = "text",
     .type = OPTION_TEXT,
     .offset = FIELD(text),
     .value = "FILE[,FILE...]",
     .help = "UTF-8 text to read, documents separated by <|endoftext|>, or "
             ".jsonl with an object a line; of a folder all .txt and .jsonl in "
             "it; needed. Of several files each is a group of contexts with "
             "the file's name, and the database counts features by group"},
    {.name = "prompts",
     .type = OPTION_TEXT,
     .offset = FIELD(prompts),
     .value = "FILE.jsonl",
     .help = "in place of --text: prompts of a task, each a context "
             "(docs/formats.md); those with label 1 and 0 become the groups "
             "positive and negative"},
    {.name = "text-field",
     .type = OPTION_TEXT,
     .offset = FIELD(text_field),
     .fallback = "text",
     .value = "NAME",
     .help = "field of a .jsonl line that is a document"},
    {.name = "group-field",
     .type = OPTION_TEXT,
     .offset = FIELD(group_field),
     .value = "NAME",
     .help =
         "field of a .jsonl line whose values become groups of contexts, in "
         "place of the files"},
    {.name = "layers",
     .type = OPTION_TEXT,
     .offset = FIELD(layers),
     .fallback = "all",
     .value = "LIST",
     .help = "layers to keep, like 2 or 1-3, without gaps"},
    {.name = "dtype",
     .type = OPTION_CHOICE,
     .offset = FIELD(dtype),
     .fallback = "f16",
     .choices = "f16|f32|bf16",
     .help = "number format on disk; f16 takes half the space of f32, and its "
             "error is far below what an autoencoder resolves"},
    {.name = "bos",
     .type = OPTION_CHOICE,
     .offset = FIELD(bos),
     .fallback = "always",
     .choices = "always|never",
     .help = "whether each context begins with the model's BOS token"},
    {.name = "tokens",
     .type = OPTION_COUNT,
     .offset = FIELD(tokens),
     .fallback = "0",
     .value = "N",
     .help = "stop after about N tokens of each text, at the end of a context; "
             "0 takes all of it"},
    {.name = "context",
     .type = OPTION_COUNT,
     .offset = FIELD(context),
     .fallback = "0",
     .value = "N",
     .help = "tokens a context has at most, BOS included; 0 takes as many as "
             "the model was made for"},
    {.name = "pack",
     .type = OPTION_FLAG,
     .offset = FIELD(pack),
     .help = "fill each context with documents of a group, <|endoftext|> "
             "between two, as in training; else a context holds one document "
             "or a part of one"},
    {.name = "fold-value-biases",
     .type = OPTION_FLAG,
     .offset = FIELD(fold_value_biases),
     .help = "z without the value biases, which move into the output "
             "projection, as TransformerLens loads models by default; an "
             "autoencoder of one kind of z is wrong on the other"},
};

enum dtype capture_dtype(const struct capture_options *o)
{
    static const enum dtype types[] = {DTYPE_F16, DTYPE_F32, DTYPE_BF16};
    return types[o->dtype];
}

/* A layer number at *at, which moves behind it. */
static int parse_layer(int *layer, const char **at, const char *text,
                       int layers, struct err *e)
{
    char *end;
    long value = strtol(*at, &end, 10);
    if (end == *at || **at < '0' || **at > '9')
        return err_set(e, ERR_INPUT,
                       "--layers %s: must be all, or numbers like 2 or 1-3",
                       text);
    if (value >= layers)
        return err_set(e, ERR_INPUT,
                       "--layers %s: the model has layers 0 to %d", text,
                       layers - 1);
    *layer = (int)value;
    *at = end;
    return 0;
}

int capture_parse_layers(int *first, int *count, const char *text, int layers,
                         struct err *e)
{
    *first = 0;
    *count = layers;
    if (strcmp(text, "all") == 0)
        return 0;
    *count = 0;
    for (const char *at = text;; at++) {
        int from = 0, to;
        TRY(parse_layer(&from, &at, text, layers, e));
        to = from;
        if (*at == '-') {
            at++;
            TRY(parse_layer(&to, &at, text, layers, e));
        }
        if (*count == 0)
            *first = from;
        if (from != *first + *count || to < from)
            return err_set(e, ERR_INPUT,
                           "--layers %s: layers must ascend without gaps; "
                           "capture others into a dump of their own",
                           text);
        *count += to - from + 1;
        if (*at == '\0')
            return 0;
        if (*at != ',')
            return err_set(e, ERR_INPUT,
                           "--layers %s: '%c' is neither a comma nor a dash",
                           text, *at);
    }
}
