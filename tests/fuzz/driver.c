/* SPDX-License-Identifier: MIT
 *
 * Runs a fuzz target without libFuzzer, so that every build and ctest can: each
 * file given, or found in a folder given, as it is and in MUTATIONS random
 * variants. The variants are the same in every run. What it catches shows as
 * an abort, an assert or a report of a sanitizer.
 */
#include "input.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/output.h"
#include "base/rng.h"

enum {
    MUTATIONS = 500,
    SIZE_MAX_READ = 1 << 16,
    CHANGES_MAX = 4, /* of one variant */
};

static uint64_t n_runs;

/* Values at which checks tend to be wrong, as they lie in binary headers. */
static void put_extreme(uint8_t *data, size_t size, struct rng *r)
{
    static const uint64_t extremes[] = {
        0, 1, 0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX, 100000000};
    uint64_t v = extremes[rng_below(r, sizeof extremes / sizeof *extremes)];
    size_t at = (size_t)rng_below(r, size);
    size_t n = size - at < sizeof v ? size - at : sizeof v;
    memcpy(data + at, &v, n);
}

/* Removes up to 16 bytes, or doubles them in place. */
static size_t cut_or_repeat(uint8_t *data, size_t size, struct rng *r)
{
    size_t at = (size_t)rng_below(r, size);
    size_t n = 1 + (size_t)rng_below(r, 16);
    if (n > size - at)
        n = size - at;
    if (rng_below(r, 2) == 0) {
        memmove(data + at, data + at + n, size - at - n);
        return size - n;
    }
    memmove(data + at + n, data + at, size - at);
    return size + n;
}

/* One change; the buffer has room for 16 bytes more. Returns the new size. */
static size_t mutate(uint8_t *data, size_t size, struct rng *r)
{
    static const char syntax[] = "0123456789-.,:\"'[]{}()/\\eE \n";
    if (size == 0)
        return 0;
    size_t at = (size_t)rng_below(r, size);
    switch (rng_below(r, 6)) {
    case 0:
        data[at] ^= (uint8_t)(1U << rng_below(r, 8));
        return size;
    case 1:
        data[at] = (uint8_t)rng_below(r, 256);
        return size;
    case 2:
        data[at] = (uint8_t)syntax[rng_below(r, sizeof syntax - 1)];
        return size;
    case 3:
        put_extreme(data, size, r);
        return size;
    case 4:
        return at;
    default:
        return cut_or_repeat(data, size, r);
    }
}

/* In a piece of memory of its own size, so that a sanitizer sees its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_runs++;
}

static void run_file(const char *path)
{
    static uint8_t seed[SIZE_MAX_READ], variant[SIZE_MAX_READ + 64];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(2);
    }
    size_t size = fread(seed, 1, sizeof seed, f);
    (void)fclose(f);
    run(seed, size);
    for (uint32_t i = 0; i < MUTATIONS; i++) {
        struct rng r = rng_at(size, RNG_TEST, i);
        uint64_t changes = 1 + rng_below(&r, CHANGES_MAX);
        size_t n = size;
        memcpy(variant, seed, size);
        while (changes-- > 0)
            n = mutate(variant, n, &r);
        run(variant, n);
    }
}

static void run_folder(const char *folder)
{
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        perror(folder);
        exit(2);
    }
    char path[OUTPUT_PATH_MAX];
    for (struct dirent *it; (it = readdir(entries)) != NULL;)
        if (it->d_name[0] != '.' &&
            output_join(path, folder, it->d_name, NULL) == 0)
            run_file(path);
    (void)closedir(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
            run_folder(argv[i]);
        else
            run_file(argv[i]);
    }
    (void)printf("%s: %llu inputs\n", argv[0], (unsigned long long)n_runs);
    return n_runs == 0; /* nothing tried is no success */
}
