/* SPDX-License-Identifier: MIT */
#include "encode/levels.h"

#include <math.h>

double levels_scale(float max)
{
    return (double)max / LEVELS;
}

uint8_t levels_of(float value, double scale)
{
    /* The quotient may be rounded to just above 255, never to 0. */
    double level = ceil((double)value / scale);
    return level < LEVELS ? (uint8_t)level : LEVELS;
}

int levels_bin(uint8_t level)
{
    return (level - 1) / LEVELS_PER_BIN;
}
