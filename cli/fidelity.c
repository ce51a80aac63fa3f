/* SPDX-License-Identifier: MIT */
#include "cli/fidelity.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "lens/fidelity.h"
#include "lens/subject.h"
#include "sae/origin.h"

struct run {
    const struct fidelity_job *job;
    struct model model;
    struct saes saes;
    bool *kept;                      /* [contexts] in the split of every SAE */
    struct runner_contexts contexts; /* that are run */
    uint64_t tokens;
    struct team team;
    struct arena arena;
};

/* ---- which contexts ---- */

/* A split is one of whole contexts, but for rows that were left out. */
static bool holds_any(const struct row_set *s, uint64_t first, uint64_t end)
{
    size_t low = 0, high = s->n;
    while (low < high) { /* the first range that begins at `end` or later */
        size_t middle = low + (high - low) / 2;
        if (s->first[middle] < end)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    uint64_t rows = s->before[low] - s->before[low - 1];
    return s->first[low - 1] + rows > first;
}

static int keep_contexts(struct run *r, struct err *e)
{
    const struct dump *d = r->job->dump;
    const int64_t *starts = dump_contexts(d);
    uint64_t n = dump_info(d)->contexts;
    TRY(arena_get(&r->arena, &r->kept, n, sizeof *r->kept, "contexts", e));
    memset(r->kept, 1, n * sizeof *r->kept);
    const struct origin rows = {r->model.gpt2.fingerprint, r->model.gpt2.folded,
                                dump_info(d)->bos};
    for (size_t i = 0; i < r->job->n_saes; i++) {
        struct measured m;
        TRY(measured_open(&m, d, r->job->saes[i], &r->job->rows, e));
        int code = origin_check(&m.sae, r->job->saes[i], &rows, e);
        for (uint64_t k = 0; k < n; k++)
            r->kept[k] =
                r->kept[k] && holds_any(measured_set(&m), (uint64_t)starts[k],
                                        (uint64_t)starts[k + 1]);
        measured_close(&m);
        TRY(code);
    }
    for (uint64_t k = 0; k < n; k++)
        r->tokens += r->kept[k] ? (uint64_t)(starts[k + 1] - starts[k]) : 0;
    if (r->tokens == 0)
        return err_set(e, ERR_INPUT,
                       "no context of %s is in the split of every SAE; see "
                       "--split all",
                       dump_info(d)->path);
    return 0;
}

/* Of the contexts kept, evenly spread, about as many tokens as are asked for:
 * each that takes the running share of tokens past a whole one. */
static int choose_contexts(struct run *r, struct err *e)
{
    const struct dump *d = r->job->dump;
    const int64_t *from = dump_contexts(d);
    const int32_t *ids = dump_tokens(d);
    uint64_t n = dump_info(d)->contexts, all = r->tokens, seen = 0, taken = 0;
    uint64_t want = (uint64_t)r->job->rows.rows;
    want = want == 0 || want > all ? all : want;
    int32_t *out;
    int64_t *starts;
    TRY(arena_get(&r->arena, &out, all, sizeof *out, "tokens", e));
    TRY(arena_get(&r->arena, &starts, n + 1, sizeof *starts, "contexts", e));
    for (uint64_t k = 0; k < n; k++) {
        if (!r->kept[k])
            continue;
        uint64_t t = (uint64_t)(from[k + 1] - from[k]);
        seen += t;
        if ((double)taken >= (double)seen * ((double)want / (double)all))
            continue;
        memcpy(out + taken, ids + from[k], t * sizeof *out);
        taken += t;
        starts[++r->contexts.n] = (int64_t)taken;
    }
    r->contexts.ids = out;
    r->contexts.starts = starts;
    r->tokens = taken;
    return 0;
}

/* ---- report ---- */

static json_t *figures_json(const struct fidelity_figures *f)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "layer",
        f->layer < 0 ? json_null() : json_integer(f->layer), "ce_spliced",
        json_figure(f->spliced), "ce_zero", json_figure(f->zero), "ce_mean",
        json_figure(f->mean), "recovered_zero", json_figure(f->recovered_zero),
        "recovered_mean", json_figure(f->recovered_mean), "kl_spliced",
        json_figure(f->kl), "kl_zero", json_figure(f->kl_zero), "kl_mean",
        json_figure(f->kl_mean));
}

static int add_fidelity(json_t *report, const struct run *r,
                        const struct fidelity *f, struct err *e)
{
    char name[sizeof r->model.name];
    memcpy(name, r->model.name, sizeof name);
    json_t *layers = json_array();
    for (size_t i = 0; i < f->n; i++)
        (void)json_array_append_new(layers, figures_json(&f->figures[i]));
    json_t *fidelity =
        json_pack("{s:s, s:I, s:I, s:f, s:o}", "model", name, "contexts",
                  (json_int_t)r->contexts.n, "tokens", (json_int_t)f->tokens,
                  "ce_clean", f->clean, "layers", layers);
    return json_object_set_new(report, "fidelity", fidelity) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int measure(json_t *report, struct run *r, struct err *e)
{
    const struct fidelity_job *job = r->job;
    TRY(subject_open(&r->model, job->model, job->dump, e));
    TRY(keep_contexts(r, e));
    TRY(choose_contexts(r, e));
    TRY(saes_open(&r->saes, job->saes, job->n_saes, &r->model.gpt2, &r->team,
                  e));
    if (job->dry_run)
        return 0;
    struct fidelity f;
    TRY(fidelity_measure(&f, &r->model.gpt2, &r->saes, &r->contexts, &r->team,
                         e));
    int code = add_fidelity(report, r, &f, e);
    fidelity_free(&f);
    return code;
}

int fidelity_report(json_t *report, const struct fidelity_job *job,
                    struct err *e)
{
    struct run r = {.job = job, .team = team_make(job->threads)};
    int code = measure(report, &r, e);
    saes_close(&r.saes);
    model_close(&r.model);
    arena_free(&r.arena);
    return code;
}
