/* SPDX-License-Identifier: MIT */
#include "kernels/cpu.h"

#include <string.h>
#include <unistd.h>

static const char *const names[CPU_TIERS] = {
    [CPU_PORTABLE] = "portable",     [CPU_AVX2] = "avx2",
    [CPU_AVX512] = "avx512",         [CPU_AVX512VNNI] = "avx512vnni",
    [CPU_AVX512BF16] = "avx512bf16", [CPU_AMX] = "amx",
};

const char *cpu_tier_name(enum cpu_tier tier)
{
    return names[tier];
}

bool cpu_tier_parse(enum cpu_tier *out, const char *name)
{
    for (int t = 0; t < CPU_TIERS; t++)
        if (strcmp(names[t], name) == 0) {
            *out = (enum cpu_tier)t;
            return true;
        }
    return false;
}

/* Bits of the registers, from Intel's Software Developer's Manual, volume 2,
 * CPUID, and volume 1, 13.1 (XCR0). */
enum {
    ECX1_FMA = 1 << 12,
    ECX1_OSXSAVE = 1 << 27,
    ECX1_AVX = 1 << 28,
    ECX1_F16C = 1 << 29,
    EBX7_AVX2 = 1 << 5,
    EBX7_AVX512F = 1 << 16,
    EBX7_AVX512DQ = 1 << 17,
    EBX7_AVX512BW = 1 << 30,
    ECX7_AVX512_VNNI = 1 << 11,
    EDX7_AMX_BF16 = 1 << 22,
    EDX7_AMX_TILE = 1 << 24,
    EAX71_AVX512_BF16 = 1 << 5,
    XCR0_YMM = 0x6,      /* SSE and AVX state */
    XCR0_ZMM = 0xe6,     /* and opmasks, both parts of zmm */
    XCR0_TILES = 0x60000 /* XTILECFG and XTILEDATA */
};
#define EBX7_AVX512VL 0x80000000u /* no int */

static bool has(uint64_t value, uint64_t bits)
{
    return (value & bits) == bits;
}

enum cpu_tier cpu_tier_of(const struct cpu_leaves *l)
{
    if (!has(l->leaf1_ecx, ECX1_FMA | ECX1_OSXSAVE | ECX1_AVX | ECX1_F16C) ||
        !has(l->leaf7_ebx, EBX7_AVX2) || !has(l->xcr0, XCR0_YMM))
        return CPU_PORTABLE;
    if (!has(l->leaf7_ebx,
             EBX7_AVX512F | EBX7_AVX512DQ | EBX7_AVX512BW | EBX7_AVX512VL) ||
        !has(l->xcr0, XCR0_ZMM))
        return CPU_AVX2;
    if (!has(l->leaf7_ecx, ECX7_AVX512_VNNI))
        return CPU_AVX512;
    if (!has(l->leaf7_1_eax, EAX71_AVX512_BF16))
        return CPU_AVX512VNNI;
    if (!has(l->leaf7_edx, EDX7_AMX_BF16 | EDX7_AMX_TILE) ||
        !has(l->xcr0, XCR0_TILES))
        return CPU_AVX512BF16;
    return CPU_AMX;
}

static size_t cache_size(int name, size_t fallback)
{
    long size = sysconf(name);
    return size > 0 ? (size_t)size : fallback;
}

struct cpu_caches cpu_caches(void)
{
    return (struct cpu_caches){
        .l1 = cache_size(_SC_LEVEL1_DCACHE_SIZE, (size_t)32 << 10),
        .l2 = cache_size(_SC_LEVEL2_CACHE_SIZE, (size_t)256 << 10),
    };
}
