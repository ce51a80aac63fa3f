/* SPDX-License-Identifier: MIT
 *
 * The heads that are taken for a task's circuit, from a JSON file: an object
 * with
 *
 *     circuit    the heads, as [layer, head] or "L2H1"; or
 *     heads      objects with layer, head and in_circuit
 *
 * as headscope ablate's rule (docs/circuits.md) or somebody's paper has them.
 */
#ifndef CIRCUIT_TRUTH_H
#define CIRCUIT_TRUTH_H

#include "circuit/task.h"

/* truth (heads). A head that the dump does not have is an error; so are heads
 * of the dump that a list "heads" leaves out, and a circuit of none or of all.
 */
int truth_read(bool *truth, const struct task *t, const char *path,
               struct err *e);

/* effect (heads): mean_ablate.fraction_of_gap of the entries of such a list
 * "heads", which headscope circuit truth writes; NaN where there is none. After
 * truth_read. */
int truth_read_effects(double *effect, const struct task *t, const char *path,
                       struct err *e);

#endif
