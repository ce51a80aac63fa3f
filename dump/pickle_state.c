/* SPDX-License-Identifier: MIT
 *
 * What a pickle may name and call, and what becomes of its result. The
 * arguments are those of torch._utils._rebuild_tensor_v2 (storage, offset,
 * size, stride, requires_grad, hooks) and of torch.save's persistent ids
 * ('storage', type, key, location, number of elements).
 */
#include "dump/pickle_machine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 20, TENSORS_MAX = 1000 };

static const struct {
    const char *module, *name;
    enum value_kind kind;
    int64_t number;
} globals[] = {
    {"collections", "OrderedDict", VALUE_FUNCTION, CALL_ORDERED_DICT},
    {"torch._utils", "_rebuild_tensor_v2", VALUE_FUNCTION, CALL_REBUILD_TENSOR},
    {"torch._utils", "_rebuild_parameter", VALUE_FUNCTION,
     CALL_REBUILD_PARAMETER},
    {"torch", "FloatStorage", VALUE_TYPE, DTYPE_F32},
    {"torch", "HalfStorage", VALUE_TYPE, DTYPE_F16},
    {"torch", "BFloat16Storage", VALUE_TYPE, DTYPE_BF16},
    {"torch", "DoubleStorage", VALUE_TYPE, DTYPE_F64},
    {"torch", "IntStorage", VALUE_TYPE, DTYPE_I32},
    {"torch", "LongStorage", VALUE_TYPE, DTYPE_I64},
    {"torch", "ShortStorage", VALUE_TYPE, DTYPE_I16},
    {"torch", "ByteStorage", VALUE_TYPE, DTYPE_U8},
    {"torch", "CharStorage", VALUE_TYPE, DTYPE_I8},
    {"torch", "BoolStorage", VALUE_TYPE, DTYPE_BOOL},
};

int pickle_find_global(struct value *v, const struct machine *m,
                       const char *module, const char *name, struct err *e)
{
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (strcmp(globals[i].module, module) == 0 &&
            strcmp(globals[i].name, name) == 0) {
            *v = (struct value){.kind = globals[i].kind,
                                .number = globals[i].number};
            return 0;
        }
    return err_set(e, ERR_INPUT,
                   "%s: the pickle asks for '%s.%s', which no plain state dict "
                   "of tensors needs; nothing of it was run. "
                   "torch.save(model.state_dict(), FILE) writes one",
                   m->where, module, name);
}

static int refuse_call(const struct machine *m, const char *what, struct err *e)
{
    return err_set(e, ERR_INPUT,
                   "%s: the pickle is no plain state dict: %s; nothing of it "
                   "was run",
                   m->where, what);
}

/* Whether a tuple begins with values of these kinds. */
static bool has_kinds(const struct machine *m, const struct value *tuple,
                      const enum value_kind *kinds, size_t n)
{
    if (tuple->kind != VALUE_TUPLE || tuple->n < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (machine_item(m, tuple, i)->kind != kinds[i])
            return false;
    return true;
}

int pickle_call(struct value *v, const struct machine *m,
                const struct value *function, const struct value *arguments,
                struct err *e)
{
    static const enum value_kind of_tensor[] = {VALUE_STORAGE, VALUE_INT,
                                                VALUE_TUPLE, VALUE_TUPLE};
    static const enum value_kind of_parameter[] = {VALUE_TENSOR};
    if (function->kind != VALUE_FUNCTION)
        return refuse_call(m, "it calls what is no function", e);
    switch (function->number) {
    case CALL_ORDERED_DICT:
        if (arguments->kind != VALUE_TUPLE || arguments->n != 0)
            return refuse_call(m, "OrderedDict with arguments", e);
        *v = (struct value){.kind = VALUE_DICT};
        return 0;
    case CALL_REBUILD_TENSOR:
        if (!has_kinds(m, arguments, of_tensor, 4) || arguments->n > 6)
            return refuse_call(m, "a tensor of unknown arguments", e);
        *v = *arguments;
        v->kind = VALUE_TENSOR;
        return 0;
    default: /* CALL_REBUILD_PARAMETER */
        if (!has_kinds(m, arguments, of_parameter, 1))
            return refuse_call(m, "a parameter of what is no tensor", e);
        *v = *machine_item(m, arguments, 0);
        return 0;
    }
}

static bool text_is(const struct value *v, const char *text)
{
    return v->n == strlen(text) && memcmp(v->text, text, v->n) == 0;
}

int pickle_find_storage(struct value *v, const struct machine *m,
                        const struct value *id, struct err *e)
{
    static const enum value_kind kinds[] = {VALUE_TEXT, VALUE_TYPE, VALUE_TEXT,
                                            VALUE_TEXT, VALUE_INT};
    if (!has_kinds(m, id, kinds, 5) || id->n != 5 ||
        !text_is(machine_item(m, id, 0), "storage"))
        return refuse_call(m, "a persistent id that is no storage", e);
    const struct value *key = machine_item(m, id, 2);
    bool digits = key->n > 0 && key->n <= KEY_MAX;
    for (size_t i = 0; digits && i < key->n; i++)
        digits = key->text[i] >= '0' && key->text[i] <= '9';
    if (!digits)
        return refuse_call(m, "a storage whose key is no number", e);
    if (machine_item(m, id, 4)->number < 0)
        return refuse_call(m, "a storage of negative size", e);
    *v = *id;
    v->kind = VALUE_STORAGE;
    return 0;
}

/* ---- the result ---- */

/* Sizes of at most eight axes. */
static int take_shape(struct tensor *t, const struct machine *m,
                      const struct value *sizes, const char *where,
                      struct err *e)
{
    if (sizes->n > TENSOR_RANK_MAX)
        return err_set(e, ERR_INPUT, "%s: %zu axes; at most %d are read", where,
                       sizes->n, TENSOR_RANK_MAX);
    t->rank = (int)sizes->n;
    for (size_t i = 0; i < sizes->n; i++) {
        const struct value *size = machine_item(m, sizes, i);
        if (size->kind != VALUE_INT)
            return err_set(e, ERR_INPUT, "%s: a size is no whole number",
                           where);
        t->shape[i] = size->number;
    }
    return tensor_bytes(&t->bytes, t->dtype, t->shape, t->rank, where, e);
}

/* Whether strides are those of the order of axes, the last of which varies
 * fastest; of an axis of one the stride does not matter. */
static bool has_order(const struct tensor *t, const struct machine *m,
                      const struct value *strides, const int *order)
{
    int64_t expected = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        int axis = order[i];
        const struct value *stride = machine_item(m, strides, (size_t)axis);
        if (stride->kind != VALUE_INT ||
            (t->shape[axis] != 1 && stride->number != expected))
            return false;
        expected *= t->shape[axis]; /* tensor_bytes: it fits */
    }
    return true;
}

static int check_strides(struct pickle_tensor *out, const struct machine *m,
                         const struct value *strides, const char *where,
                         struct err *e)
{
    static const int in_order[TENSOR_RANK_MAX] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const int transposed[] = {1, 0};
    const struct tensor *t = &out->tensor;
    if (strides->n == (size_t)t->rank) {
        if (t->bytes == 0 || has_order(t, m, strides, in_order))
            return 0;
        out->transposed = t->rank == 2 && has_order(t, m, strides, transposed);
        if (out->transposed)
            return 0;
    }
    return err_set(e, ERR_INPUT,
                   "%s: strides of neither a contiguous tensor nor the "
                   "transpose of one; save it with .contiguous()",
                   where);
}

static int take_tensor(struct pickle_tensor *out, struct arena *arena,
                       const struct machine *m, const struct value *v,
                       const char *where, struct err *e)
{
    const struct value *storage = machine_item(m, v, 0);
    const struct value *key = machine_item(m, storage, 2);
    struct tensor *t = &out->tensor;
    char name[KEY_MAX + 1];
    int64_t count = machine_item(m, storage, 4)->number;
    int64_t offset = machine_item(m, v, 1)->number;
    t->dtype = (enum dtype)machine_item(m, storage, 1)->number;
    TRY(tensor_bytes(&out->storage_bytes, t->dtype, &count, 1, where, e));
    TRY(take_shape(t, m, machine_item(m, v, 2), where, e));
    TRY(check_strides(out, m, machine_item(m, v, 3), where, e));
    size_t width = dtype_size(t->dtype);
    if (offset < 0 || (uint64_t)offset > out->storage_bytes / width ||
        t->bytes > out->storage_bytes - (size_t)offset * width)
        return err_set(e, ERR_INPUT,
                       "%s: element %" PRId64 " and the %zu bytes behind it "
                       "lie outside a storage of %zu bytes",
                       where, offset, t->bytes, out->storage_bytes);
    out->at = (size_t)offset * width;
    (void)snprintf(name, sizeof name, "%.*s", (int)key->n, key->text);
    return arena_string(arena, &out->storage, name, e);
}

/* "FILE: tensor 'NAME'", and the name by itself. */
static int take_name(char *name, size_t size, const struct machine *m,
                     const struct value *key, struct err *e)
{
    if (key->kind != VALUE_TEXT || key->n == 0 || key->n >= size ||
        memchr(key->text, '\0', key->n) != NULL)
        return refuse_call(m, "a key that is no short text", e);
    (void)snprintf(name, size, "%.*s", (int)key->n, key->text);
    return 0;
}

static int take_pair(struct pickle *p, const struct machine *m,
                     const struct pair *pair, struct err *e)
{
    char name[80], where[400];
    TRY(take_name(name, sizeof name, m, &m->values[pair->key], e));
    (void)snprintf(where, sizeof where, "%.300s: tensor '%s'", m->where, name);
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->tensors[i].name, name) == 0)
            return err_set(e, ERR_INPUT, "%s is there twice", where);
    const struct value *v = &m->values[pair->value];
    if (v->kind != VALUE_TENSOR)
        return err_set(e, ERR_INPUT,
                       "%.300s: '%s' is no tensor; only plain state dicts are "
                       "read",
                       m->where, name);
    if (p->n == TENSORS_MAX)
        return err_set(e, ERR_INPUT, "%s: more than %d tensors", m->where,
                       TENSORS_MAX);
    struct pickle_tensor *out = &p->tensors[p->n];
    TRY(take_tensor(out, &p->arena, m, v, where, e));
    TRY(arena_string(&p->arena, &out->name, name, e));
    p->n++;
    return 0;
}

int pickle_take_tensors(struct pickle *p, const struct machine *m,
                        const struct value *dict, struct err *e)
{
    size_t pairs = m->n_pairs < TENSORS_MAX ? m->n_pairs : TENSORS_MAX;
    if (dict->kind != VALUE_DICT)
        return refuse_call(m, "its result is no dict", e);
    TRY(arena_get(&p->arena, &p->tensors, pairs, sizeof *p->tensors, m->where,
                  e));
    for (size_t at = dict->head; at > 0; at = m->pairs[at - 1].next)
        TRY(take_pair(p, m, &m->pairs[at - 1], e));
    return 0;
}
