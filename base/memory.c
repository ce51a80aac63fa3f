/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/format.h"

uint64_t memory_available(void)
{
    uint64_t available = UINT64_MAX, kib;
    char line[160];
    FILE *f = fopen("/proc/meminfo", "r");
    if (f == NULL)
        return available;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "MemAvailable: %" SCNu64 " kB", &kib) == 1)
            available = kib * 1024;
    (void)fclose(f);
    return available;
}

int memory_check(uint64_t bytes, const char *subject, const char *what,
                 struct err *e)
{
    uint64_t available = memory_available();
    if (bytes <= available)
        return 0;
    char need[32], have[32];
    format_bytes(need, sizeof need, (double)bytes);
    format_bytes(have, sizeof have, (double)available);
    return err_set(e, ERR_INPUT,
                   "%s: needs %s of memory, but only %s are available, for %s",
                   subject, need, have, what);
}
