/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* renameat2, nftw */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int output_join(char *out, const char *folder, const char *name, struct err *e)
{
    int length = snprintf(out, OUTPUT_PATH_MAX, "%s/%s", folder, name);
    if (length < 0 || length >= OUTPUT_PATH_MAX)
        return err_set(e, ERR_INPUT, "path too long: %.200s...", folder);
    return 0;
}

/* Length of `path` without trailing slashes (a lone "/" stays). */
static size_t trimmed(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

/* Where the last component begins. */
static size_t base_start(const char *path, size_t n)
{
    while (n > 0 && path[n - 1] != '/')
        n--;
    return n;
}

void output_base_name(char *out, size_t size, const char *path)
{
    size_t n = trimmed(path), from = base_start(path, n);
    (void)snprintf(out, size, "%.*s", (int)(n - from), path + from);
}

/* Splits into the folder ("." if none) and checks that there is a name. */
static int folder_of(char *folder, const char *path, struct err *e)
{
    size_t n = trimmed(path), from = base_start(path, n);
    if (n == from || n + 16 >= OUTPUT_PATH_MAX ||
        strcmp(path + from, ".") == 0 || strcmp(path + from, "..") == 0)
        return err_set(e, ERR_INPUT, "'%.200s' cannot name an output", path);
    if (from == 0)
        (void)strcpy(folder, ".");
    else
        (void)snprintf(folder, OUTPUT_PATH_MAX, "%.*s", (int)from, path);
    return 0;
}

int output_check(const char *path, bool folder, bool force, struct err *e)
{
    char parent[OUTPUT_PATH_MAX];
    TRY(folder_of(parent, path, e));
    /* With a slash behind it lstat would follow a link. */
    char name[OUTPUT_PATH_MAX];
    (void)snprintf(name, sizeof name, "%.*s", (int)trimmed(path), path);
    struct stat st;
    if (lstat(name, &st) == 0) {
        if (!force)
            return err_set(e, ERR_INPUT,
                           "%s exists; choose another name or add --force",
                           path);
        if (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
            return err_set(e, ERR_INPUT,
                           "%s exists and is not a %s; --force does not "
                           "replace it",
                           path, folder ? "folder" : "regular file");
    } else if (errno != ENOENT) {
        return err_errno(e, "cannot examine %s", path);
    }
    if (access(parent, W_OK | X_OK) != 0)
        return err_errno(e, "cannot write into folder %s", parent);
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind,
                        struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int output_check_input(const char *path, const char *input, struct err *e)
{
    struct stat out, in;
    if (stat(path, &out) == 0 && stat(input, &in) == 0 &&
        out.st_dev == in.st_dev && out.st_ino == in.st_ino)
        return err_set(e, ERR_INPUT,
                       "%s is read and cannot be replaced meanwhile; choose "
                       "another output",
                       path);
    return 0;
}

static int set_paths(struct output *o, const char *path, struct err *e)
{
    char parent[OUTPUT_PATH_MAX];
    TRY(folder_of(parent, path, e));
    size_t n = trimmed(path), from = base_start(path, n);
    (void)snprintf(o->path, sizeof o->path, "%.*s", (int)n, path);
    (void)snprintf(o->partial, sizeof o->partial, "%.*s.%.*s.partial",
                   (int)from, path, (int)(n - from), path + from);
    return 0;
}

/* Whether the locked file or folder still is the one under the partial name:
 * between open and flock its owner may have renamed it into place. */
static bool still_partial(const struct output *o)
{
    struct stat held, named;
    return fstat(o->lock_fd, &held) == 0 && lstat(o->partial, &named) == 0 &&
           held.st_dev == named.st_dev && held.st_ino == named.st_ino;
}

/* Takes the lock, or says who else writes. */
static int lock(struct output *o, struct err *e)
{
    if (flock(o->lock_fd, LOCK_EX | LOCK_NB) == 0 && still_partial(o))
        return 0;
    (void)close(o->lock_fd);
    o->lock_fd = -1;
    return err_set(e, ERR_INPUT, "another program is writing %s (%s is locked)",
                   o->path, o->partial);
}

/* Opens and locks the partial file, made if there is none. */
static int open_file(struct output *o, const char *path, bool force,
                     struct err *e)
{
    *o = (struct output){.force = force, .lock_fd = -1};
    TRY(output_check(path, false, force, e));
    TRY(set_paths(o, path, e));
    o->lock_fd =
        open(o->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (o->lock_fd < 0)
        return err_errno(e, "cannot create %s", o->partial);
    return lock(o, e);
}

int output_begin_file(struct output *o, const char *path, bool force,
                      struct err *e)
{
    TRY(open_file(o, path, force, e));
    if (ftruncate(o->lock_fd, 0) != 0) {
        int code = err_errno(e, "cannot empty %s", o->partial);
        output_abort(o);
        return code;
    }
    return 0;
}

int output_resume_file(struct output *o, const char *path, bool force,
                       bool *kept, struct err *e)
{
    TRY(open_file(o, path, force, e));
    struct stat st;
    *kept = fstat(o->lock_fd, &st) == 0 && st.st_size > 0;
    return 0;
}

/* Clears what a killed run left, under its lock. */
int output_empty_folder(struct output *o, struct err *e)
{
    if (remove_tree(o->partial) != 0)
        return err_errno(e, "cannot remove the unfinished %s", o->partial);
    (void)close(o->lock_fd);
    o->lock_fd = -1;
    if (mkdir(o->partial, 0777) != 0)
        return err_errno(e, "cannot create folder %s", o->partial);
    o->lock_fd = open(o->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->lock_fd < 0)
        return err_errno(e, "cannot open folder %s", o->partial);
    return lock(o, e);
}

/* Opens and locks the partial folder, made if there is none. */
static int open_folder(struct output *o, const char *path, const char *marker,
                       bool force, struct err *e)
{
    *o = (struct output){.folder = true, .force = force, .lock_fd = -1};
    TRY(output_check(path, true, force, e));
    TRY(set_paths(o, path, e));
    char inside[OUTPUT_PATH_MAX];
    TRY(output_join(inside, o->path, marker, e));
    if (access(o->path, F_OK) == 0 && access(inside, F_OK) != 0)
        return err_set(e, ERR_INPUT,
                       "%s exists and holds no %s; --force replaces only what "
                       "headscope wrote",
                       o->path, marker);
    if (mkdir(o->partial, 0777) != 0 && errno != EEXIST)
        return err_errno(e, "cannot create folder %s", o->partial);
    o->lock_fd =
        open(o->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (o->lock_fd < 0)
        return err_errno(e, "cannot open folder %s", o->partial);
    return lock(o, e);
}

int output_begin_folder(struct output *o, const char *path, const char *marker,
                        bool force, struct err *e)
{
    TRY(open_folder(o, path, marker, force, e));
    return output_empty_folder(o, e);
}

static bool holds(const char *folder, const char *name)
{
    char inside[OUTPUT_PATH_MAX];
    struct err unused;
    return output_join(inside, folder, name, &unused) == 0 &&
           access(inside, F_OK) == 0;
}

int output_resume_folder(struct output *o, const char *path, const char *marker,
                         const char *keep, bool *kept, struct err *e)
{
    TRY(open_folder(o, path, marker, true, e));
    *kept = holds(o->partial, keep);
    return *kept ? 0 : output_empty_folder(o, e);
}

bool output_is_unfinished(const char *path, const char *keep)
{
    struct output o;
    struct err unused;
    return set_paths(&o, path, &unused) == 0 && holds(o.partial, keep);
}

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    int bad = fsync(fd);
    return close(fd) != 0 ? -1 : bad;
}

static int sync_entry(const char *path, const struct stat *st, int kind,
                      struct FTW *at)
{
    (void)st;
    (void)at;
    return sync_path(path, kind == FTW_F ? O_RDONLY : O_RDONLY | O_DIRECTORY);
}

int output_flush(const struct output *o, struct err *e)
{
    int bad = o->folder ? nftw(o->partial, sync_entry, 16, FTW_DEPTH | FTW_PHYS)
                        : sync_path(o->partial, O_RDONLY);
    return bad != 0 ? err_errno(e, "cannot flush %s to disk", o->partial) : 0;
}

/* Puts the partial output in place. An old folder is exchanged in one step and
 * then removed under the partial name. */
static int put_in_place(const struct output *o, struct err *e)
{
    if (!o->force) {
        if (renameat2(AT_FDCWD, o->partial, AT_FDCWD, o->path,
                      RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EINVAL) /* a file system that does not know the flag */
            return err_errno(e, "cannot rename %s to %s", o->partial, o->path);
    }
    if (o->folder && access(o->path, F_OK) == 0) {
        if (renameat2(AT_FDCWD, o->partial, AT_FDCWD, o->path,
                      RENAME_EXCHANGE) != 0)
            return err_errno(e, "cannot exchange %s and %s", o->partial,
                             o->path);
        (void)remove_tree(o->partial);
        return 0;
    }
    if (rename(o->partial, o->path) != 0)
        return err_errno(e, "cannot rename %s to %s", o->partial, o->path);
    return 0;
}

int output_commit(struct output *o, struct err *e)
{
    char parent[OUTPUT_PATH_MAX];
    int code = folder_of(parent, o->path, e);
    if (code == 0)
        code = output_flush(o, e);
    if (code == 0)
        code = put_in_place(o, e);
    if (code != 0)
        return code;
    /* The rename itself reaches the disk with the folder. */
    (void)sync_path(parent, O_RDONLY | O_DIRECTORY);
    (void)close(o->lock_fd);
    *o = (struct output){.lock_fd = -1};
    return 0;
}

void output_abort(struct output *o)
{
    if (o->partial[0] == '\0' || o->lock_fd < 0)
        return;
    (void)(o->folder ? remove_tree(o->partial) : unlink(o->partial));
    (void)close(o->lock_fd);
    *o = (struct output){.lock_fd = -1};
}

void output_leave(struct output *o)
{
    if (o->partial[0] != '\0' && o->lock_fd >= 0)
        (void)close(o->lock_fd);
    *o = (struct output){.lock_fd = -1};
}

int output_sync(const char *folder, struct err *e)
{
    char parent[OUTPUT_PATH_MAX];
    TRY(folder_of(parent, folder, e));
    if (sync_path(folder, O_RDONLY | O_DIRECTORY) != 0 ||
        sync_path(parent, O_RDONLY | O_DIRECTORY) != 0)
        return err_errno(e, "cannot flush %s to disk", folder);
    return 0;
}

int output_replace_file(const char *written, const char *path, struct err *e)
{
    char parent[OUTPUT_PATH_MAX];
    TRY(folder_of(parent, path, e));
    if (sync_path(written, O_RDONLY) != 0)
        return err_errno(e, "cannot flush %s to disk", written);
    if (rename(written, path) != 0)
        return err_errno(e, "cannot rename %s to %s", written, path);
    (void)sync_path(parent, O_RDONLY | O_DIRECTORY);
    return 0;
}

int output_write_file(const char *path, const void *data, size_t size,
                      bool force, struct err *e)
{
    struct output o;
    TRY(output_begin_file(&o, path, force, e));
    FILE *f = fopen(o.partial, "wb");
    int code = 0;
    if (f == NULL)
        code = err_errno(e, "cannot write %s", path);
    if (f != NULL && fwrite(data, 1, size, f) != size)
        code = err_errno(e, "cannot write %s", path);
    if (f != NULL && fclose(f) != 0 && code == 0)
        code = err_errno(e, "cannot write %s", path);
    if (code == 0)
        code = output_commit(&o, e);
    output_abort(&o);
    return code;
}
