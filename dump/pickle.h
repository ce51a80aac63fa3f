/* SPDX-License-Identifier: MIT
 *
 * The pickle inside a file of torch.save, as far as a plain state dict needs
 * it: a dict of tensors. A pickle is a program; this machine has the opcodes
 * that torch.save (protocol 2) emits for such a dict and no others, and the
 * only things it can call are those listed in pickle.c, which build a dict, a
 * tensor's description or a parameter. Everything else is refused by name.
 * Nothing is looked up, imported or run.
 */
#ifndef DUMP_PICKLE_H
#define DUMP_PICKLE_H

#include "base/arena.h"
#include "dump/tensor.h"

/* A tensor as the pickle describes it. It lies without gaps in a storage, a
 * file of its own beside the pickle. */
struct pickle_tensor {
    char *name;
    struct tensor tensor; /* data NULL */
    char *storage;        /* the storage's key: digits */
    size_t storage_bytes;
    size_t at; /* where in the storage the tensor begins, in bytes */
    /* Two axes, the columns lie one after the other: what W.T is in torch,
     * and what dictionary_learning saves. */
    bool transposed;
};

struct pickle {
    size_t n;
    struct pickle_tensor *tensors;
    struct arena arena;
};

/* At most so many bytes are read; a state dict of an SAE has some thousand. */
enum { PICKLE_BYTES_MAX = 1 << 18 };

/* Runs the program in bytes[size]; `where` names it in messages. Tensors with
 * other strides than those of a contiguous one or its transpose are refused,
 * and what is no tensor or of a type that enum dtype does not list. Memory is
 * some hundred bytes for each of the program. */
int pickle_read(struct pickle *p, const void *bytes, size_t size,
                const char *where, struct err *e);
void pickle_free(struct pickle *p);

/* The program that torch.save writes for an OrderedDict of these tensors, of
 * which it takes name, dtype, shape and storage: each has a storage of its own.
 * *bytes are the arena's. */
int pickle_write(unsigned char **bytes, size_t *size,
                 const struct pickle_tensor *tensors, size_t n,
                 struct arena *arena, struct err *e);

#endif
