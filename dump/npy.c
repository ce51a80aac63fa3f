/* SPDX-License-Identifier: MIT
 *
 * The header is the text of a Python dict with the keys descr, fortran_order
 * and shape (numpy/lib/format.py). We read the part of that language that
 * numpy writes: strings, True, False, whole numbers, tuples of numbers.
 */
#include "dump/npy.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
    MAGIC_BYTES = 6,
    PREFIX_BYTES = 8,      /* magic and version */
    HEADER_MAX = 1 << 16,  /* what version 1.0 can hold; arrays need 128 */
    HEADER_ALIGNMENT = 64, /* of the data in the file, as numpy does it */
    WORD_MAX = 40,
};

static const char magic[MAGIC_BYTES + 1] = "\x93NUMPY";

static const struct {
    const char *name;
    enum dtype dtype;
} descriptions[] = {
    {"<f4", DTYPE_F32},       {"<f2", DTYPE_F16},  {"<f8", DTYPE_F64},
    {"<i4", DTYPE_I32},       {"<i8", DTYPE_I64},  {"<i2", DTYPE_I16},
    {"<u2", DTYPE_U16},       {"|u1", DTYPE_U8},   {"|i1", DTYPE_I8},
    {"|b1", DTYPE_BOOL},      {"<V2", DTYPE_BF16}, {"|V2", DTYPE_BF16},
    {"bfloat16", DTYPE_BF16},
};

/* The header's text and how far it is read. */
struct reader {
    const char *at, *end;
    const char *path;
};

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n'))
        r->at++;
}

/* Takes `c` if it comes next. */
static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static int malformed(const struct reader *r, const char *what, struct err *e)
{
    return err_set(e, ERR_INPUT, "%s: npy header: %s", r->path, what);
}

static int need(struct reader *r, char c, struct err *e)
{
    if (take(r, c))
        return 0;
    char what[WORD_MAX];
    (void)snprintf(what, sizeof what, "'%c' expected", c);
    return malformed(r, what, e);
}

/* A quoted string without escapes. */
static int read_string(struct reader *r, char out[WORD_MAX], struct err *e)
{
    char quote = take(r, '\'') ? '\'' : '"';
    if (quote == '"')
        TRY(need(r, '"', e));
    size_t n = 0;
    while (r->at < r->end && *r->at != quote && n + 1 < WORD_MAX)
        out[n++] = *r->at++;
    out[n] = '\0';
    return need(r, quote, e);
}

static bool take_word(struct reader *r, const char *word)
{
    skip_space(r);
    size_t n = strlen(word);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

static int read_size(struct reader *r, int64_t *out, struct err *e)
{
    skip_space(r);
    const char *start = r->at;
    int64_t v = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, *r->at - '0', &v))
            return malformed(r, "a size is too large", e);
    if (r->at == start)
        return malformed(r, "sizes must be whole numbers from 0", e);
    *out = v;
    return 0;
}

/* "()", "(5,)", "(2, 3)" */
static int read_shape(struct reader *r, struct tensor *t, struct err *e)
{
    TRY(need(r, '(', e));
    while (!take(r, ')')) {
        if (t->rank == TENSOR_RANK_MAX)
            return malformed(r, "too many axes; at most 8 are read", e);
        TRY(read_size(r, &t->shape[t->rank++], e));
        if (!take(r, ',')) {
            TRY(need(r, ')', e));
            break;
        }
    }
    return 0;
}

static int read_description(struct reader *r, struct tensor *t, struct err *e)
{
    if (take(r, '['))
        return malformed(r, "a structured array; save one field, a['name']", e);
    char name[WORD_MAX];
    TRY(read_string(r, name, e));
    for (size_t i = 0; i < sizeof descriptions / sizeof *descriptions; i++)
        if (strcmp(descriptions[i].name, name) == 0) {
            t->dtype = descriptions[i].dtype;
            return 0;
        }
    const char *advice = "";
    if (name[0] == '>')
        advice = ": big-endian; save a.astype(a.dtype.newbyteorder('<'))";
    else if (strcmp(name, "|O") == 0)
        advice = ": Python objects; save an array of numbers, like "
                 "np.asarray(a, np.float32)";
    return err_set(e, ERR_INPUT, "%s: unknown npy dtype '%s'%s", r->path, name,
                   advice);
}

static int read_order(struct reader *r, bool *fortran, struct err *e)
{
    *fortran = take_word(r, "True");
    if (*fortran || take_word(r, "False"))
        return 0;
    return malformed(r, "fortran_order must be True or False", e);
}

/* One "key: value" of the dict; `seen` has a bit for each key. */
static int read_item(struct reader *r, struct tensor *t, bool *fortran,
                     unsigned *seen, struct err *e)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[WORD_MAX];
    TRY(read_string(r, key, e));
    TRY(need(r, ':', e));
    unsigned which = 0;
    while (which < 3 && strcmp(keys[which], key) != 0)
        which++;
    if (which == 3)
        return malformed(r, "a key other than descr, fortran_order, shape", e);
    if (*seen & 1U << which)
        return malformed(r, "a duplicate key", e);
    *seen |= 1U << which;
    if (which == 0)
        return read_description(r, t, e);
    return which == 1 ? read_order(r, fortran, e) : read_shape(r, t, e);
}

static int read_dict(struct reader *r, struct tensor *t, struct err *e)
{
    unsigned seen = 0;
    bool fortran = false;
    TRY(need(r, '{', e));
    while (!take(r, '}')) {
        TRY(read_item(r, t, &fortran, &seen, e));
        if (!take(r, ',')) {
            TRY(need(r, '}', e));
            break;
        }
    }
    skip_space(r);
    if (r->at != r->end)
        return malformed(r, "text after the dict", e);
    if (seen != 7)
        return malformed(r, "descr, fortran_order or shape is missing", e);
    if (fortran)
        return err_set(e, ERR_INPUT,
                       "%s: Fortran order; save np.ascontiguousarray(a)",
                       r->path);
    return 0;
}

/* Finds the header's text; checks its size against the file. */
static int find_header(struct reader *r, const unsigned char *data, size_t have,
                       const char *path, struct err *e)
{
    if (have < PREFIX_BYTES || memcmp(data, magic, MAGIC_BYTES) != 0)
        return err_set(e, ERR_INPUT, "%s is no .npy file", path);
    unsigned major = data[MAGIC_BYTES], minor = data[MAGIC_BYTES + 1];
    if (major < 1 || major > 3 || minor != 0)
        return err_set(e, ERR_INPUT, "%s: npy version %u.%u is not known", path,
                       major, minor);
    /* The length: u16 in version 1, u32 since. Both little-endian. */
    size_t width = major == 1 ? 2 : 4, left = have - PREFIX_BYTES;
    uint32_t size = 0;
    if (left < width)
        return err_set(e, ERR_INPUT, "%s: the npy header is cut short", path);
    memcpy(&size, data + PREFIX_BYTES, width);
    left -= width;
    if (size > left || size > HEADER_MAX)
        return err_set(e, ERR_INPUT,
                       "%s: claims an npy header of %" PRIu32
                       " bytes; the file has %zu and at most %d are read",
                       path, size, left, HEADER_MAX);
    const char *text = (const char *)data + PREFIX_BYTES + width;
    *r = (struct reader){text, text + size, path};
    return 0;
}

int npy_read_header(struct tensor *t, size_t *data_at, const void *bytes,
                    size_t have, size_t size, const char *where, struct err *e)
{
    struct reader r = {0};
    *t = (struct tensor){0};
    TRY(find_header(&r, bytes, have, where, e));
    TRY(read_dict(&r, t, e));
    TRY(tensor_bytes(&t->bytes, t->dtype, t->shape, t->rank, where, e));
    *data_at = (size_t)(r.end - (const char *)bytes);
    size_t left = size - *data_at;
    if (left == t->bytes)
        return 0;
    char shape[256];
    tensor_describe(shape, sizeof shape, t);
    return err_set(e, ERR_INPUT, "%s: %s needs %zu bytes, the file has %zu",
                   where, shape, t->bytes, left);
}

static int read_file(struct npy *a, const char *path, struct err *e)
{
    size_t at;
    TRY(npy_read_header(&a->tensor, &at, a->map.data, a->map.size, a->map.size,
                        path, e));
    a->tensor.data = a->map.data + at;
    return 0;
}

int npy_open(struct npy *a, const char *path, struct err *e)
{
    *a = (struct npy){0};
    int code = map_open(&a->map, path, e);
    if (code == 0)
        code = read_file(a, path, e);
    if (code != 0)
        npy_close(a);
    return code;
}

void npy_close(struct npy *a)
{
    map_close(&a->map);
    *a = (struct npy){0};
}

/* The header with its prefix into out[]; returns its length. `description` is
 * Python: "'<f4'". */
static size_t make_header(char *out, size_t size, const char *description,
                          const int64_t *shape, int rank)
{
    memset(out, ' ', size);
    memcpy(out, magic, MAGIC_BYTES);
    out[MAGIC_BYTES] = 1;
    out[MAGIC_BYTES + 1] = 0;
    size_t at = PREFIX_BYTES + 2;
    at += (size_t)snprintf(out + at, size - at,
                           "{'descr': %s, 'fortran_order': False, "
                           "'shape': (",
                           description);
    for (int i = 0; i < rank; i++)
        at += (size_t)snprintf(out + at, size - at, "%" PRId64 ", ", shape[i]);
    at += (size_t)snprintf(out + at, size - at, ")}");
    out[at++] = ' ';
    size_t end = (at + HEADER_ALIGNMENT) / HEADER_ALIGNMENT * HEADER_ALIGNMENT;
    assert(end <= size);
    out[end - 1] = '\n';
    uint16_t length = (uint16_t)(end - PREFIX_BYTES - 2);
    memcpy(out + PREFIX_BYTES, &length, sizeof length);
    return end;
}

static const char *describe_dtype(enum dtype dtype)
{
    for (size_t i = 0;; i++)
        if (descriptions[i].dtype == dtype)
            return descriptions[i].name;
}

size_t npy_make_header(char *out, size_t size, const struct tensor *t)
{
    char description[WORD_MAX];
    (void)snprintf(description, sizeof description, "'%s'",
                   describe_dtype(t->dtype));
    return make_header(out, size, description, t->shape, t->rank);
}

int npy_write(const char *path, enum dtype dtype, const int64_t *shape,
              int rank, const void *data, struct err *e)
{
    struct tensor t = {.dtype = dtype, .rank = rank};
    assert(rank >= 0 && rank <= TENSOR_RANK_MAX);
    memcpy(t.shape, shape, (size_t)rank * sizeof *shape);
    TRY(tensor_bytes(&t.bytes, dtype, shape, rank, path, e));
    /* eight sizes of 22 bytes, 70 of text, alignment */
    char header[NPY_WRITTEN_HEADER_MAX];
    size_t length = npy_make_header(header, sizeof header, &t);
    FILE *f = fopen(path, "wb");
    if (f == NULL)
        return err_errno(e, "cannot write %s", path);
    bool bad = fwrite(header, 1, length, f) != length;
    bad |= t.bytes != 0 && fwrite(data, 1, t.bytes, f) != t.bytes;
    bad |= fclose(f) != 0;
    return bad ? err_errno(e, "cannot write %s", path) : 0;
}

int npy_begin_records(FILE *f, const char *fields, int64_t records,
                      const char *path, struct err *e)
{
    char header[NPY_FIELDS_MAX + 192]; /* 90 of text and number, alignment */
    assert(strlen(fields) < NPY_FIELDS_MAX);
    size_t length = make_header(header, sizeof header, fields, &records, 1);
    if (fwrite(header, 1, length, f) != length)
        return err_errno(e, "cannot write %s", path);
    return 0;
}
