/* SPDX-License-Identifier: MIT */
#include "kernels/kernels.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"

struct adam adam_at(double beta1, double beta2, double epsilon, double rate,
                    double t)
{
    return (struct adam){
        .beta1 = (float)beta1,
        .beta2 = (float)beta2,
        .epsilon = (float)epsilon,
        .rate = (float)(rate / (1 - pow(beta1, t))),
        .root_v = (float)(1 / sqrt(1 - pow(beta2, t))),
    };
}

struct kernels kernels_of(enum cpu_tier tier)
{
    struct kernels k = {.tier = tier};
    kernels_portable(&k);
    kernels_overlay(&k, tier);
    return k;
}

struct kernels kernels;

/* The tier asked for, by whatever `source` is. */
static int named_tier(enum cpu_tier *out, const char *name, const char *source,
                      struct err *e)
{
    enum cpu_tier best = cpu_best(NULL);
    if (!cpu_tier_parse(out, name))
        return err_set(e, ERR_INPUT,
                       "%s: no tier '%.40s'; there are portable, avx2, avx512, "
                       "avx512vnni, avx512bf16 and amx",
                       source, name);
    if (*out > best)
        return err_set(e, ERR_INPUT,
                       "%s: this computer has no %s; its best tier is %s",
                       source, name, cpu_tier_name(best));
    return 0;
}

int kernels_choose(const char *name, struct err *e)
{
    const char *source = "--cpu";
    if (name == NULL) {
        name = getenv("HEADSCOPE_CPU");
        source = "HEADSCOPE_CPU";
    }
    enum cpu_tier tier;
    bool refused = false;
    if (name != NULL && name[0] != '\0')
        TRY(named_tier(&tier, name, source, e));
    else
        tier = cpu_best(&refused);
    if (refused)
        log_line(LOG_PROGRESS,
                 "the system refuses the tile registers of AMX; using %s",
                 cpu_tier_name(tier));
    log_line(LOG_DETAIL, "kernels for %s", cpu_tier_name(tier));
    kernels = kernels_of(tier);
    return 0;
}
