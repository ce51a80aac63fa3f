/* SPDX-License-Identifier: MIT */
#include "viewer/assets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One row of the generated table, ended by a path NULL. */
struct embedded {
    const char *path;
    const unsigned char *bytes;
    size_t size;
};
#include "viewer/embedded.h"

/* Larger than any file of a page; what is beyond is none. */
enum { SIZE_LIMIT = 16 << 20 };

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".txt", "text/plain; charset=utf-8"},
    {".md", "text/plain; charset=utf-8"},
};

/* NULL: not a kind of file that a page is made of. */
static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(ending, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}

/* Names of letters, digits, '_', '-' and '.', none beginning with a dot. */
static bool is_plain(const char *path)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    while (*path == '/') {
        size_t length = strspn(++path, letters);
        if (length == 0 || *path == '.')
            return false;
        path += length;
    }
    return *path == '\0';
}

int assets_open(struct assets *a, const char *folder, struct err *e)
{
    a->folder = -1;
    if (folder == NULL)
        return 0;
    a->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->folder < 0)
        return err_errno(e, "cannot open the folder %s", folder);
    return 0;
}

void assets_close(struct assets *a)
{
    if (a->folder >= 0)
        (void)close(a->folder);
    a->folder = -1;
}

/* ---- from disk ---- */

/* Opens a path name by name, so that no part of it can be a link. */
static int open_below(int folder, const char *path)
{
    int at = folder;
    for (;;) {
        char name[128];
        size_t length = strcspn(++path, "/");
        bool last = path[length] == '\0';
        int next = -1;
        if (length < sizeof name) {
            memcpy(name, path, length);
            name[length] = '\0';
            next = openat(at, name,
                          O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK |
                              (last ? 0 : O_DIRECTORY));
        }
        if (at != folder)
            (void)close(at);
        if (next < 0 || last)
            return next;
        at = next;
        path += length;
    }
}

/* Reads up to `size` bytes; a file that shrinks gives fewer. */
static size_t read_all(int fd, char *bytes, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, bytes + n, size - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

static bool read_file(struct asset *out, int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > SIZE_LIMIT)
        return false;
    out->owned = malloc((size_t)st.st_size + 1);
    if (out->owned == NULL)
        return false;
    out->size = read_all(fd, out->owned, (size_t)st.st_size);
    out->bytes = out->owned;
    return true;
}

/* ---- either ---- */

static bool find_embedded(struct asset *out, const char *path)
{
    for (const struct embedded *f = embedded_files; f->path != NULL; f++) {
        if (strcmp(path, f->path) == 0) {
            out->bytes = f->bytes;
            out->size = f->size;
            return true;
        }
    }
    return false;
}

/* The questions come from docs/, whatever folder the page comes from. */
static bool is_document(const char *path)
{
    return strcmp(path, "/sql.md") == 0;
}

bool assets_get(struct asset *out, const struct assets *a, const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    *out = (struct asset){.type = type_of(path)};
    if (out->type == NULL || !is_plain(path))
        return false;
    if (a->folder < 0 || is_document(path))
        return find_embedded(out, path);
    int fd = open_below(a->folder, path);
    if (fd < 0)
        return false;
    bool found = read_file(out, fd);
    (void)close(fd);
    return found;
}

void assets_free(struct asset *asset)
{
    free(asset->owned);
    *asset = (struct asset){0};
}
