#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which score of heads separates a circuit from busy heads: the study behind
docs/circuits.md, by PyTorch and numpy, on dumps of `headscope capture --prompts`.

    circuit_scores.py --task DUMP TRUTH.json LAMBDA [--pairs DUMP] ... [--seeds N]
        [--position last|mean]

For every task: AUC of each score against the truth, mean and deviation over
seeds, and in brackets the same with labels (or answers) shuffled. Codes come
from the SAE that all heads share, or from a small one for each head, trained on
10 or 50 prompts, at the mean of all tokens or at the last. A dump for --pairs
alternates positive prompts with their matched negatives, as headscope circuit
truth takes them; there labels are shuffled within pairs. Scores:

    codes, share        of O'Neill & Bui
    label               information of code and label, less its mean over
                        shuffles (bits)
    label, all of it    the same without that
    answer              information of code and answer among positives, less its
                        mean over shuffles
    pair changes        share of pairs in which the code differs
"""
import argparse
import json
import pathlib

import numpy as np
import torch
from safetensors.numpy import load_file

STEPS, RATE, SHUFFLES = 500, 1e-3, 10
torch.set_num_threads(1)


class Task:
    def __init__(self, dump, truth, penalty):
        self.dump, self.penalty = pathlib.Path(dump), float(penalty)
        self.name = self.dump.name.removesuffix(".dump")
        heads = json.loads(pathlib.Path(truth).read_text())["heads"]
        self.truth = np.array([h["in_circuit"] for h in heads])
        self.pairs = None

    def read(self, position, dump=None):
        """Vectors (prompts, heads, d), labels, answers."""
        dump = dump or self.dump
        weights = load_file(dump / "weights.safetensors")
        starts = np.load(dump / "contexts.npy")
        prompts = json.loads((dump / "prompts.json").read_text())
        rows = []
        for layer, file in enumerate(sorted(dump.glob("layer*.safetensors"))):
            z = load_file(file)["z"].astype(np.float64)
            z = np.stack([z[a:b].mean(0) if position == "mean" else
                          z[a + p["position"]]
                          for a, b, p in zip(starts, starts[1:], prompts)])
            rows.append(np.einsum("nhk,hkd->nhd", z, weights[f"W_O.{layer}"]))
        answer = [p["answer_tokens"][0] if p["answer_tokens"] else -1
                  for p in prompts]
        return (np.concatenate(rows, 1).astype(np.float32),
                np.array([p["label"] for p in prompts]), np.array(answer))


def train(x, features, penalty, generator):
    """One SAE for each of x (SAEs, rows, d)."""
    n, _, d = x.shape
    x = torch.tensor(x)
    normal = lambda *shape: torch.randn(*shape, generator=generator)
    unit = lambda w: w / w.norm(dim=-1, keepdim=True)
    w_e, w_d = unit(normal(n, features, d)), unit(normal(n, d, features))
    b = torch.zeros(n, 1, d)
    c = (torch.rand(n, 1, features, generator=generator) * 2 - 1) / d ** 0.5
    parameters = [w_e, w_d, b, c]
    for p in parameters:
        p.requires_grad_()
    optimiser = torch.optim.Adam(parameters, lr=RATE)
    for _ in range(STEPS):
        with torch.no_grad():
            for w in w_e, w_d:
                w.copy_(unit(w))
        f = torch.relu((x - b) @ w_e.mT + c)
        loss = (((f @ w_d.mT + b - x) ** 2).mean((1, 2)) +
                penalty * f.sum(-1).mean(1)).sum()
        optimiser.zero_grad()
        loss.backward()
        with torch.no_grad():
            for w in w_e, w_d:
                w.grad -= (w.grad * w).sum(-1, keepdim=True) * w
        optimiser.step()
    return [p.detach() for p in parameters]


def code(x, sae):
    w_e, _, b, c = sae
    value, out = torch.relu((torch.tensor(x) - b) @ w_e.mT + c).max(-1)
    return torch.where(value > 0, out, -1).numpy()


def codes(x, kind, examples, penalty, seed):
    generator = torch.Generator().manual_seed(seed)
    some = np.random.default_rng(seed).permutation(len(x))[:examples]
    if kind == "shared":
        sae = train(x[some].reshape(1, -1, x.shape[-1]), 200, penalty,
                    generator)
        return code(x.reshape(1, -1, x.shape[-1]), sae).reshape(x.shape[:2])
    by_head = np.ascontiguousarray(x.transpose(1, 0, 2))
    return code(by_head, train(by_head[:, some], 32, penalty, generator)).T


def entropy(values):
    share = np.unique(values, return_counts=True)[1] / len(values)
    return -(share * np.log2(share)).sum()


def information(c, classes):
    by_class = entropy(classes)
    return np.array([entropy(column) + by_class -
                     entropy(column.astype(np.int64) * 2 ** 32 + classes)
                     for column in c.T])


def above_chance(c, classes, shuffle):
    chance = [information(c, shuffle(classes)) for _ in range(SHUFFLES)]
    return information(c, classes) - np.mean(chance, 0)


def positive_only(c, label):
    sets = [(set(p) - {-1}, set(n) - {-1})
            for p, n in zip(c[label == 1].T, c[label == 0].T)]
    return (np.array([len(p - n) for p, n in sets]),
            np.array([len(p - n) / max(1, len(p | n)) for p, n in sets]))


def scores(c, label, answer, shuffle):
    only, share = positive_only(c, label)
    out = {"codes": only, "share": share,
           "label, all of it": information(c, label),
           "label": above_chance(c, label, shuffle)}
    known = (label == 1) & (answer >= 0)
    if len(set(answer[known])) > 1:
        random = np.random.default_rng(0)
        out["answer"] = above_chance(c[known], answer[known],
                                     random.permutation)
    return out


def auc(score, truth):
    a, b = score[truth], score[~truth]
    return ((a[:, None] > b).mean() + (a[:, None] == b).mean() / 2)


def one_seed(task, position, kind, examples, paired, seed):
    """{score: (AUC, shuffled)}"""
    x, label, answer = task.read(position, task.pairs if paired else None)
    c = codes(x, kind, examples, task.penalty, seed)
    random = np.random.default_rng(1000 + seed)

    def swap(label):
        first = random.integers(0, 2, len(label) // 2)
        return np.stack([first, 1 - first], 1).ravel()

    shuffle = swap if paired else random.permutation
    mixed = answer.copy()
    mixed[label == 1] = random.permutation(answer[label == 1])
    real, other = scores(c, label, answer, shuffle), {}
    for _ in range(5):
        for name, s in scores(c, shuffle(label), answer, shuffle).items():
            other.setdefault(name, []).append(auc(s, task.truth))
    if "answer" in real:
        other["answer"] = [auc(scores(c, label, mixed, shuffle)["answer"],
                               task.truth)]
    out = {k: (auc(s, task.truth), np.mean(other[k])) for k, s in real.items()}
    if paired:
        mate = np.roll(c[1::2], 1, 0)  # of another pair
        out["pair changes"] = (auc((c[::2] != c[1::2]).mean(0), task.truth),
                               auc((c[::2] != mate).mean(0), task.truth))
    return out


def table(tasks, seeds, position, kind, examples, paired):
    found = {}
    for task in tasks:
        for seed in range(seeds):
            for name, value in one_seed(task, position, kind, examples, paired,
                                        seed).items():
                found.setdefault(name, {}).setdefault(task.name,
                                                      []).append(value)
    print(f"\n{position}, {kind}, {examples} examples"
          f"{', pairs' if paired else ''}")
    for name, of_task in found.items():
        cells = []
        for task in tasks:
            values = np.array(of_task.get(task.name, [(np.nan, np.nan)]))
            cells.append("%s %.2f ± %.2f (%.2f)" % (
                task.name, values[:, 0].mean(), values[:, 0].std(ddof=1),
                values[:, 1].mean()))
        print(f"    {name:<18}", "  ".join(cells), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", nargs=3, action="append", required=True)
    parser.add_argument("--pairs", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--position", choices=["last", "mean"])
    o = parser.parse_args()
    tasks = [Task(*t) for t in o.task]
    for task, pairs in zip(tasks, o.pairs):
        task.pairs = pathlib.Path(pairs)
    for position in [o.position] if o.position else ["last", "mean"]:
        for kind, examples in (("shared", 10), ("per head", 50),
                               ("shared", 50)):
            for paired in [False] + [True] * (len(o.pairs) == len(tasks)):
                table(tasks, o.seeds, position, kind, examples, paired)


if __name__ == "__main__":
    main()
