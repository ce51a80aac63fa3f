/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"

enum { BAR_WIDTH = 24 };

static const double live_interval_s = 0.2, line_interval_s = 10;

/* Whether a bar stands on the terminal now. Only the thread that owns the bar
 * draws, so a plain variable does. */
static bool bar_visible;

static bool live(void)
{
    return isatty(STDERR_FILENO) != 0;
}

void progress_wipe(void)
{
    if (bar_visible) {
        (void)fputs("\r\033[K", stderr);
        bar_visible = false;
    }
}

void progress_begin(struct progress *p, const char *what, const char *unit,
                    uint64_t start, uint64_t total)
{
    *p = (struct progress){.what = what,
                           .unit = unit,
                           .total = total,
                           .start = start,
                           .done = start,
                           .t_begin = clock_seconds()};
    p->t_shown = p->t_begin;
}

double progress_seconds(const struct progress *p)
{
    return clock_seconds() - p->t_begin;
}

static double rate_of(const struct progress *p)
{
    double s = progress_seconds(p);
    return s > 0 ? (double)(p->done - p->start) / s : 0;
}

static void draw(const struct progress *p)
{
    char line[320], rate[32], left[32] = "";
    double share = p->total > 0 ? (double)p->done / (double)p->total : 0;
    double speed = rate_of(p);
    format_count(rate, sizeof rate, speed);
    if (p->total > 0 && speed > 0 && p->done <= p->total)
        format_duration(left, sizeof left,
                        (double)(p->total - p->done) / speed);
    bool on_terminal = live();
    if (on_terminal && p->total > 0) {
        char bar[BAR_WIDTH + 1];
        int full = (int)(share * BAR_WIDTH);
        memset(bar, '.', BAR_WIDTH);
        memset(bar, '#', (size_t)(full > BAR_WIDTH ? BAR_WIDTH : full));
        bar[BAR_WIDTH] = '\0';
        (void)snprintf(line, sizeof line, "%s [%s] %3.0f%%  %s %s/s  %s%s%s%s",
                       p->what, bar, 100 * share, rate, p->unit, left,
                       left[0] != '\0' ? " left" : "",
                       p->note[0] != '\0' ? "  " : "", p->note);
    } else {
        char done[32];
        format_count(done, sizeof done, (double)p->done);
        (void)snprintf(line, sizeof line,
                       "%s: %s %s (%.0f%%), %s/s, %s left %s", p->what, done,
                       p->unit, 100 * share, rate, left[0] != '\0' ? left : "?",
                       p->note);
    }
    if (on_terminal) {
        (void)fprintf(stderr, "\r%s\033[K", line);
        (void)fflush(stderr);
        bar_visible = true;
    } else {
        (void)fprintf(stderr, "%s\n", line);
    }
}

void progress_set(struct progress *p, uint64_t done, const char *note)
{
    p->done = done;
    if (note != NULL)
        (void)snprintf(p->note, sizeof p->note, "%s", note);
    if (log_get_level() < LOG_PROGRESS)
        return;
    double now = clock_seconds();
    if (now - p->t_shown < (live() ? live_interval_s : line_interval_s))
        return;
    p->t_shown = now;
    draw(p);
}

void progress_end(struct progress *p)
{
    char done[32], time[32], rate[32];
    format_count(done, sizeof done, (double)(p->done - p->start));
    format_duration(time, sizeof time, progress_seconds(p));
    format_count(rate, sizeof rate, rate_of(p));
    log_line(LOG_PROGRESS, "%s: %s %s in %s (%s/s)%s%s", p->what, done, p->unit,
             time, rate, p->note[0] != '\0' ? "  " : "", p->note);
}
