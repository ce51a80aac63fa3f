/* SPDX-License-Identifier: MIT
 *
 * Files and folders that appear whole or not at all. What is written goes to
 * ".NAME.partial" beside NAME; commit flushes it to disk and renames. A killed
 * program leaves the old NAME (or none) and perhaps a partial one, with which
 * the next run with the same NAME goes on, or which it removes. A lock on the
 * partial file or folder keeps two programs from writing the same NAME.
 *
 * Call order: output_check (early, so that nobody waits an hour for "exists"),
 * output_begin_file or output_begin_folder, write, then output_commit or
 * output_abort; abort after commit does nothing.
 */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { OUTPUT_PATH_MAX = 4096 };

struct output {
    char path[OUTPUT_PATH_MAX];    /* the final name */
    char partial[OUTPUT_PATH_MAX]; /* where to write until commit */
    bool folder, force;
    int lock_fd; /* open while the output is being written, else -1 */
};

/* Whether `path` can become an output: it must not exist unless `force`, and
 * then only be replaced by its own kind (a file by a file); its folder must
 * exist and be writable. Changes nothing. */
int output_check(const char *path, bool folder, bool force, struct err *e);

/* Whether an output is not one of the files that it is made from, under
 * whatever name: it would be gone with them. */
int output_check_input(const char *path, const char *input, struct err *e);

/* Creates the empty partial file or folder. With `force`, commit replaces an
 * old output of the same kind; a folder is replaced only if it holds `marker`
 * (manifest.json, cfg.json), so that no other folder is deleted by mistake. */
int output_begin_file(struct output *o, const char *path, bool force,
                      struct err *e);
int output_begin_folder(struct output *o, const char *path, const char *marker,
                        bool force, struct err *e);

/* As output_begin_file, but what a killed program left in the partial file
 * stays; *kept says whether it is more than nothing. */
int output_resume_file(struct output *o, const char *path, bool force,
                       bool *kept, struct err *e);

/* As output_begin_folder, for work that goes on where a killed program left it:
 * if the partial folder holds `keep`, it stays as it is and *kept is true. An
 * old output may exist; commit replaces it. */
int output_resume_folder(struct output *o, const char *path, const char *marker,
                         const char *keep, bool *kept, struct err *e);
/* Empties the partial folder of an output that was resumed. */
int output_empty_folder(struct output *o, struct err *e);
/* Whether a killed program left a partial folder for `path` that holds `keep`.
 */
bool output_is_unfinished(const char *path, const char *keep);

/* Flushes all to disk, as commit does: for who has something to do between. */
int output_flush(const struct output *o, struct err *e);

/* Flushes all to disk (a folder: every file in it) and renames. After a failure
 * the partial output is still there, for the caller to abort or to leave. */
int output_commit(struct output *o, struct err *e);

/* Removes what was written. Accepts a zeroed or committed output. */
void output_abort(struct output *o);
/* Gives the lock back and leaves the partial output for output_resume_file or
 * output_resume_folder. Accepts a zeroed or committed output. */
void output_leave(struct output *o);

/* Flushes what files there are in a folder, and that there is the folder. */
int output_sync(const char *folder, struct err *e);

/* Renames a file that was written beside `path`, flushed to disk first. */
int output_replace_file(const char *written, const char *path, struct err *e);

/* "<folder>/<name>" into out[OUTPUT_PATH_MAX]; too long is an error. */
int output_join(char *out, const char *folder, const char *name, struct err *e);

/* The last component of a path without a trailing slash ("a/b.dump/" gives
 * "b.dump"), into out[size]. */
void output_base_name(char *out, size_t size, const char *path);

/* Writes a whole small file atomically. */
int output_write_file(const char *path, const void *data, size_t size,
                      bool force, struct err *e);

#endif
