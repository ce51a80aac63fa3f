/* SPDX-License-Identifier: MIT
 *
 * The AMX tier by emulation, where the processor's family has such a tier.
 */
#ifndef TESTS_KERNELS_EMULATED_H
#define TESTS_KERNELS_EMULATED_H

#include <stdbool.h>

#include "kernels/kernels.h"

/* Lays kernels/amx/ on emulated tiles over the table; false where there is
 * none. It needs what the tier before AMX needs. */
bool emulated_overlay(struct kernels *k);

/* Whether this thread's tiles are released, as a kernel has to leave them. */
bool emulated_is_idle(void);

#endif
