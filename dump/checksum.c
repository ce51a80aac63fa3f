/* SPDX-License-Identifier: MIT */
#include "dump/checksum.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/map.h"

int checksum_file(uint64_t *bytes, uint64_t *xxh3, const char *path,
                  struct err *e)
{
    struct map m;
    TRY(map_open(&m, path, e));
    map_advise_sequential(&m);
    *bytes = m.size;
    *xxh3 = XXH3_64bits(m.data, m.size);
    map_close(&m);
    return 0;
}

void checksum_print(char out[CHECKSUM_HEX], uint64_t xxh3)
{
    (void)snprintf(out, CHECKSUM_HEX, "%016" PRIx64, xxh3);
}

bool checksum_parse(uint64_t *xxh3, const char *text)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t v = 0;
    if (strlen(text) != CHECKSUM_HEX - 1)
        return false;
    for (; *text != '\0'; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL)
            return false;
        v = v << 4 | (uint64_t)(digit - digits);
    }
    *xxh3 = v;
    return true;
}

int fingerprint_begin(struct fingerprint *f, struct err *e)
{
    f->state = XXH3_createState();
    if (f->state == NULL)
        return err_memory(e, "fingerprint", 0);
    (void)XXH3_128bits_reset(f->state);
    return 0;
}

void fingerprint_add(struct fingerprint *f, const void *data, size_t bytes)
{
    (void)XXH3_128bits_update(f->state, data, bytes);
}

void fingerprint_end(struct fingerprint *f, char *out)
{
    if (out != NULL) {
        XXH128_hash_t h = XXH3_128bits_digest(f->state);
        (void)snprintf(out, FINGERPRINT_HEX, "%016" PRIx64 "%016" PRIx64,
                       (uint64_t)h.high64, (uint64_t)h.low64);
    }
    (void)XXH3_freeState(f->state);
    f->state = NULL;
}
