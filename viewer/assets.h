/* SPDX-License-Identifier: MIT
 *
 * The files of the page: those of web/ as they were when the program was built,
 * or those of a folder on disk while the page is being developed.
 */
#ifndef VIEWER_ASSETS_H
#define VIEWER_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct asset {
    const char *type; /* of its content, for the header */
    const void *bytes;
    size_t size;
    void *owned; /* the bytes, if they were read from disk */
};

struct assets {
    int folder; /* open, or -1: the embedded files */
};

/* `folder` NULL: the embedded files. */
int assets_open(struct assets *a, const char *folder, struct err *e);
void assets_close(struct assets *a);

/* Finds the file of a path; "/" is "/index.html". False if there is none. From
 * a folder only regular files of a known type below it are given, none through
 * a symbolic link and none whose name begins with a dot. */
bool assets_get(struct asset *out, const struct assets *a, const char *path);
void assets_free(struct asset *asset);

#endif
