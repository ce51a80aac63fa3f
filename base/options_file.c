/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "base/options.h"

/* The last file read: options that are text point into it. */
static json_t *kept;

static int set_from(const struct option_group *groups, size_t n_groups,
                    const char *name, const json_t *value, struct err *e)
{
    char text[40];
    if (json_is_null(value))
        return 0;
    if (json_is_string(value))
        return options_set(groups, n_groups, name, json_string_value(value), e);
    if (json_is_integer(value))
        (void)snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT,
                       json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(text, sizeof text, "%.17g", json_real_value(value));
    else if (json_is_boolean(value))
        (void)snprintf(text, sizeof text,
                       json_is_true(value) ? "true" : "false");
    else
        return err_set(e, ERR_INPUT,
                       "%s: must be a text, a number, true, false or null",
                       name);
    /* Options that are text keep what they are given. */
    if (json_object_set_new(kept, name, json_string(text)) != 0)
        return err_memory(e, "options", sizeof text);
    return options_set(groups, n_groups, name,
                       json_string_value(json_object_get(kept, name)), e);
}

int options_read_file(const struct option_group *groups, size_t n_groups,
                      const char *path, struct err *e)
{
    json_decref(kept);
    kept = NULL;
    TRY(json_read(&kept, path, e));
    if (!json_is_object(kept))
        return err_set(e, ERR_INPUT, "%s: not a JSON object of options", path);
    const char *name;
    json_t *value;
    json_object_foreach(kept, name,
                        value) if (set_from(groups, n_groups, name, value, e) !=
                                   0) return err_prefix(e, "%s", path);
    return 0;
}
