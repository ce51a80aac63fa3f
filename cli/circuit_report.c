/* SPDX-License-Identifier: MIT */
#include "cli/circuit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "circuit/ranking.h"

/* ---- figures over seeds ---- */

struct figure {
    double mean, sd;
};

static struct figure over(const double *x, size_t n)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    for (size_t i = 0; i < n; i++)
        square += (x[i] - sum / (double)n) * (x[i] - sum / (double)n);
    return (struct figure){
        sum / (double)n, n > 1 ? sqrt(square / (double)(n - 1)) : (double)NAN};
}

static json_t *figure_json(struct figure f)
{
    return json_pack("{s:o, s:o}", "mean", json_figure(f.mean), "sd",
                     json_figure(f.sd));
}

/* The predicted set of one seed. */
static struct ranking_set predicted(const struct circuit *c, const double *node)
{
    size_t heads = c->task.heads, size = 0;
    if (c->theta > 0)
        return ranking_at(node, c->truth, heads, c->theta);
    for (size_t h = 0; h < heads; h++)
        size += c->truth[h];
    /* The score of the head at that place: equals all come in. */
    double least = INFINITY;
    for (size_t h = 0; h < heads; h++) {
        size_t above = 0;
        for (size_t k = 0; k < heads; k++)
            above += node[k] > node[h];
        if (above < size)
            least = fmin(least, node[h]);
    }
    return ranking_above(node, c->truth, heads, least);
}

enum { AUC, AUC_EDGES, AUC_SHUFFLED, PRECISION, RECALL, F1, PAPER_F1, FIGURES };
static const char *const figure_names[FIGURES] = {
    "auc",    "auc_edges", "auc_shuffled", "precision",
    "recall", "f1",        "paper_f1"};

/* out [FIGURES][seeds] */
static void measure_seeds(double *out, const struct circuit *c)
{
    const struct experiment *x = &c->experiment;
    size_t heads = c->task.heads, n = x->seeds;
    for (size_t i = 0; i < n; i++) {
        const struct experiment_seed *s = &x->seed[i];
        struct ranking_set set = predicted(c, s->node);
        double shuffled = 0;
        for (size_t k = 0; k < x->shuffles; k++)
            shuffled += ranking_auc(s->shuffled + k * heads, c->truth, heads) /
                        (double)x->shuffles;
        out[AUC * n + i] = ranking_auc(s->node, c->truth, heads);
        out[AUC_EDGES * n + i] = ranking_auc(s->edges, c->truth, heads);
        out[AUC_SHUFFLED * n + i] = shuffled;
        out[PRECISION * n + i] = set.precision;
        out[RECALL * n + i] = set.recall;
        out[F1 * n + i] = set.f1;
        out[PAPER_F1 * n + i] = set.paper_f1;
    }
}

/* Of a measure without codes: NaN if it is not known. */
static double auc_of(const struct circuit *c, const double *score)
{
    return isnan(score[0]) ? (double)NAN
                           : ranking_auc(score, c->truth, c->task.heads);
}

static int add_truth(json_t *report, struct circuit *c, struct err *e)
{
    size_t n = c->experiment.seeds;
    double *figures;
    if (c->truth == NULL)
        return 0;
    TRY(arena_get(&c->arena, &figures, FIGURES * n, sizeof *figures, "figures",
                  e));
    measure_seeds(figures, c);
    int bad = 0;
    for (size_t i = 0; i < FIGURES; i++)
        bad |= json_object_set_new(report, figure_names[i],
                                   figure_json(over(figures + i * n, n)));
    bad |= json_object_set_new(report, "auc_mean_difference",
                               json_figure(auc_of(c, c->difference)));
    bad |= json_object_set_new(report, "auc_mean_difference_shuffled",
                               json_figure(c->difference_shuffled));
    bad |= json_object_set_new(report, "auc_answer_share",
                               json_figure(auc_of(c, c->answer_share)));
    bad |= json_object_set_new(report, "auc_probe",
                               json_figure(auc_of(c, c->probe)));
    return bad != 0 ? err_memory(e, "report", 0) : 0;
}

/* ---- heads and codes ---- */

/* The codes of a head that only positives have, with their prompts, of the
 * first seed. */
static json_t *codes_json(const struct circuit *c, size_t head,
                          const struct positive_code *list, size_t n)
{
    const struct task *t = &c->task;
    const struct experiment *x = &c->experiment;
    const int32_t *code = x->seed[0].code;
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        if (list[i].head != head)
            continue;
        json_t *prompts = json_array();
        uint32_t last = UINT32_MAX; /* an example with several such rows */
        for (size_t k = 0; k < x->rows; k++)
            if (code[k * t->heads + head] == (int32_t)list[i].code &&
                x->example[k] != last) {
                last = x->example[k];
                (void)json_array_append_new(
                    prompts, json_integer((json_int_t)t->context[last]));
            }
        (void)json_array_append_new(array, json_pack("{s:I, s:o}", "code",
                                                     (json_int_t)list[i].code,
                                                     "contexts", prompts));
    }
    return array;
}

/* A head's score of each seed. */
static json_t *scores_json(const struct experiment *x, size_t head)
{
    json_t *array = json_array();
    for (size_t i = 0; i < x->seeds; i++)
        (void)json_array_append_new(array, json_real(x->seed[i].node[head]));
    return array;
}

static int largest_first(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->head > b->head) - (a->head < b->head);
}

int circuit_rank(struct place **out, struct circuit *c, struct err *e)
{
    size_t heads = c->task.heads;
    TRY(arena_get(&c->arena, out, heads, sizeof **out, "ranking", e));
    for (size_t h = 0; h < heads; h++)
        (*out)[h] = (struct place){c->experiment.node[h], h};
    qsort(*out, heads, sizeof **out, largest_first);
    return 0;
}

static int add_heads(json_t *report, struct circuit *c,
                     const struct place *places, struct err *e)
{
    const struct experiment *x = &c->experiment;
    struct positive_code *list;
    int8_t *label;
    size_t n;
    TRY(arena_get(&c->arena, &label, x->rows, sizeof *label, "labels", e));
    for (size_t i = 0; i < x->rows; i++)
        label[i] = c->task.label[x->example[i]];
    const struct coded coded = {.n = x->rows,
                                .heads = c->task.heads,
                                .features = c->features,
                                .code = x->seed[0].code,
                                .label = label};
    TRY(scores_positive_codes(&list, &n, &coded, &c->arena, e));
    json_t *array = json_array();
    for (size_t i = 0; i < c->task.heads; i++) {
        size_t h = places[i].head;
        char name[TASK_HEAD_MAX];
        task_head_name(name, &c->task, h);
        (void)json_array_append_new(
            array, json_pack("{s:s, s:f, s:o, s:f, s:o, s:o, s:o, s:o, s:o}",
                             "head", name, "score", x->node[h], "scores",
                             scores_json(x, h), "score_edges", x->edges[h],
                             "mean_difference", json_figure(c->difference[h]),
                             "probe", json_figure(c->probe[h]), "answer_share",
                             json_figure(c->answer_share[h]), "in_truth",
                             c->truth != NULL ? json_boolean(c->truth[h])
                                              : json_null(),
                             "positive_codes", codes_json(c, h, list, n)));
    }
    return json_object_set_new(report, "heads", array) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

enum { EDGES = 100 };

/* The pairs of heads with the most pairs of codes that only positives have, of
 * the first seed. */
static int add_edges(json_t *report, struct circuit *c, struct err *e)
{
    size_t heads = c->task.heads, n = 0;
    const uint32_t *edge = c->experiment.seed[0].edge;
    struct place *places;
    TRY(arena_get(&c->arena, &places, heads * heads, sizeof *places, "edges",
                  e));
    for (size_t h = 0; h < heads; h++)
        for (size_t k = h + 1; k < heads; k++)
            if (edge[h * heads + k] > 0)
                places[n++] =
                    (struct place){edge[h * heads + k], h * heads + k};
    qsort(places, n, sizeof *places, largest_first);
    json_t *array = json_array();
    for (size_t i = 0; i < n && i < EDGES; i++) {
        char a[TASK_HEAD_MAX], b[TASK_HEAD_MAX];
        task_head_name(a, &c->task, places[i].head / heads);
        task_head_name(b, &c->task, places[i].head % heads);
        (void)json_array_append_new(array,
                                    json_pack("{s:[s, s], s:f}", "heads", a, b,
                                              "pairs", places[i].score));
    }
    return json_object_set_new(report, "edges", array) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int add_seeds(json_t *report, const struct circuit *c, int64_t first,
                     struct err *e)
{
    json_t *array = json_array();
    for (size_t i = 0; i < c->experiment.seeds; i++) {
        const struct experiment_seed *s = &c->experiment.seed[i];
        (void)json_array_append_new(
            array, json_pack("{s:I, s:o, s:o, s:o, s:f}", "seed",
                             (json_int_t)(first + (int64_t)i), "loss",
                             json_figure(s->figures.loss), "mse",
                             json_figure(s->figures.error), "l0",
                             json_figure(s->figures.l0), "none", s->none));
    }
    json_t *object =
        json_pack("{s:I, s:I, s:o}", "examples", (json_int_t)c->task.n,
                  "positives", (json_int_t)c->task.positives, "seeds", array);
    return json_object_update_new(report, object) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

int circuit_report(json_t *report, struct circuit *c,
                   const struct place *places, int64_t first, struct err *e)
{
    TRY(add_seeds(report, c, first, e));
    TRY(add_truth(report, c, e));
    TRY(add_heads(report, c, places, e));
    return add_edges(report, c, e);
}

/* ---- printing ---- */

/* A figure, or a dash if it is not known. */
static void print_figure(double value, int width, int digits)
{
    if (isnan(value))
        (void)printf("  %*s", width, "-");
    else
        (void)printf("  %*.*f", width, digits, value);
}

static void print_heads(const struct circuit *c, const struct place *places,
                        int64_t top)
{
    (void)printf("%-8s  %8s  %8s  %10s  %8s  %s\n", "head", "score", "edges",
                 "difference", "probe", c->truth != NULL ? "circuit" : "");
    for (size_t i = 0; i < c->task.heads && (int64_t)i < top; i++) {
        size_t h = places[i].head;
        char name[TASK_HEAD_MAX];
        task_head_name(name, &c->task, h);
        (void)printf("%-8s", name);
        print_figure(c->experiment.node[h], 8, 2);
        print_figure(c->experiment.edges[h], 8, 1);
        print_figure(c->difference[h], 10, 4);
        print_figure(c->probe[h], 8, 3);
        (void)printf("  %s\n", c->truth == NULL ? ""
                               : c->truth[h]    ? "yes"
                                                : "no");
    }
}

/* If it is known. */
static void print_auc(const json_t *report, const char *key, const char *label)
{
    const json_t *v = json_object_get(report, key);
    if (json_is_number(v))
        (void)printf("%-28s  %.3f\n", label, json_number_value(v));
}

static void print_truth(const json_t *report)
{
    static const char *const labels[FIGURES] = {"AUC of the score",
                                                "AUC of the ranking by edges",
                                                "AUC, labels shuffled",
                                                "precision",
                                                "recall",
                                                "F1",
                                                "\"F1\" of the paper"};
    if (json_object_get(report, "auc") == NULL)
        return;
    (void)putchar('\n');
    for (size_t i = 0; i < FIGURES; i++) {
        const json_t *f = json_object_get(report, figure_names[i]);
        (void)printf("%-28s  %.3f", labels[i],
                     json_number_value(json_object_get(f, "mean")));
        if (json_is_number(json_object_get(f, "sd")))
            (void)printf(" ± %.3f",
                         json_number_value(json_object_get(f, "sd")));
        (void)putchar('\n');
    }
    print_auc(report, "auc_mean_difference", "AUC of the mean difference");
    print_auc(report, "auc_mean_difference_shuffled", "  its labels shuffled");
    print_auc(report, "auc_answer_share", "AUC of the answers' share");
    print_auc(report, "auc_probe", "AUC of a logistic probe");
}

void circuit_print(const struct circuit *c, const struct place *places,
                   int64_t top, const json_t *report)
{
    (void)printf("%zu examples, %zu of them positive; %zu heads\n\n", c->task.n,
                 c->task.positives, c->task.heads);
    print_heads(c, places, top);
    print_truth(report);
}
