/* SPDX-License-Identifier: MIT
 *
 * Answers in gzip, for clients that say they take it.
 */
#ifndef VIEWER_GZIP_H
#define VIEWER_GZIP_H

#include <stdbool.h>
#include <stddef.h>

/* Whether an Accept-Encoding header (or NULL) takes gzip: named, or by '*',
 * and not with q=0. */
bool gzip_is_accepted(const char *accept_encoding);

/* `data` in gzip's form, the caller's free; NULL if it would not be smaller or
 * without memory. */
void *gzip_compress(size_t *out_size, const void *data, size_t size);

#endif
