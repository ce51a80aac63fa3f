/* SPDX-License-Identifier: MIT
 *
 * /api/sql: a question in SQL from the page, as JSON or CSV. It runs on the
 * thread and the socket of its connection and on a database connection of its
 * own, so that it takes nothing from those who browse but a bounded part of the
 * processor; how long, how much and beside how many others is bounded
 * (store/ask.h, viewer/gate.h). It ends when its client leaves.
 */
#ifndef VIEWER_SQL_H
#define VIEWER_SQL_H

#include <stdbool.h>

#include "viewer/api.h"
#include "viewer/gate.h"
#include "viewer/target.h"

enum {
    SQL_ROWS = 1000,
    SQL_ROWS_MAX = 10000,
    SQL_BYTES = 8 << 20, /* of an answer */
};

struct sql_site {
    const char *path; /* of the database */
    double seconds;   /* a question may take; 0: none are taken */
    struct gate gate;
};

struct sql_client {
    const char *name; /* its address: one question at a time of each */
    int socket;
};

bool sql_owns(const char *path);

void sql_answer(struct api_answer *out, struct sql_site *site,
                struct target *target, const struct sql_client *client);

#endif
