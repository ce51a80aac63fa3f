/* SPDX-License-Identifier: MIT
 *
 * The table head_group: into how many unrelated groups a head's features fall.
 * Kissane et al. 2024, section 4.1, read the top features of all 144 heads of
 * GPT-2 and found 14 whose features have one theme; this is that reading by
 * rule, for all heads at once.
 *
 * A head's features are those that get at least a quarter of their DFA through
 * it (data share >= HEAD_GROUP_SHARE), are active at 10 tokens or more, and are
 * its code at least once: of them the HEAD_GROUP_FEATURES that are its code
 * most often. Features shared by all heads, which are most heads' most frequent
 * codes, say nothing about one of them and are left out by the first rule.
 *
 * Two features are related as much as the larger of
 *
 *     cosine / 0.5   of the head's parts of their decoder rows: they add the
 *                    same thing through this head. Of random directions in 32
 *                    dimensions (a small d_head) 3 in 1000 have 0.5 or more
 *     shared / 0.25  shared = Σ_v min(x_f(v), x_g(v)), x_f(v) = max(p_f(v) −
 *                    q(v), 0): p_f is how f's activations divide over the token
 *                    strings v, q how all tokens do; of each feature the 128
 *                    strings with the largest x count. They speak of the same
 *                    strings, frequent ones counting only as far as the feature
 *                    prefers them. 0 without token ids
 *
 * but not less than 0. Groups begin as single features; the two with the
 * largest mean relation over all pairs between them are joined as long as that
 * is 1 or more (average linkage: a chain of likenesses does not make one group
 * of what is unlike). Group 1 is the one whose features are the head's code
 * most often. Of equals what has the lower number, or comes first, goes first.
 *
 * Both bounds were chosen by reading the groups of the 32 heads of
 * examples/tiny-gpt2: features of " with", of apostrophes, of the letter that
 * begins a word, of " the" stand together, and what a reader would keep apart
 * does not. With one of them a fifth larger or smaller these heads have 16 %
 * fewer to 12 % more groups in the median; their effective number
 * (polysemantic_heads) changes by 4 %, for single heads by up to a half, and
 * the order of the heads by it hardly (rank correlation 0.96 and more).
 */
#ifndef ENCODE_HEAD_GROUPS_H
#define ENCODE_HEAD_GROUPS_H

#include "encode/scan.h"
#include "store/writer.h"

enum { HEAD_GROUP_FEATURES = 64, HEAD_GROUP_FIRES = 10 };
#define HEAD_GROUP_SHARE 0.25

/* `s` has run; data_share (m, heads). */
int head_groups_write(const struct scan *s, const double *data_share,
                      struct store_writer *w, struct err *e);

#endif
