/* SPDX-License-Identifier: MIT
 *
 * Errors are values. A function that can fail returns 0 or a negative enum
 * err_code and writes one line for a person into the caller's struct err, where
 * the failure happened: which file, which row, which value, what to do.
 * Nothing below cli/ prints or exits; cli/main.c maps codes to exit statuses.
 * What the user gave and can mend (options, values, files, a full or unreadable
 * disk) is ERR_INPUT; what only the machine can mend is ERR_SYSTEM.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_code {
    ERR_USAGE = -1,       /* no such command, wrong arguments: exit status 1 */
    ERR_INPUT = -2,       /* options, files, their content: exit status 2 */
    ERR_SYSTEM = -3,      /* the operating system failed: exit status 3 */
    ERR_MEMORY = -4,      /* no memory: exit status 3 */
    ERR_INTERRUPTED = -5, /* Ctrl-C or SIGTERM, after saving: 130 or 143 */
};

struct err {
    int code;       /* 0 or an enum err_code */
    char msg[1024]; /* one line, no newline at the end */
};

/* Hand a failure on. For functions that own nothing at that point; the others
 * use `goto out`. */
#define TRY(expr)                                                              \
    do {                                                                       \
        int try_code_ = (expr);                                                \
        if (try_code_ != 0)                                                    \
            return try_code_;                                                  \
    } while (0)

/* Sets code and message and returns the code: `return err_set(e, ERR_INPUT,
 * "%s: row %zu is NaN", path, row);`. Control characters that come in with a
 * file name or a file's content are shown as '?', so that a message stays one
 * line. `e` may be NULL. */
int err_set(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set with ": <strerror(errno)>" at the end. The code is ERR_INPUT where
 * errno tells of a path, a permission or a full disk, else ERR_SYSTEM. */
int err_errno(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* As err_set with ERR_MEMORY: "no memory for <what> (<bytes>)". */
int err_memory(struct err *e, const char *what, unsigned long long bytes);

/* Puts "<prefix>: " before the message that is there. Returns e->code. */
int err_prefix(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The exit status for a code: 0, 1, 2, 3. */
int err_exit_status(int code);

#endif
