/* SPDX-License-Identifier: MIT
 *
 * The parts of the viewer that read what strangers send: names of hosts,
 * targets, places, encodings; and those that pages of lists are made with.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "viewer/gzip.h"
#include "viewer/host.h"
#include "viewer/place.h"
#include "viewer/ranked.h"
#include "viewer/target.h"
#include "viewer/tops.h"

/* A prefix, a suffix or a port must not make a stranger's name ours. */
static void test_host(void **state)
{
    (void)state;
    static const char *const ours[] = {
        "localhost",  "LocalHost:1", "127.0.0.1:65535", "[::1]",
        "[::1]:8765", "a.example",   "B.example:2",     "localhost:8765"};
    static const char *const others[] = {"",
                                         ":",
                                         ":8765",
                                         "localhost.",
                                         "local",
                                         "localhostx",
                                         "[::1",
                                         "[::1]x",
                                         "[::1]8765",
                                         "]",
                                         "[",
                                         "localhost:8765:1",
                                         "::1",
                                         "a.exampl",
                                         "a.example.b",
                                         "127.0.0.1,a.example",
                                         "a.example,b.example"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        assert_true(host_is_ours(ours[i], "a.example,b.example"));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(host_is_ours(others[i], "a.example,b.example"));
    assert_false(host_is_ours("a.example", NULL));
    assert_false(host_is_ours("", ""));
}

static void refuse(const char *raw)
{
    struct target t;
    struct err e = {0};
    assert_int_equal(target_parse(&t, raw, &e), ERR_INPUT);
    assert_true(e.msg[0] != '\0');
}

static void test_target(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    assert_int_equal(
        target_parse(&t, "/a+b%2Fc?q=%20x+%c3%a9&n=-5&r=2.5e-3&empty=&", &e),
        0);
    assert_string_equal(t.path, "/a+b/c");
    assert_string_equal(target_text(&t, "q"), " x \xc3\xa9");
    assert_string_equal(target_text(&t, "empty"), "");
    assert_null(target_text(&t, "none"));
    int64_t n;
    double r;
    assert_int_equal(target_int(&n, &t, "n", -5, 5, 0, &e), 0);
    assert_int_equal(n, -5);
    assert_int_equal(target_finish(&t, &e), ERR_INPUT); /* r is left */
    assert_int_equal(target_real(&r, &t, "r", 0, 1, 0, &e), 0);
    assert_true(r == 2.5e-3);
    assert_int_equal(target_finish(&t, &e), 0);
    assert_int_equal(target_int(&n, &t, "n", 0, 5, 0, &e), ERR_INPUT);
    assert_int_equal(target_int(&n, &t, "empty", 0, 5, 0, &e), ERR_INPUT);
    assert_int_equal(target_real(&r, &t, "q", 0, 5, 0, &e), ERR_INPUT);
    target_free(&t);

    static const char *const wrong[] = {
        "",        "*",          "http://x/", "/%",       "/%4",
        "/%4x",    "/%00",       "/%ff",      "/?%00=1",  "/?a",
        "/?a=%00", "/?a=%c0%80", "/?a=%",     "/?a=1&a=2"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        refuse(wrong[i]);
}

static void test_choice(void **state)
{
    (void)state;
    struct target t;
    struct err e = {0};
    int choice;
    assert_int_equal(target_parse(&t, "/?a=two&b=tw&c=one|two&d=", &e), 0);
    assert_int_equal(target_choice(&choice, &t, "a", "one|two", 0, &e), 0);
    assert_int_equal(choice, 1);
    assert_int_equal(target_choice(&choice, &t, "x", "one|two", 7, &e), 0);
    assert_int_equal(choice, 7);
    for (const char *name = "bcd"; *name != '\0'; name++)
        assert_int_equal(
            target_choice(&choice, &t, (char[]){*name, '\0'}, "one|two", 0, &e),
            ERR_INPUT);
    target_free(&t);
}

static void test_place(void **state)
{
    (void)state;
    struct place p = place_parse(" attn_l12_3 ");
    assert_int_equal(p.kind, PLACE_HEAD);
    assert_int_equal(p.layer, 12);
    assert_int_equal(p.number, 3);
    p = place_parse("c812 \xC2\xB7 44 ");
    assert_int_equal(p.kind, PLACE_CONTEXT);
    assert_int_equal(p.layer, 812);
    assert_int_equal(p.number, 44);
    assert_int_equal(place_parse("C7").number, -1);
    p = place_parse("L0f999999999");
    assert_int_equal(p.kind, PLACE_FEATURE);
    assert_int_equal(p.number, 999999999);
    static const char *const sources[] = {
        "5-att-kk/1234", " gpt2-small@5-att-kk:1234 ", "5-res_scl-ajt/1234",
        "attn_ae_L5_1234"};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        p = place_parse(sources[i]);
        assert_int_equal(p.kind, PLACE_FEATURE);
        assert_int_equal(p.layer, 5);
        assert_int_equal(p.number, 1234);
    }
    static const char *const none[] = {
        "5-att-kk", "5-att-kk/", "5-att kk/1", "att-kk/1", "5-att-kk/1x",
        "@/1",      "",          "L",          "2",        "2.",
        ".2",       "2..3",      "-2.3",       "L2H",      "2:1:",
        "L2 H3x",   "2.1e5"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(place_parse(none[i]).kind, PLACE_NONE);
    assert_int_equal(place_parse("2:1234567890").kind, PLACE_NONE);
}

static void test_accepted(void **state)
{
    (void)state;
    static const char *const yes[] = {"gzip",   " gzip ",        "br,gzip;q=1",
                                      "*;q=.1", "gzip ; q=0.01", "GZip"};
    static const char *const no[] = {
        "",      "br",   "gzip;q=0", "gzip; q=0.000", "xgzip", "gzip;q=0, *",
        "*;q=0", ",,;,", "x-gzip",   "identity"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(gzip_is_accepted(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(gzip_is_accepted(no[i]));
    assert_false(gzip_is_accepted(NULL));
}

/* What does not shrink is left as it is, and nothing is written beyond it. */
static void test_compress(void **state)
{
    (void)state;
    unsigned char noise[4096];
    size_t size;
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
    assert_null(gzip_compress(&size, noise, sizeof noise));
    assert_null(gzip_compress(&size, "short", 5));
    memset(noise, 'a', sizeof noise);
    unsigned char *small = gzip_compress(&size, noise, sizeof noise);
    assert_non_null(small);
    assert_true(size < 100 && small[0] == 0x1f && small[1] == 0x8b);
    free(small);
}

/* A page must be what a sort of all would have there: many equal keys, none,
 * unknown ones; from either end. */
static void test_ranked(void **state)
{
    (void)state;
    enum { N = 500 };
    static struct ranked all[N], page[N];
    for (uint32_t kinds = 1; kinds <= N; kinds = 3 * kinds + 1) {
        for (int falling = 0; falling < 2; falling++) {
            for (uint32_t i = 0; i < N; i++) {
                uint32_t key = i * 2654435761U % kinds;
                all[i] = (struct ranked){key % 7 == 6 ? NAN : key, i};
            }
            memcpy(page, all, sizeof all);
            ranked_sort(all, N, 0, N, falling);
            for (size_t i = 1; i < N; i++)
                assert_true(ranked_before(&all[i - 1], &all[i], falling));
            for (size_t from = 0; from <= N; from += 50) {
                size_t to = from + 37 < N ? from + 37 : N;
                ranked_sort(page, N, from, to, falling);
                for (size_t i = from; i < to; i++)
                    assert_int_equal(page[i].place, all[i].place);
            }
        }
    }
}

/* One that has another's place must not be taken for it. */
static void test_tops(void **state)
{
    (void)state;
    struct tops *tops;
    struct err e = {0};
    assert_int_equal(tops_new(&tops, &e), 0);
    const struct tops_of kept = {
        .sae = 3, .feature = 7, .head = -1, .vocabs = {5, 0, 9}, .n = 3};
    tops_keep(tops, &kept);
    struct tops_of same = {.sae = 3, .feature = 7, .head = -1};
    assert_true(tops_find(&same, tops));
    assert_int_equal(same.n, 3);
    assert_memory_equal(same.vocabs, kept.vocabs, 3 * sizeof *kept.vocabs);
    for (int64_t round = 1; round < 9; round++) {
        struct tops_of other = {
            .sae = 3, .feature = 7 + (round << 17), .head = -1};
        assert_false(tops_find(&other, tops));
    }
    const struct tops_of others[] = {{.sae = 3, .feature = 7, .head = 0},
                                     {.sae = 4, .feature = 7, .head = -1},
                                     {.sae = -3, .feature = -7, .head = -1}};
    for (size_t i = 0; i < 3; i++) {
        struct tops_of other = others[i];
        assert_false(tops_find(&other, tops));
    }
    /* What 32 bits do not hold is not kept. */
    struct tops_of large = {
        .sae = 1, .feature = 2, .vocabs = {INT64_C(1) << 32}, .n = 1};
    tops_keep(tops, &large);
    assert_false(tops_find(&large, tops));
    tops_free(&tops);
    tops_free(&tops);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),     cmocka_unit_test(test_target),
        cmocka_unit_test(test_choice),   cmocka_unit_test(test_place),
        cmocka_unit_test(test_accepted), cmocka_unit_test(test_compress),
        cmocka_unit_test(test_ranked),   cmocka_unit_test(test_tops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
