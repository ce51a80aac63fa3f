/* SPDX-License-Identifier: MIT
 *
 * Catches: ids that differ from Hugging Face's (golden texts, the whole example
 * corpus), bytes lost between text and ids, merging that is quadratic or
 * overflows on hostile text, and folders that are read although their ids would
 * come out wrong.
 */
#include "scratch.h"

#include <xxhash.h>

#include "base/map.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "capture/tokenizer.h"

/* Of the ids as int32, as Hugging Face gives them. */
#define CORPUS_XXH3 UINT64_C(0x2AD365D9E4A4C3C8)
enum { CORPUS_TOKENS = 334532 };

#define MODEL SOURCE_DIR "/examples/tiny-gpt2"

static struct tokenizer *open_example(void)
{
    struct tokenizer *t;
    struct err e = {0};
    if (tokenizer_open(&t, MODEL, &e) != 0)
        fail_msg("%s", e.msg);
    return t;
}

static struct token_list encode(const struct tokenizer *t, const char *text,
                                size_t size)
{
    struct token_list l = {0};
    struct err e = {0};
    if (tokenizer_encode(t, &l, text, size, "text", &e) != 0)
        fail_msg("%s", e.msg);
    return l;
}

/* ---- the right ids ---- */

static void golden_texts_have_the_ids_of_hugging_face(void **state)
{
    (void)state;
    struct tokenizer *t = open_example();
    struct err e = {0};
    json_t *rows, *row;
    size_t i;
    assert_int_equal(
        json_read(&rows, SOURCE_DIR "/tests/golden/tokenizer.json", &e), 0);
    assert_true(json_array_size(rows) > 400);
    json_array_foreach(rows, i, row)
    {
        const json_t *text = json_object_get(row, "text");
        const json_t *ids = json_object_get(row, "ids");
        struct token_list l =
            encode(t, json_string_value(text), json_string_length(text));
        if (l.n != json_array_size(ids))
            fail_msg("'%s': %zu ids instead of %zu", json_string_value(text),
                     l.n, json_array_size(ids));
        for (size_t k = 0; k < l.n; k++)
            if (l.ids[k] != json_integer_value(json_array_get(ids, k)))
                fail_msg("'%s': id %zu is %d", json_string_value(text), k,
                         l.ids[k]);
        token_list_free(&l);
    }
    json_decref(rows);
    tokenizer_close(&t);
}

static void the_corpus_has_the_ids_of_hugging_face(void **state)
{
    (void)state;
    struct tokenizer *t = open_example();
    struct map m;
    struct err e = {0};
    assert_int_equal(map_open(&m, MODEL "/corpus.txt", &e), 0);
    struct token_list l = encode(t, (const char *)m.data, m.size);
    assert_int_equal(l.n, CORPUS_TOKENS);
    assert_int_equal(XXH3_64bits(l.ids, l.n * sizeof *l.ids), CORPUS_XXH3);
    token_list_free(&l);
    map_close(&m);
    tokenizer_close(&t);
}

/* Random characters of one to four bytes; no surrogates, which are none. */
static size_t random_text(char *text, size_t size, struct rng *r)
{
    static const struct {
        uint32_t first, n;
    } ranges[] = {
        {0, 0x80}, {0x80, 0x180}, {0x800, 0xd000}, {0x10000, 1 << 20}};
    size_t n = 0;
    while (n + 4 <= size) {
        size_t k = (size_t)rng_below(r, 4);
        n += utf8_encode(text + n,
                         ranges[k].first + (uint32_t)rng_below(r, ranges[k].n));
    }
    return n;
}

static void decoding_gives_the_text_back(void **state)
{
    (void)state;
    struct tokenizer *t = open_example();
    const struct vocab *v = tokenizer_vocab(t);
    struct rng r = rng_at(1, RNG_TEST, 0);
    for (int round = 0; round < 200; round++) {
        char text[500], back[500];
        size_t n = random_text(text, sizeof text, &r), at = 0;
        struct token_list l = encode(t, text, n);
        for (size_t i = 0; i < l.n; i++) {
            assert_true(at + v->length[l.ids[i]] <= n);
            memcpy(back + at, v->text[l.ids[i]], v->length[l.ids[i]]);
            at += v->length[l.ids[i]];
        }
        assert_int_equal(at, n);
        assert_memory_equal(back, text, n);
        token_list_free(&l);
    }
    tokenizer_close(&t);
}

static void steps_give_the_same_ids_as_the_whole(void **state)
{
    (void)state;
    static const char text[] =
        "It's  \n <|endoftext|><|endoftext|> a 1732\n\n<|endoftext|>";
    struct tokenizer *t = open_example();
    struct token_list whole = encode(t, text, strlen(text)), steps = {0};
    struct encoding *g;
    struct err e = {0};
    assert_int_equal(encoding_open(&g, t, text, strlen(text), "text", &e), 0);
    while (encoding_position(g) < strlen(text)) {
        size_t before = steps.n;
        assert_int_equal(encoding_next(g, &steps, 1, &e), 0);
        assert_true(steps.n > before);
    }
    encoding_close(&g);
    assert_int_equal(steps.n, whole.n);
    assert_memory_equal(steps.ids, whole.ids, whole.n * sizeof *whole.ids);
    token_list_free(&steps);
    token_list_free(&whole);
    tokenizer_close(&t);
}

/* Quadratic merging of these would take hours; recursion would overflow. */
static void hostile_runs_take_linear_time(void **state)
{
    (void)state;
    static const char *const runs[] = {"a", " ",   "\n ",      "9",
                                       "'", "the", "\xc3\xa9", "<|endoftext|"};
    enum { SIZE = 1 << 20 };
    struct tokenizer *t = open_example();
    char *text = malloc(SIZE + 16);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        size_t n = 0;
        for (; n < SIZE; n += strlen(runs[i]))
            memcpy(text + n, runs[i], strlen(runs[i]));
        struct token_list l = encode(t, text, n);
        assert_true(l.n > 0 && l.n <= n);
        token_list_free(&l);
    }
    free(text);
    tokenizer_close(&t);
}

/* ---- refusals ---- */

static void text_that_is_no_utf8_is_refused_with_its_place(void **state)
{
    (void)state;
    struct tokenizer *t = open_example();
    struct token_list l = {0};
    struct err e = {0};
    int code = tokenizer_encode(t, &l, "one\ntwo \xff", 9, "a.txt", &e);
    assert_refused(code, &e, "a.txt: byte 8 (line 2) is not UTF-8: 0xFF");
    assert_int_equal(l.n, 0);
    tokenizer_close(&t);
}

/* A folder with the example's files, which a test then spoils. */
static void copy_file(const char *name)
{
    char path[512];
    struct map m;
    struct err e = {0};
    (void)snprintf(path, sizeof path, MODEL "/%s", name);
    assert_int_equal(map_open(&m, path, &e), 0);
    write_bytes(name, m.data, m.size);
    map_close(&m);
}

static void copy_folder(void)
{
    copy_file("vocab.json");
    copy_file("merges.txt");
    copy_file("tokenizer_config.json");
}

static void assert_folder_refused(const char *words)
{
    struct tokenizer *t;
    struct err e = {0};
    assert_refused(tokenizer_open(&t, ".", &e), &e, words);
    assert_null(t);
}

static void spoiled_merges_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"#version: 0.2\nh e\nnonsense\n", "merges.txt: line 3: a merge is"},
        {"a b c\n", "line 1: a merge is two tokens and one space"},
        {"t h\nqq h\n", "line 2: 'qq' is not in vocab.json"},
        {"x z\n", "line 1: 'xz' is not in vocab.json"},
        {"h e\nh e\n", "line 2: repeats merge 1"},
        {" h\n", "a merge is"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy_folder();
        write_text("merges.txt", cases[i].text);
        assert_folder_refused(cases[i].words);
    }
    assert_int_equal(remove("merges.txt"), 0);
    assert_folder_refused("merges.txt");
}

static void spoil_vocab(const char *remove_key, const char *key, int id)
{
    json_t *root;
    struct err e = {0};
    assert_int_equal(json_read(&root, MODEL "/vocab.json", &e), 0);
    if (remove_key != NULL)
        assert_int_equal(json_object_del(root, remove_key), 0);
    if (key != NULL)
        assert_int_equal(json_object_set_new(root, key, json_integer(id)), 0);
    assert_int_equal(json_write("vocab.json", root, &e), 0);
    json_decref(root);
}

static void spoiled_vocabularies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *removed, *key;
        int id;
        const char *words;
    } cases[] = {
        {NULL, "new", 5, "vocab.json: "},            /* given twice */
        {NULL, "new", 4000, "vocab.json: "},         /* leaves a hole */
        {NULL, "new", -1, "vocab.json: "},           /* no id */
        {"a", "qqqq", 64, "no token for byte 0x61"}, /* cannot spell "a" */
        {"<|endoftext|>", "x x", 2047, "vocab.json"},
        {"<|endoftext|>", "qqqq", 2047, "'<|endoftext|>' is not in vocab"},
        {"he", "qqqq", 377, "'he' is not in vocab.json"}, /* a merge */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy_folder();
        spoil_vocab(cases[i].removed, cases[i].key, cases[i].id);
        assert_folder_refused(cases[i].words);
    }
    write_text("vocab.json", "[\"a\", \"b\"]");
    assert_folder_refused("vocab.json: must be an object");
}

static void other_tokenizers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config, *words;
    } cases[] = {
        {"{\"tokenizer_class\": \"LlamaTokenizer\"}", "LlamaTokenizer"},
        {"{\"add_prefix_space\": true}", "add_prefix_space"},
        {"{\"bos_token\": \"<s>\"}", "'<s>' is not in vocab.json"},
        {"{\"bos_token\": 7}", "a token must be a string"},
        {"{\"eos_token\": {\"content\": \"<|endoftext|>\", \"lstrip\": true}}",
         "'lstrip' is not supported"},
        {"{\"added_tokens_decoder\": {\"5\": {\"content\": \"a\"}}}",
         "added token 5 has id 64"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy_folder();
        write_text("tokenizer_config.json", cases[i].config);
        assert_folder_refused(cases[i].words);
    }
}

static void without_a_config_the_defaults_of_gpt2_hold(void **state)
{
    (void)state;
    struct tokenizer *t;
    struct err e = {0};
    copy_folder();
    assert_int_equal(remove("tokenizer_config.json"), 0);
    assert_int_equal(tokenizer_open(&t, ".", &e), 0);
    assert_int_equal(tokenizer_bos(t), 2047);
    assert_int_equal(tokenizer_eos(t), 2047);
    tokenizer_close(&t);
}

/* "st" and "ster" made special: they are cut out of words, and of two at one
 * place the longer wins. */
static void added_tokens_are_found_in_the_text(void **state)
{
    (void)state;
    static const char config[] =
        "{\"added_tokens_decoder\": {\"%d\": {\"content\": \"st\"},"
        " \"%d\": {\"content\": \"ster\"}}}";
    struct tokenizer *t;
    struct err e = {0};
    json_t *ids;
    char text[256];
    assert_int_equal(json_read(&ids, MODEL "/vocab.json", &e), 0);
    int st = (int)json_integer_value(json_object_get(ids, "st"));
    int ster = (int)json_integer_value(json_object_get(ids, "ster"));
    int e_alone = (int)json_integer_value(json_object_get(ids, "e"));
    json_decref(ids);
    copy_folder();
    (void)snprintf(text, sizeof text, config, st, ster);
    write_text("tokenizer_config.json", text);
    assert_int_equal(tokenizer_open(&t, ".", &e), 0);
    struct token_list l = encode(t, "sterste", 7);
    const int32_t expected[] = {ster, st, e_alone};
    assert_int_equal(l.n, 3);
    assert_memory_equal(l.ids, expected, sizeof expected);
    token_list_free(&l);
    tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_texts_have_the_ids_of_hugging_face),
        cmocka_unit_test(the_corpus_has_the_ids_of_hugging_face),
        cmocka_unit_test(decoding_gives_the_text_back),
        cmocka_unit_test(steps_give_the_same_ids_as_the_whole),
        cmocka_unit_test(hostile_runs_take_linear_time),
        cmocka_unit_test(text_that_is_no_utf8_is_refused_with_its_place),
        cmocka_unit_test(spoiled_merges_are_refused),
        cmocka_unit_test(spoiled_vocabularies_are_refused),
        cmocka_unit_test(other_tokenizers_are_refused),
        cmocka_unit_test(without_a_config_the_defaults_of_gpt2_hold),
        cmocka_unit_test(added_tokens_are_found_in_the_text),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
