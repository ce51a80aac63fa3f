/* SPDX-License-Identifier: MIT */
#include "encode/spill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"

enum { BUFFER_BYTES = 1 << 20 };

/* An open file without a name in the folder of `path`. */
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

int spill_open(struct spill *s, const char *path, size_t rows_max,
               struct err *e)
{
    *s = (struct spill){.path = path};
    int fd;
    TRY(open_nameless(&fd, path, e));
    s->file = fdopen(fd, "w+b");
    if (s->file == NULL) {
        (void)close(fd);
        return err_errno(e, "cannot open a temporary file beside %s", path);
    }
    (void)setvbuf(s->file, NULL, _IOFBF, BUFFER_BYTES);
    s->counts = malloc(rows_max * sizeof *s->counts);
    if (s->counts == NULL) {
        spill_close(s);
        return err_memory(e, "codes", rows_max * sizeof *s->counts);
    }
    return 0;
}

void spill_close(struct spill *s)
{
    if (s->file != NULL)
        (void)fclose(s->file); /* nobody reads it again */
    free(s->counts);
    free(s->feature);
    free(s->value);
    *s = (struct spill){0};
}

static bool put(struct spill *s, const void *data, size_t size, size_t n)
{
    return fwrite(data, size, n, s->file) == n;
}

static int write_failed(const struct spill *s, struct err *e)
{
    return err_errno(e, "cannot write a temporary file beside %s", s->path);
}

int spill_write(struct spill *s, const struct codes *codes, struct err *e)
{
    size_t entries = codes->start[codes->n];
    for (size_t r = 0; r < codes->n; r++)
        s->counts[r] = (uint32_t)(codes->start[r + 1] - codes->start[r]);
    if (!put(s, s->counts, sizeof *s->counts, codes->n) ||
        !put(s, codes->feature, sizeof *codes->feature, entries) ||
        !put(s, codes->value, sizeof *codes->value, entries))
        return write_failed(s, e);
    return 0;
}

int spill_rewind(struct spill *s, struct err *e)
{
    if (fflush(s->file) != 0 || fseeko(s->file, 0, SEEK_SET) != 0)
        return write_failed(s, e);
    return 0;
}

static int have_room(struct spill *s, size_t entries, struct err *e)
{
    if (entries <= s->capacity)
        return 0;
    size_t capacity = entries + entries / 4;
    free(s->feature);
    free(s->value);
    s->capacity = 0;
    s->feature = malloc(capacity * sizeof *s->feature);
    s->value = malloc(capacity * sizeof *s->value);
    if (s->feature == NULL || s->value == NULL)
        return err_memory(e, "codes",
                          capacity * (sizeof *s->feature + sizeof *s->value));
    s->capacity = capacity;
    return 0;
}

static bool get(struct spill *s, void *data, size_t size, size_t n)
{
    return fread(data, size, n, s->file) == n;
}

static int read_failed(const struct spill *s, struct err *e)
{
    if (errno == 0)
        errno = EIO; /* shorter than what was written */
    return err_errno(e, "cannot read a temporary file beside %s", s->path);
}

int spill_read(struct spill *s, size_t n, struct err *e)
{
    errno = 0;
    if (!get(s, s->counts, sizeof *s->counts, n))
        return read_failed(s, e);
    size_t entries = 0;
    for (size_t r = 0; r < n; r++)
        entries += s->counts[r];
    TRY(have_room(s, entries, e));
    if (!get(s, s->feature, sizeof *s->feature, entries) ||
        !get(s, s->value, sizeof *s->value, entries))
        return read_failed(s, e);
    return 0;
}
