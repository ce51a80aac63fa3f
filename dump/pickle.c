/* SPDX-License-Identifier: MIT
 *
 * The opcodes. Their names and arguments are those of Python's pickletools.
 */
#include "dump/pickle.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "dump/pickle_machine.h"

enum { NAME_MAX_BYTES = 80 };

static int malformed(const struct machine *m, const char *what, struct err *e)
{
    return err_set(e, ERR_INPUT, "%s: the pickle is malformed: %s", m->where,
                   what);
}

/* ---- the program's bytes ---- */

static int take_bytes(const unsigned char **out, struct machine *m, size_t n,
                      struct err *e)
{
    *out = m->at;
    if ((size_t)(m->end - m->at) < n)
        return malformed(m, "it is cut short", e);
    m->at += n;
    return 0;
}

/* A little-endian number of up to four bytes, without sign. */
static int take_number(uint32_t *out, struct machine *m, size_t n,
                       struct err *e)
{
    const unsigned char *bytes = NULL;
    *out = 0;
    TRY(take_bytes(&bytes, m, n, e));
    memcpy(out, bytes, n);
    return 0;
}

/* A line of a GLOBAL. */
static int take_line(char out[NAME_MAX_BYTES], struct machine *m, struct err *e)
{
    size_t n = 0;
    while (m->at < m->end && *m->at != '\n' && n + 1 < NAME_MAX_BYTES)
        out[n++] = (char)*m->at++;
    out[n] = '\0';
    if (m->at == m->end || *m->at != '\n')
        return malformed(m, "a name without end", e);
    m->at++;
    return 0;
}

/* ---- values ---- */

const struct value *machine_item(const struct machine *m,
                                 const struct value *tuple, size_t k)
{
    return &m->values[m->items[tuple->first + k]];
}

/* The arrays have a place for each byte of the program, and no opcode takes
 * more than one of each without a byte of its own; this holds even so. */
static int push_index(struct machine *m, size_t value, struct err *e)
{
    if (m->n_stack == m->size)
        return malformed(m, "the stack is full", e);
    m->stack[m->n_stack++] = value;
    return 0;
}

static int push(struct machine *m, struct value v, struct err *e)
{
    if (m->n_values == m->size)
        return malformed(m, "too many values", e);
    m->values[m->n_values++] = v;
    return push_index(m, m->n_values - 1, e);
}

static int push_number(struct machine *m, enum value_kind kind, int64_t number,
                       struct err *e)
{
    return push(m, (struct value){.kind = kind, .number = number}, e);
}

/* Never a mark: a program that takes it for a value is malformed. */
static int pop(size_t *out, struct machine *m, struct err *e)
{
    *out = 0;
    if (m->n_stack == 0 ||
        m->values[m->stack[m->n_stack - 1]].kind == VALUE_MARK)
        return malformed(m, "it takes a value where there is none", e);
    *out = m->stack[--m->n_stack];
    return 0;
}

static int top(struct value **out, struct machine *m, struct err *e)
{
    size_t index = 0;
    TRY(pop(&index, m, e));
    m->n_stack++;
    *out = &m->values[index];
    return 0;
}

/* The number of stack places above the last mark. */
static int count_to_mark(size_t *n, const struct machine *m, struct err *e)
{
    for (*n = 0; *n < m->n_stack; (*n)++)
        if (m->values[m->stack[m->n_stack - 1 - *n]].kind == VALUE_MARK)
            return 0;
    return malformed(m, "no mark where it needs one", e);
}

/* Makes a tuple of the last n values. */
static int make_tuple(struct machine *m, size_t n, struct err *e)
{
    struct value v = {.kind = VALUE_TUPLE, .first = m->n_items, .n = n};
    if (n > m->n_stack || n > m->size - m->n_items)
        return malformed(m, "it takes a value where there is none", e);
    for (size_t i = n; i-- > 0;)
        TRY(pop(&m->items[v.first + i], m, e));
    m->n_items += n;
    return push(m, v, e);
}

/* Adds the last n values, keys and values by turns, to the dict below them. */
static int set_items(struct machine *m, size_t n, bool marked, struct err *e)
{
    if (n % 2 != 0 || n > m->n_stack || n / 2 > m->size - m->n_pairs)
        return malformed(m, "keys without values", e);
    size_t below = m->n_stack - n;
    const size_t *pairs = m->stack + below;
    m->n_stack = below - (marked ? 1 : 0);
    struct value *dict;
    TRY(top(&dict, m, e));
    if (dict->kind != VALUE_DICT)
        return malformed(m, "items of what is no dict", e);
    for (size_t i = 0; i < n; i += 2) {
        m->pairs[m->n_pairs++] = (struct pair){pairs[i], pairs[i + 1], 0};
        if (dict->tail > 0)
            m->pairs[dict->tail - 1].next = m->n_pairs;
        else
            dict->head = m->n_pairs;
        dict->tail = m->n_pairs;
    }
    return 0;
}

/* Drops the last n values into the list below them. */
static int append(struct machine *m, size_t n, bool marked, struct err *e)
{
    if (n > m->n_stack)
        return malformed(m, "it takes a value where there is none", e);
    m->n_stack -= n + (marked ? 1 : 0);
    struct value *list;
    TRY(top(&list, m, e));
    if (list->kind != VALUE_LIST)
        return malformed(m, "items of what is no list", e);
    return 0;
}

static int memo_put(struct machine *m, size_t index, struct err *e)
{
    struct value *v;
    TRY(top(&v, m, e));
    if (index >= m->size)
        return malformed(m, "a memo number beyond its size", e);
    m->memo[index] = (size_t)(v - m->values) + 1;
    return 0;
}

static int memo_get(struct machine *m, size_t index, struct err *e)
{
    if (index >= m->size || m->memo[index] == 0)
        return malformed(m, "a memo number that was never set", e);
    return push_index(m, m->memo[index] - 1, e);
}

/* ---- opcodes with work to do ---- */

static int op_text(struct machine *m, struct err *e)
{
    struct value v = {.kind = VALUE_TEXT};
    uint32_t n;
    const unsigned char *bytes = NULL;
    TRY(take_number(&n, m, 4, e));
    TRY(take_bytes(&bytes, m, n, e));
    v.text = (const char *)bytes;
    v.n = n;
    return push(m, v, e);
}

/* LONG1: a little-endian number in two's complement. */
static int op_long(struct machine *m, struct err *e)
{
    uint32_t n;
    const unsigned char *bytes = NULL;
    uint64_t number = 0;
    TRY(take_number(&n, m, 1, e));
    TRY(take_bytes(&bytes, m, n, e));
    if (n > sizeof number)
        return malformed(m, "a number of more than 64 bits", e);
    memcpy(&number, bytes, n);
    if (n > 0 && n < sizeof number && (bytes[n - 1] & 0x80) != 0)
        number |= UINT64_MAX << (8 * n);
    return push_number(m, VALUE_INT, (int64_t)number, e);
}

static int op_number(struct machine *m, size_t bytes, struct err *e)
{
    uint32_t number;
    TRY(take_number(&number, m, bytes, e));
    return push_number(m, VALUE_INT,
                       bytes == 4 ? (int32_t)number : (int64_t)number, e);
}

static int op_memo(struct machine *m, size_t bytes, bool put, struct err *e)
{
    uint32_t index;
    TRY(take_number(&index, m, bytes, e));
    return put ? memo_put(m, index, e) : memo_get(m, index, e);
}

static int op_global(struct machine *m, struct err *e)
{
    char module[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
    struct value v = {0};
    TRY(take_line(module, m, e));
    TRY(take_line(name, m, e));
    TRY(pickle_find_global(&v, m, module, name, e));
    return push(m, v, e);
}

static int op_reduce(struct machine *m, struct err *e)
{
    size_t arguments = 0, function = 0;
    struct value v = {0};
    TRY(pop(&arguments, m, e));
    TRY(pop(&function, m, e));
    TRY(pickle_call(&v, m, &m->values[function], &m->values[arguments], e));
    return push(m, v, e);
}

static int op_storage(struct machine *m, struct err *e)
{
    size_t id = 0;
    struct value v = {0};
    TRY(pop(&id, m, e));
    TRY(pickle_find_storage(&v, m, &m->values[id], e));
    return push(m, v, e);
}

/* BUILD sets attributes; a state dict has _metadata, versions of its modules,
 * which say nothing about its tensors. */
static int op_build(struct machine *m, struct err *e)
{
    size_t state = 0;
    struct value *object;
    TRY(pop(&state, m, e));
    TRY(top(&object, m, e));
    if (object->kind != VALUE_DICT || m->values[state].kind != VALUE_DICT)
        return err_set(e, ERR_INPUT,
                       "%s: sets attributes of what is no dict; only plain "
                       "state dicts are read",
                       m->where);
    return 0;
}

static int op_to_mark(struct machine *m, unsigned char opcode, struct err *e)
{
    size_t n;
    TRY(count_to_mark(&n, m, e));
    if (opcode == 'u')
        return set_items(m, n, true, e);
    if (opcode == 'e')
        return append(m, n, true, e);
    /* 't': the mark goes, the values move down onto its place */
    size_t mark = m->n_stack - n - 1;
    memmove(m->stack + mark, m->stack + mark + 1, n * sizeof *m->stack);
    m->n_stack--;
    return make_tuple(m, n, e);
}

static int op_refused(const struct machine *m, unsigned char opcode,
                      struct err *e)
{
    return err_set(e, ERR_INPUT,
                   "%s: pickle opcode 0x%02x, which no plain state dict of "
                   "torch.save (protocol 2) has; nothing of it was run. "
                   "torch.save(model.state_dict(), FILE) writes one",
                   m->where, opcode);
}

static int skip(struct machine *m, size_t n, struct err *e)
{
    const unsigned char *unused;
    return take_bytes(&unused, m, n, e);
}

/* All opcodes but PROTO at the beginning and STOP. */
static int run_opcode(struct machine *m, unsigned char opcode, struct err *e)
{
    switch (opcode) {
    case '(':
        return push_number(m, VALUE_MARK, 0, e);
    case 'N':
        return push_number(m, VALUE_NONE, 0, e);
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
        return push_number(m, VALUE_BOOL, opcode == 0x88, e);
    case 'J':
        return op_number(m, 4, e);
    case 'K':
        return op_number(m, 1, e);
    case 'M':
        return op_number(m, 2, e);
    case 0x8a:
        return op_long(m, e);
    case 'G': /* a float64, big-endian */
        TRY(skip(m, 8, e));
        return push_number(m, VALUE_FLOAT, 0, e);
    case 'X':
        return op_text(m, e);
    case ')':
        return make_tuple(m, 0, e);
    case 0x85: /* TUPLE1 to TUPLE3 */
    case 0x86:
    case 0x87:
        return make_tuple(m, opcode - 0x84U, e);
    case ']':
        return push_number(m, VALUE_LIST, 0, e);
    case '}':
        return push_number(m, VALUE_DICT, 0, e);
    case 't':
    case 'u':
    case 'e':
        return op_to_mark(m, opcode, e);
    case 's':
        return set_items(m, 2, false, e);
    case 'a':
        return append(m, 1, false, e);
    case 'q':
    case 'r':
        return op_memo(m, opcode == 'q' ? 1 : 4, true, e);
    case 'h':
    case 'j':
        return op_memo(m, opcode == 'h' ? 1 : 4, false, e);
    case 'c':
        return op_global(m, e);
    case 'R':
        return op_reduce(m, e);
    case 'Q':
        return op_storage(m, e);
    case 'b':
        return op_build(m, e);
    default:
        return op_refused(m, opcode, e);
    }
}

/* ---- the whole program ---- */

static int run_program(size_t *result, struct machine *m, struct err *e)
{
    const unsigned char *byte = NULL;
    TRY(take_bytes(&byte, m, 2, e));
    if (byte[0] != 0x80 || byte[1] != 2)
        return err_set(e, ERR_INPUT,
                       "%s: no pickle of protocol 2, which is what torch.save "
                       "writes unless told otherwise",
                       m->where);
    for (;;) {
        TRY(take_bytes(&byte, m, 1, e));
        if (*byte == '.')
            break;
        TRY(run_opcode(m, *byte, e));
    }
    TRY(pop(result, m, e));
    if (m->n_stack > 0 || m->at != m->end)
        return malformed(m, "more than one result", e);
    return 0;
}

static int make_arrays(struct machine *m, size_t size, struct err *e)
{
    struct arena *a = &m->arena;
    m->size = size;
    TRY(arena_get(a, &m->values, size, sizeof *m->values, m->where, e));
    TRY(arena_get(a, &m->stack, size, sizeof *m->stack, m->where, e));
    TRY(arena_get(a, &m->items, size, sizeof *m->items, m->where, e));
    TRY(arena_get(a, &m->pairs, size, sizeof *m->pairs, m->where, e));
    return arena_get(a, &m->memo, size, sizeof *m->memo, m->where, e);
}

static int read_program(struct pickle *p, struct machine *m, struct err *e)
{
    size_t size = (size_t)(m->end - m->at), result = 0;
    if (size > PICKLE_BYTES_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: a pickle of %zu bytes; at most %d are read",
                       m->where, size, PICKLE_BYTES_MAX);
    TRY(make_arrays(m, size, e));
    TRY(run_program(&result, m, e));
    return pickle_take_tensors(p, m, &m->values[result], e);
}

int pickle_read(struct pickle *p, const void *bytes, size_t size,
                const char *where, struct err *e)
{
    const unsigned char *begin = bytes;
    struct machine m = {.at = begin, .end = begin + size, .where = where};
    *p = (struct pickle){0};
    int code = read_program(p, &m, e);
    arena_free(&m.arena);
    if (code != 0)
        pickle_free(p);
    return code;
}

void pickle_free(struct pickle *p)
{
    arena_free(&p->arena);
    *p = (struct pickle){0};
}
