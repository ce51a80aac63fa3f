/* SPDX-License-Identifier: MIT */
#include "tests/kernels/emulated.h"

bool emulated_overlay(struct kernels *k)
{
    (void)k;
    return false;
}

bool emulated_is_idle(void)
{
    return true;
}
