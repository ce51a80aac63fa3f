"""Works out again, with a GPT-2 of its own in numpy float64, from which tokens
a database says that features come.

    python3 tests/interop/check_sources.py DUMP DATABASE MODEL SAE...

DATABASE is what `headscope encode DUMP SAE... --model MODEL` wrote, with whole
contexts as they are in the dump. Of each SAE:

- z of the dump and the model's, within what the dump's number format rounds;
- in some contexts spread over the dump, every example and every head's example:
  its sources with their contributions, which of them are kept, that they sum to
  the head's DFA (head_example.contribution, b_dec,h·W_enc[h] taken off where
  the SAE subtracts b_dec) and, over heads and with b_enc, to the activation;
- on the whole source sample, how far back sources lie and which strings they
  are.

Rules: store/schema.sql and encode/source_sample.h. Contributions must agree
within 1e-3, shares within 1e-3, counts to 1 % or one. Ends with status 1 if
anything differs. Needs numpy; a minute for each SAE of the demo.
"""
import json
import pathlib
import sqlite3
import sys

import numpy as np

sys.path.append(str(pathlib.Path(__file__).parent))
from headscope_files import (  # noqa: E402
    Sae, as_float32, open_tensors, read_layer)

CONTEXTS, OF_HEAD, PART, STRINGS, SOURCE_TOKENS = 24, 2, 16, 16, 32768
NEAR = 1e-3


class Gpt2:
    """As Radford et al. 2019, in float64; reads Hugging Face's folder."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        cfg = json.loads((folder / "config.json").read_text())
        self.heads, self.epsilon = cfg["n_head"], cfg["layer_norm_epsilon"]
        assert cfg["activation_function"] == "gelu_new"
        self.t = {name.removeprefix("transformer."):
                  as_float32(tensor).astype(np.float64) for name, tensor in
                  open_tensors(folder / "model.safetensors").items()}

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + self.epsilon)
        return x * self.t[name + ".weight"] + self.t[name + ".bias"]

    def linear(self, x, name):
        return x @ self.t[name + ".weight"] + self.t[name + ".bias"]

    def attention(self, x, layer):
        """Patterns (heads, t, t) and values (heads, t, d_head)."""
        h = f"h.{layer}."
        qkv = self.linear(self.norm(x, h + "ln_1"), h + "attn.c_attn")
        q, k, v = qkv.reshape(len(x), 3, self.heads, -1).transpose(1, 2, 0, 3)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
        scores[:, np.triu_indices(len(x), 1)[0],
               np.triu_indices(len(x), 1)[1]] = -np.inf
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        return scores / scores.sum(-1, keepdims=True), v

    def run(self, ids, layer):
        """The same at a layer, of one context."""
        x = self.t["wte.weight"][ids] + self.t["wpe.weight"][:len(ids)]
        for at in range(layer):
            h = f"h.{at}."
            pattern, v = self.attention(x, at)
            z = (pattern @ v).transpose(1, 0, 2).reshape(len(ids), -1)
            x = x + self.linear(z, h + "attn.c_proj")
            u = self.linear(self.norm(x, h + "ln_2"), h + "mlp.c_fc")
            u = .5 * u * (1 + np.tanh(np.sqrt(2 / np.pi) *
                                      (u + .044715 * u ** 3)))
            x = x + self.linear(u, h + "mlp.c_proj")
        return self.attention(x, layer)


class Asked:
    """The database, about one SAE; the model, which may be without its value
    biases."""

    def __init__(self, dump, database, model, folder):
        self.sae, self.model = Sae(folder), model
        self.db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        self.id, self.layer, self.first, self.fold, self.sampled = \
            self.db.execute(
                "SELECT s.id, s.layer, d.first_token, d.fold_value_biases, "
                "s.source_tokens FROM sae AS s JOIN dump AS d ON d.id = s.dump "
                "WHERE s.name = ?", (self.sae.name,)).fetchone()
        self.ids = np.load(pathlib.Path(dump) / "tokens.npy")
        self.starts = np.load(pathlib.Path(dump) / "contexts.npy")
        self.z = read_layer(dump, self.layer)
        self.w_enc = self.sae.encoder().reshape(
            model.heads, -1, self.sae.encoder().shape[-1])

    def rows(self, sql, *values):
        return self.db.execute(sql, (self.id, *values)).fetchall()

    def run(self, context):
        """Patterns and values of a context, compared with the dump's z."""
        begin, end = self.starts[context:context + 2]
        pattern, v = self.model.run(self.ids[begin:end], self.layer)
        if self.fold:
            b = self.model.t[f"h.{self.layer}.attn.c_attn.bias"]
            v = v - b.reshape(3, self.model.heads, 1, -1)[2]
        z = (pattern @ v).transpose(1, 0, 2)
        off = np.linalg.norm(z - self.z[begin:end]) / np.linalg.norm(z)
        return pattern, v, off

    def terms(self, pattern, v, feature, destination):
        """Contributions (heads, sources) of one activation."""
        u = (v @ self.w_enc[:, :, feature, None])[..., 0]
        return (pattern[:, destination] * u)[:, :destination + 1]


def check_example(a, context, pattern, v, feature, token, kinds):
    """Complaints about one example, as text. kinds: {head: contribution} of the
    head examples, with key None for the activation."""
    begin = a.starts[context]
    terms = a.terms(pattern, v, feature, token - a.first - begin)
    positive = np.maximum(terms, 0)
    sums, total = positive.sum(1), positive.sum()
    stored = {}
    for head, rank, source, contribution in a.rows(
            "SELECT head, rank, source, contribution FROM example_source WHERE "
            "sae = ? AND feature = ? AND token = ? ORDER BY head, rank",
            feature, token):
        stored.setdefault(head, []).append(
            (source - a.first - begin, contribution))
    own, offset = terms.sum(1), np.zeros(len(terms))
    if a.sae.cfg["apply_b_dec_to_input"]:
        offset = (a.sae.b_dec.reshape(len(own), -1) *
                  a.w_enc[:, :, feature]).sum(1)
    own = own - offset
    if None in kinds:
        value = own.sum() + a.sae.t["b_enc"][feature]
        if abs(value - kinds[None]) > NEAR * max(value, np.abs(own).max()):
            yield f"sums to {value}, activation {kinds[None]}"
    if None in kinds and total > 0 and not stored:
        yield "has no source"
    for head in range(len(terms)):
        if head in kinds and abs(own[head] - kinds[head]) > NEAR * max(
                sums[head], abs(own[head]), abs(offset[head])):
            yield f"head {head} sums to {own[head]}, DFA {kinds[head]}"
        least = (min(sums[head] / PART, positive[head].max())
                 if head in kinds else
                 min(total / PART, positive.max())
                 if None in kinds else np.inf)
        best = np.sort(terms[head])[::-1][:OF_HEAD]
        found = stored.get(head, [])
        if head in kinds and sums[head] > 0 and not found:
            yield f"head {head} has no source"
        if len(found) < (best > least * (1 + NEAR)).sum() or \
                len(found) > (best > least * (1 - NEAR)).sum():
            yield f"head {head} has {len(found)} sources, largest {best}"
        for (source, contribution), value in zip(found, best):
            if abs(contribution - value) > NEAR * value or abs(
                    contribution - terms[head, source]) > NEAR * value:
                yield f"head {head}, {source}: {contribution}, not {value}"


def check_examples(a):
    wanted = np.unique(np.linspace(0, len(a.starts) - 2, CONTEXTS, dtype=int))
    n, complaints, worst = 0, [], 0
    for context in wanted:
        pattern, v, off = a.run(context)
        worst = max(worst, off)
        first, last = a.first + a.starts[context:context + 2] - [0, 1]
        places = {}
        for feature, token, value in a.rows(
                "SELECT feature, token, value FROM example WHERE sae = ? AND "
                "kind <> 'silent' AND token BETWEEN ? AND ?",
                int(first), int(last)):
            places.setdefault((feature, token), {})[None] = value
        for feature, token, head, value in a.rows(
                "SELECT feature, token, head, contribution FROM head_example "
                "WHERE sae = ? AND token BETWEEN ? AND ?",
                int(first), int(last)):
            places.setdefault((feature, token), {})[head] = value
        for (feature, token), kinds in places.items():
            n += 1
            complaints += [f"feature {feature}, token {token}: {text}" for text
                           in check_example(a, context, pattern, v, feature,
                                            token, kinds)]
        others, = a.db.execute(
            "SELECT count(DISTINCT feature || ':' || token) FROM "
            "example_source WHERE sae = ? AND token BETWEEN ? AND ?",
            (a.id, int(first), int(last))).fetchone()
        if others > len(places):
            complaints.append(f"context {context}: sources of no example")
    print(f"  {n} examples in {len(wanted)} contexts: {len(complaints)} "
          f"differ; z within {worst:.1g}")
    print(*(f"    {text}" for text in complaints[:5]), sep="\n", end="")
    return not complaints


def sample(a):
    """The contexts of the source sample."""
    sampled = [c for c, in a.db.execute(
        "SELECT c.id - (SELECT min(id) FROM context WHERE dump = s.dump) FROM "
        "sae AS s JOIN context AS c ON c.dump = s.dump WHERE s.id = ? AND "
        "c.sampled ORDER BY c.id", (a.id,))]
    lengths = np.diff(a.starts)[sampled]
    step = max(1, -(-lengths.sum() // SOURCE_TOKENS))
    while lengths[::step].sum() > SOURCE_TOKENS:
        step += 1
    assert lengths[::step].sum() == a.sampled, "another source sample"
    return sampled[::step]


def count(a):
    """By feature: sums by distance, strongest sources there; by feature and
    string: sums and activations."""
    m = a.w_enc.shape[-1]
    bins = int(np.diff(a.starts).max()).bit_length() + 1
    by_bin, tops = np.zeros((m, bins)), np.zeros((m, bins), int)
    n_ids = int(a.ids.max()) + 1
    by_string = np.zeros((m, n_ids), np.float64)
    times = np.zeros((m, n_ids), np.int32)
    for context in sample(a):
        pattern, v, _ = a.run(context)
        begin, end = a.starts[context:context + 2]
        ids = a.ids[begin:end]
        for token, feature in a.rows(
                "SELECT token, feature FROM activation_by_token WHERE sae = ? "
                "AND token BETWEEN ? AND ?", int(a.first + begin),
                int(a.first + end - 1)):
            dst = token - a.first - begin
            source = np.maximum(a.terms(pattern, v, feature, dst), 0).sum(0)
            distance = dst - np.arange(dst + 1)
            bin_of = np.where(distance == 0, 0, 1 + np.floor(
                np.log2(np.maximum(distance, 1)))).astype(int)
            by_bin[feature] += np.bincount(bin_of, source, bins)
            tops[feature, bin_of[source.argmax()]] += 1
            strings = np.bincount(ids[:dst + 1], source, n_ids)
            counts = np.flatnonzero(strings >= source.sum() / PART)
            by_string[feature, counts] += strings[counts]
            times[feature, counts] += 1
    return by_bin, tops, by_string, times


def few(found, wanted):
    return abs(found - wanted) <= max(1, .01 * wanted)


def check_counts(a):
    by_bin, tops, by_string, times = count(a)
    total = by_bin.sum(1)
    wrong = n = 0
    for feature, b, share, c in a.rows(
            "SELECT feature, bin, share, count FROM feature_source_offset "
            "WHERE sae = ?"):
        n += 1
        wrong += not (abs(share - by_bin[feature, b] / total[feature]) < NEAR
                      and few(c, tops[feature, b]))
        by_bin[feature, b] = 0
    missing = (by_bin > NEAR * total[:, None]).sum()
    print(f"  distances: {n}, {wrong} differ, {missing} missing")
    bad = wrong + missing
    n = wrong = 0
    best = -np.sort(-by_string, 1)[:, :STRINGS]
    for feature, rank, vocab, share, c in a.rows(
            "SELECT feature, rank, vocab, share, count FROM "
            "feature_source_token WHERE sae = ?"):
        n += 1
        here = by_string[feature, vocab] / total[feature]
        wrong += not (abs(share - here) < NEAR and few(
            c, times[feature, vocab]) and abs(
                share - best[feature, rank - 1] / total[feature]) < NEAR)
    missing = (best > 0).sum() - n
    print(f"  strings: {n}, {wrong} differ, {missing} missing")
    # A string that just counts, or just does not, at its only activation.
    return bad == 0 and wrong == 0 and abs(missing) <= .001 * n


def main():
    dump, database, model, *saes = sys.argv[1:]
    model, good = Gpt2(model), True
    for folder in saes:
        a = Asked(dump, database, model, folder)
        print(f"{a.sae.name}: layer {a.layer}, {a.sampled} tokens in the "
              "source sample")
        good &= check_examples(a)
        good &= check_counts(a)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
