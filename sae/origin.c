/* SPDX-License-Identifier: MIT */
#include "sae/origin.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"

struct origin origin_of_dump(const struct dump_info *info)
{
    return (struct origin){info->model_fingerprint, info->fold_value_biases,
                           info->bos};
}

static bool says_bos(const char *bos)
{
    return bos != NULL &&
           (strcmp(bos, "always") == 0 || strcmp(bos, "never") == 0);
}

/* `dump` is what headscope.json says of the rows that trained. */
static int compare(const json_t *dump, const char *folder,
                   const struct origin *rows, struct err *e)
{
    char where[300];
    (void)snprintf(where, sizeof where, "%.250s: headscope.json", folder);
    const char *fingerprint, *bos, *here = rows->model_fingerprint;
    bool fold, folded = rows->fold_value_biases == 1;
    TRY(json_get_string(&fingerprint, dump, "model_fingerprint", "", where, e));
    TRY(json_get_bool(&fold, dump, "fold_value_biases", folded, where, e));
    TRY(json_get_string(&bos, dump, "bos", "", where, e));
    if (fingerprint[0] != '\0' && here != NULL &&
        strcmp(fingerprint, here) != 0)
        return err_set(e, ERR_INPUT,
                       "%s was trained on z of a model with fingerprint %.40s; "
                       "this one has %.40s",
                       folder, fingerprint, here);
    if (rows->fold_value_biases >= 0 && fold != folded)
        return err_set(e, ERR_INPUT,
                       "%s was trained on z %s value biases, but here z is %s "
                       "them; see --fold-value-biases",
                       folder, fold ? "without" : "with",
                       folded ? "without" : "with");
    if (says_bos(bos) && says_bos(rows->bos) && strcmp(bos, rows->bos) != 0)
        log_line(LOG_RESULT,
                 "%s was trained on contexts %s BOS, and here they are %s it",
                 folder, strcmp(bos, "always") == 0 ? "with" : "without",
                 strcmp(rows->bos, "always") == 0 ? "with" : "without");
    return 0;
}

int origin_check(const struct sae *s, const char *folder,
                 const struct origin *rows, struct err *e)
{
    if (s->headscope == NULL)
        return 0;
    json_t *record = json_loads(s->headscope, JSON_REJECT_DUPLICATES, NULL);
    if (record == NULL)
        return err_memory(e, "headscope.json", 0);
    int code = compare(json_object_get(record, "dump"), folder, rows, e);
    json_decref(record);
    return code;
}

void origin_warn(const struct sae *s, const char *folder,
                 const struct dump_info *info)
{
    struct err differs;
    const struct origin rows = origin_of_dump(info);
    if (origin_check(s, folder, &rows, &differs) != 0)
        log_line(LOG_RESULT, "%s", differs.msg);
}
