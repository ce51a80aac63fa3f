"""Reads headscope's dumps in Python, for scripts that check headscope.

Needs numpy and safetensors. Nothing in headscope needs this file.
"""
import json
import pathlib

import numpy as np
from safetensors import safe_open


def read_layer(dump, layer):
    """Rows of one layer as float32 (tokens, heads, d_head)."""
    dump = pathlib.Path(dump)
    manifest = json.loads((dump / "manifest.json").read_text())
    parts = []
    for shard in manifest["shards"]:
        if shard["layer"] == layer:
            with safe_open(dump / shard["file"], "np") as f:
                parts.append(f.get_tensor("z").astype(np.float32))
    return np.concatenate(parts)


def philox(counter, key):
    """Philox4x32-10 of base/rng.c: four 32-bit words."""
    mask = 0xFFFFFFFF
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & mask,
             (p0 >> 32) ^ c[3] ^ k[1], p0 & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


class Rng:
    """struct rng of base/rng.h."""

    def __init__(self, seed, stream, lane):
        self.key = (seed & 0xFFFFFFFF, seed >> 32)
        self.stream, self.lane, self.next = stream, lane, 0

    def u32(self):
        block = self.next // 4
        words = philox((block & 0xFFFFFFFF, block >> 32, self.lane,
                        self.stream), self.key)
        self.next += 1
        return words[(self.next - 1) % 4]

    def below(self, bound):
        skip = (2 ** 64 - bound) % bound
        while True:
            v = self.u32() << 32
            v |= self.u32()
            if v >= skip:
                return v % bound

    def permutation(self, n):
        out = [0] * n
        for i in range(n):
            j = self.below(i + 1)
            out[i] = out[j]
            out[j] = i
        return out


RNG_SPLIT = 4


def held_out_rows(dump, seed, share):
    """True for the rows that `headscope train` holds out (dump/split.c)."""
    contexts = np.load(pathlib.Path(dump) / "contexts.npy")
    n = len(contexts) - 1
    count = max(1, int(share * n + 0.5))
    mark = np.zeros(contexts[-1], bool)
    for i in Rng(seed, RNG_SPLIT, 0).permutation(n)[:count]:
        mark[contexts[i]:contexts[i + 1]] = True
    return mark
