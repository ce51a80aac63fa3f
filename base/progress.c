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

/* "train [####....]  50%" or "train: 12.3k tokens (50%)"; without a total
 * "train: 12.3k tokens". */
static void head(char *out, size_t size, const struct progress *p, bool bar)
{
    double share = p->total > 0 ? (double)p->done / (double)p->total : 0;
    char done[32], percent[16] = "";
    if (bar && p->total > 0) {
        char cells[BAR_WIDTH + 1];
        int full = (int)(share * BAR_WIDTH);
        memset(cells, '.', BAR_WIDTH);
        memset(cells, '#', (size_t)(full > BAR_WIDTH ? BAR_WIDTH : full));
        cells[BAR_WIDTH] = '\0';
        (void)snprintf(out, size, "%s [%s] %3.0f%%", p->what, cells,
                       100 * share);
        return;
    }
    format_count(done, sizeof done, (double)p->done);
    if (p->total > 0)
        (void)snprintf(percent, sizeof percent, " (%.0f%%)", 100 * share);
    (void)snprintf(out, size, "%s: %s %s%s", p->what, done, p->unit, percent);
}

/* ", 3m05s left", or nothing where that is not known. */
static void time_left(char *out, size_t size, const struct progress *p)
{
    double speed = rate_of(p);
    char left[32];
    out[0] = '\0';
    if (speed <= 0 || p->done > p->total)
        return;
    format_duration(left, sizeof left, (double)(p->total - p->done) / speed);
    (void)snprintf(out, size, ", %s left", left);
}

static void draw(const struct progress *p)
{
    bool on_terminal = live();
    char start[160], rate[32], left[48];
    head(start, sizeof start, p, on_terminal);
    format_count(rate, sizeof rate, rate_of(p));
    time_left(left, sizeof left, p);
    (void)fprintf(stderr, "%s%s, %s %s/s%s%s%s%s", on_terminal ? "\r" : "",
                  start, rate, p->unit, left, p->note[0] != '\0' ? "  " : "",
                  p->note, on_terminal ? "\033[K" : "\n");
    (void)fflush(stderr);
    bar_visible = on_terminal;
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
