/* SPDX-License-Identifier: MIT */
#include "base/format.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char digits[] = "0123456789";

static void with_suffix(char *out, size_t size, double v, const char *gap,
                        const char *const suffix[5], const char *unit)
{
    int i = 0;
    while (v >= 999.5 && i < 4) {
        v /= 1000;
        i++;
    }
    const char *shape = i == 0 || v >= 99.95 ? "%.0f%s%s%s"
                        : v >= 9.995         ? "%.1f%s%s%s"
                                             : "%.2f%s%s%s";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(out, size, shape, v, gap, suffix[i], unit);
#pragma GCC diagnostic pop
}

void format_count(char *out, size_t size, double value)
{
    static const char *const suffix[5] = {"", "k", "M", "G", "T"};
    with_suffix(out, size, value, "", suffix, "");
}

void format_bytes(char *out, size_t size, double bytes)
{
    static const char *const suffix[5] = {"", "K", "M", "G", "T"};
    with_suffix(out, size, bytes, " ", suffix, "B");
}

void format_duration(char *out, size_t size, double seconds)
{
    if (seconds < 9.95)
        (void)snprintf(out, size, "%.1fs", seconds);
    else if (seconds < 119.5)
        (void)snprintf(out, size, "%.0fs", seconds);
    else if (seconds < 7170)
        (void)snprintf(out, size, "%dm%02ds", (int)(seconds + 0.5) / 60,
                       (int)(seconds + 0.5) % 60);
    else
        (void)snprintf(out, size, "%.0fh%02dm", floor(seconds / 3600),
                       (int)(fmod(seconds, 3600) / 60));
}

/* 1000^n of a suffix, or 0 for no such suffix. */
static int64_t power_of(const char *suffix)
{
    static const struct {
        const char *name;
        int64_t power;
    } known[] = {
        {"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000}, {"G", 1000000000}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(suffix, known[i].name) == 0)
            return known[i].power;
    return 0;
}

/* In whole numbers throughout: a double would lose the last digits of a long
 * seed, and 1.005k would not be whole. */
bool format_parse_count(const char *text, int64_t *value)
{
    size_t whole = strspn(text, digits);
    const char *part = text + whole + (text[whole] == '.');
    size_t length = text[whole] == '.' ? strspn(part, digits) : 0;
    int64_t power = power_of(part + length), v = 0;
    if (whole == 0 || power == 0 || (text[whole] == '.' && length == 0))
        return false;
    for (size_t i = 0; i < whole; i++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, text[i] - '0', &v))
            return false;
    if (__builtin_mul_overflow(v, power, &v))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (power < 10 && part[i] != '0')
            return false;
        power /= 10;
        if (__builtin_add_overflow(v, (part[i] - '0') * power, &v))
            return false;
    }
    *value = v;
    return true;
}
