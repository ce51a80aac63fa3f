/* SPDX-License-Identifier: MIT
 *
 * Time for rates and progress. Never part of a result: equal runs give equal
 * bytes.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds on a clock that only goes forward. */
double clock_seconds(void);

#endif
