/* SPDX-License-Identifier: MIT */
#include "dump/archive.h"

#include <string.h>
#include <zip.h>

enum {
    MEMBERS_MAX = 4096,
    /* Deflate's best: 258 bytes for two bits (RFC 1951). */
    DEFLATE_RATIO = 1032,
    DEFLATE_SLACK = 64,
};

/* As archive_name, with the number that libzip wants. */
static const char *name_of(const struct archive *a, size_t i)
{
    return zip_get_name(a->zip, i, ZIP_FL_ENC_GUESS);
}

static bool name_ok(const char *name)
{
    if (name == NULL || *name == '\0' || *name == '/' ||
        strstr(name, "..") != NULL || strchr(name, '\\') != NULL)
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            return false;
    return true;
}

/* What the directory says about member i, checked by itself. */
static int check_member(zip_stat_t *st, const struct archive *a, size_t i,
                        struct err *e)
{
    const char *name = name_of(a, i);
    if (!name_ok(name))
        return err_set(e, ERR_INPUT,
                       "%s: member name '%.80s' is refused: empty, or with "
                       "'..', a backslash, a control character or a '/' in "
                       "front",
                       a->path, name != NULL ? name : "");
    const zip_uint64_t need = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                              ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    if (zip_stat_index(a->zip, i, 0, st) != 0 || (st->valid & need) != need)
        return err_set(e, ERR_INPUT, "%s: member '%.80s' has no sizes", a->path,
                       name);
    if (st->encryption_method != ZIP_EM_NONE)
        return err_set(e, ERR_INPUT, "%s: member '%.80s' is encrypted", a->path,
                       name);
    if (st->comp_method != ZIP_CM_STORE && st->comp_method != ZIP_CM_DEFLATE)
        return err_set(e, ERR_INPUT,
                       "%s: member '%.80s' is packed by method %u; stored and "
                       "deflated are read",
                       a->path, name, (unsigned)st->comp_method);
    return 0;
}

/* Sizes against the file and against what the packing can do. */
static int check_sizes(const zip_stat_t *st, const struct archive *a,
                       size_t *left, size_t i, struct err *e)
{
    if (st->comp_size > *left)
        return err_set(e, ERR_INPUT,
                       "%s: the members up to '%.80s' claim more bytes than "
                       "the file's %zu",
                       a->path, name_of(a, i), a->map.size);
    *left -= (size_t)st->comp_size;
    bool stored = st->comp_method == ZIP_CM_STORE;
    if (stored ? st->size != st->comp_size
               : st->size / DEFLATE_RATIO > st->comp_size + DEFLATE_SLACK)
        return err_set(e, ERR_INPUT,
                       "%s: member '%.80s' claims %llu bytes, which its %llu "
                       "packed ones cannot hold",
                       a->path, name_of(a, i), (unsigned long long)st->size,
                       (unsigned long long)st->comp_size);
    return 0;
}

static int check_directory(struct archive *a, struct err *e)
{
    zip_int64_t n = zip_get_num_entries(a->zip, 0);
    if (n < 0 || n > MEMBERS_MAX)
        return err_set(e, ERR_INPUT, "%s: %lld members; at most %d are read",
                       a->path, (long long)n, MEMBERS_MAX);
    a->n = (size_t)n;
    size_t left = a->map.size;
    for (size_t i = 0; i < a->n; i++) {
        zip_stat_t st;
        TRY(check_member(&st, a, i, e));
        TRY(check_sizes(&st, a, &left, i, e));
    }
    return 0;
}

static int refuse(const struct archive *a, zip_error_t *problem, struct err *e)
{
    int code = zip_error_code_zip(problem) == ZIP_ER_MEMORY
                   ? err_memory(e, a->path, 0)
                   : err_set(e, ERR_INPUT, "%s: no sound zip archive: %s",
                             a->path, zip_error_strerror(problem));
    zip_error_fini(problem);
    return code;
}

static int open_zip(struct archive *a, struct err *e)
{
    zip_error_t problem;
    zip_error_init(&problem);
    zip_source_t *source =
        zip_source_buffer_create(a->map.data, a->map.size, 0, &problem);
    if (source == NULL)
        return refuse(a, &problem, e);
    a->zip = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &problem);
    if (a->zip == NULL) {
        zip_source_free(source);
        return refuse(a, &problem, e);
    }
    zip_error_fini(&problem);
    return check_directory(a, e);
}

int archive_open(struct archive *a, const char *path, struct err *e)
{
    *a = (struct archive){.path = path};
    int code = map_open(&a->map, path, e);
    if (code == 0)
        code = open_zip(a, e);
    if (code != 0)
        archive_close(a);
    return code;
}

void archive_close(struct archive *a)
{
    if (a->zip != NULL)
        zip_discard(a->zip);
    map_close(&a->map);
    *a = (struct archive){0};
}

const char *archive_name(const struct archive *a, size_t i)
{
    return name_of(a, i);
}

int archive_find(struct archive_member *m, const struct archive *a,
                 const char *name, struct err *e)
{
    size_t found = 0;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(name_of(a, i), name) == 0) {
            m->index = i;
            found++;
        }
    if (found != 1)
        return err_set(e, ERR_INPUT, "%s: %s member '%.80s'", a->path,
                       found == 0 ? "no" : "more than one", name);
    zip_stat_t st;
    TRY(check_member(&st, a, m->index, e));
    m->size = (size_t)st.size;
    m->stored = st.comp_method == ZIP_CM_STORE;
    return 0;
}

/* Fills out[n]; 0 if the member had fewer bytes or did not unpack. */
static bool read_all(zip_file_t *f, unsigned char *out, size_t n)
{
    while (n > 0) {
        zip_int64_t got = zip_fread(f, out, n);
        if (got <= 0)
            return false;
        out += got;
        n -= (size_t)got;
    }
    return true;
}

int archive_read(const struct archive *a, const struct archive_member *m,
                 void *out, size_t n, struct err *e)
{
    const char *name = name_of(a, m->index);
    zip_file_t *f = zip_fopen_index(a->zip, m->index, 0);
    if (f == NULL)
        return err_set(e, ERR_INPUT, "%s: member '%.80s': %s", a->path, name,
                       zip_strerror(a->zip));
    bool ok = read_all(f, out, n);
    unsigned char more;
    if (ok && n == m->size)
        ok = zip_fread(f, &more, 1) == 0; /* also compares the checksum */
    (void)zip_fclose(f);
    if (ok)
        return 0;
    return err_set(e, ERR_INPUT,
                   "%s: member '%.80s' is damaged: it does not unpack to the "
                   "%zu bytes and the checksum that the directory has",
                   a->path, name, m->size);
}
