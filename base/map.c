/* SPDX-License-Identifier: MIT */
#include "base/map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int map_open(struct map *m, const char *path, struct err *e)
{
    *m = (struct map){0};
    /* O_NONBLOCK: opening a pipe must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, "cannot open %s", path);
    int code = 0;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        code = err_errno(e, "cannot examine %s", path);
    } else if (!S_ISREG(st.st_mode)) {
        code = err_set(e, ERR_INPUT, "%s is not a regular file", path);
    } else if (st.st_size > 0) {
        void *data =
            mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (data == MAP_FAILED)
            code = err_errno(e, "cannot map %s", path);
        else
            *m = (struct map){data, (size_t)st.st_size};
    }
    (void)close(fd);
    return code;
}

void map_advise_sequential(const struct map *m)
{
    if (m->data != NULL)
        (void)posix_madvise((void *)(size_t)m->data, m->size,
                            POSIX_MADV_SEQUENTIAL);
}

void map_close(struct map *m)
{
    if (m->data != NULL)
        (void)munmap((void *)(size_t)m->data, m->size);
    *m = (struct map){0};
}
