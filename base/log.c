/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/progress.h"

static enum log_level current_level = LOG_PROGRESS;

void log_set_level(enum log_level level)
{
    current_level = level;
}

enum log_level log_get_level(void)
{
    return current_level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    if (level > current_level)
        return;
    char line[2048];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    progress_wipe();
    (void)fprintf(stderr, "%s\n", line);
}
