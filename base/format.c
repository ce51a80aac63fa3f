/* SPDX-License-Identifier: MIT */
#include "base/format.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

bool format_parse_count(const char *text, int64_t *value)
{
    if (!isdigit((unsigned char)text[0]))
        return false;
    char *end;
    double v = strtod(text, &end);
    switch (*end) {
    case 'k':
    case 'K':
        v *= 1e3;
        end++;
        break;
    case 'M':
        v *= 1e6;
        end++;
        break;
    case 'G':
        v *= 1e9;
        end++;
        break;
    default:
        break;
    }
    /* 2^63 is the first double out of range. */
    if (*end != '\0' || !(v < 9223372036854775808.0) || v != floor(v))
        return false;
    *value = (int64_t)v;
    return true;
}
