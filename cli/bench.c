/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdio.h>

#include "base/format.h"
#include "bench/bench.h"
#include "cli/cli.h"

static struct bench_options {
    int64_t d, m, k, n, steps;
    int architecture;
    const char *groups;
    double dead, aux_rows, bandwidth;
    const char *dump;
    const char *layer;
    bool dense;
} own;

#define FIELD(name) offsetof(struct bench_options, name)

static const struct option own_table[] = {
    {"d", 0, OPTION_COUNT, FIELD(d), "768", 1, 8192, NULL, "D",
     "input width; with --dump that of its rows"},
    {"m", 0, OPTION_COUNT, FIELD(m), "24576", 1, 1 << 20, NULL, "M",
     "features"},
    {"k", 0, OPTION_COUNT, FIELD(k), "32", 1, 1024, NULL, "K",
     "active features a row"},
    {"n", 0, OPTION_COUNT, FIELD(n), "4096", 1, 1 << 20, NULL, "N",
     "rows a step"},
    {"dead", 0, OPTION_REAL, FIELD(dead), "0.1", 0, 1, NULL, "SHARE",
     "share of the features that are dead, for AuxK; 0 leaves AuxK out"},
    {"aux-rows", 0, OPTION_REAL, FIELD(aux_rows), TRAIN_AUX_ROWS, 0.001, 1,
     NULL, "SHARE", "part of a batch's rows that AuxK looks at"},
    {"architecture", 0, OPTION_CHOICE, FIELD(architecture), "batchtopk", 0, 0,
     TRAIN_ARCHITECTURES, NULL,
     "what to train, as in `headscope train`; relu, jumprelu and gated with "
     "biases or thresholds at which k features a row are active, and no AuxK"},
    {"bandwidth", 0, OPTION_REAL, FIELD(bandwidth), TRAIN_BANDWIDTH, 1e-6, 100,
     NULL, "E", "of jumprelu"},
    {"groups", 0, OPTION_TEXT, FIELD(groups), GROUPS_DEFAULT, 0, 0, NULL,
     "SIZE,...", "sizes of matryoshka's prefixes"},
    {"steps", 0, OPTION_COUNT, FIELD(steps), "9", 1, 1000, NULL, "N",
     "timed steps of each kind; medians are shown"},
    {"dump", 0, OPTION_TEXT, FIELD(dump), NULL, 0, 0, NULL, "DUMP",
     "take rows from a dump folder in place of random numbers"},
    {"layer", 0, OPTION_TEXT, FIELD(layer), NULL, 0, 0, NULL, "L",
     "layer of the dump; its first if unset"},
    {"dense", 0, OPTION_FLAG, FIELD(dense), NULL, 0, 0, NULL, NULL,
     "also run the step as dense autograd trainers do, on full OpenBLAS "
     "products, for the ratio"},
};

static const char *const phase_names[STEP_PHASES] = {
    [PHASE_PACK] = "pack",     [PHASE_PRODUCT] = "product",
    [PHASE_SELECT] = "select", [PHASE_DECODE] = "decode",
    [PHASE_AUX] = "auxk",      [PHASE_ORDER] = "order",
    [PHASE_UPDATE] = "update",
};

/* What follows from the medians. */
struct figures {
    double tokens, dense_tokens, one_thread_tokens; /* a second; 0: not run */
    double product;       /* flop/s of the encoder product with selection */
    double product_share; /* of the peak of its kind */
    double update;        /* bytes/s of weights, moments and the packed copy */
};

static struct figures figures_of(const struct problem_shape *s,
                                 const struct bench_result *r)
{
    double n = (double)s->n, weights = 2.0 * (double)s->d * (double)s->m;
    bool coarse = r->peak.coarse > 0;
    double peak = coarse ? r->peak.coarse : r->peak.exact;
    const struct product *p = coarse ? &kernels.coarse : &kernels.exact;
    double packed =
        weights / 2 * (double)p->panel_step / (double)(p->features * p->step);
    double flop = 2 * n * (double)s->d * (double)s->m * r->passes;
    double product = flop / r->phase[PHASE_PRODUCT];
    return (struct figures){
        .tokens = n / r->seconds,
        .dense_tokens = r->dense > 0 ? n / r->dense : 0,
        .one_thread_tokens = r->one_thread > 0 ? n / r->one_thread : 0,
        .product = product,
        .product_share = product / peak,
        .update = (6 * 4 * weights + packed) / r->phase[PHASE_UPDATE],
    };
}

static json_t *figure_or_null(double x)
{
    return x > 0 ? json_real(x) : json_null();
}

static int fill_report(json_t *report, const struct problem_shape *s,
                       const struct team *team, const struct bench_result *r)
{
    struct figures f = figures_of(s, r);
    json_t *phases = json_object();
    for (size_t i = 0; i < STEP_PHASES; i++)
        (void)json_object_set_new(phases, phase_names[i],
                                  json_real(r->phase[i]));
    json_t *peak = json_pack("{s:f, s:o, s:f}", "exact_flops", r->peak.exact,
                             "coarse_flops", figure_or_null(r->peak.coarse),
                             "memory_bytes", r->peak.memory);
    return json_object_update_new(
        report,
        json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o, "
                  "s:o, s:o, s:o, "
                  "s:o, s:o, s:f, s:f, s:f, s:f, s:f, s:I, s:I}",
                  "architecture", train_architecture_name(s->architecture),
                  "cpu", cpu_tier_name(kernels.tier), "threads", team->threads,
                  "d", (json_int_t)s->d, "m", (json_int_t)s->m, "k",
                  (json_int_t)s->k, "n", (json_int_t)s->n, "dead", s->dead,
                  "seconds", r->seconds, "tokens_per_second", f.tokens,
                  "dense_tokens_per_second", figure_or_null(f.dense_tokens),
                  "ratio", figure_or_null(r->dense / r->seconds),
                  "one_thread_tokens_per_second",
                  figure_or_null(f.one_thread_tokens), "threads_ratio",
                  figure_or_null(r->one_thread / r->seconds), "phases", phases,
                  "peak", peak, "product_flops", f.product, "product_share",
                  f.product_share, "auxk_phase_share",
                  r->phase[PHASE_AUX] / r->seconds, "candidates_per_step",
                  r->candidates, "passes_per_step", r->passes, "weight_bytes",
                  (json_int_t)r->weight_bytes, "other_bytes",
                  (json_int_t)r->other_bytes));
}

static void print_result(const struct problem_shape *s, const struct team *team,
                         const struct bench_result *r)
{
    struct figures f = figures_of(s, r);
    (void)printf(
        "%s, %s, %d threads: d %zu, m %zu, k %zu, n %zu, %.0f %% dead\n",
        train_architecture_name(s->architecture), cpu_tier_name(kernels.tier),
        team->threads, s->d, s->m, s->k, s->n, 100 * s->dead);
    (void)printf("peak: fp32 %.0f Gflop/s, ", r->peak.exact / 1e9);
    if (r->peak.coarse > 0)
        (void)printf("%s %.0f Gflop/s, ", kernels.coarse.numbers,
                     r->peak.coarse / 1e9);
    (void)printf("memory %.1f GB/s\n\nphase        ms  share\n",
                 r->peak.memory / 1e9);
    for (size_t i = 0; i < STEP_PHASES; i++) {
        (void)printf("%-8s %6.1f  %4.1f %%", phase_names[i], 1e3 * r->phase[i],
                     100 * r->phase[i] / r->seconds);
        if (i == PHASE_PRODUCT)
            (void)printf("  %.0f Gflop/s, %.0f %% of the peak", f.product / 1e9,
                         100 * f.product_share);
        if (i == PHASE_SELECT && r->candidates > 0)
            (void)printf("  %.2f candidates for each active feature",
                         r->candidates / (double)(s->n * s->k));
        if (i == PHASE_UPDATE)
            (void)printf("  %.1f GB/s of weights, moments and packed copy, "
                         "%.0f %% of the peak",
                         f.update / 1e9, 100 * f.update / r->peak.memory);
        (void)putchar('\n');
    }
    char tokens[32], other[32];
    format_count(tokens, sizeof tokens, f.tokens);
    format_bytes(other, sizeof other, (double)r->other_bytes);
    (void)printf("step     %6.1f          %s tokens/s\n", 1e3 * r->seconds,
                 tokens);
    if (r->one_thread > 0)
        (void)printf("\n%d threads over one: %.2f\n", team->threads,
                     r->one_thread / r->seconds);
    (void)printf("memory beyond weights, moments and packed copy: %s\n", other);
    if (r->dense > 0)
        (void)printf("dense step: %.0f ms; ratio %.1f\n", 1e3 * r->dense,
                     r->dense / r->seconds);
}

static int open_dump(struct dump **dump, int *layer, struct problem_shape *s,
                     struct err *e)
{
    static const struct dump_options none;
    TRY(dump_open(dump, &own.dump, 1, &none, e));
    const struct dump_info *info = dump_info(*dump);
    int64_t value = info->first_layer;
    if (own.layer != NULL &&
        (!format_parse_count(own.layer, &value) || value < info->first_layer ||
         value >= info->first_layer + info->layers))
        return err_set(e, ERR_INPUT, "%s: no layer %.20s; it has %d to %d",
                       info->path, own.layer, info->first_layer,
                       info->first_layer + info->layers - 1);
    *layer = (int)value;
    s->d = (size_t)info->heads * (size_t)info->d_head;
    return 0;
}

static int measure(const struct problem_shape *shape, struct dump *dump,
                   int layer, const struct common_options *common,
                   json_t *report, struct err *e)
{
    struct team team = team_make((int)common->threads);
    struct problem q;
    int code = dump != NULL ? problem_read(&q, shape, dump, layer, &team, e)
                            : problem_draw(&q, shape, &team, e);
    struct bench_job job = {.problem = &q,
                            .team = &team,
                            .steps = (size_t)own.steps,
                            .dense = own.dense,
                            .one_thread = team.threads > 1};
    struct bench_result result;
    if (code == 0)
        code = bench_run(&result, &job, e);
    problem_free(&q);
    if (code != 0)
        return code;
    if (!common->json)
        print_result(shape, &team, &result);
    return fill_report(report, shape, &team, &result) != 0
               ? err_memory(e, "report", 0)
               : 0;
}

static int run(const struct common_options *common, const char *const *args,
               size_t n_args, json_t *report, struct err *e)
{
    (void)args;
    (void)n_args;
    struct problem_shape shape = {
        .d = (size_t)own.d,
        .m = (size_t)own.m,
        .k = (size_t)own.k,
        .n = (size_t)own.n,
        .dead = own.dead,
        .architecture = (enum train_architecture)own.architecture,
        .aux_parts = train_aux_parts(own.aux_rows),
        .bandwidth = (float)own.bandwidth,
        .seed = (uint64_t)common->seed,
    };
    struct dump *dump = NULL;
    int layer = 0;
    if (shape.k > shape.m)
        return err_set(e, ERR_INPUT, "--k %zu is more than --m %zu", shape.k,
                       shape.m);
    if (own.dense && shape.architecture != TRAIN_BATCHTOPK)
        return err_set(e, ERR_INPUT,
                       "--dense: the dense step is one of batchtopk");
    if (shape.architecture == TRAIN_MATRYOSHKA)
        TRY(groups_parse(&shape.groups, own.groups, shape.m, e));
    int code = own.dump != NULL ? open_dump(&dump, &layer, &shape, e) : 0;
    if (code == 0 && !common->dry_run)
        code = measure(&shape, dump, layer, common, report, e);
    else if (code == 0 && !common->json)
        (void)printf("would measure d %zu, m %zu, k %zu, n %zu; writes "
                     "nothing\n",
                     shape.d, shape.m, shape.k, shape.n);
    dump_close(&dump);
    return code;
}

const struct command command_bench = {
    .usage =
        {"bench", "Measure the training step on this computer.", "",
         "Runs the step as `headscope train` does, AuxK with dead features "
         "included, and shows its phases, the share of this computer's "
         "peak, and with --dense the ratio to the same step on dense "
         "products. Writes nothing."},
    .args_min = 0,
    .args_max = 0,
    .groups = {{"Options", own_table, sizeof own_table / sizeof *own_table,
                &own}},
    .n_groups = 1,
    .run = run,
};
