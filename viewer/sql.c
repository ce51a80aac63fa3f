/* SPDX-License-Identifier: MIT */
#include "viewer/sql.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/ask.h"
#include "viewer/clients.h"
#include "viewer/table.h"

/* How long a question waits for the one before: a page that asks anew has
 * closed its first connection, which takes a moment to be noticed. */
static const double PATIENCE = 2;

static const char prefix[] = "p."; /* of parameters of the question */

/* A question on its way. */
struct asking {
    struct sql_site *site;
    const struct sql_client *client;
    struct ask_question question;
    struct ask_parameter parameters[TARGET_PARAMETERS_MAX];
    enum table_format format;
    int64_t limit;
    int status; /* of a failure */
};

bool sql_owns(const char *path)
{
    return strcmp(path, "/api/sql") == 0 ||
           strcmp(path, "/api/sql.json") == 0 ||
           strcmp(path, "/api/sql.csv") == 0;
}

static bool has_left(void *context)
{
    return clients_has_left(((const struct asking *)context)->client->socket);
}

static int get_parameters(struct asking *a, struct target *t, struct err *e)
{
    struct ask_question *q = &a->question;
    q->sql = target_text(t, "q");
    if (q->sql == NULL)
        return err_set(e, ERR_USAGE, "q, the question, is missing");
    TRY(target_int(&a->limit, t, "limit", 1, SQL_ROWS_MAX, SQL_ROWS, e));
    for (size_t i = 0; i < t->n; i++) {
        const char *name = t->parameters[i].name;
        if (strncmp(name, prefix, sizeof prefix - 1) == 0)
            a->parameters[q->n_parameters++] = (struct ask_parameter){
                name + sizeof prefix - 1, target_text(t, name)};
    }
    q->parameters = a->parameters;
    return target_finish(t, e);
}

/* ---- asking ---- */

static const char *put_rows(struct table *t, struct asking *a, struct ask *ask)
{
    double begun = clock_seconds();
    const char *cut = NULL;
    table_begin(t, a->format, SQL_BYTES, ask);
    while (cut == NULL && ask_next(ask)) {
        if (t->rows == (size_t)a->limit)
            cut = "rows";
        else
            table_row(t, ask);
        if (t->full)
            cut = "bytes";
    }
    table_end(t, cut, clock_seconds() - begun);
    return cut;
}

static int status_of(int code)
{
    return code == ERR_USAGE ? 400 : code == ERR_INTERRUPTED ? 503 : 500;
}

static int ask_and_put(struct api_answer *out, struct asking *a, struct err *e)
{
    struct ask *ask;
    struct table t = {0};
    const char *cut = NULL;
    int code = ask_begin(&ask, &a->question, e);
    if (code == 0)
        cut = put_rows(&t, a, ask);
    if (code == 0)
        code = ask_end(&ask, e);
    if (code == 0 && t.lost)
        code = err_memory(e, "an answer", t.room);
    a->status = status_of(code);
    if (code != 0) {
        free(t.text);
        return code;
    }
    *out = (struct api_answer){
        .status = 200, .text = t.text, .length = t.length, .cut = cut};
    if (a->format == TABLE_CSV) {
        out->type = "text/csv; charset=utf-8";
        out->file = "answer.csv";
    }
    return 0;
}

static int enter_and_ask(struct api_answer *out, struct asking *a,
                         struct err *e)
{
    int place = gate_enter(&a->site->gate, a->client->name, PATIENCE);
    a->status = 429;
    if (place < 0)
        return err_set(e, ERR_USAGE,
                       "another question is still running; it ends after "
                       "%.3g seconds at the latest",
                       a->site->seconds);
    int code = ask_and_put(out, a, e);
    gate_leave(&a->site->gate, place);
    return code;
}

void sql_answer(struct api_answer *out, struct sql_site *site,
                struct target *target, const struct sql_client *client)
{
    struct err e = {0};
    struct asking a = {.site = site, .client = client, .status = 400};
    a.question = (struct ask_question){.path = site->path,
                                       .seconds = site->seconds,
                                       .is_unwanted = has_left,
                                       .context = &a};
    a.format =
        strcmp(target->path, "/api/sql.csv") == 0 ? TABLE_CSV : TABLE_JSON;
    int code = 0;
    if (!(site->seconds > 0)) {
        a.status = 403;
        code = err_set(&e, ERR_USAGE,
                       "this server takes no SQL (--sql-seconds 0)");
    }
    if (code == 0)
        code = get_parameters(&a, target, &e);
    if (code == 0)
        code = enter_and_ask(out, &a, &e);
    if (code != 0)
        api_error(out, a.status, e.msg);
}
