/* SPDX-License-Identifier: MIT
 *
 * The second pass over an SAE's codes, read back from the scan's temporary
 * file: as levels, they become both trees of activations of the sample, the
 * histograms over all tokens, and the surroundings of the examples.
 *
 * Memory: 5 bytes for each activation of the sample, to put them into feature
 * order.
 */
#ifndef ENCODE_ROWS_H
#define ENCODE_ROWS_H

#include "encode/scan.h"
#include "encode/windows.h"
#include "store/writer.h"

/* `s` has run; scale (m) as in levels.h; `around` are the surroundings of
 * examples, used up. Shows a progress bar. */
int rows_write(struct scan *s, const double *scale, struct windows *around,
               struct store_writer *w, struct err *e);

#endif
