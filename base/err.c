/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void one_line(char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            *s = '?';
    }
}

__attribute__((format(printf, 3, 0))) static void set_message(struct err *e,
                                                              int code,
                                                              const char *fmt,
                                                              va_list args)
{
    e->code = code;
    (void)vsnprintf(e->msg, sizeof e->msg, fmt, args);
    one_line(e->msg);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e != NULL) {
        va_list args;
        va_start(args, fmt);
        set_message(e, code, fmt, args);
        va_end(args);
    }
    return code;
}

/* Whether the user can mend it with another path or by making room. */
static int code_of_errno(int number)
{
    static const int mendable[] = {ENOENT, EISDIR, ENOTDIR, EEXIST,
                                   EACCES, EPERM,  EROFS,   ENOSPC,
                                   EDQUOT, EFBIG,  ELOOP,   ENAMETOOLONG};
    for (size_t i = 0; i < sizeof mendable / sizeof *mendable; i++)
        if (number == mendable[i])
            return ERR_INPUT;
    return ERR_SYSTEM;
}

int err_errno(struct err *e, const char *fmt, ...)
{
    int number = errno;
    int code = code_of_errno(number);
    if (e != NULL) {
        va_list args;
        va_start(args, fmt);
        set_message(e, code, fmt, args);
        va_end(args);
        size_t used = strlen(e->msg);
        (void)snprintf(e->msg + used, sizeof e->msg - used, ": %s",
                       strerror(number));
    }
    return code;
}

int err_memory(struct err *e, const char *what, unsigned long long bytes)
{
    return err_set(e, ERR_MEMORY, "no memory for %s (%llu bytes)", what, bytes);
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return 0;
    char rest[sizeof e->msg];
    memcpy(rest, e->msg, sizeof rest);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->msg, sizeof e->msg, fmt, args);
    va_end(args);
    size_t used = strlen(e->msg);
    (void)snprintf(e->msg + used, sizeof e->msg - used, ": %s", rest);
    one_line(e->msg);
    return e->code;
}

int err_exit_status(int code)
{
    switch (code) {
    case 0:
        return 0;
    case ERR_USAGE:
        return 1;
    case ERR_INPUT:
        return 2;
    default:
        return 3;
    }
}
