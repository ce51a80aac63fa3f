/* SPDX-License-Identifier: MIT */
#include "viewer/place.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* What stands before the layer and between it and the number. */
static const struct {
    enum place_kind kind;
    const char *before, *between;
} forms[] = {
    {PLACE_HEAD, "L", "H"},
    {PLACE_HEAD, "", "."},
    {PLACE_HEAD, "H", "."},
    {PLACE_HEAD, "L", "."},
    {PLACE_HEAD, "attn_L", "_"},
    {PLACE_FEATURE, "", ":"},
    {PLACE_FEATURE, "L", ":"},
    {PLACE_FEATURE, "", "/"},
    {PLACE_FEATURE, "L", "/"},
    {PLACE_FEATURE, "L", "F"},
    {PLACE_FEATURE, "attn_ae_L", "_"},
    {PLACE_CONTEXT, "c", "."},
    {PLACE_CONTEXT, "c", " · "},
};

/* Goes past `word` if the text begins with it. */
static bool skip_word(const char **text, const char *word)
{
    size_t length = strlen(word);
    if (strncasecmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

/* Goes past a number of at most nine digits. */
static bool skip_number(const char **text, int *number)
{
    size_t digits = strspn(*text, "0123456789");
    if (digits == 0 || digits > 9)
        return false;
    *number = 0;
    for (; digits > 0; digits--, (*text)++)
        *number = 10 * *number + (**text - '0');
    return true;
}

/* A feature as Neuronpedia has it: 5-att-kk/1234, gpt2-small@5-att-kk:1234. */
static bool parse_source(struct place *p, const char *text)
{
    const char *model = strchr(text, '@');
    if (model != NULL)
        text = model + 1;
    *p = (struct place){.kind = PLACE_FEATURE};
    if (!skip_number(&text, &p->layer) || *text != '-')
        return false;
    text += strcspn(text, "/: ");
    if (*text != '/' && *text != ':')
        return false;
    text++;
    return skip_number(&text, &p->number) && text[strspn(text, " ")] == '\0';
}

struct place place_parse(const char *text)
{
    text += strspn(text, " ");
    struct place source;
    if (parse_source(&source, text))
        return source;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct place p = {.kind = forms[i].kind};
        const char *at = text;
        if (skip_word(&at, forms[i].before) && skip_number(&at, &p.layer) &&
            skip_word(&at, forms[i].between) && skip_number(&at, &p.number) &&
            at[strspn(at, " ")] == '\0')
            return p;
    }
    struct place c = {.kind = PLACE_CONTEXT, .number = -1};
    if (skip_word(&text, "c") && skip_number(&text, &c.layer) &&
        text[strspn(text, " ")] == '\0')
        return c;
    return (struct place){.kind = PLACE_NONE};
}
