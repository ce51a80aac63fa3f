/* SPDX-License-Identifier: MIT */
#include "cli/inputs.h"

#include <unistd.h>

#include "sae/formats.h"

static int divide(struct inputs *in, const char *const *args, size_t n,
                  struct err *e)
{
    TRY(arena_get(&in->arena, &in->dump, n, sizeof *in->dump, "arguments", e));
    TRY(arena_get(&in->arena, &in->saes, n, sizeof *in->saes, "arguments", e));
    for (size_t i = 0; i < n; i++) {
        if (access(args[i], F_OK) != 0)
            return err_errno(e, "cannot read %s", args[i]);
        if (sae_format_of(args[i]) != SAE_FORMAT_NONE)
            in->saes[in->n_saes++] = args[i];
        else
            in->dump[in->n_dump++] = args[i];
    }
    if (in->n_saes == 0)
        return err_set(e, ERR_INPUT,
                       "no SAE among the arguments: a folder with cfg.json, "
                       "as headscope train writes it, or one of another "
                       "format (docs/formats.md)");
    if (in->n_dump == 0)
        return err_set(e, ERR_INPUT,
                       "no dump among the arguments: a folder "
                       "with manifest.json, or array files");
    return 0;
}

int inputs_divide(struct inputs *in, const char *const *args, size_t n,
                  struct err *e)
{
    *in = (struct inputs){0};
    int code = divide(in, args, n, e);
    if (code != 0)
        inputs_free(in);
    return code;
}

void inputs_free(struct inputs *in)
{
    arena_free(&in->arena);
    *in = (struct inputs){0};
}
