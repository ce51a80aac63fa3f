/* SPDX-License-Identifier: MIT
 *
 * Linked into test programs: they run on the tier that HEADSCOPE_CPU names, or
 * the best that this computer has, as the program itself does. A tier that this
 * computer lacks is a test that cannot run: 77.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/kernels.h"

__attribute__((constructor)) static void choose(void)
{
    struct err e = {0};
    if (kernels_choose(NULL, &e) != 0) {
        (void)fprintf(stderr, "%s\n", e.msg);
        exit(77);
    }
}
