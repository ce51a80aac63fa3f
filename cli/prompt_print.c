/* SPDX-License-Identifier: MIT */
#include "cli/prompt_print.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static double real_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static int64_t int_of(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

/* The text of a token with line ends and tabs as blanks. */
static void token_text(char *out, size_t size, const json_t *token)
{
    const char *text = json_string_value(json_object_get(token, "text"));
    (void)snprintf(out, size, "%s", text != NULL ? text : "");
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '\n' || *c == '\r' || *c == '\t' ? ' ' : *c;
}

/* 'text' of a position of the report's tokens. */
static void print_token_at(const json_t *report, int64_t position)
{
    char text[256];
    const json_t *tokens = json_object_get(report, "tokens");
    token_text(text, sizeof text, json_array_get(tokens, (size_t)position));
    (void)printf("'%s'", text);
}

/* ---- the prediction ---- */

static void print_tokens(const json_t *report)
{
    size_t i;
    json_t *token;
    int64_t position = int_of(json_object_get(report, "next"), "position");
    json_array_foreach(json_object_get(report, "tokens"), i, token)
    {
        bool here = (int64_t)i == position;
        (void)printf("%s", here ? "[" : "");
        print_token_at(report, (int64_t)i);
        (void)printf("%s", here ? "] " : " ");
    }
    (void)printf("\n");
}

static void print_next(const json_t *report)
{
    size_t i;
    json_t *token;
    char text[128];
    const json_t *next = json_object_get(report, "next");
    (void)printf("\nnext token, entropy %.3f nats:\n",
                 real_of(next, "entropy"));
    json_array_foreach(json_object_get(next, "next"), i, token)
    {
        token_text(text, sizeof text, token);
        (void)printf("  %-24s %8.4f\n", text, real_of(token, "probability"));
    }
}

static void print_parts(const json_t *report, const json_t *answer,
                        const char *list)
{
    size_t i;
    json_t *part, *source;
    json_array_foreach(json_object_get(answer, list), i, part)
    {
        (void)printf("  %-26s %+9.4f",
                     json_string_value(json_object_get(part, "part")),
                     real_of(part, "value"));
        source = json_object_get(part, "source");
        if (source != NULL) {
            int64_t at = (int64_t)json_integer_value(source);
            (void)printf("  %+.4f from %" PRId64 " ",
                         real_of(part, "source_value"), at);
            print_token_at(report, at);
        }
        (void)printf("\n");
    }
}

/* Parts, then features where there are SAEs. */
static void print_division(const json_t *report, const json_t *answer)
{
    print_parts(report, answer, "parts");
    if (int_of(answer, "features_total") == 0)
        return;
    (void)printf("\nof which through SAEs\n");
    print_parts(report, answer, "features");
}

static void print_logit(const json_t *report)
{
    char text[128];
    const json_t *logit = json_object_get(report, "logit");
    const json_t *minus = json_object_get(logit, "minus");
    token_text(text, sizeof text, json_object_get(logit, "token"));
    (void)printf("\nlogit of '%s'", text);
    if (json_is_object(minus)) {
        token_text(text, sizeof text, minus);
        (void)printf(" less that of '%s'", text);
    }
    (void)printf(" %.4f, the sum of\n", real_of(logit, "logit"));
    print_division(report, logit);
}

/* ---- features ---- */

static void print_features(const json_t *report)
{
    size_t i;
    json_t *f;
    int64_t before = -1;
    const json_t *answer = json_object_get(report, "features");
    if (answer == NULL)
        return;
    (void)printf(
        "\nfeatures by token, the head and the source of most of each; "
        "%" PRId64 " are active\n",
        int_of(answer, "active"));
    json_array_foreach(json_object_get(answer, "features"), i, f)
    {
        int64_t at = int_of(f, "position"), source = int_of(f, "source");
        if (at != before) {
            (void)printf("  %" PRId64 " ", at);
            print_token_at(report, at);
            (void)printf("\n");
        }
        before = at;
        char name[48];
        (void)snprintf(name, sizeof name, "L%" PRId64 "F%" PRId64,
                       int_of(f, "layer"), int_of(f, "feature"));
        (void)printf("    %-12s %8.4f  L%" PRId64 "H%" PRId64
                     " %3.0f %%  from %" PRId64 " ",
                     name, real_of(f, "activation"), int_of(f, "layer"),
                     int_of(f, "head"), 100 * real_of(f, "share"), source);
        print_token_at(report, source);
        (void)printf("\n");
    }
}

static void print_sources(const json_t *report)
{
    size_t h, i;
    json_t *terms, *term;
    const json_t *s = json_object_get(report, "sources");
    if (s == NULL)
        return;
    (void)printf("\nL%" PRId64 "F%" PRId64 " at %" PRId64 " ",
                 int_of(s, "layer"), int_of(s, "feature"),
                 int_of(s, "position"));
    print_token_at(report, int_of(s, "position"));
    (void)printf(": activation %.4f, pre-activation %.4f = %.4f from sources "
                 "%+.4f constant\n",
                 real_of(s, "activation"), real_of(s, "pre"), real_of(s, "sum"),
                 real_of(s, "constant"));
    json_array_foreach(json_object_get(s, "dfa"), h, terms)
    {
        double of_head =
            json_number_value(json_array_get(json_object_get(s, "heads"), h));
        (void)printf("  L%" PRId64 "H%-3zu %+9.4f", int_of(s, "layer"), h,
                     of_head);
        /* What is worth a place: a twentieth of all. */
        json_array_foreach(terms, i, term)
        {
            double value = json_number_value(term), all = real_of(s, "sum");
            if (value * value * 400 < all * all)
                continue;
            (void)printf("  %+.3f from %zu ", value, i);
            print_token_at(report, (int64_t)i);
        }
        (void)printf("\n");
    }
}

static void print_trace(const json_t *report)
{
    size_t i;
    json_t *step;
    const json_t *t = json_object_get(report, "trace");
    if (t == NULL)
        return;
    (void)printf("\nL%" PRId64 "F%" PRId64 "@%" PRId64, int_of(t, "layer"),
                 int_of(t, "feature"), int_of(t, "position"));
    json_array_foreach(json_object_get(t, "path"), i, step)
    {
        (void)printf(", through L%" PRId64 "H%" PRId64 " from %" PRId64 " ",
                     int_of(step, "layer"), int_of(step, "head"),
                     int_of(step, "source"));
        print_token_at(report, int_of(step, "source"));
        (void)printf(" %+.4f", real_of(step, "term"));
    }
    (void)printf(": patterns and LayerNorm as they are, the sum of\n");
    print_division(report, t);
}

/* ---- beside another ---- */

static void print_pairs(const json_t *answer, const char *before,
                        const char *after)
{
    size_t i;
    json_t *token;
    char text[128];
    (void)printf("  %-24s %8s %8s\n", "next token", before, after);
    json_array_foreach(json_object_get(answer, "next"), i, token)
    {
        token_text(text, sizeof text, token);
        (void)printf("  %-24s %8.4f %8.4f\n", text, real_of(token, "before"),
                     real_of(token, "after"));
    }
}

static void print_edit(const json_t *report)
{
    size_t i;
    json_t *edit;
    char text[128];
    const json_t *answer = json_object_get(report, "edit");
    if (answer == NULL)
        return;
    (void)printf("\nwith ");
    json_array_foreach(json_object_get(answer, "edits"), i, edit)
    {
        const json_t *factor = json_object_get(edit, "factor");
        const char *how = json_string_value(json_object_get(edit, "how"));
        (void)printf("%s%s ", i > 0 ? ", " : "",
                     json_string_value(json_object_get(edit, "what")));
        if (json_is_null(factor))
            (void)printf("%s", strcmp(how, "other") == 0
                                   ? "as in the other prompt"
                                   : "zero");
        else
            (void)printf("times %g", json_number_value(factor));
    }
    const json_t *logit = json_object_get(answer, "logit");
    token_text(text, sizeof text, json_object_get(answer, "token"));
    (void)printf(": KL %.4f nats, logit of '%s'", real_of(answer, "kl"), text);
    if (json_is_object(json_object_get(answer, "minus"))) {
        token_text(text, sizeof text, json_object_get(answer, "minus"));
        (void)printf(" less that of '%s'", text);
    }
    (void)printf(" %.4f, was %.4f\n", real_of(logit, "after"),
                 real_of(logit, "before"));
    print_pairs(answer, "as is", "edited");
}

static void print_differing(const json_t *report, const json_t *answer)
{
    size_t i;
    json_t *one;
    (void)printf("\n  heads whose z differs most, of its size\n");
    json_array_foreach(json_object_get(answer, "heads"), i, one)
    {
        (void)printf("  L%" PRId64 "H%-6" PRId64 " %8.4f at %" PRId64 " ",
                     int_of(one, "layer"), int_of(one, "head"),
                     real_of(one, "distance"), int_of(one, "position"));
        print_token_at(report, int_of(one, "position"));
        (void)printf("\n");
    }
    if (json_array_size(json_object_get(answer, "features")) == 0)
        return;
    (void)printf("\n  features that differ most  here    other\n");
    json_array_foreach(json_object_get(answer, "features"), i, one)
    {
        char name[48];
        (void)snprintf(name, sizeof name, "L%" PRId64 "F%" PRId64,
                       int_of(one, "layer"), int_of(one, "feature"));
        (void)printf("  %-22s %8.4f %8.4f at %" PRId64 " ", name,
                     real_of(one, "before"), real_of(one, "after"),
                     int_of(one, "position"));
        print_token_at(report, int_of(one, "position"));
        (void)printf("\n");
    }
}

static void print_compare(const json_t *report)
{
    const json_t *answer = json_object_get(report, "compare");
    if (answer == NULL)
        return;
    (void)printf("\nbeside the other prompt, %zu tokens aligned",
                 json_array_size(json_object_get(answer, "tokens")));
    if (json_is_null(json_object_get(answer, "other_position"))) {
        (void)printf(", token %" PRId64 " not\n", int_of(answer, "position"));
    } else {
        (void)printf(": KL %.4f nats\n", real_of(answer, "kl"));
        print_pairs(answer, "here", "other");
    }
    print_differing(report, answer);
}

static void print_seconds(const json_t *report)
{
    const json_t *s = json_object_get(report, "seconds");
    if (s != NULL)
        (void)printf("\nforward pass and features %.1f ms, questions %.1f ms, "
                     "together %.1f ms of processor time\n",
                     1e3 * real_of(s, "run"), 1e3 * real_of(s, "questions"),
                     1e3 * real_of(s, "processor"));
}

void prompt_print(const json_t *report)
{
    print_tokens(report);
    print_next(report);
    print_logit(report);
    print_features(report);
    print_sources(report);
    print_trace(report);
    print_edit(report);
    print_compare(report);
    print_seconds(report);
}
