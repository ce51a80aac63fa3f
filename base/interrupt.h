/* SPDX-License-Identifier: MIT
 *
 * Ctrl-C and SIGTERM as a flag that long work asks for between its steps, so
 * that it can save and leave. A second signal of the same kind ends the
 * program at once; atomic files make that safe.
 */
#ifndef BASE_INTERRUPT_H
#define BASE_INTERRUPT_H

#include <stdbool.h>

/* Call once, before threads start. */
void interrupt_install(void);

/* Whether a signal has come. */
bool interrupt_requested(void);

/* 130 after SIGINT, 143 after SIGTERM, 0 if none came. */
int interrupt_exit_status(void);

#endif
