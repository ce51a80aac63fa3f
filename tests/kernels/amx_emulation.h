/* SPDX-License-Identifier: MIT
 *
 * AMX in software, so that kernels/amx/ runs on processors that have
 * AVX512_BF16 but no tiles. This header is included before everything else when
 * that folder is compiled a second time, with its functions renamed: it
 * replaces the tile intrinsics by calls of a model of the tile registers. What
 * a processor would refuse raises SIGILL.
 *
 * Semantics are those of Intel's Software Developer's Manual, volume 2
 * (LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS, TILERELEASE).
 */
#ifndef TESTS_KERNELS_AMX_EMULATION_H
#define TESTS_KERNELS_AMX_EMULATION_H

#include <immintrin.h>
#include <stddef.h>

/* Per-thread, as the registers are. */
void emulated_loadconfig(const void *configuration);
void emulated_release(void);
void emulated_zero(int tile);
void emulated_loadd(int tile, const void *base, size_t stride);
void emulated_stored(int tile, void *base, size_t stride);
void emulated_dpbf16ps(int sums, int a, int b);

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(configuration) emulated_loadconfig(configuration)
#define _tile_release() emulated_release()
#define _tile_zero(tile) emulated_zero(tile)
#define _tile_loadd(tile, base, stride) emulated_loadd(tile, base, stride)
#define _tile_stored(tile, base, stride) emulated_stored(tile, base, stride)
#define _tile_dpbf16ps(sums, a, b) emulated_dpbf16ps(sums, a, b)

#endif
