/* SPDX-License-Identifier: MIT
 *
 * The server of the page: on 127.0.0.1 unless told otherwise, for one database,
 * which it never changes. A thread per connection, at most SERVER_CONNECTIONS
 * of them; what is beyond waits in the system's queue or is closed.
 *
 * Call order: open, run, close. Signals: base/interrupt.h.
 */
#ifndef VIEWER_SERVER_H
#define VIEWER_SERVER_H

#include <stdbool.h>

#include "base/err.h"

enum { SERVER_CONNECTIONS = 160, SERVER_URL = 160 };

struct server_options {
    const char *database;
    int port;         /* 0: any that is free */
    const char *bind; /* address in digits; NULL: 127.0.0.1 */
    bool token;       /* also on loopback; beyond it there always is one */
    const char *web;  /* folder to serve the page from, or NULL */
    const char *allow_hosts; /* more names for it, with commas, or NULL */
    double sql_seconds;      /* a question in SQL may take; 0: none are taken */
    const char *model;       /* folder, for prompts, or NULL */
    const char *saes;        /* folders with commas; NULL: look for them */
    double prompt_seconds;   /* a question about a prompt may take */
    int threads;             /* for prompts; 0: as many as there are */
    const char *version;     /* of the program */
};

struct server;

/* Opens the database and the page, and listens; connections are taken from
 * then on. Keeps the options' strings. */
int server_open(struct server **out, const struct server_options *options,
                struct err *e);

/* Opens the model, which is else done when it is first asked about, and checks
 * that the database was made from it. */
int server_open_model(struct server *s, struct err *e);

/* "http://127.0.0.1:8765/", with "?access=TOKEN" where one is needed. */
const char *server_url(const struct server *s);

/* Returns when Ctrl-C or SIGTERM came. */
void server_run(struct server *s);

/* Ends the connections, waits for their threads. Accepts NULL. */
void server_close(struct server **s);

#endif
