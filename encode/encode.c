/* SPDX-License-Identifier: MIT */
#include "encode/encode.h"

#include "base/output.h"
#include "encode/job.h"
#include "encode/tables.h"

static int encode_one(const struct encode_job *job, size_t i,
                      const struct sample *sample, struct store_writer *w,
                      struct err *e)
{
    struct job_scan s;
    TRY(job_begin_scan(&s, job, i, sample, e));
    int code = scan_run(&s.scan, e);
    if (code == 0)
        code = tables_write_sae(w, &s.scan, (int64_t)i + 1, job->saes[i], e);
    job_end_scan(&s);
    return code;
}

static int encode_all(const struct encode_job *job, const struct sample *sample,
                      struct store_writer *w, struct err *e)
{
    TRY(tables_write_dump(w, job->dump, sample, job->options->rows, job->seed,
                          e));
    for (size_t i = 0; i < job->n_saes; i++)
        TRY(encode_one(job, i, sample, w, e));
    return 0;
}

int encode_run(const struct encode_job *job, struct err *e)
{
    struct sample sample = {0};
    struct store_writer *w = NULL;
    TRY(output_check(job->options->output, false, job->force, e));
    TRY(job_check(job, e));
    int code = sample_draw(&sample, job->dump, (uint64_t)job->options->rows,
                           (uint64_t)job->seed, e);
    if (code == 0)
        code = store_writer_open(&w, job->options->output, job->force, e);
    if (code == 0)
        code = encode_all(job, &sample, w, e);
    if (code == 0)
        code = store_writer_commit(&w, e);
    store_writer_abort(&w);
    sample_free(&sample);
    return code;
}
