#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes steps.safetensors beside this script: ten training steps by PyTorch
autograd in double, for tests/unit/test_golden_steps.c. Run once, by hand:

    pip install torch==2.13.0 numpy==2.4.6 safetensors==0.8.0
    python3 tests/golden/make_steps_golden.py

It knows only the loss and lets autograd find the gradients, where headscope
has formulas of its own (train/step.h, train/auxk.h, train/gate.h); a threshold's
are those of train/threshold.h by a torch.autograd.Function. A step is: selection,
loss, gradients, the decoder's projected off its rows, all scaled to norm
sqrt(d) if the norm of the step before was larger, Adam, decoder rows of unit
length.

The file has "batches" (10, n, d), parameters at the start as "start.NAME", and
for each case "CASE.loss" (10), L before each step without AuxK and pre-activation
loss, and parameters after the last step as "CASE.NAME". Matrices are
feature-major, (m, d).

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
# Case: form, penalty, its coefficient; p, free decoder rows, betas.
LAMBDA, BANDWIDTH, TARGET, PULL = 0.4, 0.3, 6, 0.2
TERM_CASES = {
    "relu": ("relu", "lp", {}),
    "relu_lp": ("relu", "lp", {"p": 0.5}),
    "relu_free": ("relu", "lp", {"free": True}),
    "jumprelu_l0": ("jumprelu", "l0", {}),
    "jumprelu_target": ("jumprelu", "target", {"betas": (0.0, 0.999)}),
    "jumprelu_tanh": ("jumprelu", "tanh", {}),
    "jumprelu_pull": ("jumprelu", "l0", {"pull": PULL}),
    "gated": ("gated", "lp", {}),
}
OWN = {"relu": [], "jumprelu": ["threshold"], "gated": ["r_mag", "b_mag"]}


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


class Jump(torch.autograd.Function):
    """h where h > theta; with values, else 1. Theta learns from a rectangle."""

    @staticmethod
    def forward(ctx, h, theta, values):
        ctx.save_for_backward(h, theta)
        ctx.values = values
        mask = ((h > theta) & (h > 0)).double()
        return h * mask if values else mask

    @staticmethod
    def backward(ctx, grad):
        h, theta = ctx.saved_tensors
        inside = ((h - theta).abs() < BANDWIDTH / 2).double()
        by_theta = -(theta if ctx.values else 1) * inside / BANDWIDTH
        by_h = ((h > theta) & (h > 0)).double() if ctx.values else None
        return (None if by_h is None else grad * by_h,
                (grad * by_theta).sum(0), None)


def decided(u):
    """That no step is taken by less than rounding."""
    assert u.detach().abs().min() > 3e-6, "undecided step"


def phi(kind, u, p):
    if kind == "tanh":
        return torch.tanh(4 * u)
    return u if p == 1 else (u + 1e-3) ** p - 1e-3 ** p


def term_loss(p, x, form, kind, case, dead):
    """L, what is added for dead features, and which features are active."""
    h = (x - p["b_dec"]) @ p["W_enc"].T + p["b_enc"]
    decided(h)
    more, gates, pulled = 0, 0, 0
    if form == "relu":
        f = u = torch.relu(h)
    elif form == "jumprelu":
        theta = p["threshold"]
        for edge in (-BANDWIDTH / 2, 0, BANDWIDTH / 2):
            decided(h - theta - edge)
        f = u = Jump.apply(h, theta, True)
        steps = Jump.apply(h, theta, False).sum(1).mean()
        more = torch.relu(theta - h)[:, dead].sum(1).mean()
        pulled = case.get("pull", 0) * more
    else:
        mu = (h - p["b_enc"]) * torch.exp(p["r_mag"]) + p["b_mag"]
        decided(mu)
        u = torch.relu(h)
        f = (h > 0) * torch.relu(mu)
        gate_x = u @ p["W_dec"].detach() + p["b_dec"].detach()
        gates = ((gate_x - x) ** 2).sum(1).mean()
    x_hat = f @ p["W_dec"] + p["b_dec"]
    loss = ((x_hat - x) ** 2).sum(1).mean() + gates
    if kind == "l0":
        loss = loss + LAMBDA * steps
    elif kind == "target":
        loss = loss + LAMBDA * (steps / TARGET - 1) ** 2
    else:
        if case.get("free"):
            u = u * p["W_dec"].norm(dim=1)
        # Where u is 0 it is not in the sum.
        loss = loss + LAMBDA * phi(kind, u, case.get("p", 1)).sum(1).mean()
    return loss, pulled, (f > 0).any(0)


def run_terms(start, batches, form, kind, case):
    names = NAMES + OWN[form]
    p = {name: torch.nn.Parameter(start[name].clone()) for name in names}
    adam = torch.optim.Adam(p.values(), lr=RATE, eps=1e-8,
                            betas=case.get("betas", (0.9, 0.999)))
    silent = torch.zeros(M, dtype=torch.int64)
    last_norm, losses, pulled_steps = 0.0, [], 0
    for x in batches:
        dead = torch.nonzero(silent >= DEAD_TOKENS).flatten()
        loss, pulled, active = term_loss(p, x, form, kind, case, dead)
        losses.append(loss.item())
        pulled_steps += "pull" in case and len(dead) > 0
        adam.zero_grad()
        (loss + pulled).backward()
        with torch.no_grad():
            g, w = p["W_dec"].grad, p["W_dec"]
            if not case.get("free"):
                g -= (g * w).sum(1, keepdim=True) * w
            norm = math.sqrt(sum((t.grad ** 2).sum().item()
                                 for t in p.values()))
            if last_norm > math.sqrt(D):
                for t in p.values():
                    t.grad *= math.sqrt(D) / last_norm
            last_norm = norm
            silent = torch.where(active, 0, silent + N)
        adam.step()
        with torch.no_grad():
            if not case.get("free"):
                p["W_dec"] /= p["W_dec"].norm(dim=1, keepdim=True)
            if form == "jumprelu":
                p["threshold"].clamp_(min=0)
    return p, losses, pulled_steps


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
    own = np.random.default_rng(8)
    for name, scale, least in (("threshold", 0.4, 0.01), ("r_mag", 0.2, -9),
                               ("b_mag", 0.2, -9)):
        values = np.maximum(scale * own.standard_normal(M), least)
        start[name] = torch.from_numpy(values).float().double()
    out = {"batches": batches}
    out.update({f"start.{name}": values for name, values in start.items()})
    for case, (rule, prefixes, aux) in CASES.items():
        p, losses, clipped, numbers = run(start, batches, rule, prefixes, aux)
        print(f"{case}: loss {losses[0]:.4f} to {losses[-1]:.4f}, "
              f"{clipped} steps clipped, dead features {numbers}")
        assert clipped > 0 and bool(numbers) == aux
        out[f"{case}.loss"] = torch.tensor(losses)
        out.update({f"{case}.{name}": p[name].detach() for name in NAMES})
    for case, (form, kind, how) in TERM_CASES.items():
        p, losses, pulled = run_terms(start, batches, form, kind, how)
        print(f"{case}: loss {losses[0]:.4f} to {losses[-1]:.4f}, "
              f"{pulled} steps pulled")
        assert (pulled > 0) == ("pull" in how)
        out[f"{case}.loss"] = torch.tensor(losses)
        out.update({f"{case}.{name}": p[name].detach()
                    for name in NAMES + OWN[form]})
    save_file({name: np.ascontiguousarray(t.numpy().astype(np.float32))
               for name, t in out.items()}, HERE / "steps.safetensors")


if __name__ == "__main__":
    main()
