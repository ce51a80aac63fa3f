/* SPDX-License-Identifier: MIT */
#include "dump/tensor_file.h"

#include <string.h>

/* What a file begins with. */
enum { MAGIC_MAX = 4 };
static const unsigned char zip_magic[] = {'P', 'K', 3, 4};
static const unsigned char pickle_magic[] = {0x80, 2};

static int read_magic(unsigned char magic[MAGIC_MAX], const char *path,
                      struct err *e)
{
    struct map m;
    memset(magic, 0, MAGIC_MAX);
    TRY(map_open(&m, path, e));
    if (m.size > 0)
        memcpy(magic, m.data, m.size < MAGIC_MAX ? m.size : MAGIC_MAX);
    map_close(&m);
    return 0;
}

/* torch.save puts a pickle "data.pkl" into a folder of the archive; what
 * numpy.savez writes are .npy files. */
static int read_archive(struct tensor_file *f, struct err *e)
{
    static const char pickle[] = "/data.pkl";
    TRY(archive_open(&f->archive, f->path, e));
    for (size_t i = 0; i < f->archive.n; i++) {
        const char *name = archive_name(&f->archive, i);
        size_t n = strlen(name);
        if (n > sizeof pickle - 1 &&
            strcmp(name + n - (sizeof pickle - 1), pickle) == 0)
            return tensor_file_read_state_dict(f, e);
    }
    return tensor_file_read_npz(f, e);
}

static int read_safetensors(struct tensor_file *f, struct err *e)
{
    TRY(safetensors_open(&f->safetensors, f->path, e));
    f->n = f->safetensors.n;
    f->names = f->safetensors.names;
    f->tensors = f->safetensors.tensors;
    return 0;
}

int tensor_file_open(struct tensor_file *f, const char *path, struct err *e)
{
    unsigned char magic[MAGIC_MAX];
    *f = (struct tensor_file){.path = path};
    int code = read_magic(magic, path, e);
    if (code == 0 && memcmp(magic, zip_magic, sizeof zip_magic) == 0)
        code = read_archive(f, e);
    else if (code == 0 && memcmp(magic, pickle_magic, sizeof pickle_magic) == 0)
        code = err_set(e, ERR_INPUT,
                       "%s: a bare pickle, as torch.save wrote before PyTorch "
                       "1.6; with a newer one, torch.save(torch.load(FILE, "
                       "weights_only=True), NEW) writes what can be read",
                       path);
    else if (code == 0)
        code = read_safetensors(f, e);
    if (code != 0)
        tensor_file_close(f);
    return code;
}

void tensor_file_close(struct tensor_file *f)
{
    safetensors_close(&f->safetensors);
    archive_close(&f->archive);
    arena_free(&f->arena);
    *f = (struct tensor_file){0};
}

size_t tensor_file_find(const struct tensor_file *f, const char *name)
{
    size_t i = 0;
    while (i < f->n && strcmp(f->names[i], name) != 0)
        i++;
    return i;
}

/* t's numbers in C order from in[], where they lie column by column; in squares
 * that fit the cache. */
static void transpose(unsigned char *out, const unsigned char *in,
                      const struct tensor *t)
{
    enum { SQUARE = 32 };
    size_t rows = (size_t)t->shape[0], columns = (size_t)t->shape[1];
    size_t width = dtype_size(t->dtype);
    for (size_t r = 0; r < rows; r += SQUARE)
        for (size_t c = 0; c < columns; c += SQUARE)
            for (size_t i = r; i < rows && i < r + SQUARE; i++)
                for (size_t j = c; j < columns && j < c + SQUARE; j++)
                    memcpy(out + (i * columns + j) * width,
                           in + (j * rows + i) * width, width);
}

int tensor_file_load(struct tensor_file *f, size_t i, struct err *e)
{
    struct tensor *t = &f->tensors[i];
    if (t->data != NULL || t->bytes == 0)
        return 0;
    const struct tensor_place *place = &f->places[i];
    unsigned char *bytes;
    TRY(arena_get(&f->arena, &bytes, place->member.size, 1, f->names[i], e));
    TRY(archive_read(&f->archive, &place->member, bytes, place->member.size,
                     e));
    t->data = bytes + place->at;
    if (!place->transposed)
        return 0;
    unsigned char *in_order;
    TRY(arena_get(&f->arena, &in_order, t->bytes, 1, f->names[i], e));
    transpose(in_order, bytes + place->at, t);
    t->data = in_order;
    return 0;
}
