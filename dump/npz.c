/* SPDX-License-Identifier: MIT
 *
 * Archives of numpy.savez and savez_compressed: a member NAME.npy for each
 * array.
 */
#include "dump/tensor_file.h"

#include <stdio.h>
#include <string.h>

#include "dump/npy.h"

enum { NAME_MAX_BYTES = 80 };

/* The array's header, and that the member has as many bytes as it asks for. */
static int read_member(struct tensor_file *f, size_t i, void *prefix,
                       struct err *e)
{
    struct tensor_place *place = &f->places[i];
    const char *member = archive_name(&f->archive, i);
    char name[NAME_MAX_BYTES], where[400];
    int n = (int)strlen(member) - 4;
    if (n <= 0 || n >= NAME_MAX_BYTES || strcmp(member + n, ".npy") != 0)
        return err_set(e, ERR_INPUT,
                       "%s: member '%.80s' is no NAME.npy, so that this is "
                       "neither an archive of numpy.savez nor one of "
                       "torch.save",
                       f->path, member);
    (void)snprintf(name, sizeof name, "%.*s", n, member);
    if (!safetensors_name_ok(name))
        return err_set(e, ERR_INPUT, "%s: array name '%s' is refused", f->path,
                       name);
    TRY(archive_find(&place->member, &f->archive, member, e));
    size_t size = place->member.size;
    size_t have = size < NPY_PREFIX_MAX ? size : NPY_PREFIX_MAX;
    TRY(archive_read(&f->archive, &place->member, prefix, have, e));
    (void)snprintf(where, sizeof where, "%.300s: %s", f->path, member);
    TRY(npy_read_header(&f->tensors[i], &place->at, prefix, have, size, where,
                        e));
    return arena_string(&f->arena, &f->names[i], name, e);
}

int tensor_file_read_npz(struct tensor_file *f, struct err *e)
{
    size_t n = f->archive.n;
    void *prefix;
    TRY(arena_get(&f->arena, &f->names, n, sizeof *f->names, "names", e));
    TRY(arena_get(&f->arena, &f->tensors, n, sizeof *f->tensors, "arrays", e));
    TRY(arena_get(&f->arena, &f->places, n, sizeof *f->places, "arrays", e));
    TRY(arena_get(&f->arena, &prefix, NPY_PREFIX_MAX, 1, "npy header", e));
    for (size_t i = 0; i < n; i++)
        TRY(read_member(f, i, prefix, e));
    f->n = n;
    return 0;
}

int tensor_file_write_npz(const char *path, const struct tensor_entry *entries,
                          size_t n, struct err *e)
{
    struct arena arena = {0};
    struct archive_entry *members = NULL;
    int code = arena_get(&arena, &members, n, sizeof *members, path, e);
    for (size_t i = 0; code == 0 && i < n; i++) {
        const struct tensor *t = &entries[i].tensor;
        char name[NAME_MAX_BYTES], header[NPY_WRITTEN_HEADER_MAX], *text;
        char *kept_name;
        size_t length = npy_make_header(header, sizeof header, t);
        (void)snprintf(name, sizeof name, "%.70s.npy", entries[i].name);
        code = arena_string(&arena, &kept_name, name, e);
        if (code == 0)
            code = arena_get(&arena, &text, length, 1, path, e);
        if (code != 0)
            break;
        memcpy(text, header, length);
        members[i] = (struct archive_entry){.name = kept_name,
                                            .data = t->data,
                                            .bytes = t->bytes,
                                            .before = text,
                                            .bytes_before = length};
    }
    if (code == 0)
        code = archive_write(path, members, n, e);
    arena_free(&arena);
    return code;
}
