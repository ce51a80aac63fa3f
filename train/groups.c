/* SPDX-License-Identifier: MIT */
#include "train/groups.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/format.h"

/* "0.25" or "1/32", at most 1. */
static bool parse_share(const char *text, double *share)
{
    char *end;
    *share = strtod(text, &end);
    if (end != text && *end == '/') {
        const char *below = end + 1;
        *share /= strtod(below, &end);
        if (end == below)
            return false;
    }
    return end != text && *end == '\0' && *share > 0 && *share <= 1;
}

/* The size that `length` bytes of text name; false for what is no size. */
static bool parse_size(const char *text, size_t length, size_t m, size_t *size)
{
    char word[32];
    int64_t count;
    double share;
    if (length == 0 || length >= sizeof word)
        return false;
    memcpy(word, text, length);
    word[length] = '\0';
    if (format_parse_count(word, &count) && count > 1) {
        *size = (size_t)count;
        return true;
    }
    if (!parse_share(word, &share))
        return false;
    *size = (size_t)lround(share * (double)m);
    return true;
}

static int add(struct groups *g, size_t size, const char *text, size_t m,
               struct err *e)
{
    size_t before = g->n > 0 ? g->end[g->n - 1] : 0;
    if (g->n == GROUPS_MAX)
        return err_set(e, ERR_INPUT, "--groups %s: more than %d prefixes", text,
                       GROUPS_MAX);
    if (size <= before || size > m)
        return err_set(e, ERR_INPUT,
                       "--groups %s: a prefix of %zu features after one of "
                       "%zu; prefixes grow, up to the %zu features",
                       text, size, before, m);
    g->end[g->n++] = size;
    return 0;
}

int groups_parse(struct groups *g, const char *text, size_t m, struct err *e)
{
    *g = (struct groups){.n = 0};
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ","), size;
        if (!parse_size(at, length, m, &size))
            return err_set(e, ERR_INPUT,
                           "--groups %s: wants sizes as 2048 or shares as "
                           "1/32, separated by commas",
                           text);
        TRY(add(g, size, text, m, e));
        at += length;
        if (*at == '\0')
            break;
    }
    return g->end[g->n - 1] < m ? add(g, m, text, m, e) : 0;
}

size_t groups_of(const struct groups *g, size_t i)
{
    size_t group = 0;
    while (group + 1 < g->n && i >= g->end[group])
        group++;
    return group;
}
