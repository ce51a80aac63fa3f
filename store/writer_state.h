/* SPDX-License-Identifier: MIT
 *
 * What the files behind store/writer.h share.
 */
#ifndef STORE_WRITER_STATE_H
#define STORE_WRITER_STATE_H

#include "base/output.h"
#include "store/insert.h"
#include "store/writer.h"

struct store_writer {
    struct output output;
    struct sqlite3 *db;
    struct inserts inserts;
    int64_t sae; /* whose rows come now */
};

#endif
