/* SPDX-License-Identifier: MIT
 *
 * Good SAEs of every format that has a configuration, which is replaced by the
 * input: each is refused, or has the sizes of its tensors.
 */
#include "input.h"

#include <string.h>
#include <sys/stat.h>

#include "base/output.h"
#include "sae/formats.h"

enum { D = 2, M = 3, N = D * M, FORMATS = 4 };

static const struct {
    enum sae_format format;
    const char *config, *tensors;
} formats[FORMATS] = {
    {SAE_FORMAT_SAELENS, "cfg.json", "sae_weights.safetensors"},
    {SAE_FORMAT_SPARSIFY, "cfg.json", "sae.safetensors"},
    {SAE_FORMAT_DICTIONARY_LEARNING, "config.json", "ae.pt"},
    {SAE_FORMAT_KISSANE, "fuzz_cfg.json", "fuzz.pt"},
};
static char folders[FORMATS][64];

static void join(char *path, int i, const char *name)
{
    if (output_join(path, folders[i], name, NULL) != 0)
        abort();
}

static void remove_saes(void)
{
    char path[OUTPUT_PATH_MAX];
    for (int i = 0; i < FORMATS; i++) {
        join(path, i, formats[i].config);
        (void)unlink(path);
        join(path, i, formats[i].tensors);
        (void)unlink(path);
        (void)rmdir(folders[i]);
    }
}

static void make_saes(void)
{
    static float w_enc[N] = {1, 2, 3}, w_dec[N] = {1, 0, 0, 1, 1, 0};
    static float b_enc[M] = {1}, b_dec[D] = {1};
    static char name[] = "fuzz", hook[] = "blocks.1.attn.hook_z";
    struct sae s = {.d = D,
                    .m = M,
                    .apply_b_dec_to_input = true,
                    .name = name,
                    .model = name,
                    .hook = hook,
                    .layer = 1,
                    .head = -1,
                    .w_enc = w_enc,
                    .w_dec = w_dec,
                    .b_enc = b_enc,
                    .b_dec = b_dec};
    for (int i = 0; i < FORMATS; i++) {
        struct err e;
        s.architecture =
            formats[i].format == SAE_FORMAT_SPARSIFY ? SAE_TOPK : SAE_STANDARD;
        s.k = s.architecture == SAE_TOPK ? 2 : 0;
        (void)snprintf(folders[i], sizeof folders[i], "fuzz-%ld-%d.sae",
                       (long)getpid(), i);
        if (mkdir(folders[i], 0777) != 0 ||
            sae_export(&s, formats[i].format, folders[i], &e) != 0) {
            (void)fprintf(stderr, "%s\n", e.msg);
            abort();
        }
    }
    (void)atexit(remove_saes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (folders[0][0] == '\0')
        make_saes();
    for (int i = 0; i < FORMATS; i++) {
        char path[OUTPUT_PATH_MAX];
        struct sae s;
        struct err e;
        join(path, i, formats[i].config);
        input_write(path, data, size);
        if (sae_load(&s, folders[i], &e) != 0)
            continue;
        if (s.d != D || s.m != M || (s.architecture == SAE_TOPK && s.k > M))
            abort();
        sae_free(&s);
    }
    return 0;
}
