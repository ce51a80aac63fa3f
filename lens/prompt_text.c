/* SPDX-License-Identifier: MIT */
#include "lens/prompt_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/text.h"

/* GPT-2 has a token for every byte, so control characters would run; in a text
 * that a person types they are a mistake. */
static int check_controls(const char *text, size_t size, struct err *e)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
            return err_set(e, ERR_INPUT,
                           "the prompt has the control character U+%04X at "
                           "byte %zu; of these only tab, newline and carriage "
                           "return are taken",
                           c, i);
    }
    return 0;
}

static int tokenize(struct token_list *out, const struct prompt_lens *l,
                    const struct prompt_text *text, struct err *e)
{
    const struct tokenizer *t = l->model.tokenizer;
    size_t positions = (size_t)l->model.gpt2.config.positions;
    if (text->size == 0)
        return err_set(e, ERR_INPUT, "the prompt is empty");
    TRY(check_controls(text->text, text->size, e));
    if (!text->no_bos)
        TRY(token_list_add(out, tokenizer_bos(t), e));
    TRY(tokenizer_encode(t, out, text->text, text->size, "the prompt", e));
    if (out->n > positions)
        return err_set(e, ERR_INPUT,
                       "the prompt has %zu tokens, but the model only %zu "
                       "positions",
                       out->n, positions);
    return 0;
}

int prompt_text_tokens(struct token_list *out, const struct prompt_lens *l,
                       const struct prompt_text *text, struct err *e)
{
    *out = (struct token_list){0};
    int code = tokenize(out, l, text, e);
    if (code != 0)
        token_list_free(out);
    return code;
}

int prompt_lens_check(size_t *tokens, const struct prompt_lens *l,
                      const struct prompt_text *text, struct err *e)
{
    struct token_list ids;
    TRY(prompt_text_tokens(&ids, l, text, e));
    *tokens = ids.n;
    token_list_free(&ids);
    return 0;
}

static int token_of_id(int32_t *out, const struct prompt_lens *l,
                       const char *text, const char *what, struct err *e)
{
    char *end;
    long long id = strtoll(text + 3, &end, 10);
    if (text[3] < '0' || text[3] > '9' || *end != '\0' || id < 0 ||
        id >= l->model.gpt2.config.vocab)
        return err_set(e, ERR_INPUT, "%s %.60s: the model has ids 0 to %d",
                       what, text, l->model.gpt2.config.vocab - 1);
    *out = (int32_t)id;
    return 0;
}

int prompt_text_token(int32_t *out, const struct prompt_lens *l,
                      const char *text, const char *what, struct err *e)
{
    if (strncmp(text, "id:", 3) == 0 && text[3] != '\0')
        return token_of_id(out, l, text, what, e);
    struct token_list ids = {0};
    int code =
        tokenizer_encode(l->model.tokenizer, &ids, text, strlen(text), what, e);
    if (code == 0 && ids.n != 1)
        code = err_set(e, ERR_INPUT, "%s '%.60s' is %zu tokens, not one", what,
                       text, ids.n);
    if (code == 0)
        *out = ids.ids[0];
    token_list_free(&ids);
    return code;
}

int prompt_text_position(size_t *out, const struct prompt_run *run,
                         int64_t position, struct err *e)
{
    int64_t n = (int64_t)run->n;
    if (position < -n || position >= n)
        return err_set(e, ERR_INPUT,
                       "position %" PRId64 ": the prompt has tokens 0 to "
                       "%" PRId64 ", or -1 to %" PRId64,
                       position, n - 1, -n);
    *out = (size_t)(position < 0 ? position + n : position);
    return 0;
}

json_t *prompt_text_json(const struct prompt_lens *l, int32_t id)
{
    const struct vocab *v = tokenizer_vocab(l->model.tokenizer);
    if ((size_t)id >= v->n) /* embedded, but without a string */
        return json_pack("{s:i, s:s}", "id", id, "text", "");
    size_t length = v->length[id];
    if (store_text_is_plain(v->text[id], length))
        return json_pack("{s:i, s:s%}", "id", id, "text", v->text[id], length);
    char *text = malloc(4 * length + 1);
    if (text == NULL)
        return NULL;
    size_t n = store_text_escape(text, v->text[id], length);
    json_t *out =
        json_pack("{s:i, s:s%, s:b}", "id", id, "text", text, n, "escaped", 1);
    free(text);
    return out;
}
