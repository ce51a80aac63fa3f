/* SPDX-License-Identifier: MIT */
#include "encode/encode.h"

#include <stdlib.h>

#include "base/format.h"
#include "base/log.h"
#include "base/output.h"
#include "encode/job.h"
#include "encode/tables.h"

struct run {
    const struct encode_job *job;
    struct job_identity identity;
    struct sample sample;
    struct store_dump row; /* of the dump */
    char name[OUTPUT_PATH_MAX];
    struct store_writer *writer;
    bool in_place;
    bool *there;  /* [n_saes] */
    int64_t *old; /* [n_saes] the SAE that it takes the place of, or 0 */
    size_t n_there;
    struct arena arena;
};

static int begin(struct run *r, const struct encode_job *job, struct err *e)
{
    *r = (struct run){
        .job = job, .in_place = job->options->append || job->options->replace};
    TRY(job_check(&r->identity, job, e));
    TRY(arena_get(&r->arena, &r->there, job->n_saes, sizeof *r->there, "SAEs",
                  e));
    TRY(arena_get(&r->arena, &r->old, job->n_saes, sizeof *r->old, "SAEs", e));
    TRY(sample_draw(&r->sample, job->dump, (uint64_t)job->options->rows,
                    (uint64_t)job->seed, e));
    tables_dump_row(&r->row, r->name, job->dump, &r->sample, job->options->rows,
                    job->seed);
    return 0;
}

static void end(struct run *r)
{
    sample_free(&r->sample);
    job_identity_free(&r->identity);
    arena_free(&r->arena);
}

/* ---- one SAE ---- */

/* In place all of it is one transaction. */
static int write_one(struct run *r, size_t i, struct scan *scan, struct err *e)
{
    struct store_writer *w = r->writer;
    int64_t id;
    if (r->old[i] != 0)
        TRY(store_writer_remove_sae(w, r->old[i], e));
    if (store_writer_dump_id(w) == 0)
        TRY(tables_write_dump(w, &r->row, r->job->dump, &r->sample, e));
    TRY(store_writer_next_sae(w, &id, e));
    return tables_write_sae(w, scan, id, r->job->saes[i], r->job->sources, e);
}

static int encode_one(struct run *r, size_t i, struct err *e)
{
    struct job_scan s;
    TRY(job_begin_scan(&s, r->job, i, &r->identity, &r->sample, e));
    int code = scan_run(&s.scan, e);
    if (code == 0)
        code = write_one(r, i, &s.scan, e);
    job_end_scan(&s);
    return code;
}

static int encode_missing(struct run *r, struct err *e)
{
    if (r->n_there > 0)
        log_line(LOG_PROGRESS, "%zu of %zu SAEs are there already%s",
                 r->n_there, r->job->n_saes,
                 r->n_there < r->job->n_saes ? "; going on" : "");
    for (size_t i = 0; i < r->job->n_saes; i++) {
        if (r->there[i])
            continue;
        TRY(encode_one(r, i, e));
        r->n_there++;
    }
    return 0;
}

/* ---- a new file ---- */

static int open_new(struct run *r, struct err *e)
{
    const struct encode_job *job = r->job;
    const char *path = job->options->output;
    struct store_plan plan = {
        .dump = &r->row, .saes = r->identity.saes, .n = job->n_saes};
    TRY(store_writer_resume(&r->writer, &plan, path, job->force, e));
    if (plan.other)
        log_line(LOG_PROGRESS,
                 "what an earlier run has left of %s is of other SAEs, another "
                 "dump or other options, or damaged; beginning anew",
                 path);
    for (size_t i = 0; i < plan.done; i++)
        r->there[i] = true;
    r->n_there = plan.done;
    if (r->writer != NULL)
        return 0;
    TRY(store_writer_open(&r->writer, path, job->force, e));
    TRY(tables_write_dump(r->writer, &r->row, job->dump, &r->sample, e));
    return store_writer_end_dump(r->writer, e);
}

static int run_new(struct run *r, struct err *e)
{
    int code = open_new(r, e);
    if (code == 0)
        code = encode_missing(r, e);
    if (code == 0)
        code = store_writer_commit(&r->writer, e);
    if (code == 0 || r->n_there == 0) {
        store_writer_abort(&r->writer);
        return code;
    }
    store_writer_leave(&r->writer);
    log_line(LOG_PROGRESS,
             "%zu of %zu SAEs are kept; the same command goes on behind them",
             r->n_there, r->job->n_saes);
    return code;
}

/* ---- in place ---- */

static int look_for(struct run *r, size_t i, struct err *e)
{
    struct store_found found;
    const struct store_identity *s = &r->identity.saes[i];
    TRY(store_writer_find_sae(&found, r->writer, s, e));
    if (found.id == 0)
        return 0;
    if (found.differs == NULL) {
        r->there[i] = true;
        r->n_there++;
        return 0;
    }
    if (!r->job->options->replace)
        return err_set(e, ERR_INPUT,
                       "%s has an SAE %s already, with %s; --replace puts this "
                       "one in its place, or rename the folder %s",
                       r->job->options->output, s->name, found.differs,
                       r->job->saes[i]);
    r->old[i] = found.id;
    return 0;
}

static int look_in_place(struct run *r, struct err *e)
{
    TRY(store_writer_open_in_place(&r->writer, r->job->options->output, e));
    TRY(store_writer_find_dump(r->writer, &r->row, e));
    if (store_writer_dump_id(r->writer) == 0)
        return tables_check_strings(r->writer, r->job->dump, e);
    for (size_t i = 0; i < r->job->n_saes; i++)
        TRY(look_for(r, i, e));
    return 0;
}

static int run_in_place(struct run *r, struct err *e)
{
    int code = look_in_place(r, e);
    if (code == 0)
        code = encode_missing(r, e);
    store_writer_leave(&r->writer);
    return code;
}

/* ---- the job ---- */

int encode_run(const struct encode_job *job, struct err *e)
{
    struct run r;
    int code = begin(&r, job, e);
    if (code == 0)
        code = r.in_place ? run_in_place(&r, e) : run_new(&r, e);
    end(&r);
    return code;
}

/* ---- removing ---- */

static void say_freed(const char *path, size_t n, int64_t freed)
{
    char bytes[32];
    format_bytes(bytes, sizeof bytes, (double)freed);
    log_line(LOG_PROGRESS,
             "removed %zu SAE%s; %s of %s are free for what is added next, and "
             "'VACUUM' in the sqlite3 shell gives them back",
             n, n == 1 ? "" : "s", bytes, path);
}

static int remove_names(const char *path, char *const *names, size_t n,
                        struct err *e)
{
    struct store_writer *w;
    int64_t freed;
    TRY(store_writer_open_in_place(&w, path, e));
    int code = store_writer_remove(w, &freed, names, n, e);
    store_writer_leave(&w);
    if (code == 0)
        say_freed(path, n, freed);
    return code;
}

int encode_remove(const struct encode_options *options, struct err *e)
{
    if (options->remove[0] == '\0')
        return err_set(e, ERR_INPUT, "--remove names no SAE");
    struct arena arena = {0};
    char **names;
    size_t n;
    int code = arena_list(&arena, &names, &n, options->remove, e);
    if (code == 0)
        code = remove_names(options->output, names, n, e);
    arena_free(&arena);
    return code;
}
