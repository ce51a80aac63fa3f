"""Trains ReLU and JumpReLU SAEs with SAELens and compares FVU at equal L0.

    pip install sae-lens==6.54.12
    python3 tests/compare/saelens_trainers.py [options] [DUMP]

On one layer of DUMP (demo/tiny.dump) SAELens' own SAETrainer trains its
standard and its jumprelu SAE from several seeds; headscope then trains one for
each with --target-l0 at the L0 that theirs came to on the held-out rows. It
prints a table, and fails if headscope's L0 is not within 5 % of theirs, if its
mean FVU is over 1.01 times theirs, or if more of its features are dead.

Equal on both sides, for each seed: the rows trained on, in as many steps of as
many rows, and the contexts held out; m; inputs scaled to E|x - mu|^2 = d; b_dec
begins at the mean; loss sum of e^2 over dimensions, mean over rows; Adam (0.9,
0.999) and its rate; warm-up and decay; dead is what was silent for
--dead-tokens tokens.

What differs is each side's own: order of rows and random numbers; SAELens'
decoder rows are free and its L1 weighs activations by their norms, which
headscope's ReLU does with --free-rows, while its JumpReLU has unit rows; it clips gradients to a norm of 1, headscope to sqrt(d); its
encoder begins as the transpose of a decoder with rows of norm 0.1. Its
coefficients are those of COEFFICIENTS; `--search` finds those at which seed 0
comes to about --l0. JumpReLU is trained in the two ways that SAELens
documents: DeepMind's (L0 penalty, bandwidth 0.05, threshold from 0.01) and
Anthropic's (tanh penalty, gradient of the step to the input, bandwidth 2,
threshold from 0.1, pre-activation loss 3e-6); headscope is compared with both.

Both SAEs are measured by the same code in float64 on the same rows.
"""
import argparse
import contextlib
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from safetensors.numpy import load_file
from sae_lens.config import SAETrainerConfig
from sae_lens.saes.jumprelu_sae import (JumpReLUTrainingSAE,
                                        JumpReLUTrainingSAEConfig)
from sae_lens.saes.standard_sae import (StandardTrainingSAE,
                                        StandardTrainingSAEConfig)
from sae_lens.training.sae_trainer import SAETrainer

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "interop"))
from headscope_files import held_out_rows, read_layer  # noqa: E402

MOST, NEAR = 1.01, 0.05
# Of their penalty, where --search begins. For 1M tokens of the demo's layer 2
# and an L0 of 16 only that of standard has been found.
COEFFICIENTS = {"standard": 7.67, "jumprelu": 1.0, "jumprelu tanh": 6.0}
OURS = {"standard": ["relu", "--free-rows"], "jumprelu": ["jumprelu"],
        "jumprelu tanh": ["jumprelu"]}


def make_theirs(kind, d, o, coefficient):
    warm = o.steps // 20
    if kind == "standard":
        return StandardTrainingSAE(StandardTrainingSAEConfig(
            d_in=d, d_sae=o.features, l1_coefficient=coefficient,
            l1_warm_up_steps=warm))
    more = {"l0_warm_up_steps": warm}
    if kind == "jumprelu tanh":
        more = {"l0_warm_up_steps": o.steps,
                "jumprelu_sparsity_loss_mode": "tanh",
                "jumprelu_bandwidth": 2.0, "jumprelu_init_threshold": 0.1,
                "jumprelu_ste_to_input": True,
                "pre_act_loss_coefficient": 3e-6}
    return JumpReLUTrainingSAE(JumpReLUTrainingSAEConfig(
        d_in=d, d_sae=o.features, l0_coefficient=coefficient, **more))


def batches(x, size, seed):
    """Random rows, pass after pass."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    while True:
        while len(order) < size:
            order = torch.cat([order, torch.randperm(len(x), generator=draw)])
        yield x[order[:size]]
        order = order[size:]


def train_theirs(kind, coefficient, x, seed, o):
    """x: scaled rows. Weights and the share of dead features."""
    torch.manual_seed(seed)
    sae = make_theirs(kind, x.shape[1], o, coefficient)
    with torch.no_grad():
        sae.b_dec.copy_(x.mean(0))
    trainer = SAETrainer(
        SAETrainerConfig(
            total_training_samples=o.steps * o.batch,
            train_batch_size_samples=o.batch, lr=o.rate, lr_end=0.0,
            lr_warm_up_steps=o.steps // 20, lr_decay_steps=o.steps // 5),
        sae, batches(x, o.batch, seed))
    with open(os.devnull, "w") as none, contextlib.redirect_stderr(none):
        trainer.fit()
    silent = trainer.n_forward_passes_since_fired * o.batch >= o.dead_tokens
    w = {name: t.detach() for name, t in sae.state_dict().items()}
    return w, silent.double().mean().item()


def train_ours(kind, l0, seed, o, folder):
    subprocess.run(
        [o.headscope, "train", o.dump, "--layer", str(o.layer), "-o", folder,
         "--architecture", *OURS[kind], "--target-l0", str(l0),
         "--features", str(o.features), "--batch", str(o.batch),
         "--tokens", str(o.tokens), "--rate", str(o.rate),
         "--dead-tokens", str(o.dead_tokens), "--held-out", str(o.held_out),
         "--seed", str(seed), "--threads", str(o.threads), "--quiet"],
        check=True, stdout=subprocess.DEVNULL)
    return ({name: torch.from_numpy(w) for name, w in
             load_file(folder / "sae_weights.safetensors").items()},
            json.loads((folder / "headscope.json").read_text()))


def measure(w, x):
    """FVU and L0 on rows x."""
    x = x.double()
    w = {name: t.double() for name, t in w.items()}
    h = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    f = h * (h > w.get("threshold", torch.zeros(1)).clamp(min=0))
    e = f @ w["W_dec"] + w["b_dec"] - x
    spread = x - x.mean(0)
    return (((e ** 2).sum() / (spread ** 2).sum()).item(),
            (f > 0).sum().item() / len(f))


def rows_of(o, z, seed):
    """Rows to train on and rows held out, scaled; the scale."""
    held = torch.from_numpy(held_out_rows(o.dump, seed, o.held_out))
    x = z[~held].double()
    s = math.sqrt(z.shape[1] / ((x - x.mean(0)) ** 2).sum(1).mean().item())
    return z[~held] * s, z[held] * s, s


def search(o, kind, z):
    """The coefficient at which seed 0 comes to o.l0, within 5 %."""
    train, held, _ = rows_of(o, z, 0)
    c, low, high = COEFFICIENTS[kind], None, None
    for _ in range(10):
        l0 = measure(train_theirs(kind, c, train, 0, o)[0], held)[1]
        print(f"{kind}: coefficient {c:.4g} gives L0 {l0:.2f}", flush=True)
        if abs(l0 / o.l0 - 1) <= NEAR:
            break
        low, high = (c, high) if l0 > o.l0 else (low, c)
        c = math.sqrt(low * high) if low and high else (
            c * (l0 / o.l0) ** 0.7)
    return c


def compare(o, kind, coefficient, z, scratch):
    """(FVU, dead share, L0) of both sides for each seed, ours first."""
    runs = []
    for seed in range(o.seeds):
        train, held, s = rows_of(o, z, seed)
        begun = time.time()
        w, dead = train_theirs(kind, coefficient, train, seed, o)
        between = time.time()
        fvu, l0 = measure(w, held)
        w, own = train_ours(kind, l0, seed, o,
                            scratch / f"{kind.replace(' ', '')}{seed}.sae")
        took = time.time() - between
        assert own["training"]["options"]["held-out"] == o.held_out
        assert abs(own["input_scale"] / s - 1) < 1e-4, own["input_scale"]
        ours = measure(w, held / s)
        runs.append(((ours[0], own["metrics"]["dead_fraction"], ours[1]),
                     (fvu, dead, l0)))
        print(f"{kind} seed {seed}: headscope FVU {ours[0]:.4f}, dead "
              f"{runs[-1][0][1]:.3f}, L0 {ours[1]:.2f}, {took:.0f} s; SAELens "
              f"{fvu:.4f}, {dead:.3f}, {l0:.2f}, {between - begun:.0f} s",
              flush=True)
    return np.array(runs).transpose(2, 1, 0)


def spread(values, form):
    return (f"{np.mean(values):{form}} ({min(values):{form}} to "
            f"{max(values):{form}})")


def options():
    p = argparse.ArgumentParser(description="Compares headscope with SAELens.")
    p.add_argument("dump", nargs="?", default=str(ROOT / "demo/tiny.dump"))
    p.add_argument("--headscope", default=str(ROOT / "build/headscope"))
    p.add_argument("--kind", choices=sorted(COEFFICIENTS), help="only this one")
    p.add_argument("--search", action="store_true",
                   help="search their coefficients anew")
    p.add_argument("--l0", type=float, default=16)
    p.add_argument("--layer", type=int, default=2)
    p.add_argument("--features", type=int, default=2048)
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--tokens", type=int, default=1000000)
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--dead-tokens", type=int, default=100000)
    p.add_argument("--held-out", type=float, default=0.05)
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    o = p.parse_args()
    o.steps = o.tokens // o.batch
    return o


def main():
    o = options()
    torch.set_num_threads(o.threads)
    z = read_layer(o.dump, o.layer)
    z = torch.from_numpy(z.reshape(len(z), -1))
    table, bad = [], False
    for kind in [o.kind] if o.kind else COEFFICIENTS:
        c = search(o, kind, z) if o.search else COEFFICIENTS[kind]
        with tempfile.TemporaryDirectory() as scratch:
            fvu, dead, l0 = compare(o, kind, c, z, pathlib.Path(scratch))
        ratio = fvu[0].mean() / fvu[1].mean()
        bad |= bool((abs(l0[0] / l0[1] - 1) > NEAR).any())
        bad |= bool(ratio > MOST or dead[0].mean() > dead[1].mean())
        for side, name in enumerate(("headscope", f"SAELens, {c:.3g}")):
            table.append(
                f"| {kind} | {name} | {spread(fvu[side], '.4f')} | "
                f"{'' if side else f'{ratio:.3f}'} | "
                f"{100 * dead[side].mean():.1f} % | {l0[side].mean():.2f} |")
    print("\n| | trainer | held-out FVU | ratio | dead | L0 |\n"
          "|---|---|---|---|---|---|")
    print("\n".join(table))
    sys.exit(int(bad))


if __name__ == "__main__":
    main()
