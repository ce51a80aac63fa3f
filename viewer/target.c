/* SPDX-License-Identifier: MIT */
#include "viewer/target.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* ---- taking apart ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX in place; `plus` is what '+' stands for. */
static int decode(char *text, char plus, struct err *e)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        char c = *from == '+' ? plus : *from;
        if (c == '%') {
            int high = hex_digit(from[1]);
            int low = high < 0 ? -1 : hex_digit(from[2]);
            if (low < 0)
                return err_set(e, ERR_INPUT,
                               "a %% without two hexadecimal digits behind it");
            c = (char)(high << 4 | low);
            from += 2;
        }
        if (c == '\0')
            return err_set(e, ERR_INPUT, "a NUL in the address");
        *to++ = c;
    }
    *to = '\0';
    size_t length = (size_t)(to - text);
    if (utf8_valid_prefix(text, length) != length)
        return err_set(e, ERR_INPUT, "the address is not valid UTF-8");
    return 0;
}

static int add_parameter(struct target *t, char *pair, struct err *e)
{
    if (t->n == TARGET_PARAMETERS_MAX)
        return err_set(e, ERR_INPUT, "more than %d parameters",
                       TARGET_PARAMETERS_MAX);
    char *value = strchr(pair, '=');
    if (value == NULL)
        return err_set(e, ERR_INPUT, "a parameter without '='");
    *value++ = '\0';
    TRY(decode(pair, ' ', e));
    TRY(decode(value, ' ', e));
    if (target_has(t, pair))
        return err_set(e, ERR_INPUT, "'%.40s' is there twice", pair);
    t->parameters[t->n++] =
        (struct target_parameter){.name = pair, .value = value};
    return 0;
}

static int parse(struct target *t, struct err *e)
{
    if (t->text[0] != '/')
        return err_set(e, ERR_INPUT, "the address must begin with '/'");
    t->path = t->text;
    char *query = strchr(t->text, '?');
    if (query != NULL)
        *query++ = '\0';
    TRY(decode(t->text, '+', e));
    while (query != NULL) {
        char *pair = query;
        query = strchr(pair, '&');
        if (query != NULL)
            *query++ = '\0';
        if (*pair != '\0')
            TRY(add_parameter(t, pair, e));
    }
    return 0;
}

int target_parse(struct target *t, const char *raw, struct err *e)
{
    *t = (struct target){.text = strdup(raw)};
    if (t->text == NULL)
        return err_memory(e, "the address", strlen(raw));
    int code = parse(t, e);
    if (code != 0)
        target_free(t);
    return code;
}

void target_free(struct target *t)
{
    free(t->text);
    *t = (struct target){0};
}

/* ---- reading ---- */

bool target_has(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->parameters[i].name, name) == 0)
            return true;
    return false;
}

const char *target_text(struct target *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->parameters[i].name, name) == 0) {
            t->parameters[i].used = true;
            return t->parameters[i].value;
        }
    }
    return NULL;
}

int target_int(int64_t *out, struct target *t, const char *name, int64_t min,
               int64_t max, int64_t fallback, struct err *e)
{
    *out = fallback;
    const char *value = target_text(t, name);
    if (value == NULL)
        return 0;
    const char *digits = value[0] == '-' ? value + 1 : value;
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits))
        return err_set(e, ERR_INPUT, "%s: '%.40s' is not a whole number", name,
                       value);
    if (errno == ERANGE || number < min || number > max)
        return err_set(e, ERR_INPUT, "%s: %.40s is not from %lld to %lld", name,
                       value, (long long)min, (long long)max);
    *out = number;
    return 0;
}

int target_real(double *out, struct target *t, const char *name, double min,
                double max, double fallback, struct err *e)
{
    *out = fallback;
    const char *value = target_text(t, name);
    if (value == NULL)
        return 0;
    char *end = NULL;
    double number = strtod(value, &end);
    /* strtod takes more than numbers: blanks, "nan", "0x1p3". */
    if (*value == '\0' || *end != '\0' ||
        strspn(value, "+-.0123456789eE") != strlen(value))
        return err_set(e, ERR_INPUT, "%s: '%.40s' is not a number", name,
                       value);
    if (!isfinite(number) || number < min || number > max)
        return err_set(e, ERR_INPUT, "%s: %.40s is not from %g to %g", name,
                       value, min, max);
    *out = number;
    return 0;
}

int target_choice(int *out, struct target *t, const char *name,
                  const char *choices, int fallback, struct err *e)
{
    *out = fallback;
    const char *value = target_text(t, name);
    if (value == NULL)
        return 0;
    size_t length = strlen(value);
    const char *choice = choices;
    for (int i = 0;; i++) {
        size_t width = strcspn(choice, "|");
        if (width == length && memcmp(choice, value, length) == 0) {
            *out = i;
            return 0;
        }
        if (choice[width] == '\0')
            return err_set(e, ERR_INPUT, "%s: '%.40s' is none of %s", name,
                           value, choices);
        choice += width + 1;
    }
}

int target_finish(const struct target *t, struct err *e)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->parameters[i].used)
            return err_set(e, ERR_INPUT, "unknown parameter '%.40s'",
                           t->parameters[i].name);
    return 0;
}
