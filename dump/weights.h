/* SPDX-License-Identifier: MIT
 *
 * weights.safetensors of a dump folder: the model's weights that stand behind
 * the heads. W_O.L (heads, d_head, d_model), f32: the output projection of
 * layer L, so that head h adds z_h·W_O[h] to the residual stream.
 */
#ifndef DUMP_WEIGHTS_H
#define DUMP_WEIGHTS_H

#include "dump/dump.h"

#define WEIGHTS_NAME "weights.safetensors"

/* Writes w_o[info.layers], each (heads, d_head, d_model), into a file. */
int weights_write(const char *path, const struct dump_info *info,
                  const float *const *w_o, struct err *e);

/* Reads the layers' W_O side by side, checked: out (layers, heads, d_head,
 * d_model) from the arena. */
int weights_read(float **out, const char *path, const struct dump_info *info,
                 struct arena *arena, struct err *e);

#endif
