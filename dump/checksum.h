/* SPDX-License-Identifier: MIT
 *
 * Checksums of files (XXH3, 64 bits) and fingerprints of what a dump contains
 * (XXH3, 128 bits). They find accidents, not forgers.
 */
#ifndef DUMP_CHECKSUM_H
#define DUMP_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Size and checksum of a file, which is read for it. */
int checksum_file(uint64_t *bytes, uint64_t *xxh3, const char *path,
                  struct err *e);

/* 16 lower-case hex digits, the number's highest first, and the reverse;
 * false for any other text. */
enum { CHECKSUM_HEX = 17 };
void checksum_print(char out[CHECKSUM_HEX], uint64_t xxh3);
bool checksum_parse(uint64_t *xxh3, const char *text);

/* Call order: begin, add..., end, which also frees; end with out NULL gives
 * up. */
struct fingerprint {
    void *state; /* XXH3_state_t * */
};
enum { FINGERPRINT_HEX = 33 };
int fingerprint_begin(struct fingerprint *f, struct err *e);
void fingerprint_add(struct fingerprint *f, const void *data, size_t bytes);
void fingerprint_end(struct fingerprint *f, char *out);

#endif
