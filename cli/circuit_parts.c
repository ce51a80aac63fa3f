/* SPDX-License-Identifier: MIT
 *
 * What headscope circuit and circuit codes share beside their report.
 */
#include "cli/circuit.h"

#include <math.h>
#include <stdlib.h>

#include "circuit/controls.h"
#include "circuit/ranking.h"
#include "circuit/truth.h"

void circuit_free(struct circuit *c)
{
    experiment_free(&c->experiment);
    task_close(&c->task);
    dump_close(&c->dump);
    arena_free(&c->arena);
}

int circuit_report_options(json_t *report, const struct option_group *own,
                           struct err *e)
{
    json_t *all = options_json(own);
    (void)json_object_del(all, "output");
    (void)json_object_del(all, "truth");
    (void)json_object_del(all, "top");
    return json_object_set_new(report, "options", all) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

int circuit_read_token(int64_t *token, const char *text, const char *names,
                       struct err *e)
{
    char *end;
    *token = strtoll(text, &end, 10);
    if (*text == '\0' || *end != '\0')
        return err_set(e, ERR_INPUT, "--position %.20s: must be %s or a number",
                       text, names);
    return 0;
}

int circuit_open_truth(struct circuit *c, const char *path, struct err *e)
{
    size_t heads = c->task.heads;
    TRY(arena_get(&c->arena, &c->difference, heads, sizeof *c->difference,
                  "scores", e));
    TRY(arena_get(&c->arena, &c->probe, heads, sizeof *c->probe, "scores", e));
    TRY(arena_get(&c->arena, &c->answer_share, heads, sizeof *c->answer_share,
                  "scores", e));
    c->difference_shuffled = (double)NAN;
    for (size_t h = 0; h < heads; h++)
        c->difference[h] = c->probe[h] = c->answer_share[h] = (double)NAN;
    if (path == NULL)
        return 0;
    TRY(arena_get(&c->arena, &c->truth, heads, sizeof *c->truth, "truth", e));
    return truth_read(c->truth, &c->task, path, e);
}

/* The same labels as those of the first seed's shuffles. */
static int measure_shuffled(struct circuit *c, size_t shuffles, uint64_t seed,
                            struct err *e)
{
    const struct task *t = &c->task;
    double *score;
    uint64_t *order;
    int8_t *label;
    TRY(arena_get(&c->arena, &score, t->heads, sizeof *score, "scores", e));
    TRY(arena_get(&c->arena, &order, t->n, sizeof *order, "labels", e));
    TRY(arena_get(&c->arena, &label, t->n, sizeof *label, "labels", e));
    c->difference_shuffled = 0;
    for (size_t k = 0; k < shuffles; k++) {
        experiment_shuffle(order, t->n, seed, k);
        for (size_t i = 0; i < t->n; i++)
            label[i] = t->label[order[i]];
        TRY(controls_mean_difference(score, t, label, e));
        c->difference_shuffled +=
            ranking_auc(score, c->truth, t->heads) / (double)shuffles;
    }
    return 0;
}

int circuit_measure_controls(struct circuit *c, size_t shuffles, uint64_t seed,
                             struct err *e)
{
    TRY(controls_mean_difference(c->difference, &c->task, c->task.label, e));
    if (c->truth != NULL)
        TRY(measure_shuffled(c, shuffles, seed, e));
    TRY(controls_answer_share(c->answer_share, &c->task, e));
    return controls_probe(c->probe, &c->task, seed, &c->team, e);
}
