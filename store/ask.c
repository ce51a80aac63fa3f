/* SPDX-License-Identifier: MIT */
#include "store/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "store/ask_guard.h"
#include "store/database.h"

enum {
    STEPS_BETWEEN_LOOKS = 1000,  /* of SQLite's machine: about 0.1 ms */
    LOOKS_BETWEEN_QUESTIONS = 50 /* whether anybody waits: a system call */
};

/* Why SQLite was told to stop. */
enum stop { STOP_NOT, STOP_LATE, STOP_UNWANTED, STOP_MEMORY };

struct ask {
    struct ask_question question;
    struct sqlite3 *db;
    struct sqlite3_stmt *stmt;
    struct ask_guard guard;
    double deadline;
    int64_t memory; /* in use when it began, by all connections */
    unsigned looks;
    enum stop stop;
    int result; /* what SQLite said last */
};

static int look(void *context)
{
    struct ask *a = context;
    const struct ask_question *q = &a->question;
    if (a->stop != STOP_NOT)
        return 1;
    if (clock_seconds() > a->deadline)
        a->stop = STOP_LATE;
    else if (sqlite3_memory_used() - a->memory > ASK_MEMORY_MAX)
        a->stop = STOP_MEMORY;
    else if (q->is_unwanted != NULL &&
             a->looks++ % LOOKS_BETWEEN_QUESTIONS == 0 &&
             q->is_unwanted(q->context))
        a->stop = STOP_UNWANTED;
    return a->stop != STOP_NOT;
}

/* ---- failures ---- */

/* What SQLite said, as ours. */
static int failure(struct ask *a, struct err *e)
{
    const char *path = a->question.path;
    if (a->stop == STOP_LATE)
        return err_set(e, ERR_USAGE,
                       "stopped after %.3g seconds; ask for less, or along an "
                       "index (docs/schema.md)",
                       a->question.seconds);
    if (a->stop == STOP_MEMORY)
        return err_set(e, ERR_USAGE,
                       "stopped at %d MB of memory; sort or group less",
                       ASK_MEMORY_MAX >> 20);
    if (a->stop == STOP_UNWANTED)
        return err_set(e, ERR_INTERRUPTED, "nobody waits for the answer");
    if (a->guard.refusal[0] != '\0')
        return err_set(e, ERR_USAGE, "%s", a->guard.refusal);
    switch (sqlite3_errcode(a->db) & 0xff) {
    case SQLITE_ERROR:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_AUTH:
    case SQLITE_INTERRUPT:
        return err_set(e, ERR_USAGE, "%s", sqlite3_errmsg(a->db));
    default:
        return store_error(a->db, "read", path, e);
    }
}

/* ---- preparing ---- */

/* Behind the statement there must be nothing. */
static int check_tail(struct ask *a, const char *tail, struct err *e)
{
    static const char several[] =
        "more than one statement; ask one question at a time";
    while (*tail != '\0') {
        struct sqlite3_stmt *next = NULL;
        const char *rest;
        int result = sqlite3_prepare_v2(a->db, tail, -1, &next, &rest);
        bool blank = result == SQLITE_OK && next == NULL;
        (void)sqlite3_finalize(next);
        if (!blank || rest == tail)
            return err_set(e, ERR_USAGE, "%s", several);
        tail = rest;
    }
    return 0;
}

static int prepare(struct ask *a, struct err *e)
{
    const char *tail;
    size_t length = strlen(a->question.sql);
    if (length > ASK_SQL_MAX)
        return err_set(e, ERR_USAGE, "a question of more than %d bytes",
                       ASK_SQL_MAX);
    if (sqlite3_prepare_v2(a->db, a->question.sql, -1, &a->stmt, &tail) !=
        SQLITE_OK)
        return failure(a, e);
    if (a->stmt == NULL)
        return err_set(e, ERR_USAGE, "no question: write a SELECT");
    TRY(check_tail(a, tail, e));
    /* The guard has let nothing pass that writes; asked all the same. */
    if (!sqlite3_stmt_readonly(a->stmt) || sqlite3_column_count(a->stmt) == 0)
        return err_set(e, ERR_USAGE, "that is no question; write a SELECT");
    return 0;
}

/* ---- parameters ---- */

/* Whether a number was written as SQLite would: '007' and '1e3' stay texts. */
static bool is_integer(int64_t *out, const char *text)
{
    char again[32], *end;
    long long number = strtoll(text, &end, 10);
    (void)snprintf(again, sizeof again, "%lld", number);
    *out = number;
    return *end == '\0' && strcmp(again, text) == 0;
}

static bool is_real(double *out, const char *text)
{
    char *end;
    size_t length = strlen(text);
    *out = strtod(text, &end);
    return length > 0 && *end == '\0' && strchr(text, '.') != NULL &&
           strspn(text, "-.0123456789") == length;
}

static int bind(struct ask *a, int place, const char *text, struct err *e)
{
    int64_t integer;
    double real;
    int result;
    if (is_integer(&integer, text))
        result = sqlite3_bind_int64(a->stmt, place, integer);
    else if (is_real(&real, text))
        result = sqlite3_bind_double(a->stmt, place, real);
    else
        result = sqlite3_bind_text(a->stmt, place, text, -1, SQLITE_STATIC);
    return result == SQLITE_OK ? 0 : failure(a, e);
}

static int bind_place(struct ask *a, int place, struct err *e)
{
    const struct ask_question *q = &a->question;
    const char *name = sqlite3_bind_parameter_name(a->stmt, place);
    if (name == NULL || *name == '?')
        return err_set(e, ERR_USAGE,
                       "a parameter without a name; write :name for ?");
    for (size_t i = 0; i < q->n_parameters; i++)
        if (strcmp(q->parameters[i].name, name + 1) == 0)
            return bind(a, place, q->parameters[i].text, e);
    return err_set(e, ERR_USAGE, "no value for the parameter %.80s", name);
}

static bool is_asked_for(const struct ask *a, const char *name)
{
    for (int i = sqlite3_bind_parameter_count(a->stmt); i > 0; i--) {
        const char *of_query = sqlite3_bind_parameter_name(a->stmt, i);
        if (of_query != NULL && strcmp(of_query + 1, name) == 0)
            return true;
    }
    return false;
}

static int bind_all(struct ask *a, struct err *e)
{
    const struct ask_question *q = &a->question;
    for (int i = 1; i <= sqlite3_bind_parameter_count(a->stmt); i++)
        TRY(bind_place(a, i, e));
    for (size_t i = 0; i < q->n_parameters; i++)
        if (!is_asked_for(a, q->parameters[i].name))
            return err_set(e, ERR_USAGE, "the question has no parameter :%.80s",
                           q->parameters[i].name);
    return 0;
}

/* ---- all of it ---- */

static int begin(struct ask *a, struct err *e)
{
    TRY(store_open_read(&a->db, a->question.path, e));
    a->memory = sqlite3_memory_used();
    a->deadline = clock_seconds() + a->question.seconds;
    sqlite3_progress_handler(a->db, STEPS_BETWEEN_LOOKS, look, a);
    TRY(ask_guard_set(&a->guard, a->db, a->question.path, e));
    TRY(prepare(a, e));
    return bind_all(a, e);
}

int ask_begin(struct ask **out, const struct ask_question *question,
              struct err *e)
{
    struct ask *a = *out = calloc(1, sizeof *a);
    if (a == NULL)
        return err_memory(e, "a question", sizeof *a);
    a->question = *question;
    int code = begin(a, e);
    if (code != 0)
        (void)ask_end(out, NULL);
    return code;
}

int ask_columns(const struct ask *a)
{
    return sqlite3_column_count(a->stmt);
}

const char *ask_column_name(const struct ask *a, int column)
{
    const char *name = sqlite3_column_name(a->stmt, column);
    return name == NULL ? "" : name;
}

bool ask_next(struct ask *a)
{
    a->result = sqlite3_step(a->stmt);
    return a->result == SQLITE_ROW;
}

struct ask_cell ask_cell(const struct ask *a, int column)
{
    struct ask_cell cell = {.type = ASK_NULL};
    switch (sqlite3_column_type(a->stmt, column)) {
    case SQLITE_INTEGER:
        cell.type = ASK_INTEGER;
        cell.integer = sqlite3_column_int64(a->stmt, column);
        return cell;
    case SQLITE_FLOAT:
        cell.type = ASK_REAL;
        cell.real = sqlite3_column_double(a->stmt, column);
        return cell;
    case SQLITE_TEXT:
        cell.type = ASK_TEXT;
        cell.bytes = (const char *)sqlite3_column_text(a->stmt, column);
        break;
    case SQLITE_BLOB:
        cell.type = ASK_BLOB;
        cell.bytes = sqlite3_column_blob(a->stmt, column);
        break;
    default:
        return cell;
    }
    cell.size = (size_t)sqlite3_column_bytes(a->stmt, column);
    if (cell.bytes == NULL)
        cell = (struct ask_cell){.type = cell.type, .bytes = ""};
    return cell;
}

int ask_end(struct ask **ask, struct err *e)
{
    struct ask *a = *ask;
    if (a == NULL)
        return 0;
    bool failed = a->result != SQLITE_OK && a->result != SQLITE_ROW &&
                  a->result != SQLITE_DONE;
    int code = failed ? failure(a, e) : 0;
    (void)sqlite3_finalize(a->stmt);
    (void)sqlite3_close(a->db);
    ask_guard_free(&a->guard);
    free(a);
    *ask = NULL;
    return code;
}
