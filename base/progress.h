/* SPDX-License-Identifier: MIT
 *
 * Progress of long work on stderr: on a terminal a live bar, at most five
 * times a second; elsewhere a line every ten seconds. Off below LOG_PROGRESS.
 *
 * Call order: progress_begin, progress_set..., progress_end. One bar at a
 * time; all calls from the thread that began it.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

struct progress {
    const char *what; /* "train layer 3" */
    const char *unit; /* "tokens" */
    uint64_t total;   /* 0: not known, then no share and no time left */
    uint64_t start;   /* where a resumed run began: not part of the rate */
    uint64_t done;
    double t_begin, t_shown;
    char note[160]; /* live figures behind the bar */
};

/* Keeps `what` and `unit`. `start` is what was done before this run. */
void progress_begin(struct progress *p, const char *what, const char *unit,
                    uint64_t start, uint64_t total);

/* Sets how much is done and draws if it is time to. `note` may be NULL: the
 * last one stays. */
void progress_set(struct progress *p, uint64_t done, const char *note);

/* Wipes the bar, and at LOG_PROGRESS leaves one line: what, how much, how
 * long, how fast. */
void progress_end(struct progress *p);

/* Seconds since progress_begin. */
double progress_seconds(const struct progress *p);

/* Clears a bar that stands on the terminal, for others who print. */
void progress_wipe(void);

#endif
