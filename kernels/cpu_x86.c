/* SPDX-License-Identifier: MIT
 *
 * Asking an x86-64 processor. Other processors have cpu_other.c.
 */
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/kernels.h"

/* The system's mask of register states that it saves (XGETBV). */
static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static struct cpu_leaves read_leaves(void)
{
    struct cpu_leaves l = {0};
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return l;
    l.leaf1_ecx = c;
    if (c >> 27 & 1) /* OSXSAVE: XGETBV is there */
        l.xcr0 = read_xcr0();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return l;
    l.leaf7_ebx = b;
    l.leaf7_ecx = c;
    l.leaf7_edx = d;
    /* Leaf 7's eax is its last subleaf. */
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        l.leaf7_1_eax = a;
    return l;
}

/* Linux: Documentation/arch/x86/xstate.rst. The permission is the process's
 * and is inherited by its threads. */
static bool request_tiles(void)
{
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA) == 0;
}

enum cpu_tier cpu_best(bool *refused)
{
    const struct cpu_leaves l = read_leaves();
    enum cpu_tier tier = cpu_tier_of(&l);
    if (tier == CPU_AMX && !request_tiles()) {
        tier = CPU_AVX512BF16;
        if (refused != NULL)
            *refused = true;
    }
    return tier;
}

void kernels_overlay(struct kernels *k, enum cpu_tier tier)
{
    if (tier >= CPU_AVX2)
        kernels_avx2(k);
    if (tier >= CPU_AVX512)
        kernels_avx512(k);
    if (tier >= CPU_AVX512VNNI)
        kernels_avx512vnni(k);
    if (tier >= CPU_AVX512BF16)
        kernels_avx512bf16(k);
    if (tier >= CPU_AMX)
        kernels_amx(k);
}
