/* SPDX-License-Identifier: MIT
 *
 * A good dump whose manifest is replaced by the input: it is refused, or all
 * rows can be read. corpus/manifest holds the manifest of that very dump.
 */
#include "input.h"

#include <string.h>

#include "base/output.h"
#include "dump/dump.h"
#include "dump/writer.h"

enum { LAYERS = 2, TOKENS = 6, HEADS = 2, D_HEAD = 3, WIDTH = HEADS * D_HEAD };

static char folder[64];

static void remove_dump(void)
{
    static const char *const names[] = {"manifest.json",
                                        "tokens.npy",
                                        "contexts.npy",
                                        "groups.npy",
                                        "vocab.json",
                                        "layer00-00000.safetensors",
                                        "layer01-00000.safetensors"};
    char path[OUTPUT_PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (output_join(path, folder, names[i], NULL) == 0)
            (void)unlink(path);
    (void)rmdir(folder);
}

static int write_dump(struct dump_writer *w, struct err *e)
{
    static const int32_t ids[TOKENS] = {0, 1, 2, 0, 1, 2};
    static const int64_t contexts[] = {0, 2, 6};
    static const float rows[TOKENS * WIDTH] = {1, 2, 3};
    static char *names[] = {"a", "b"};
    static const int32_t of_context[] = {1, -1};
    const struct dump_groups groups = {2, names, of_context};
    struct vocab v;
    TRY(dump_writer_tokens(w, ids, contexts, e));
    TRY(dump_writer_groups(w, &groups, e));
    TRY(vocab_init(&v, 3, e));
    int code = dump_writer_vocab(w, &v, e);
    vocab_free(&v);
    for (int l = 0; l < LAYERS && code == 0; l++)
        code = dump_writer_rows(w, l, rows, TOKENS, e);
    return code;
}

static void make_dump(void)
{
    const struct dump_info info = {.model = "fuzz",
                                   .layers = LAYERS,
                                   .heads = HEADS,
                                   .d_head = D_HEAD,
                                   .tokens = TOKENS,
                                   .contexts = 2,
                                   .dtype = DTYPE_F32,
                                   .bos = "never",
                                   .fold_value_biases = -1};
    struct dump_writer *w;
    struct err e;
    (void)snprintf(folder, sizeof folder, "fuzz-%ld.dump", (long)getpid());
    if (dump_writer_open(&w, folder, &info, true, &e) != 0 ||
        write_dump(w, &e) != 0 || dump_writer_commit(&w, &e) != 0) {
        (void)fprintf(stderr, "%s\n", e.msg);
        abort();
    }
    (void)atexit(remove_dump);
}

static void read_all(const struct dump *d)
{
    const struct dump_info *info = dump_info(d);
    struct err e;
    if (info->tokens * (uint64_t)info->heads * (uint64_t)info->d_head !=
        TOKENS * WIDTH)
        abort(); /* more or less than the shards hold */
    for (int l = 0; l < info->layers; l++) {
        float rows[TOKENS * WIDTH];
        (void)dump_read(d, info->first_layer + l, 0, (size_t)info->tokens, rows,
                        &e);
    }
    const struct dump_groups *groups = dump_groups(d);
    for (uint64_t c = 0; groups != NULL && c < info->contexts; c++)
        if (groups->of_context[c] >= (int32_t)groups->n)
            abort();
    (void)dump_verify(d, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dump_options options = {0};
    char path[OUTPUT_PATH_MAX];
    const char *paths = folder;
    struct dump *d;
    struct err e;
    if (folder[0] == '\0')
        make_dump();
    if (output_join(path, folder, "manifest.json", &e) != 0)
        abort();
    input_write(path, data, size);
    if (dump_open(&d, &paths, 1, &options, &e) != 0)
        return 0;
    read_all(d);
    dump_close(&d);
    return 0;
}
