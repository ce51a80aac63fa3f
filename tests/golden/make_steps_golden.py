#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes steps.safetensors beside this script: ten training steps by PyTorch
autograd in double, for tests/unit/test_golden_steps.c. Run once, by hand:

    pip install torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
    python3 tests/golden/make_steps_golden.py

It knows only the loss and lets autograd find the gradients, where headscope
has formulas of its own (train/step.h, train/auxk.h). A step is: selection,
loss, gradients, the decoder's projected off its rows, all scaled to norm
sqrt(d) if the norm of the step before was larger, Adam, decoder rows of unit
length.

The file has "batches" (10, n, d), parameters at the start as "start.NAME", and
for each case "CASE.loss" (10), L before each step without AuxK, and parameters
after the last step as "CASE.NAME". Matrices are feature-major, (m, d).

A case whose outcome hangs on rounding would be no test of anything else: the
script stops where a selection is decided by less than 1e-4.
"""
import math
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).resolve().parent
STEPS, N, D, M, K = 10, 24, 12, 48, 4
RATE, ALPHA, DEAD_TOKENS = 3e-3, 1 / 32, 2 * N
NAMES = ["W_enc", "W_dec", "b_enc", "b_dec"]
# Case: rule, prefixes, AuxK.
CASES = {
    "topk": ("rows", [M], False),
    "batchtopk": ("batch", [M], False),
    "matryoshka": ("batch", [3, 12, 30, M], False),
    "batchtopk_aux": ("batch", [M], True),
    "matryoshka_aux": ("batch", [3, 12, 30, M], True),
}


def largest(values, count):
    """A mask of the `count` largest of a vector, if positive."""
    order = torch.sort(values, descending=True).values
    if count < len(order):
        gap = order[count - 1] - order[count]
        assert gap > 1e-4 or order[count - 1] <= 0, "undecided selection"
    mask = torch.zeros(len(values), dtype=torch.bool)
    mask[torch.topk(values, count).indices] = True
    assert not (mask & (values.abs() < 1e-5)).any(), "undecided sign"
    return mask & (values > 0)


def selected(h, rule):
    h = h.detach()
    if rule == "batch":
        return largest(h.flatten(), K * len(h)).view_as(h)
    return torch.stack([largest(row, K) for row in h])


def aux_loss(p, h, left, dead):
    """AuxK of all rows; `left` is what the codes leave over."""
    half = D // 2
    mask = torch.zeros_like(h, dtype=torch.bool)
    for row, values in zip(mask, h.detach()[:, dead]):
        row[dead] = largest(values, min(half, len(dead)))
    r_hat = (h * mask) @ p["W_dec"]
    spread = ((left - left.mean(0)) ** 2).sum()
    return ALPHA * D * ((r_hat - left) ** 2).sum() / spread


def run(start, batches, rule, prefixes, aux):
    p = {name: torch.nn.Parameter(start[name].clone()) for name in NAMES}
    adam = torch.optim.Adam(p.values(), lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    silent = torch.zeros(M, dtype=torch.int64)
    last_norm, losses, clipped, numbers = 0.0, [], 0, []
    for x in batches:
        h = (x - p["b_dec"]) @ p["W_enc"].T + p["b_enc"]
        mask = selected(h, rule)
        f = h * mask
        loss = 0
        for end in prefixes:
            x_hat = f[:, :end] @ p["W_dec"][:end] + p["b_dec"]
            loss = loss + ((x_hat - x) ** 2).sum(1).mean() / len(prefixes)
        losses.append(loss.item())
        dead = torch.nonzero(silent >= DEAD_TOKENS).flatten()
        if aux and len(dead) > 0:
            numbers.append(len(dead))
            loss = loss + aux_loss(p, h, (x - x_hat).detach(), dead)
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            g, w = p["W_dec"].grad, p["W_dec"]
            g -= (g * w).sum(1, keepdim=True) * w
            norm = math.sqrt(sum((t.grad ** 2).sum().item()
                                 for t in p.values()))
            if last_norm > math.sqrt(D):
                clipped += 1
                for t in p.values():
                    t.grad *= math.sqrt(D) / last_norm
            last_norm = norm
            silent = torch.where(mask.any(0), 0, silent + N)
        adam.step()
        with torch.no_grad():
            p["W_dec"] /= p["W_dec"].norm(dim=1, keepdim=True)
    return p, losses, clipped, numbers


def main():
    torch.set_default_dtype(torch.float64)
    rng = np.random.default_rng(7)

    def normal(*shape):
        """Numbers that a float holds exactly."""
        return torch.from_numpy(
            rng.standard_normal(shape).astype(np.float32).astype(np.float64))

    # Three planted directions a row, so that there is something to learn, and
    # rows large enough for clipping.
    directions = normal(32, D)
    batches = torch.zeros(STEPS, N, D)
    for x in batches.view(-1, D):
        for i in rng.integers(0, 32, 3):
            x += (0.5 + rng.random()) * directions[i]
    batches = (batches + 0.1 * normal(STEPS, N, D)).float().double()
    w = normal(M, D)
    w = (w / w.norm(dim=1, keepdim=True)).float().double()
    start = {
        "W_enc": (0.5 * w + 0.1 * normal(M, D)).float().double(),
        "W_dec": w,
        "b_enc": (0.3 * normal(M)).float().double(),
        "b_dec": (0.2 * normal(D)).float().double(),
    }
    start["b_enc"][5::6] -= 1  # seldom selected: some of them die
    start["b_enc"] = start["b_enc"].float().double()
    out = {"batches": batches}
    out.update({f"start.{name}": start[name] for name in NAMES})
    for case, (rule, prefixes, aux) in CASES.items():
        p, losses, clipped, numbers = run(start, batches, rule, prefixes, aux)
        print(f"{case}: loss {losses[0]:.4f} to {losses[-1]:.4f}, "
              f"{clipped} steps clipped, dead features {numbers}")
        assert clipped > 0 and bool(numbers) == aux
        out[f"{case}.loss"] = torch.tensor(losses)
        out.update({f"{case}.{name}": p[name].detach() for name in NAMES})
    save_file({name: np.ascontiguousarray(t.numpy().astype(np.float32))
               for name, t in out.items()}, HERE / "steps.safetensors")


if __name__ == "__main__":
    main()
