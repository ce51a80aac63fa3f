/* SPDX-License-Identifier: MIT
 *
 * What this processor can do: the tier of kernels it runs and the caches that
 * blocks are cut for. A tier implies those before it.
 */
#ifndef KERNELS_CPU_H
#define KERNELS_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cpu_tier {
    CPU_PORTABLE,   /* C */
    CPU_AVX2,       /* AVX2, FMA, F16C */
    CPU_AVX512,     /* AVX-512 F, BW, DQ, VL */
    CPU_AVX512VNNI, /* AVX512_VNNI: Cascade Lake, Ice Lake */
    CPU_AVX512BF16, /* AVX512_BF16: Zen 4 and later, Cooper Lake */
    CPU_AMX,        /* AMX-TILE, AMX-BF16 */
};
enum { CPU_TIERS = CPU_AMX + 1 };

/* "portable", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx". */
const char *cpu_tier_name(enum cpu_tier tier);
bool cpu_tier_parse(enum cpu_tier *out, const char *name);

/* What cpu_tier_of looks at: registers of CPUID leaves, and XCR0 (0 where the
 * system does not save wide registers at all). */
struct cpu_leaves {
    uint32_t leaf1_ecx;
    uint32_t leaf7_ebx, leaf7_ecx, leaf7_edx; /* subleaf 0 */
    uint32_t leaf7_1_eax;                     /* subleaf 1 */
    uint64_t xcr0;
};

/* The best tier of a processor and system that answer so: a tier counts only
 * where the system saves its registers, too. */
enum cpu_tier cpu_tier_of(const struct cpu_leaves *leaves);

/* The best tier here. Linux gives the tile registers of AMX only to a process
 * that asks; this asks, and where that is refused steps down and, if `refused`
 * is not NULL, sets it. Call before threads start. */
enum cpu_tier cpu_best(bool *refused);

/* Bytes of one core's data caches, 0 replaced by sizes that any recent
 * processor has (32 KB and 256 KB). */
struct cpu_caches {
    size_t l1, l2;
};
struct cpu_caches cpu_caches(void);

#endif
