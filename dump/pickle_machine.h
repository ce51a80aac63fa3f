/* SPDX-License-Identifier: MIT
 *
 * Inside of dump/pickle: the machine's values and what it may call. Values are
 * numbered; none is ever removed, so that their number, like that of the
 * places in the other arrays, is at most that of the program's bytes.
 */
#ifndef DUMP_PICKLE_MACHINE_H
#define DUMP_PICKLE_MACHINE_H

#include "dump/pickle.h"

enum value_kind {
    VALUE_NONE,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_FLOAT, /* its value is dropped */
    VALUE_TEXT,
    VALUE_TUPLE,
    VALUE_LIST, /* its items are dropped */
    VALUE_DICT,
    VALUE_MARK,
    VALUE_FUNCTION, /* one of enum callable */
    VALUE_TYPE,     /* a storage's type; number is the dtype */
    VALUE_STORAGE,  /* items as the tuple had them */
    VALUE_TENSOR,   /* items as the call had them */
};

enum callable {
    CALL_ORDERED_DICT,
    CALL_REBUILD_TENSOR,
    CALL_REBUILD_PARAMETER,
};

struct value {
    enum value_kind kind;
    int64_t number;    /* of INT, BOOL, FUNCTION, TYPE */
    const char *text;  /* of TEXT; no zero at the end */
    size_t first, n;   /* items of TUPLE; bytes of TEXT are n */
    size_t head, tail; /* pairs of DICT, counted from 1; 0: none */
};

struct pair {
    size_t key, value, next;
};

struct machine {
    const unsigned char *at, *end;
    const char *where;
    struct value *values;
    size_t n_values;
    size_t *stack, n_stack;
    size_t *items, n_items; /* of all tuples */
    struct pair *pairs;
    size_t n_pairs;
    size_t *memo; /* value + 1; 0: nothing */
    size_t size;  /* of each array */
    struct arena arena;
};

/* The k-th item of a tuple, storage or tensor. */
const struct value *machine_item(const struct machine *m,
                                 const struct value *tuple, size_t k);

/* What a name stands for: sets *v, or refuses it. */
int pickle_find_global(struct value *v, const struct machine *m,
                       const char *module, const char *name, struct err *e);

/* v becomes the result of function(arguments), or is refused. */
int pickle_call(struct value *v, const struct machine *m,
                const struct value *function, const struct value *arguments,
                struct err *e);

/* v becomes the storage that a persistent id names, or is refused. */
int pickle_find_storage(struct value *v, const struct machine *m,
                        const struct value *id, struct err *e);

/* The tensors of the dict that is the program's result. */
int pickle_take_tensors(struct pickle *p, const struct machine *m,
                        const struct value *dict, struct err *e);

#endif
