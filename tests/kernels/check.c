/* SPDX-License-Identifier: MIT
 *
 * check_kernels: every kernel of every tier against the portable one, as
 * dav1d's checkasm does it. Tiers in rising order; a kernel that a tier takes
 * from the one before is not checked again. Random numbers begin anew for each
 * case of each kernel, so that a seed brings a case back under any choice of
 * tiers and kernels. A kernel that is killed by a signal has failed.
 *
 * Exit status: 0, 1 if a kernel failed, 2 for wrong arguments, 77 if this
 * computer lacks the tier.
 */
#include <getopt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/kernels/check.h"
#include "tests/kernels/emulated.h"

enum { CASES = 200, EMULATED = CPU_TIERS, ALL_TIERS, SKIPPED = 77 };

/* A row of struct kernels. */
struct subject {
    const char *name;
    size_t offset, bytes;
    void (*check)(struct check *c);
};

#define SUBJECT(row)                                                           \
    {                                                                          \
#row, offsetof(struct kernels, row),                                   \
            sizeof(((struct kernels *)NULL)->row), check_##row                 \
    }
static const struct subject subjects[] = {
    SUBJECT(exact),
    SUBJECT(coarse),
    SUBJECT(above),
    SUBJECT(dot),
    SUBJECT(dot_double),
    SUBJECT(add_scaled),
    SUBJECT(subtract),
    SUBJECT(scale),
    SUBJECT(add_rows),
    SUBJECT(dot_rows),
    SUBJECT(dot_heads),
    SUBJECT(adam),
    SUBJECT(f16_to_f32),
    SUBJECT(bf16_to_f32),
    SUBJECT(f32_to_f16),
    SUBJECT(f32_to_bf16),
    SUBJECT(first_not_finite),
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

struct options {
    int tier; /* -1: all */
    const char *kernel;
    uint64_t seed;
    bool list, bench, verbose;
};

/* ---- tiers ---- */

static const char *tier_name(int tier)
{
    return tier == EMULATED ? "amx-emulated"
                            : cpu_tier_name((enum cpu_tier)tier);
}

/* The table of a tier, and what it is laid over; false if it is not here. */
static bool tier_tables(int tier, struct kernels *k, struct kernels *below)
{
    const enum cpu_tier best = cpu_best(NULL);
    memset(below, 0, sizeof *below);
    if (tier == EMULATED) {
        if (best < CPU_AVX512BF16)
            return false;
        *below = kernels_of(CPU_AVX512BF16);
        *k = *below;
        return emulated_overlay(k);
    }
    if (tier > (int)best)
        return false;
    *k = kernels_of((enum cpu_tier)tier);
    if (tier > CPU_PORTABLE)
        *below = kernels_of((enum cpu_tier)(tier - 1));
    return true;
}

static bool has_own(const struct subject *s, const struct kernels *k,
                    const struct kernels *below)
{
    return memcmp((const char *)k + s->offset, (const char *)below + s->offset,
                  s->bytes) != 0;
}

/* ---- signals ---- */

static sigjmp_buf escape;
static volatile sig_atomic_t caught;
static void *volatile caught_at;

/* Signals of a fault come at the instruction that made it, so that jumping out
 * is safe here. The handler runs on the ordinary stack: an alternative one
 * would have to hold the tile registers. */
static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    caught = number;
    caught_at = info->si_addr;
    siglongjmp(escape, 1);
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction action = {.sa_sigaction = on_signal,
                               .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

static void fail_by_signal(struct check *c)
{
    char where[160] = "";
    if (caught == SIGSEGV || caught == SIGBUS)
        buffers_describe(where, sizeof where, caught_at);
    check_fail(c, "signal %d (%s) %s", (int)caught, strsignal(caught), where);
}

/* AddressSanitizer's stack for its own handler, which is replaced here, is too
 * small for tile registers: Linux would refuse them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "use_sigaltstack=0";
}

/* ---- one kernel ---- */

static uint64_t hash(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

/* The same numbers in memory that ends and that begins at a guard. */
static void run_case(struct check *c, const struct subject *s, uint64_t seed,
                     bool emulated)
{
    uint64_t digest[2];
    seed ^= hash(s->name);
    for (int side = 0; side < 2 && !check_failed(c); side++) {
        c->rng = rng_at(seed, RNG_TEST, (uint32_t)c->number);
        c->digest = 0;
        c->setting[0] = '\0';
        buffers_reset(
            (enum buffer_side)side,
            rng_at(seed + 1 + (uint64_t)side, RNG_TEST, (uint32_t)c->number));
        s->check(c);
        digest[side] = c->digest;
        if (emulated && !emulated_is_idle())
            check_fail(c, "leaves tiles configured");
    }
    if (!check_failed(c) && digest[0] != digest[1])
        check_fail(c, "the result depends on where arguments lie");
}

static bool run_kernel(const struct subject *s, int tier,
                       const struct kernels *k, const struct options *o)
{
    static struct kernels portable;
    static struct check c; /* static: kept over a jump */
    portable = kernels_of(CPU_PORTABLE);
    memset(&c, 0, sizeof c);
    c.k = k;
    c.portable = &portable;
    if (sigsetjmp(escape, 1) != 0)
        fail_by_signal(&c);
    else
        for (c.number = 0; c.number < CASES; c.number++) {
            run_case(&c, s, o->seed, tier == EMULATED);
            if (check_failed(&c))
                break;
        }
    if (!check_failed(&c)) {
        if (o->verbose)
            printf("%s.%s: %d cases passed\n", s->name, tier_name(tier), CASES);
        return true;
    }
    printf("FAILED %s.%s, case %zu, seed %llu\n  %s\n  %s\n"
           "  replay: check_kernels --tier %s --kernel %s --seed %llu\n",
           s->name, tier_name(tier), c.number, (unsigned long long)o->seed,
           c.setting, c.why, tier_name(tier), s->name,
           (unsigned long long)o->seed);
    return false;
}

/* ---- tiers, lists and speed ---- */

/* Measurements are of a kernel, "dot", or of a part of one, "exact.run". */
static const struct subject *measured(const struct bench_row *row)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        if (strcspn(row->name, ".") == strlen(subjects[i].name) &&
            strncmp(row->name, subjects[i].name, strlen(subjects[i].name)) == 0)
            return &subjects[i];
    return NULL;
}

static void bench_tier(int tier, const struct kernels *k,
                       const struct kernels *below, const struct options *o)
{
    static struct bench portable, b;
    const struct kernels slowest = kernels_of(CPU_PORTABLE);
    const struct bench *speed = &portable;
    if (tier == EMULATED) /* an emulation has no speed */
        return;
    if (portable.rows == 0)
        bench_run(&portable, &slowest);
    if (tier != CPU_PORTABLE) {
        bench_run(&b, k);
        speed = &b;
    }
    for (size_t i = 0; i < speed->rows; i++) {
        const struct subject *s = measured(&speed->row[i]);
        if (has_own(s, k, below) &&
            (o->kernel == NULL || strcmp(o->kernel, s->name) == 0))
            bench_print(&speed->row[i], &portable, tier_name(tier));
    }
}

/* Counts passed[true] and passed[false]. */
static void run_tier(int tier, const struct kernels *k,
                     const struct kernels *below, const struct options *o,
                     int passed[2])
{
    for (size_t i = 0; i < SUBJECTS; i++) {
        const struct subject *s = &subjects[i];
        if (o->kernel != NULL && strcmp(o->kernel, s->name) != 0)
            continue;
        if (!has_own(s, k, below)) {
            if (o->kernel != NULL || o->verbose)
                printf("%s.%s: none of its own\n", s->name, tier_name(tier));
            continue;
        }
        if (o->list)
            printf("%s.%s\n", s->name, tier_name(tier));
        else
            passed[run_kernel(s, tier, k, o)]++;
        fflush(stdout);
    }
}

/* ---- arguments ---- */

static int usage(const char *what, const char *which)
{
    if (what != NULL)
        fprintf(stderr, "check_kernels: %s%s\n", what, which);
    fprintf(stderr, "usage: check_kernels [--tier T] [--kernel NAME] "
                    "[--seed N] [--list] [--bench] [--verbose]\n");
    return 2;
}

static bool known_kernel(const char *name)
{
    for (size_t i = 0; i < SUBJECTS; i++)
        if (strcmp(subjects[i].name, name) == 0)
            return true;
    return false;
}

static bool parse_tier(int *out, const char *name)
{
    for (*out = 0; *out < ALL_TIERS; ++*out)
        if (strcmp(tier_name(*out), name) == 0)
            return true;
    return false;
}

/* 0, or the exit status. */
static int parse(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {
        {"tier", required_argument, NULL, 't'},
        {"kernel", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 's'},
        {"list", no_argument, NULL, 'l'},
        {"bench", no_argument, NULL, 'b'},
        {"verbose", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    char *end;
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 't':
            if (!parse_tier(&o->tier, optarg))
                return usage("no tier ", optarg);
            break;
        case 'k':
            o->kernel = optarg;
            if (!known_kernel(optarg))
                return usage("no kernel ", optarg);
            break;
        case 's':
            o->seed = strtoull(optarg, &end, 10);
            if (*optarg == '\0' || *end != '\0')
                return usage("not a seed: ", optarg);
            break;
        case 'l':
            o->list = true;
            break;
        case 'b':
            o->bench = true;
            break;
        case 'v':
            o->verbose = true;
            break;
        default:
            return usage(NULL, NULL);
        }
    return optind == argc ? 0 : usage("not an option: ", argv[optind]);
}

int main(int argc, char **argv)
{
    struct options o = {.tier = -1, .seed = (uint64_t)time(NULL)};
    int passed[2] = {0, 0};
    int status = parse(&o, argc, argv);
    if (status != 0)
        return status;
    buffers_init();
    if (!o.list && !o.bench) {
        printf("seed %llu\n", (unsigned long long)o.seed);
        catch_signals();
    }
    for (int tier = 0; tier < ALL_TIERS; tier++) {
        struct kernels k, below;
        if (o.tier >= 0 && tier != o.tier)
            continue;
        if (!tier_tables(tier, &k, &below)) {
            printf("%s: not on this computer\n", tier_name(tier));
            if (o.tier >= 0)
                return SKIPPED;
        } else if (o.bench) {
            bench_tier(tier, &k, &below, &o);
        } else {
            run_tier(tier, &k, &below, &o, passed);
        }
    }
    if (!o.list && !o.bench)
        printf("%d passed, %d failed\n", passed[true], passed[false]);
    return passed[false] > 0;
}
