/* SPDX-License-Identifier: MIT */
#include "tests/kernels/buffers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SLOTS = 10,
    FAR_SLOT = SLOTS, /* one more */
    SLOT_BYTES = 1 << 20,
    MARGIN = 1024, /* painted on either side, as far as there is memory */
    PLAIN_BYTES = 16 << 20,
    SHARE_OF_FAR = 4, /* every so many buffers that can be far are */
};
/* Room for 2^32 floats and one row before the far slot. */
#define FAR_BYTES (((size_t)1 << 34) + ((size_t)1 << 20))

/* A signalling NaN, with room for the number of a slot. */
#define PAINT 0xffa5a500u

struct slot {
    size_t before;    /* bytes without access before memory */
    char *memory;     /* between its guards */
    char *shadow;     /* of memory, as noted by buffers_seal */
    const char *name; /* NULL: free */
    char *begin;      /* of the first row */
    char *low, *high; /* painted and compared: [low, high) */
    enum buffer_use use;
    struct buffer_shape shape;
};

static struct slot slots[SLOTS + 1];
static bool have_far;
static size_t page;
static char *plain;
static size_t plain_used;
static enum buffer_side side;
static struct rng place;

static void *map(size_t bytes, int protection)
{
    void *at = mmap(NULL, bytes, protection,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void *must(void *at)
{
    if (at == NULL) {
        perror("check_kernels: no memory for buffers");
        exit(2);
    }
    return at;
}

/* Memory of a slot with `before` bytes without access before it and a page
 * behind it. */
static bool open_slot(struct slot *s, size_t before)
{
    char *at = map(before + SLOT_BYTES + page, PROT_NONE);
    if (at == NULL)
        return false;
    s->before = before;
    s->memory = at + before;
    if (mprotect(s->memory, SLOT_BYTES, PROT_READ | PROT_WRITE) != 0)
        must(NULL);
    s->shadow = must(map(SLOT_BYTES, PROT_READ | PROT_WRITE));
    return true;
}

void buffers_init(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < SLOTS; i++)
        if (!open_slot(&slots[i], page))
            must(NULL);
    have_far = open_slot(&slots[FAR_SLOT], FAR_BYTES);
    if (!have_far && !open_slot(&slots[FAR_SLOT], page))
        must(NULL);
    plain = must(map(PLAIN_BYTES, PROT_READ | PROT_WRITE));
}

void buffers_reset(enum buffer_side new_side, struct rng new_place)
{
    for (int i = 0; i <= SLOTS; i++)
        slots[i].name = NULL;
    plain_used = 0;
    side = new_side;
    place = new_place;
}

static void too_small(const char *what)
{
    fprintf(stderr, "check_kernels: no room for %s\n", what);
    exit(2);
}

void *buffers_plain(size_t bytes)
{
    char *at = plain + plain_used;
    size_t lines = (bytes + BUFFER_LINE - 1) / BUFFER_LINE;
    if (lines * BUFFER_LINE > PLAIN_BYTES - plain_used)
        too_small("a copy");
    plain_used += lines * BUFFER_LINE;
    return at;
}

static size_t extent(const struct buffer_shape *s)
{
    return s->rows == 0 ? 0 : (s->rows - 1) * s->stride + s->bytes;
}

static void paint(const struct slot *s)
{
    uint32_t word = PAINT | (uint32_t)(s - slots + 1);
    for (char *at = s->low; at < s->high; at += sizeof word)
        memcpy(at, &word, sizeof word);
}

static char *round_down(char *at, size_t unit)
{
    return at - (uintptr_t)at % unit;
}

/* Where a buffer of so many bytes goes: at its guard half the time, else up to
 * fifteen units from there. */
static char *choose_place(const struct slot *s, size_t bytes, size_t unit)
{
    size_t gap = 0;
    if (unit < BUFFER_LINE && rng_below(&place, 2) == 0)
        gap = rng_below(&place, 16) * unit;
    if (side == BUFFERS_BEGIN_AT_GUARD)
        return s->memory + gap;
    return round_down(s->memory + SLOT_BYTES - bytes - gap, unit);
}

static char *open_buffer(struct slot *s, const char *name, enum buffer_use use,
                         const struct buffer_shape *shape)
{
    size_t bytes = extent(shape);
    if (bytes + 16 * BUFFER_LINE > SLOT_BYTES)
        too_small(name);
    s->name = name;
    s->use = use;
    s->shape = *shape;
    s->begin = choose_place(s, bytes, shape->unit);
    char *end = s->memory + SLOT_BYTES;
    size_t before = (size_t)(s->begin - s->memory);
    size_t behind = (size_t)(end - s->begin) - bytes;
    s->low = before < MARGIN ? s->memory : round_down(s->begin - MARGIN, 4);
    s->high = behind < MARGIN ? end : round_down(s->begin + bytes + MARGIN, 4);
    paint(s);
    return s->begin;
}

void *buffer_get(const char *name, enum buffer_use use,
                 const struct buffer_shape *shape)
{
    struct slot *s = slots;
    while (s->name != NULL)
        s++;
    if (s == slots + SLOTS)
        too_small(name);
    return open_buffer(s, name, use, shape);
}

float *buffer_get_far(const char *name, size_t rows, size_t d, uint32_t *first)
{
    const struct buffer_shape shape = {rows, d * sizeof(float),
                                       d * sizeof(float), sizeof(float)};
    char *at = open_buffer(&slots[FAR_SLOT], name, BUFFER_INPUT, &shape);
    *first = 0;
    if (have_far && d > 1 && rng_below(&place, SHARE_OF_FAR) == 0)
        *first = (uint32_t)((((uint64_t)1 << 32) - 1) / d + 1);
    return (float *)(void *)(at - *first * d * sizeof(float));
}

void buffers_seal(void)
{
    for (struct slot *s = slots; s <= slots + FAR_SLOT; s++)
        if (s->name != NULL)
            memcpy(s->shadow + (s->low - s->memory), s->low,
                   (size_t)(s->high - s->low));
}

static struct slot *slot_of(const void *at)
{
    const uintptr_t address = (uintptr_t)at;
    for (struct slot *s = slots; s <= slots + FAR_SLOT; s++) {
        uintptr_t memory = (uintptr_t)s->memory;
        if (s->name != NULL && address >= memory - s->before &&
            address < memory + SLOT_BYTES + page)
            return s;
    }
    return NULL;
}

const void *buffer_before(const void *at)
{
    const struct slot *s = slot_of(at);
    return s->shadow + ((const char *)at - s->memory);
}

void buffer_freeze(const void *buffer)
{
    slot_of(buffer)->use = BUFFER_INPUT;
}

/* Whether the byte is one that the kernel may write. */
static bool writable(const struct slot *s, const char *at)
{
    if (s->use == BUFFER_INPUT || s->shape.rows == 0 || at < s->begin ||
        at >= s->begin + extent(&s->shape))
        return false;
    size_t offset = (size_t)(at - s->begin);
    return s->shape.rows == 1 || offset % s->shape.stride < s->shape.bytes;
}

void buffers_describe(char *out, size_t size, const void *address)
{
    const struct slot *s = slot_of(address);
    const char *at = address;
    if (s == NULL) {
        /* x86 gives no address where an access had to be aligned. */
        snprintf(out, size, "%s",
                 at == NULL ? "without an address" : "in no buffer");
        return;
    }
    const char *end = s->begin + extent(&s->shape);
    if (at < s->begin)
        snprintf(out, size, "%td bytes before %s", s->begin - at, s->name);
    else if (at >= end)
        snprintf(out, size, "%td bytes behind the end of %s", at - end,
                 s->name);
    else
        snprintf(out, size, "at byte %td of %s", at - s->begin, s->name);
}

static bool slot_intact(const struct slot *s, char *why, size_t size)
{
    const char *shadow = s->shadow + (s->low - s->memory);
    size_t bytes = (size_t)(s->high - s->low);
    if (memcmp(s->low, shadow, bytes) == 0)
        return true;
    for (size_t i = 0; i < bytes; i++)
        if (s->low[i] != shadow[i] && !writable(s, s->low + i)) {
            char where[128];
            buffers_describe(where, sizeof where, s->low + i);
            snprintf(why, size, "wrote %s", where);
            return false;
        }
    return true;
}

bool buffers_intact(char *why, size_t size)
{
    for (const struct slot *s = slots; s <= slots + FAR_SLOT; s++)
        if (s->name != NULL && !slot_intact(s, why, size))
            return false;
    return true;
}
