/* SPDX-License-Identifier: MIT */
#include "capture/model.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/output.h"
#include "base/utf8.h"

static int open_both(struct model *m, const char *folder, struct err *e)
{
    TRY(gpt2_open(&m->gpt2, folder, e));
    TRY(tokenizer_open(&m->tokenizer, folder, e));
    size_t tokens = tokenizer_vocab(m->tokenizer)->n;
    if (tokens > (size_t)m->gpt2.config.vocab)
        return err_set(e, ERR_INPUT,
                       "%s: vocab.json has %zu tokens, but the model embeds "
                       "only %d (vocab_size in config.json)",
                       folder, tokens, m->gpt2.config.vocab);
    if (tokens < (size_t)m->gpt2.config.vocab)
        log_line(LOG_RESULT,
                 "%s: vocab.json has %zu tokens, and the model embeds %d: ids "
                 "from %zu on have no text",
                 folder, tokens, m->gpt2.config.vocab, tokens);
    return 0;
}

int model_open(struct model *m, const char *folder, bool fold, struct err *e)
{
    *m = (struct model){0};
    int code = open_both(m, folder, e);
    if (code != 0) {
        model_close(m);
        return code;
    }
    if (fold)
        gpt2_fold_value_biases(&m->gpt2);
    /* "." is no name for a model. */
    char *whole = realpath(folder, NULL);
    output_base_name(m->name, sizeof m->name, whole != NULL ? whole : folder);
    free(whole);
    utf8_repair(m->name); /* a manifest is JSON */
    return 0;
}

void model_close(struct model *m)
{
    gpt2_close(&m->gpt2);
    tokenizer_close(&m->tokenizer);
    *m = (struct model){0};
}
