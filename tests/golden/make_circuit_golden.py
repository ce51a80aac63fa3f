#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes circuit.safetensors beside this script: the method of O'Neill & Bui
2024 by PyTorch and numpy in double, for tests/unit/test_circuit.c. Run once, by
hand:

    pip install torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
    python3 tests/golden/make_circuit_golden.py

The SAE is theirs: rows of both torch matrices are unit vectors before every
forward pass, gradients along them are removed, full-batch Adam, the loss a mean
over rows and outputs plus lambda times the mean sum of activations. The file
has the vectors "x" (examples, heads, d), "label", weights at the start
("start.NAME") and after STEPS steps ("end.NAME"), matrices feature-major, the
last step's loss, "code" (examples, heads) with -1 for none, and "node",
"node_share" (heads), "edge" (heads, heads) and "edge_ranking" (heads). "class"
(examples) is that of positive examples and -1 for others, and "information"
(heads) the mutual information of it and the code, in bits.
"""
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES, HEADS, D, N, TRAINED, STEPS = 40, 12, 144, 24, 6, 30
LAMBDA, RATE = 0.02, 3e-3


def unit(w):
    return w / w.norm(dim=-1, keepdim=True)


def train(x, start, beta2=0.999):
    w_e, w_d, b, c = (torch.tensor(t, requires_grad=True) for t in start)
    optimiser = torch.optim.Adam([w_e, w_d, b, c], lr=RATE,
                                 betas=(0.9, beta2))
    for _ in range(STEPS):
        with torch.no_grad():
            w_e.copy_(unit(w_e))
            w_d.copy_(unit(w_d))
        f = torch.relu((x - b) @ w_e.T + c)
        loss = (((f @ w_d.T + b) - x) ** 2).mean() + LAMBDA * f.sum(-1).mean()
        optimiser.zero_grad()
        loss.backward()
        for w in (w_e, w_d):
            w.grad -= (w.grad * w.detach()).sum(-1, keepdim=True) * w.detach()
        optimiser.step()
    with torch.no_grad():
        return unit(w_e), unit(w_d), b.detach(), c.detach(), loss.item()


def node_score(code, label, share):
    out = []
    for h in range(code.shape[1]):
        p = set(code[label == 1, h]) - {-1}
        n = set(code[label == 0, h]) - {-1}
        out.append(len(p - n) / max(1, len(p | n)) if share else len(p - n))
    return np.array(out, np.float64)


def edge_score(code, label):
    heads = code.shape[1]
    u = np.zeros((heads, heads), np.int64)
    for h in range(heads):
        for k in range(heads):
            seen = {0: set(), 1: set()}
            for row, y in zip(code, label):
                if h != k and row[h] >= 0 and row[k] >= 0:
                    seen[int(y)].add((row[h], row[k]))
            u[h, k] = len(seen[1] - seen[0])
    return u


def edge_ranking(u):
    heads = len(u)
    pairs = sorted(((-u[h, k], h, k) for h in range(heads)
                    for k in range(heads) if h != k))
    listed = [head for _, h, k in pairs for head in (h, k)][:heads ** 2 // 2]
    return np.bincount(listed, minlength=heads).astype(np.float64)


def information(code, classes):
    """From the joint distribution, cell by cell."""
    kept = classes >= 0
    out = []
    for column in code[kept].T:
        bits = 0.0
        for c in set(column):
            for k in set(classes[kept]):
                both = np.mean((column == c) & (classes[kept] == k))
                if both > 0:
                    bits += both * np.log2(both / np.mean(column == c) /
                                           np.mean(classes[kept] == k))
        out.append(bits)
    return np.array(out)


def main():
    for seed in range(1000):
        if write(np.random.default_rng(seed)):
            return


def write(rng):
    """False where a code, or whether a feature is active, hangs on rounding."""
    # Few directions, so that codes repeat; and of the sizes that heads have.
    directions = rng.standard_normal((30, D))
    x = (directions[rng.integers(30, size=(EXAMPLES, HEADS))] * 0.3 +
         rng.standard_normal((EXAMPLES, HEADS, D)) * 0.02).astype(np.float32)
    label = (rng.random(EXAMPLES) < 0.5).astype(np.int32)
    start = [unit(torch.tensor(rng.standard_normal((N, D)))).numpy(),
             unit(torch.tensor(rng.standard_normal((D, N)))).numpy(),
             np.zeros(D), rng.uniform(-1, 1, N) / np.sqrt(D)]
    start = [t.astype(np.float32).astype(np.float64) for t in start]
    rows = torch.tensor(x[:TRAINED].reshape(-1, D).astype(np.float64))
    w_e, w_d, b, c, loss = train(rows, start)
    # As a float has it: a part in 2e4 of 1 - beta2.
    other = train(rows, start, 0.99900005)
    if max((p - q).abs().max() for p, q in
           zip((w_e, w_d, b, c), other)) > 1e-5:
        return False
    f = torch.relu((torch.tensor(x.astype(np.float64)) - b) @ w_e.T + c)
    value, code = f.max(-1)
    top = torch.sort(f, -1, descending=True).values
    active = top[..., 0] > 0
    gap = (top[..., 0] - top[..., 1])[active].min().item()
    if gap < 1e-4:
        return False
    code = torch.where(value > 0, code, -1).numpy().astype(np.int32)
    print("none:", (code < 0).mean(), "codes:", len(set(code.ravel())),
          "loss:", loss)
    u = edge_score(code, label)
    classes = np.where(label == 1, rng.integers(5, size=EXAMPLES), -1)
    tensors = {"x": x, "label": label, "code": code, "edge": u,
               "loss": np.array([loss]), "node": node_score(code, label, False),
               "node_share": node_score(code, label, True),
               "edge_ranking": edge_ranking(u), "class": classes,
               "information": information(code, classes)}
    for group, (e, d, b_, c_) in (("start", start),
                                  ("end", [t.numpy() for t in (w_e, w_d, b, c)])):
        tensors |= {f"{group}.w_enc": e, f"{group}.w_dec": d.T,
                    f"{group}.b": b_, f"{group}.c": c_}
    # Integers as floats too: the test reads one type.
    save_file({k: np.ascontiguousarray(t, np.float32)
               for k, t in tensors.items()}, HERE / "circuit.safetensors")
    return True


if __name__ == "__main__":
    main()
