/* SPDX-License-Identifier: MIT */
#include "cli/export.h"

#include <stdio.h>

#include "base/output.h"

static int write_folder(const struct sae *s, enum sae_format format,
                        const char *output, bool force, struct err *e)
{
    char marker[300];
    struct output out;
    sae_export_marker(marker, sizeof marker, s, format);
    TRY(output_begin_folder(&out, output, marker, force, e));
    int code = sae_export(s, format, out.partial, e);
    if (code == 0)
        code = output_commit(&out, e);
    output_abort(&out);
    return code;
}

static int say(const struct common_options *common, const struct sae *s,
               enum sae_format format, const char *output, json_t *report,
               struct err *e)
{
    const char *note = sae_export_note(s, format);
    json_t *facts = json_pack(
        "{s:s?, s:s, s:s?, s:s, s:I, s:I, s:s}", "output", output, "format",
        sae_format_name(format), "sae", s->name, "architecture",
        sae_architecture_name(s->architecture), "d_in", (json_int_t)s->d,
        "d_sae", (json_int_t)s->m, "note", note);
    int bad = facts == NULL || json_object_update(report, facts) != 0;
    json_decref(facts);
    if (bad)
        return err_memory(e, "the report", sizeof(void *));
    if (!common->json)
        (void)printf("%s %s: %s, %s of %zu features, as %s%s%s\n",
                     common->dry_run ? "would write" : "wrote", output, s->name,
                     sae_architecture_name(s->architecture), s->m,
                     sae_format_name(format), *note != '\0' ? "; " : "", note);
    return 0;
}

int export_sae(const struct common_options *common, const char *path,
               enum sae_format format, const char *output, json_t *report,
               struct err *e)
{
    struct sae s;
    TRY(output_check(output, true, common->force, e));
    TRY(output_check_input(output, path, e));
    TRY(sae_load(&s, path, e));
    int code = sae_export_check(&s, format, e);
    if (code == 0 && !common->dry_run)
        code = write_folder(&s, format, output, common->force, e);
    if (code == 0)
        code = say(common, &s, format, output, report, e);
    sae_free(&s);
    return code;
}
