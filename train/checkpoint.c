/* SPDX-License-Identifier: MIT */
#include "train/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/log.h"
#include "base/output.h"
#include "dump/safetensors.h"

/* ---- what the run is ---- */

int checkpoint_begin(const char *folder, const json_t *identity, struct err *e)
{
    char path[OUTPUT_PATH_MAX], written[OUTPUT_PATH_MAX];
    TRY(output_join(path, folder, CHECKPOINT_FOLDER, e));
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return err_errno(e, "cannot create folder %s", path);
    TRY(output_join(path, folder, CHECKPOINT_FOLDER "/run.json", e));
    TRY(output_join(written, folder, CHECKPOINT_FOLDER "/run.json.new", e));
    TRY(json_write(written, identity, e));
    return output_replace_file(written, path, e);
}

/* "a value" for a message; the caller's free. */
static void describe(char *out, size_t size, const json_t *value)
{
    char *text = value != NULL
                     ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT)
                     : NULL;
    (void)snprintf(out, size, "%s", text != NULL ? text : "nothing");
    free(text);
}

/* Where two values of a key differ: the key, or for objects "key.inner" with
 * the inner values. */
static void narrow(char name[80], const char *key, const json_t **old,
                   const json_t **new)
{
    const char *inner;
    json_t *value;
    (void)snprintf(name, 80, "%s", key);
    json_object_foreach((json_t *)(uintptr_t) * new, inner, value)
    {
        const json_t *before = json_object_get(*old, inner);
        if (json_equal(before, value))
            continue;
        (void)snprintf(name, 80, "%s.%s", key, inner);
        *old = before;
        *new = value;
        return;
    }
}

static int differs(const char *folder, const char *key, const json_t *old,
                   const json_t *new, struct err *e)
{
    char name[80], before[200], now[200];
    narrow(name, key, &old, &new);
    describe(before, sizeof before, old);
    describe(now, sizeof now, new);
    return err_set(e, ERR_INPUT,
                   "%s: the run that was interrupted had %s %s, this one has "
                   "%s; go on with the same, or begin anew with --force",
                   folder, name, before, now);
}

/* Going on on another computer is better than not going on. */
static void warn_of_tier(const char *folder, const json_t *old,
                         const json_t *new)
{
    if (!json_is_string(old) || json_equal(old, new))
        return;
    log_line(LOG_RESULT,
             "%s was begun with kernels for %.20s and goes on with those for "
             "%s: not to the same bytes; see --cpu",
             folder, json_string_value(old), json_string_value(new));
}

int checkpoint_compare(const char *folder, const json_t *identity, bool any_end,
                       struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    json_t *was;
    TRY(output_join(path, folder, CHECKPOINT_FOLDER "/run.json", e));
    TRY(json_read(&was, path, e));
    int code = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)identity, key, value)
    {
        const json_t *old = json_object_get(was, key);
        if (strcmp(key, "cpu") == 0) {
            warn_of_tier(folder, old, value);
            continue;
        }
        if (code == 0 && !json_equal(old, value) &&
            !(any_end &&
              (strcmp(key, "steps") == 0 || strcmp(key, "extended_from") == 0)))
            code = differs(folder, key, old, value, e);
    }
    json_decref(was);
    return code;
}

int checkpoint_end(uint64_t *steps, uint64_t *extended_from, const char *folder,
                   struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    json_t *run;
    int64_t end = 0, from = 0;
    TRY(output_join(path, folder, CHECKPOINT_FOLDER "/run.json", e));
    TRY(json_read(&run, path, e));
    int code = json_need_int(&end, run, "steps", 1, INT64_MAX, path, e);
    if (code == 0)
        code = json_get_int(&from, run, "extended_from", 0, end, 0, path, e);
    json_decref(run);
    *steps = (uint64_t)end;
    *extended_from = (uint64_t)from;
    return code;
}

/* ---- its state ---- */

enum { TENSORS_MAX = 22, PROGRESS = 3 };

/* The tensors of a state with where they lie in memory. */
struct state {
    struct safetensors_entry entry[TENSORS_MAX];
    void *data[TENSORS_MAX];
    size_t bytes[TENSORS_MAX];
    size_t n;
    int64_t
        progress[PROGRESS]; /* steps, bytes of the curve, bits of the norm */
    int64_t controller[CONTROLLER_NUMBERS]; /* bits */
    int64_t dense;
};

static void add(struct state *t, const char *name, enum dtype dtype, void *data,
                size_t rows, size_t columns)
{
    t->entry[t->n] = (struct safetensors_entry){
        .name = name,
        .dtype = dtype,
        .rank = columns > 0 ? 2 : 1,
        .shape = {(int64_t)rows, (int64_t)columns},
    };
    t->data[t->n] = data;
    t->bytes[t->n] = rows * (columns > 0 ? columns : 1) * dtype_size(dtype);
    t->n++;
}

static void add_weight(struct state *t, const char *const names[3],
                       const struct weight *w, size_t rows, size_t columns)
{
    add(t, names[0], DTYPE_F32, w->w, rows, columns);
    add(t, names[1], DTYPE_F32, w->m, rows, columns);
    add(t, names[2], DTYPE_F32, w->v, rows, columns);
}

static void list_own(struct state *t, const struct parameters *p)
{
    static const char *const threshold[] = {"threshold", "threshold.m",
                                            "threshold.v"};
    static const char *const r_mag[] = {"r_mag", "r_mag.m", "r_mag.v"};
    static const char *const b_mag[] = {"b_mag", "b_mag.m", "b_mag.v"};
    if (p->threshold.w != NULL)
        add_weight(t, threshold, &p->threshold, p->m, 0);
    if (p->b_mag.w != NULL) {
        add_weight(t, r_mag, &p->r_mag, p->m, 0);
        add_weight(t, b_mag, &p->b_mag, p->m, 0);
    }
}

static void list_state(struct state *t, const struct step *s,
                       struct checkpoint_parts parts)
{
    static const char *const w_enc[] = {"W_enc", "W_enc.m", "W_enc.v"};
    static const char *const w_dec[] = {"W_dec", "W_dec.m", "W_dec.v"};
    static const char *const b_enc[] = {"b_enc", "b_enc.m", "b_enc.v"};
    static const char *const b_dec[] = {"b_dec", "b_dec.m", "b_dec.v"};
    const struct parameters *p = s->p;
    t->n = 0;
    add(t, "progress", DTYPE_I64, t->progress, PROGRESS, 0);
    add(t, "silent", DTYPE_I64, s->silent, p->m, 0);
    add_weight(t, w_enc, &p->w_enc, p->m, p->d);
    add_weight(t, w_dec, &p->w_dec, p->m, p->d);
    add_weight(t, b_enc, &p->b_enc, p->m, 0);
    add_weight(t, b_dec, &p->b_dec, p->d, 0);
    list_own(t, p);
    if (parts.controller)
        add(t, "controller", DTYPE_I64, t->controller, CONTROLLER_NUMBERS, 0);
    if (parts.controller)
        add(t, "dense", DTYPE_I64, &t->dense, 1, 0);
    if (parts.fired)
        add(t, "fired", DTYPE_I64, s->fired, p->m, 0);
}

static int write_state(const struct state *t, const char *path, struct err *e)
{
    struct safetensors_writer w = {0};
    int code = safetensors_begin(&w, path, t->entry, t->n, e);
    for (size_t i = 0; code == 0 && i < t->n; i++)
        code = safetensors_put(&w, t->data[i], t->bytes[i], e);
    if (code == 0)
        code = safetensors_end(&w, e);
    safetensors_abandon(&w);
    return code;
}

int checkpoint_save(const char *folder, const struct checkpoint *c,
                    const struct step *s, struct checkpoint_parts parts,
                    struct err *e)
{
    char path[OUTPUT_PATH_MAX], written[OUTPUT_PATH_MAX];
    struct state t;
    list_state(&t, s, parts);
    memcpy(t.controller, &c->controller, sizeof t.controller);
    t.dense = s->was_dense;
    t.progress[0] = (int64_t)c->step;
    t.progress[1] = (int64_t)c->curve_bytes;
    memcpy(&t.progress[2], &s->norm, sizeof s->norm);
    TRY(output_join(path, folder, CHECKPOINT_STATE, e));
    TRY(output_join(written, folder, CHECKPOINT_STATE ".new", e));
    TRY(write_state(&t, written, e));
    return output_replace_file(written, path, e);
}

static int read_state(const struct state *t, const struct safetensors *file,
                      const char *path, struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        const char *name = t->entry[i].name;
        const struct tensor *found = safetensors_find(file, name);
        if (found == NULL || found->dtype != t->entry[i].dtype ||
            found->bytes != t->bytes[i])
            return err_set(e, ERR_INPUT,
                           "%s: no tensor %s as this run has it; the "
                           "checkpoint is of another version or damaged, begin "
                           "anew with --force",
                           path, name);
        if (t->bytes[i] > 0)
            memcpy(t->data[i], found->data, t->bytes[i]);
    }
    return 0;
}

int checkpoint_load(struct checkpoint *c, struct step *s,
                    struct checkpoint_parts parts, const char *folder,
                    struct err *e)
{
    char path[OUTPUT_PATH_MAX];
    struct safetensors file;
    struct state t;
    list_state(&t, s, parts);
    TRY(output_join(path, folder, CHECKPOINT_STATE, e));
    TRY(safetensors_open(&file, path, e));
    int code = read_state(&t, &file, path, e);
    safetensors_close(&file);
    TRY(code);
    if (t.progress[0] < 0 || t.progress[1] < 0)
        return err_set(e, ERR_INPUT, "%s: the checkpoint is damaged", path);
    c->step = (uint64_t)t.progress[0];
    c->curve_bytes = (uint64_t)t.progress[1];
    memcpy(&s->norm, &t.progress[2], sizeof s->norm);
    if (parts.controller)
        memcpy(&c->controller, t.controller, sizeof c->controller);
    s->was_dense = parts.controller && t.dense != 0;
    step_pack(s);
    return 0;
}
