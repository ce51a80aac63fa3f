/* SPDX-License-Identifier: MIT
 *
 * What an open capture is made of, for the files of this folder only: capture.c
 * opens it, run.c runs it, begin.c begins its dump.
 */
#ifndef CAPTURE_PARTS_H
#define CAPTURE_PARTS_H

#include "capture/capture.h"
#include "capture/model.h"
#include "capture/packing.h"
#include "capture/prompts.h"
#include "capture/texts.h"
#include "dump/writer.h"

struct capture {
    const struct capture_options *o;
    const struct team *team;
    struct model model;
    struct texts texts;
    json_t *prompts; /* what the dump keeps of prompts; NULL: it is text */
    struct capture_plan plan;
    struct packing packing; /* of the texts' contexts */
    size_t wave;            /* groups between two meetings */
    struct arena arena;
};

/* Opens the dump and writes all that comes before its rows. What a killed
 * capture of the same model, texts and options left is taken over: *rows of
 * each layer are there already. */
int capture_begin_dump(const struct capture *c, struct dump_writer **w,
                       bool force, uint64_t *rows, struct err *e);

#endif
