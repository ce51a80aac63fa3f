/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "kernels/kernels.h"

/* Leaf 1 ecx, leaf 7 ebx, ecx and edx, leaf 7.1 eax, XCR0, with the features
 * that these processors are known to have under Linux; other bits are as they
 * may be. */
static const struct {
    const char *name;
    struct cpu_leaves leaves;
    enum cpu_tier tier;
} processors[] = {
    {"none of it", {0, 0, 0, 0, 0, 0}, CPU_PORTABLE},
    {"Nehalem", {0x009ce3bd, 0, 0, 0, 0, 0}, CPU_PORTABLE},
    {"Ivy Bridge: AVX, F16C",
     {0x7fbae3ff, 0x00000281, 0, 0, 0, 0x7},
     CPU_PORTABLE},
    {"Haswell", {0x7ffafbff, 0x000027ab, 0, 0, 0, 0x7}, CPU_AVX2},
    {"Zen 2", {0x7ed8320b, 0x219c91a9, 0x00400004, 0, 0, 0x7}, CPU_AVX2},
    {"Alder Lake",
     {0x7ffafbff, 0x239c27eb, 0x98c027ac, 0xfc1cc410, 0x10, 0x207},
     CPU_AVX2},
    {"Knights Landing: AVX-512 F alone",
     {0x7ff8f3bf, 0x1c0d23ab, 0, 0, 0, 0xe7},
     CPU_AVX2},
    {"Skylake server",
     {0x7ffefbff, 0xd39ffffb, 0x00000008, 0, 0, 0x2ff},
     CPU_AVX512},
    {"Cascade Lake",
     {0x7ffefbff, 0xd39ffffb, 0x00000808, 0xbc000400, 0, 0x2ff},
     CPU_AVX512VNNI},
    {"Ice Lake server",
     {0x7ffefbff, 0xf3bfb7eb, 0x00417f7e, 0xbc040412, 0, 0x2e7},
     CPU_AVX512VNNI},
    {"Cooper Lake",
     {0x7ffefbff, 0xd39ffffb, 0x00000808, 0xbc000400, 0x20, 0x2ff},
     CPU_AVX512BF16},
    {"Zen 4",
     {0x7ef8320b, 0xf1bf97a9, 0x00415fde, 0x10000010, 0x20, 0x2e7},
     CPU_AVX512BF16},
    {"Sapphire Rapids",
     {0x7ffefbff, 0xf3bfbffb, 0xfb417ffe, 0xffdd4432, 0x1c30, 0x602e7},
     CPU_AMX},
};

static void processors_have_the_tier_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof processors / sizeof *processors; i++)
        if (cpu_tier_of(&processors[i].leaves) != processors[i].tier)
            fail_msg("%s: %s", processors[i].name,
                     cpu_tier_name(cpu_tier_of(&processors[i].leaves)));
}

static struct cpu_leaves sapphire_rapids(void)
{
    return processors[sizeof processors / sizeof *processors - 1].leaves;
}

/* A bit that is not asked for is an illegal instruction on some computer. */
static void every_bit_counts(void **state)
{
    (void)state;
    static const struct {
        size_t leaf; /* offset */
        int bit;
        enum cpu_tier tier; /* without it */
    } bits[] = {
        {offsetof(struct cpu_leaves, leaf1_ecx), 12, CPU_PORTABLE}, /* FMA */
        {offsetof(struct cpu_leaves, leaf1_ecx), 27, CPU_PORTABLE}, /* XSAVE */
        {offsetof(struct cpu_leaves, leaf1_ecx), 28, CPU_PORTABLE}, /* AVX */
        {offsetof(struct cpu_leaves, leaf1_ecx), 29, CPU_PORTABLE}, /* F16C */
        {offsetof(struct cpu_leaves, leaf7_ebx), 5, CPU_PORTABLE},  /* AVX2 */
        {offsetof(struct cpu_leaves, leaf7_ebx), 16, CPU_AVX2},     /* F */
        {offsetof(struct cpu_leaves, leaf7_ebx), 17, CPU_AVX2},     /* DQ */
        {offsetof(struct cpu_leaves, leaf7_ebx), 30, CPU_AVX2},     /* BW */
        {offsetof(struct cpu_leaves, leaf7_ebx), 31, CPU_AVX2},     /* VL */
        {offsetof(struct cpu_leaves, leaf7_ecx), 11, CPU_AVX512},   /* VNNI */
        {offsetof(struct cpu_leaves, leaf7_1_eax), 5,
         CPU_AVX512VNNI}, /* BF16 */
        {offsetof(struct cpu_leaves, leaf7_edx), 22, CPU_AVX512BF16},
        {offsetof(struct cpu_leaves, leaf7_edx), 24, CPU_AVX512BF16},
    };
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        struct cpu_leaves l = sapphire_rapids();
        uint32_t value;
        memcpy(&value, (char *)&l + bits[i].leaf, sizeof value);
        value &= ~(UINT32_C(1) << bits[i].bit);
        memcpy((char *)&l + bits[i].leaf, &value, sizeof value);
        if (cpu_tier_of(&l) != bits[i].tier)
            fail_msg("without bit %d at %zu: %s", bits[i].bit, bits[i].leaf,
                     cpu_tier_name(cpu_tier_of(&l)));
    }
}

/* A system, or a virtual machine, that does not save the registers. */
static void every_register_state_counts(void **state)
{
    (void)state;
    static const struct {
        int bit;
        enum cpu_tier tier;
    } states[] = {
        {1, CPU_PORTABLE},    {2, CPU_PORTABLE},    /* xmm, ymm */
        {5, CPU_AVX2},        {6, CPU_AVX2},        /* opmasks, zmm 0-15 */
        {7, CPU_AVX2},                              /* zmm 16-31 */
        {17, CPU_AVX512BF16}, {18, CPU_AVX512BF16}, /* tiles */
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct cpu_leaves l = sapphire_rapids();
        l.xcr0 &= ~(UINT64_C(1) << states[i].bit);
        assert_int_equal(cpu_tier_of(&l), states[i].tier);
    }
    struct cpu_leaves l = sapphire_rapids();
    l.xcr0 = 0;
    assert_int_equal(cpu_tier_of(&l), CPU_PORTABLE);
}

/* A gap is not stepped over: AMX without AVX-512 is AVX2. */
static void a_tier_implies_those_before(void **state)
{
    (void)state;
    struct cpu_leaves l = sapphire_rapids();
    l.leaf7_ebx &= ~(UINT32_C(1) << 16);
    assert_int_equal(cpu_tier_of(&l), CPU_AVX2);
    l.leaf7_ebx = 0;
    assert_int_equal(cpu_tier_of(&l), CPU_PORTABLE);
}

static void names_and_tiers_match(void **state)
{
    (void)state;
    for (int t = 0; t < CPU_TIERS; t++) {
        enum cpu_tier tier = CPU_TIERS - 1 - t;
        assert_true(cpu_tier_parse(&tier, cpu_tier_name((enum cpu_tier)t)));
        assert_int_equal(tier, t);
    }
    enum cpu_tier tier = CPU_AVX2;
    assert_false(cpu_tier_parse(&tier, "avx"));
    assert_false(cpu_tier_parse(&tier, "AVX2"));
    assert_false(cpu_tier_parse(&tier, ""));
    assert_int_equal(tier, CPU_AVX2);
}

static void caches_have_sizes(void **state)
{
    (void)state;
    struct cpu_caches c = cpu_caches();
    assert_true(c.l1 > 0);
    assert_true(c.l2 > 0);
}

/* Every tier's table is whole: a row left empty is a crash in use. */
static void tables_are_whole(void **state)
{
    (void)state;
    for (int t = 0; t <= (int)cpu_best(NULL); t++) {
        const struct kernels k = kernels_of((enum cpu_tier)t);
        assert_int_equal(k.tier, t);
        assert_non_null(k.exact.run);
        assert_non_null(k.exact.peak);
        assert_non_null(k.above);
        assert_non_null(k.dot);
        assert_non_null(k.dot_double);
        assert_non_null(k.add_scaled);
        assert_non_null(k.subtract);
        assert_non_null(k.scale);
        assert_non_null(k.add_rows);
        assert_non_null(k.dot_rows);
        assert_non_null(k.dot_heads);
        assert_non_null(k.adam);
        assert_non_null(k.f16_to_f32);
        assert_non_null(k.bf16_to_f32);
        assert_non_null(k.f32_to_f16);
        assert_non_null(k.f32_to_bf16);
        assert_non_null(k.first_not_finite);
        assert_true(t < CPU_AVX512VNNI || k.coarse.run != NULL);
    }
}

static void a_tier_is_chosen_by_name(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(kernels_choose("sse9", &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "sse9"));
    assert_int_equal(kernels_choose("portable", &e), 0);
    assert_int_equal(kernels.tier, CPU_PORTABLE);
    enum cpu_tier best = cpu_best(NULL);
    if (best < CPU_AMX)
        assert_int_equal(kernels_choose("amx", &e), ERR_INPUT);
    assert_int_equal(kernels_choose(cpu_tier_name(best), &e), 0);
    assert_int_equal(kernels.tier, best);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processors_have_the_tier_they_should),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_register_state_counts),
        cmocka_unit_test(a_tier_implies_those_before),
        cmocka_unit_test(names_and_tiers_match),
        cmocka_unit_test(caches_have_sizes),
        cmocka_unit_test(tables_are_whole),
        cmocka_unit_test(a_tier_is_chosen_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
