/* SPDX-License-Identifier: MIT
 *
 * From which tokens features come, for the database: the part of encode that
 * runs the model (encode/sources.h). A forward pass over each context that has
 * an example or belongs to the source sample, up to the SAE's layer, on all
 * threads of the team; results do not depend on their number. Ctrl-C ends it.
 *
 * Memory of a thread: gpt2_workspace for 512 rows or the longest context, and
 * heads + SOURCES_BLOCK/t times t² floats for the longest context of t tokens.
 */
#ifndef LENS_SOURCE_TABLES_H
#define LENS_SOURCE_TABLES_H

#include "capture/gpt2.h"
#include "encode/sources.h"

/* What encode is given; keeps the model, which is the dump's
 * (lens/subject.h). */
struct encode_sources source_tables_of(struct gpt2 *model);

#endif
