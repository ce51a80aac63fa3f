/* SPDX-License-Identifier: MIT
 *
 * An answer's table as CSV (RFC 4180): a line of names, then the rows. What is
 * no number or text, such as a list of tokens, stands as JSON in its cell.
 */
#ifndef VIEWER_CSV_H
#define VIEWER_CSV_H

#include <jansson.h>

/* The array of objects named by `path`: a member of the answer, or two with a
 * dot between them where the rows lie in a member of each row ("rows.heads"):
 * those begin with the outer one's columns. Columns are the members of the
 * first row. NULL without memory; the caller's free. */
char *csv_make(const json_t *answer, const char *path);

#endif
