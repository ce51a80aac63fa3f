/* SPDX-License-Identifier: MIT
 *
 * What a person may mean by "L2H3" or "2:117": the ways of writing a head and a
 * feature that are in use (TransformerLens, papers, other browsers).
 */
#ifndef VIEWER_PLACE_H
#define VIEWER_PLACE_H

#include <stdbool.h>

enum place_kind { PLACE_NONE, PLACE_HEAD, PLACE_FEATURE, PLACE_CONTEXT };

struct place {
    enum place_kind kind;
    int layer, number; /* number: of the head or feature; of a context its id
                          and a position, or -1 */
};

/* Heads: L2H3, 2.3, H2.3, attn_L2_3. Features: 2:117, L2:117, 2/117, L2F117,
 * attn_ae_L2_117, 2-att-kk/117, gpt2-small@2-att-kk:117.
 * Contexts and positions: c812, c812.44, and as the page writes it, c812 · 44.
 * Letters of either case, blanks around it. */
struct place place_parse(const char *text);

#endif
