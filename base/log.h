/* SPDX-License-Identifier: MIT
 *
 * One level for the whole program, lines to stderr. stdout belongs to results.
 * Thread-safe: a line is written with one call.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level {
    LOG_ERROR = 1,    /* what made the program stop */
    LOG_RESULT = 2,   /* what the user asked for, and warnings (--quiet) */
    LOG_PROGRESS = 3, /* what is being done, bars (the default) */
    LOG_DETAIL = 4,   /* choices made on the way (--verbose) */
};

/* Call before threads start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Prints the line, with a newline added, if the level is on. A live progress
 * bar is wiped first and drawn again at its next tick. */
void log_line(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
