/* SPDX-License-Identifier: MIT */
#include "dump/archive.h"

#include <stdbool.h>
#include <zip.h>

/* 1 January 1980, the first day that the format knows. */
enum { DOS_TIME = 0, DOS_DATE = 1 << 5 | 1 };

static int failed(zip_t *zip, const char *path, struct err *e)
{
    return err_set(e, ERR_INPUT, "cannot write %s: %s", path,
                   zip_strerror(zip));
}

static int add(zip_t *zip, const struct archive_entry *entry, const char *path,
               struct err *e)
{
    /* libzip's struct wants what it only reads without const. */
    union {
        const void *kept;
        zip_uint8_t *bytes;
    } before = {entry->before}, data = {entry->data};
    const zip_buffer_fragment_t pieces[] = {{before.bytes, entry->bytes_before},
                                            {data.bytes, entry->bytes}};
    bool two = entry->before != NULL;
    zip_source_t *source = zip_source_buffer_fragment(
        zip, two ? pieces : pieces + 1, two ? 2 : 1, 0);
    if (source == NULL)
        return failed(zip, path, e);
    zip_int64_t i = zip_file_add(zip, entry->name, source, ZIP_FL_ENC_UTF_8);
    if (i < 0) {
        zip_source_free(source);
        return failed(zip, path, e);
    }
    if (zip_set_file_compression(zip, (zip_uint64_t)i, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(zip, (zip_uint64_t)i, DOS_TIME, DOS_DATE, 0) != 0)
        return failed(zip, path, e);
    return 0;
}

int archive_write(const char *path, const struct archive_entry *entries,
                  size_t n, struct err *e)
{
    int problem = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &problem);
    if (zip == NULL)
        return err_errno(e, "cannot write %s", path);
    int code = 0;
    for (size_t i = 0; code == 0 && i < n; i++)
        code = add(zip, &entries[i], path, e);
    if (code == 0 && zip_close(zip) == 0)
        return 0;
    if (code == 0)
        code = failed(zip, path, e);
    zip_discard(zip);
    return code;
}
