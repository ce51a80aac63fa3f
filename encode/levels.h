/* SPDX-License-Identifier: MIT
 *
 * Activations as levels 1..255 on the feature's own scale. Level l stands for
 * (l - 1/2)·scale, the middle of what it covers, so it is wrong by scale/2 at
 * most. The scale comes from the feature's largest activation over all tokens:
 * nothing is clipped.
 */
#ifndef ENCODE_LEVELS_H
#define ENCODE_LEVELS_H

#include <stdint.h>

enum { LEVELS = 255, LEVELS_PER_BIN = 5 };

/* Level 255 ends at the maximum. */
double levels_scale(float max);
/* 0 < value <= max of that scale. */
uint8_t levels_of(float value, double scale);
/* The bin of the database's histogram that counts a level. */
int levels_bin(uint8_t level);

#endif
