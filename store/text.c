/* SPDX-License-Identifier: MIT */
#include "store/text.h"

#include <string.h>

#include "base/utf8.h"

bool store_text_is_plain(const char *bytes, size_t length)
{
    return memchr(bytes, '\0', length) == NULL &&
           utf8_valid_prefix(bytes, length) == length;
}

/* Length of the text at the front. */
static size_t plain_prefix(const char *bytes, size_t length)
{
    const char *nul = memchr(bytes, '\0', length);
    return utf8_valid_prefix(bytes,
                             nul == NULL ? length : (size_t)(nul - bytes));
}

size_t store_text_escape(char *out, const char *bytes, size_t length)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    while (length > 0) {
        size_t plain = plain_prefix(bytes, length);
        memcpy(out + used, bytes, plain);
        used += plain;
        bytes += plain;
        length -= plain;
        if (length == 0)
            break;
        unsigned char bad = (unsigned char)*bytes++;
        length--;
        out[used++] = '\\';
        out[used++] = 'x';
        out[used++] = digits[bad >> 4];
        out[used++] = digits[bad & 15];
    }
    return used;
}
