/* SPDX-License-Identifier: MIT
 *
 * Catches: text cut at the wrong places, tokens lost or doubled between
 * documents and contexts or where documents are packed, documents that land in
 * another group, files of a folder missed or out of order, and JSON Lines whose
 * mistakes are not found, or not with their place.
 */
#include "scratch.h"

#include <sys/stat.h>

#include "base/log.h"
#include "capture/texts.h"

#define MODEL SOURCE_DIR "/examples/tiny-gpt2"
#define CORPUS MODEL "/corpus.txt"
#define EOT "<|endoftext|>"

enum { EOS = 2047 };

static struct tokenizer *tokenizer;

static int begin(void **state)
{
    struct err e = {0};
    log_set_level(LOG_RESULT); /* no bars among the results */
    return tokenizer_open(&tokenizer, MODEL, &e) != 0 || scratch_begin(state);
}

static int end(void **state)
{
    tokenizer_close(&tokenizer);
    return scratch_end(state);
}

static struct texts read_texts(const char *list, const struct texts_options *o)
{
    struct texts x;
    struct err e = {0};
    if (texts_read(&x, tokenizer, list, o, &e) != 0)
        fail_msg("%s: %s", list, e.msg);
    return x;
}

static struct texts_options options(struct contexts_options cut)
{
    return (struct texts_options){.cut = cut, .fields = {.text = "text"}};
}

static void assert_refused_with(const char *list, const struct texts_options *o,
                                const char *words)
{
    struct texts x;
    struct err e = {0};
    assert_refused(texts_read(&x, tokenizer, list, o, &e), &e, words);
}

/* What the contexts say, a '|' before each and its group's number after it
 * where there are groups, with "@" for <|endoftext|>. */
static void assert_contexts(const char *list, const struct texts_options *o,
                            const char *expected)
{
    struct texts x = read_texts(list, o);
    const struct vocab *v = tokenizer_vocab(tokenizer);
    const struct contexts *c = &x.contexts;
    char got[1024];
    size_t n = 0;
    assert_int_equal(c->starts[c->n], c->tokens);
    for (size_t k = 0; k < c->n; k++) {
        got[n++] = '|';
        for (int64_t i = c->starts[k]; i < c->starts[k + 1]; i++) {
            int32_t id = c->ids[i];
            assert_true(n + 64 < sizeof got);
            n += (size_t)snprintf(got + n, sizeof got - n, "%.*s",
                                  id == EOS ? 1 : (int)v->length[id],
                                  id == EOS ? "@" : v->text[id]);
        }
        if (x.n > 0)
            n += (size_t)snprintf(got + n, sizeof got - n, ":%d", c->group[k]);
    }
    got[n] = '\0';
    assert_string_equal(got, expected);
    texts_free(&x);
}

static void assert_cut(const char *text, struct contexts_options cut,
                       const char *expected)
{
    const struct texts_options o = options(cut);
    write_text("cut.txt", text);
    assert_contexts("cut.txt", &o, expected);
}

/* ---- documents ---- */

/* Every character here is a token of its own. */
static void documents_become_contexts(void **state)
{
    (void)state;
    const struct contexts_options with = {.length = 4, .bos = true};
    const struct contexts_options without = {.length = 4};
    assert_cut("!", with, "|@!");
    assert_cut("a\nb" EOT "c", with, "|@a\nb|@c");
    assert_cut("a\nb" EOT "c", without, "|a\nb|c");
    /* empty ones, at the ends and between */
    assert_cut(EOT EOT "a" EOT EOT "b" EOT, with, "|@a|@b");
    /* exactly full, and one more */
    assert_cut("a\nb", with, "|@a\nb");
    assert_cut("a\nb\n", with, "|@a\nb|@\n");
    assert_cut("a\nb\n", without, "|a\nb\n");
    assert_cut("a\nb\nc\n", without, "|a\nb\n|c\n");
}

static void a_number_of_tokens_ends_at_a_context(void **state)
{
    (void)state;
    for (uint64_t tokens = 1; tokens <= 13; tokens++) {
        const struct contexts_options o = {
            .length = 4, .bos = true, .tokens = tokens};
        assert_cut("a\nb" EOT "c\nd" EOT "e\nf", o,
                   tokens <= 4   ? "|@a\nb"
                   : tokens <= 8 ? "|@a\nb|@c\nd"
                                 : "|@a\nb|@c\nd|@e\nf");
    }
}

static void every_token_of_the_corpus_is_in_one_context(void **state)
{
    (void)state;
    const struct texts_options o =
        options((struct contexts_options){.length = 256, .bos = true});
    struct texts x = read_texts(CORPUS, &o);
    const struct contexts *c = &x.contexts;
    /* Each document brings its own <|endoftext|>; one is a token longer than
     * a context. */
    assert_int_equal(c->n, 1958);
    assert_int_equal(c->tokens, 334532 + 1);
    for (size_t k = 0; k < c->n; k++) {
        assert_int_equal(c->ids[c->starts[k]], EOS);
        assert_in_range(c->starts[k + 1] - c->starts[k], 2, 256);
    }
    texts_free(&x);
}

/* ---- packing ---- */

static void packed_documents_fill_contexts(void **state)
{
    (void)state;
    const struct contexts_options with = {
        .length = 4, .bos = true, .pack = true};
    const struct contexts_options without = {.length = 4, .pack = true};
    assert_cut("a", with, "|@a");
    assert_cut("a" EOT "b", with, "|@a@b");
    assert_cut("a" EOT "b" EOT "c" EOT "d", without, "|a@b@|c@d");
    /* a border that falls on a full context: one token, not two */
    assert_cut("a\nb" EOT "c", with, "|@a\nb|@c");
    assert_cut("a\nb\n" EOT "c", without, "|a\nb\n|@c");
    /* documents longer than a context go on in the next */
    assert_cut("a" EOT "b\nc\nd" EOT "e", with, "|@a@b|@\nc\n|@d@e");
    /* empty documents leave nothing */
    assert_cut(EOT EOT "a" EOT EOT EOT "b" EOT, with, "|@a@b");
}

static void packing_keeps_every_token_of_the_corpus(void **state)
{
    (void)state;
    const struct texts_options o =
        options((struct contexts_options){.length = 256, .pack = true});
    struct texts x = read_texts(CORPUS, &o);
    const struct contexts *c = &x.contexts;
    /* The corpus begins with the token that stands between documents. */
    assert_int_equal(c->tokens, 334532 - 1);
    assert_int_equal(c->n, (c->tokens + 255) / 256);
    for (size_t k = 0; k + 1 < c->n; k++)
        assert_int_equal(c->starts[k + 1] - c->starts[k], 256);
    texts_free(&x);
}

/* As many tokens as are asked for, whole contexts. */
static void packing_stops_where_it_is_told(void **state)
{
    (void)state;
    for (uint64_t tokens = 1; tokens <= 9; tokens++) {
        const struct contexts_options o = {
            .length = 4, .bos = true, .tokens = tokens, .pack = true};
        assert_cut("a" EOT "b" EOT "c\nd" EOT "e", o,
                   tokens <= 4   ? "|@a@b"
                   : tokens <= 8 ? "|@a@b|@c\nd"
                                 : "|@a@b|@c\nd|@e");
    }
}

/* ---- several files ---- */

/* Two texts: the last document of one does not go on in the other, packed or
 * not, and each gives as many tokens. */
static void texts_follow_one_another(void **state)
{
    (void)state;
    struct texts_options all =
        options((struct contexts_options){.length = 4, .bos = true});
    struct texts_options few = all;
    few.cut.tokens = 3;
    write_text("one", "a\nb" EOT "c");
    write_text("two,three", "d");
    assert_contexts("one", &all, "|@a\nb|@c");
    assert_contexts("two,three", &all, "|@d");
    assert_int_equal(rename("two,three", "two"), 0);
    assert_contexts("two,one", &all, "|@d:0|@a\nb:1|@c:1");
    assert_contexts("one,two", &few, "|@a\nb:0|@d:1");
    all.cut.pack = true;
    all.cut.length = 6;
    assert_contexts("one,two", &all, "|@a\nb@c:0|@d:1");
}

static void a_folder_is_its_texts_by_name(void **state)
{
    (void)state;
    const struct texts_options o =
        options((struct contexts_options){.length = 4, .bos = true});
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(mkdir("folder/more.txt", 0777), 0);
    write_text("folder/b.txt", "b");
    write_text("folder/C.txt", "c");
    write_text("folder/a.jsonl", "{\"text\": \"a\"}\n");
    write_text("folder/.hidden.txt", "h");
    write_text("folder/other.md", "o");
    assert_contexts("folder", &o, "|@c:0|@a:1|@b:2");
    write_text("one", "z");
    assert_contexts("one,folder/", &o, "|@z:0|@c:1|@a:2|@b:3");
    struct texts x = read_texts("folder", &o);
    assert_string_equal(x.names[0], "C.txt");
    assert_string_equal(x.names[1], "a.jsonl");
    texts_free(&x);
    assert_refused_with("folder/more.txt", &o,
                        "no .txt and no .jsonl file in this folder");
}

static void texts_that_cannot_be_told_apart_are_refused(void **state)
{
    (void)state;
    const struct texts_options o =
        options((struct contexts_options){.length = 4, .bos = true});
    write_text("one", "a");
    assert_refused_with("one,./one", &o, "two files are called one");
    assert_refused_with("one,gone", &o, "gone");
    write_text("none", "");
    assert_refused_with("one,none", &o, "none: no text in it");
}

/* ---- JSON Lines ---- */

static void lines_are_documents(void **state)
{
    (void)state;
    struct texts_options o =
        options((struct contexts_options){.length = 5, .bos = true});
    write_text("rows.jsonl", "{\"text\": \"a\", \"by\": \"x\"}\n\n  \r\n"
                             "{\"by\": \"y\", \"text\": \"b\\nc\" }\r\n"
                             "{\"text\": \"\", \"by\": null}\n"
                             "{\"text\": \"d" EOT "e\", \"by\": null}\n"
                             "{\"by\": \"x\", \"text\": \"f\"}");
    assert_contexts("rows.jsonl", &o, "|@a|@b\nc|@d|@e|@f");
    o.fields.text = "by";
    assert_refused_with("rows.jsonl", &o,
                        "rows.jsonl: line 5: 'by' must be a string");
    o.fields.text = "text";
    o.fields.group = "by";
    assert_contexts("rows.jsonl", &o, "|@a:0|@b\nc:1|@d:-1|@e:-1|@f:0");
    /* packed, only documents of a group share a context */
    o.cut.pack = true;
    assert_contexts("rows.jsonl", &o, "|@d@e:-1|@a@f:0|@b\nc:1");
    o.cut.tokens = 5;
    assert_contexts("rows.jsonl", &o, "|@a:0|@b\nc:1");
}

static void values_of_any_plain_kind_name_groups(void **state)
{
    (void)state;
    struct texts_options o =
        options((struct contexts_options){.length = 4, .bos = true});
    o.fields.group = "label";
    write_text("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n"
                          "{\"text\": \"b\", \"label\": true}\n"
                          "{\"text\": \"c\", \"label\": 0.5}\n");
    write_text("b.jsonl", "{\"text\": \"d\", \"label\": \"1\"}\n");
    struct texts x = read_texts("a.jsonl,b.jsonl", &o);
    assert_int_equal(x.n, 3);
    assert_string_equal(x.names[0], "1");
    assert_string_equal(x.names[1], "true");
    assert_string_equal(x.names[2], "0.5");
    assert_int_equal(x.contexts.group[3], 0);
    texts_free(&x);
}

/* NUL and what JSON escapes are text like any other. */
static void escapes_are_text(void **state)
{
    (void)state;
    const struct texts_options o =
        options((struct contexts_options){.length = 20, .bos = true});
    write_text("nul.jsonl", "{\"text\": \"a\\u0000\\u00e9\\ud83d\\ude00\"}\n");
    struct texts x = read_texts("nul.jsonl", &o);
    const struct vocab *v = tokenizer_vocab(tokenizer);
    char got[64];
    size_t n = 0;
    for (size_t i = 1; i < x.contexts.tokens; i++) {
        int32_t id = x.contexts.ids[i];
        memcpy(got + n, v->text[id], v->length[id]);
        n += v->length[id];
    }
    static const char expected[] = "a\0\xc3\xa9\xf0\x9f\x98\x80";
    assert_int_equal(n, sizeof expected - 1);
    assert_memory_equal(got, expected, n);
    texts_free(&x);
}

static void bad_lines_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *line, *words;
    } cases[] = {
        {"{\"text\": \"a\"", "bad.jsonl: line 3: no valid JSON"},
        {"{\"text\": \"a\"} x", "bad.jsonl: line 3: no valid JSON"},
        {"{\"text\": \"a\", \"text\": \"b\"}", "line 3: no valid JSON: dup"},
        {"{\"text\": \"\\ud800\"}", "bad.jsonl: line 3: no valid JSON"},
        {"[\"a\"]", "line 3: must be a JSON object"},
        {"\"a\"", "line 3: must be a JSON object"},
        {"7", "line 3: must be a JSON object"},
        {"{}", "bad.jsonl: line 3: 'text' is missing"},
        {"{\"text\": 7, \"by\": \"x\"}", "line 3: 'text' must be a string"},
        {"{\"text\": null, \"by\": \"x\"}", "line 3: 'text' must be a string"},
        {"{\"text\": \"a\"}", "bad.jsonl: line 3: 'by' is missing"},
        {"{\"text\": \"a\", \"by\": [1]}", "line 3: 'by' must be a name"},
        {"{\"text\": \"a\", \"by\": \"\"}", "line 3: 'by' must be a name"},
        {"{\"text\": \"a\", \"by\": \"x\\u0000\"}", "'by' must be a name"},
        {"{\"text\": \"a\xff\"}",
         "bad.jsonl: line 3: byte 11 of the line is not UTF-8: 0xFF"},
    };
    struct texts_options o =
        options((struct contexts_options){.length = 4, .bos = true});
    o.fields.group = "by";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "{\"text\": \"a\", \"by\": \"x\"}\n\n%s\n",
                       cases[i].line);
        write_text("bad.jsonl", text);
        assert_refused_with("bad.jsonl", &o, cases[i].words);
    }
    write_text("plain.txt", "a");
    assert_refused_with("bad.jsonl,plain.txt", &o,
                        "--group-field by: plain.txt has no fields");
}

static void more_groups_than_a_dump_can_have_are_refused(void **state)
{
    (void)state;
    struct texts_options o =
        options((struct contexts_options){.length = 4, .bos = true});
    o.fields.group = "n";
    FILE *f = fopen("many.jsonl", "w");
    assert_non_null(f);
    for (int i = 0; i < 1025; i++)
        (void)fprintf(f, "{\"text\": \"a\", \"n\": %d}\n", i);
    assert_int_equal(fclose(f), 0);
    assert_refused_with("many.jsonl", &o,
                        "many.jsonl: line 1025: more than 1024 groups");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_become_contexts),
        cmocka_unit_test(a_number_of_tokens_ends_at_a_context),
        cmocka_unit_test(every_token_of_the_corpus_is_in_one_context),
        cmocka_unit_test(packed_documents_fill_contexts),
        cmocka_unit_test(packing_keeps_every_token_of_the_corpus),
        cmocka_unit_test(packing_stops_where_it_is_told),
        cmocka_unit_test(texts_follow_one_another),
        cmocka_unit_test(a_folder_is_its_texts_by_name),
        cmocka_unit_test(texts_that_cannot_be_told_apart_are_refused),
        cmocka_unit_test(lines_are_documents),
        cmocka_unit_test(values_of_any_plain_kind_name_groups),
        cmocka_unit_test(escapes_are_text),
        cmocka_unit_test(bad_lines_are_refused_with_their_place),
        cmocka_unit_test(more_groups_than_a_dump_can_have_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
