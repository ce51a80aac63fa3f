/* SPDX-License-Identifier: MIT */
#include "cli/ablate.h"

#include <string.h>

struct parsing {
    struct ablate_sets *s;
    struct edit like; /* kind and factor of every edit */
    const struct gpt2_config *c;
    size_t edits;
};

static size_t count(const char *text, char of)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += *text == of;
    return n;
}

/* Adds an edit to the last set. */
static void add_edit(struct parsing *p, struct edit edit)
{
    edit.kind = p->like.kind;
    edit.factor = p->like.factor;
    p->s->edit[p->edits++] = edit;
    p->s->set[p->s->n - 1].n++;
}

static int begin_set(struct parsing *p, const char *name, struct err *e)
{
    struct ablate_sets *s = p->s;
    s->set[s->n] = (struct effects_set){p->edits, 0};
    return arena_string(&s->arena, &s->name[s->n++], name, e);
}

static struct edit of_heads(int layer, int head)
{
    return (struct edit){
        .layer = layer, .head = head, .feature = -1, .everywhere = true};
}

/* Each head, or with `whole` each layer, as a set of its own. */
static int add_each(struct parsing *p, bool whole, struct err *e)
{
    for (int l = 0; l < p->c->layers; l++)
        for (int h = whole ? -1 : 0; h < (whole ? 0 : p->c->heads); h++) {
            char name[EDIT_NAME_MAX];
            struct edit edit = of_heads(l, h);
            edits_name(name, &edit);
            TRY(begin_set(p, name, e));
            add_edit(p, edit);
        }
    return 0;
}

static int add_named(struct parsing *p, char **names, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        struct edit edit;
        TRY(edits_parse(&edit, names[i], p->c, e));
        add_edit(p, edit);
    }
    return 0;
}

static bool is_named(const struct edit *named, size_t n, int layer, int head)
{
    for (size_t i = 0; i < n; i++)
        if (named[i].layer == layer && named[i].head == head)
            return true;
    return false;
}

/* All heads but those that are named. */
static int add_others(struct parsing *p, char **names, size_t n, struct err *e)
{
    struct edit *named;
    TRY(arena_get(&p->s->arena, &named, n, sizeof *named, "heads", e));
    for (size_t i = 0; i < n; i++) {
        TRY(edits_parse(&named[i], names[i], p->c, e));
        if (named[i].head < 0 || !named[i].everywhere)
            return err_set(e, ERR_INPUT,
                           "not:%s: only heads, at all positions, can be left "
                           "out of all heads",
                           names[i]);
    }
    for (int l = 0; l < p->c->layers; l++)
        for (int h = 0; h < p->c->heads; h++)
            if (!is_named(named, n, l, h))
                add_edit(p, of_heads(l, h));
    return 0;
}

/* "L2H1+L3F7@-1" and so on. */
static int add_set(struct parsing *p, char *text, struct err *e)
{
    static const char but[] = "not:";
    if (strcmp(text, "heads") == 0 || strcmp(text, "layers") == 0)
        return add_each(p, text[0] == 'l', e);
    TRY(begin_set(p, text, e));
    if (strcmp(text, "all") == 0) {
        for (int l = 0; l < p->c->layers; l++)
            add_edit(p, of_heads(l, -1));
        return 0;
    }
    bool others = strncmp(text, but, sizeof but - 1) == 0;
    char *at = others ? text + sizeof but - 1 : text, **names;
    size_t n;
    for (char *plus = at; (plus = strchr(plus, '+')) != NULL;)
        *plus = ',';
    TRY(arena_list(&p->s->arena, &names, &n, at, e));
    return others ? add_others(p, names, n, e) : add_named(p, names, n, e);
}

static int parse(struct parsing *p, const char *list, struct err *e)
{
    struct ablate_sets *s = p->s;
    char **texts;
    size_t n, heads = (size_t)p->c->layers * (size_t)p->c->heads;
    TRY(arena_list(&s->arena, &texts, &n, list, e));
    size_t sets = n * (heads + 1), edits = n * heads + count(list, '+') + n;
    TRY(arena_get(&s->arena, &s->set, sets, sizeof *s->set, "edits", e));
    TRY(arena_get(&s->arena, &s->name, sets, sizeof *s->name, "edits", e));
    TRY(arena_get(&s->arena, &s->edit, edits, sizeof *s->edit, "edits", e));
    for (size_t i = 0; i < n; i++)
        TRY(add_set(p, texts[i], e));
    return 0;
}

int ablate_sets_parse(struct ablate_sets *s, const char *list,
                      enum edit_kind kind, double factor,
                      const struct gpt2_config *c, struct err *e)
{
    *s = (struct ablate_sets){0};
    struct parsing p = {
        .s = s, .like = {.kind = kind, .factor = factor}, .c = c};
    int code = parse(&p, list, e);
    if (code != 0)
        ablate_sets_free(s);
    return code;
}

void ablate_sets_free(struct ablate_sets *s)
{
    arena_free(&s->arena);
    *s = (struct ablate_sets){0};
}
