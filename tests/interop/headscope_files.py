"""Reads headscope's files in Python, for scripts that check headscope.

Dumps, SAE folders with their rules as SAELens defines them, and the random
numbers. Needs numpy alone. Nothing in headscope needs this file.
"""
import json
import pathlib

import numpy as np

# bf16, which numpy has not, is looked at as u16
TYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64,
         "BF16": np.uint16}


def open_tensors(path):
    """The tensors of a .safetensors file, mapped; as_float32 has numbers."""
    data = np.memmap(path, np.uint8, "r")
    size = int.from_bytes(data[:8].tobytes(), "little")
    tensors = {}
    for name, entry in json.loads(data[8:8 + size].tobytes()).items():
        if name != "__metadata__":
            begin, end = (8 + size + o for o in entry["data_offsets"])
            tensors[name] = np.frombuffer(
                data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def as_float32(tensor):
    if tensor.dtype == np.uint16:
        return (tensor.astype(np.uint32) << 16).view(np.float32)
    return tensor.astype(np.float32)


class Sae:
    """An SAE folder in float64. encoder() is what DFA goes through."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.name = folder.name.removesuffix(".sae")
        self.cfg = json.loads((folder / "cfg.json").read_text())
        self.rule = self.cfg["architecture"]
        self.t = {name: as_float32(tensor).astype(np.float64)
                  for name, tensor in open_tensors(
                      folder / "sae_weights.safetensors").items()}
        self.w_dec, self.b_dec = self.t["W_dec"], self.t["b_dec"]
        self.norms = np.ones(len(self.w_dec))
        if self.cfg.get("rescale_acts_by_decoder_norm") and self.rule == "topk":
            self.norms = np.linalg.norm(self.w_dec, axis=1)

    def centre(self, x):
        x = x.astype(np.float64)
        return x - self.b_dec if self.cfg["apply_b_dec_to_input"] else x

    def encoder(self):
        """(d, m): the matrix whose product with centre(x) and a bias is the
        activation."""
        gain = np.exp(self.t["r_mag"]) if self.rule == "gated" else self.norms
        return self.t["W_enc"] * gain

    def encode(self, x, features=slice(None)):
        """Activations (n, features), and how far each is from the border
        between on and off: above 0 is on."""
        every = slice(None)
        f = every if self.rule == "topk" else features
        u = self.centre(x) @ self.t["W_enc"][:, f]
        if self.rule == "gated":
            value = u * np.exp(self.t["r_mag"][f]) + self.t["b_mag"][f]
            margin = np.minimum(u + self.t["b_gate"][f], value)
        else:
            value = margin = (u + self.t["b_enc"][f]) * self.norms[f]
        if self.rule == "jumprelu":
            margin = np.minimum(value, value - self.t["threshold"][f])
        if self.rule == "topk" and self.cfg["k"] < value.shape[1]:
            k = self.cfg["k"]
            order = -np.partition(-value, (k - 1, k), axis=1)
            last, next_ = order[:, k - 1:k], order[:, k:k + 1]
            border = np.where(value >= last, next_, last)
            margin = np.minimum(value, value - border)
        if f is every:
            value, margin = value[:, features], margin[:, features]
        return np.where(margin > 0, value, 0), margin


def layer_parts(dump, layer, size=8192):
    """(first row, float32 rows (n, heads, d_head)) of one layer, n <= size."""
    dump = pathlib.Path(dump)
    manifest = json.loads((dump / "manifest.json").read_text())
    first = 0
    for shard in manifest["shards"]:
        if shard["layer"] != layer:
            continue
        z = open_tensors(dump / shard["file"])["z"]
        for begin in range(0, len(z), size):
            part = as_float32(z[begin:begin + size])
            yield first, part
            first += len(part)


def read_layer(dump, layer):
    """Rows of one layer as float32 (tokens, heads, d_head)."""
    return np.concatenate([part for _, part in layer_parts(dump, layer)])


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
