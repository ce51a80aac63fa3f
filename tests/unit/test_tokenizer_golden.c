/* SPDX-License-Identifier: MIT
 *
 * Catches: ids that differ from those of Hugging Face's GPT2Tokenizer on texts
 * made to be hard: scripts mixed, marks and joiners, control characters and
 * NUL, every white space, long runs, lone contraction endings, halves of
 * special tokens, code points that are new or not given out; and a code point,
 * any, that GPT-2's expression takes for another class than Hugging Face does.
 * Written by tests/golden/make_hostile_golden.py; TOKENIZER_GOLDEN and
 * TOKENIZER_MODEL name other texts and another folder.
 */
#include "scratch.h"

#include <zlib.h>

#include "base/utf8.h"
#include "capture/tokenizer.h"

#define GOLDEN SOURCE_DIR "/tests/golden"

enum { TEXTS = 5000, TEXT_MAX = 1 << 16 };

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value != NULL ? value : otherwise;
}

static struct tokenizer *open_folder(const char *folder)
{
    struct tokenizer *t;
    struct err e = {0};
    if (tokenizer_open(&t, folder, &e) != 0)
        fail_msg("%s", e.msg);
    return t;
}

/* ---- hostile texts ---- */

/* The next text of the file, or false at its end. */
static bool next(gzFile f, char *text, uint32_t *size, uint16_t *ids,
                 uint32_t *n)
{
    if (gzread(f, size, sizeof *size) != sizeof *size)
        return false;
    assert_true(*size <= TEXT_MAX);
    assert_int_equal(gzread(f, text, *size), *size);
    assert_int_equal(gzread(f, n, sizeof *n), sizeof *n);
    assert_true(*n <= TEXT_MAX);
    assert_int_equal(gzread(f, ids, *n * 2), *n * 2);
    return true;
}

static void hostile_texts_have_the_ids_of_hugging_face(void **state)
{
    (void)state;
    static char text[TEXT_MAX];
    static uint16_t ids[TEXT_MAX];
    uint32_t size, n;
    int texts = 0;
    struct token_list l = {0};
    struct err e = {0};
    struct tokenizer *t = open_folder(
        from_environment("TOKENIZER_MODEL", SOURCE_DIR "/examples/tiny-gpt2"));
    gzFile f =
        gzopen(from_environment("TOKENIZER_GOLDEN", GOLDEN "/hostile.gz"), "r");
    assert_non_null(f);
    for (; next(f, text, &size, ids, &n); texts++) {
        l.n = 0;
        if (tokenizer_encode(t, &l, text, size, "text", &e) != 0)
            fail_msg("text %d: %s", texts, e.msg);
        for (size_t i = 0; i < l.n && i < n; i++)
            if (l.ids[i] != ids[i])
                fail_msg("text %d '%.*s': id %zu is %d, not %d", texts,
                         (int)size, text, i, l.ids[i], ids[i]);
        if (l.n != n)
            fail_msg("text %d '%.*s': %zu ids, not %u", texts, (int)size, text,
                     l.n, n);
    }
    assert_int_equal(texts, TEXTS);
    (void)gzclose(f);
    token_list_free(&l);
    tokenizer_close(&t);
}

/* ---- classes of code points ---- */

/* vocab.json's spelling of a byte: itself where it can be seen, else one of the
 * code points from U+0100 on, in order (OpenAI's bytes_to_unicode). */
static size_t spell_byte(char out[4], int byte)
{
    static uint32_t points[256];
    if (points['!'] == 0)
        for (uint32_t b = 0, hidden = 0; b < 256; b++) {
            bool seen = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
            points[b] = seen ? b : 256 + hidden++;
        }
    return utf8_encode(out, points[byte]);
}

static const char classes[] = "LNP", before[] = "a1!";

/* A vocabulary of the bytes, and of 'a', '1' and '!' each with every byte that
 * begins a longer character: they are merged exactly where character and what
 * is before it are in one piece. */
static void write_probe(void)
{
    FILE *vocab = fopen("vocab.json", "w"), *merges = fopen("merges.txt", "w");
    assert_true(vocab != NULL && merges != NULL);
    int id = 0;
    char byte[5] = "";
    (void)fprintf(vocab, "{\"<|endoftext|>\": %d", id++);
    for (int b = 0; b < 256; b++) {
        byte[spell_byte(byte, b)] = '\0';
        (void)fprintf(vocab, ",\n\"%s%s\": %d",
                      b == '"' || b == '\\' ? "\\" : "", byte, id++);
    }
    for (int k = 0; k < 3; k++)
        for (int b = 0; b < 256; b++) {
            byte[spell_byte(byte, b)] = '\0';
            const char *escape = b == '"' || b == '\\' ? "\\" : "";
            (void)fprintf(vocab, ",\n\"%c%s%s\": %d", before[k], escape, byte,
                          id++);
            (void)fprintf(merges, "%c %s\n", before[k], byte);
        }
    (void)fprintf(vocab, "}\n");
    assert_int_equal(fclose(vocab), 0);
    assert_int_equal(fclose(merges), 0);
}

/* The class that a code point has for the tokenizer, S for none of the three.
 */
static char class_of(const struct tokenizer *t, uint32_t point)
{
    struct token_list l = {0};
    struct err e = {0};
    char text[5], found = 'S';
    for (int k = 0; k < 3; k++) {
        text[0] = before[k];
        size_t size = 1 + utf8_encode(text + 1, point);
        l.n = 0;
        assert_int_equal(tokenizer_encode(t, &l, text, size, "text", &e), 0);
        if (l.n < size)
            found = classes[k];
    }
    token_list_free(&l);
    return found;
}

static void code_points_have_the_class_of_hugging_face(void **state)
{
    (void)state;
    write_probe();
    struct tokenizer *t = open_folder(".");
    FILE *f = fopen(GOLDEN "/unicode_classes.txt", "r");
    assert_non_null(f);
    unsigned point, end;
    char class, after;
    int more = fscanf(f, "%x %c", &point, &class);
    assert_int_equal(more, 2);
    while (more == 2) {
        more = fscanf(f, "%x %c", &end, &after);
        if (more != 2)
            end = 0x110000;
        for (; point < end; point++) {
            bool surrogate = point >= 0xd800 && point < 0xe000;
            char is = surrogate ? class : class_of(t, point);
            if (is != class)
                fail_msg("U+%04X is %c, for Hugging Face %c", point, is, class);
        }
        class = after;
    }
    (void)fclose(f);
    tokenizer_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_texts_have_the_ids_of_hugging_face),
        cmocka_unit_test(code_points_have_the_class_of_hugging_face),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
