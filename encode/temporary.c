/* SPDX-License-Identifier: MIT */
#include "encode/temporary.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"

static int open_nameless(int *fd, const char *path, struct err *e)
{
    char name[OUTPUT_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int)(slash - path) + 1;
    int length = snprintf(name, sizeof name, "%.*s.headscope-codes-XXXXXX",
                          folder, path);
    if (length < 0 || (size_t)length >= sizeof name)
        return err_set(e, ERR_INPUT, "path too long: %.200s...", path);
    *fd = mkstemp(name);
    if (*fd < 0)
        return err_errno(e, "cannot create a temporary file beside %s", path);
    (void)unlink(name);
    return 0;
}

int temporary_open(struct temporary *t, const char *path, size_t buffer,
                   struct err *e)
{
    *t = (struct temporary){.path = path};
    int fd;
    TRY(open_nameless(&fd, path, e));
    t->file = fdopen(fd, "w+b");
    if (t->file == NULL) {
        (void)close(fd);
        return err_errno(e, "cannot open a temporary file beside %s", path);
    }
    (void)setvbuf(t->file, NULL, _IOFBF, buffer);
    return 0;
}

void temporary_close(struct temporary *t)
{
    if (t->file != NULL)
        (void)fclose(t->file); /* nobody reads it again */
    *t = (struct temporary){0};
}

static int write_failed(const struct temporary *t, struct err *e)
{
    return err_errno(e, "cannot write a temporary file beside %s", t->path);
}

int temporary_write(struct temporary *t, const void *data, size_t bytes,
                    struct err *e)
{
    if (fwrite(data, 1, bytes, t->file) != bytes)
        return write_failed(t, e);
    return 0;
}

int temporary_rewind(struct temporary *t, struct err *e)
{
    if (fflush(t->file) != 0 || fseeko(t->file, 0, SEEK_SET) != 0)
        return write_failed(t, e);
    return 0;
}

static int read_failed(const struct temporary *t, struct err *e)
{
    if (errno == 0)
        errno = EIO; /* shorter than what was written */
    return err_errno(e, "cannot read a temporary file beside %s", t->path);
}

int temporary_read(struct temporary *t, void *data, size_t bytes, struct err *e)
{
    errno = 0;
    if (fread(data, 1, bytes, t->file) != bytes)
        return read_failed(t, e);
    return 0;
}

int temporary_write_at(const struct temporary *t, const void *data,
                       size_t bytes, uint64_t offset, struct err *e)
{
    const char *from = data;
    while (bytes > 0) {
        ssize_t done = pwrite(fileno(t->file), from, bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return write_failed(t, e);
        from += done;
        bytes -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

int temporary_read_at(const struct temporary *t, void *data, size_t bytes,
                      uint64_t offset, struct err *e)
{
    char *to = data;
    while (bytes > 0) {
        errno = 0;
        ssize_t done = pread(fileno(t->file), to, bytes, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return read_failed(t, e);
        to += done;
        bytes -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}
