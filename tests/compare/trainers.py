"""Trains the same SAEs with dictionary_learning and compares held-out FVU.

    pip install --no-deps dictionary-learning==0.1.0
    python3 tests/compare/trainers.py [options] [DUMP]

On one layer of DUMP (demo/tiny.dump) this trains TopK and BatchTopK SAEs with
headscope and with TopKTrainer and BatchTopKTrainer of dictionary_learning
0.1.0 (github.com/saprmarks/dictionary_learning), each from several seeds, and
prints a table. It fails if headscope's mean FVU is over 1.01 times theirs, or
its share of dead features is above theirs, for either architecture.

Equal on both sides, for each seed: the rows trained on, in as many steps of as
many rows, and the contexts held out; m, k; inputs scaled to E|x - mu|^2 = d
over the training rows; loss mean |e|^2; Adam (0.9, 0.999) and its rate; warm-up
and decay; unit decoder rows, the gradient along them taken out; gradients
clipped to a norm of sqrt(d); AuxK of up to d/2 dead features on the residual,
held constant, without b_dec; dead is what was silent for --dead-tokens tokens.
k is not annealed, as this version of theirs cannot do that.

Three of these are made equal here, by values that their trainers have fixed.
Gradients are clipped to 1 there, so their whole loss is divided by sqrt(d),
which changes nothing else, as Adam does not see the scale of a loss. Their
weight of AuxK is for inputs of about unit norm; here it is d times as much.
Their 10M tokens until a feature is dead are more than the run has.

What differs, each side having its own way:
- order of rows and random numbers;
- the start: b_dec is the mean, theirs the geometric median of the first batch;
  the decoder's directions are drawn from the dimensions that hold 99 % of the
  variance (`--init active`), theirs from a cube; the encoder is 0.8 times the
  decoder, theirs equal to it. `--start same` gives theirs our b_dec, and both
  the multiple that reconstructs best, which is headscope's default;
- AuxK sees one of 16 parts of the rows in turn, theirs all rows. It weighs 1/32
  of FVU against FVU, but with `--start own` headscope's 1/4 (`--aux 0.25`);
- the norm to clip by is the last step's, theirs this step's;
- their warm-up is one step late, so that their first step learns nothing.

Both SAEs then are measured by the same code, in float64 by the definition of
docs/metrics.md, on the same held-out rows: TopK with the k largest positive
pre-activations of a row, BatchTopK with a threshold that leaves k a row on
average over these rows, which is what headscope calibrates; theirs, a moving
average over training, begins only after 1000 steps. Dead features are those
that were active at none of the last --dead-tokens tokens of training, as each
trainer counted them; theirs takes a feature that TopK selected with a value of
0 for active.

Needs torch, numpy, safetensors, einops, tqdm, and a built headscope.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time
import types

import numpy as np
import torch
from safetensors.numpy import load_file

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "interop"))
from headscope_files import held_out_rows, read_layer  # noqa: E402

# The package's own buffer of activations, which is not used here, imports a
# large library to run language models.
nnsight = types.ModuleType("nnsight")
nnsight.LanguageModel = object
sys.modules.setdefault("nnsight", nnsight)
from dictionary_learning.trainers.batch_top_k import (  # noqa: E402
    BatchTopKTrainer)
from dictionary_learning.trainers.top_k import TopKTrainer  # noqa: E402

TRAINERS = {"topk": TopKTrainer, "batchtopk": BatchTopKTrainer}
MOST = 1.01
ALPHA = 1 / 32
OURS = {"own": ["--encoder-scale", "0.8", "--aux", "0.25"],
        "same": ["--encoder-scale", "0", "--aux", str(ALPHA)]}


def with_clip(trainer, norm):
    """The trainer class, clipping to `norm` where it has 1 (see above)."""
    class Trainer(trainer):
        def loss(self, x, step=None, logging=False):
            return super().loss(x, step=step) / norm
    return Trainer


def batches(x, size, steps, seed):
    """Random rows, pass after pass."""
    draw = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(order) < size:
            order = torch.cat([order, torch.randperm(len(x), generator=draw)])
        yield x[order[:size]]
        order = order[size:]


def start_as_ours(ae, x, mean):
    """b_dec at the mean, and the tied encoder the multiple that reconstructs
    rows x best (train/initialise.c)."""
    with torch.no_grad():
        ae.b_dec.data = mean
        y = ae.decoder(ae.encode(x, use_threshold=False))
        ae.encoder.weight *= (y * (x - mean)).sum() / (y * y).sum()


def train_theirs(x, architecture, seed, t, same_start):
    """x: scaled rows; t: "training" of headscope.json. Weights, dead share."""
    d, m, k = x.shape[1], t["features"], t["k"]
    # At 0-based step s their rate is s/warmup, then from decay_start on
    # (steps - s)/(steps - decay_start).
    trainer = with_clip(TRAINERS[architecture], math.sqrt(d))(
        steps=t["steps"], activation_dim=d, dict_size=m, k=k, layer=0,
        lm_name="", lr=t["learning_rate"],
        auxk_alpha=ALPHA * d, warmup_steps=t["warmup"],
        decay_start=(t["decay_from"] - 1 if t["decay_from"] < t["steps"]
                     else None),
        seed=seed, device="cpu")
    trainer.dead_feature_threshold = t["dead_tokens"]
    if same_start:
        start_as_ours(trainer.ae, x[::len(x) // t["batch"]], x.mean(0))
    # Only at step 0 do they set b_dec, and they use the number for no more.
    first = int(same_start)
    for step, rows in enumerate(batches(x, t["batch"], t["steps"], seed)):
        trainer.update(first + step, rows)
    silent = trainer.num_tokens_since_fired >= t["dead_tokens"]
    ae = trainer.ae
    return {"W_enc": ae.encoder.weight.detach().T,
            "b_enc": ae.encoder.bias.detach(),
            "W_dec": ae.decoder.weight.detach().T,
            "b_dec": ae.b_dec.detach()}, silent.double().mean().item()


def train_ours(o, architecture, seed, folder):
    """Weights, headscope.json."""
    subprocess.run(
        [o.headscope, "train", o.dump, "--layer", str(o.layer), "-o", folder,
         "--architecture", architecture, "--features", str(o.features),
         "-k", str(o.k), "--batch", str(o.batch), "--tokens", str(o.tokens),
         "--rate", str(o.rate), "--dead-tokens", str(o.dead_tokens),
         "--anneal", "0", "--init", "active", *OURS[o.start],
         "--seed", str(seed), "--threads", str(o.threads), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return ({name: torch.from_numpy(w) for name, w in
             load_file(folder / "sae_weights.safetensors").items()},
            json.loads((folder / "headscope.json").read_text()))


def measure(w, x, k, batch_wide):
    """FVU and L0 on rows x, with the rule of inference (see above)."""
    with torch.no_grad():
        h = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
        if batch_wide:
            cut = np.partition(h.flatten().numpy(), -k * len(h) - 1)
            f = h * (h > float(cut[-k * len(h) - 1]))
        else:
            top = torch.topk(h, k, dim=1)
            f = torch.zeros_like(h).scatter_(1, top.indices, top.values)
        e = (f @ w["W_dec"] + w["b_dec"]).double() - x.double()
        spread = x.double() - x.double().mean(0)
    return ((e ** 2).sum() / (spread ** 2).sum()).item(), (
        (f > 0).sum().item() / len(f))


def pair(o, architecture, seed, z, folder):
    """(FVU, dead share, L0) of both sides, ours first."""
    begun = time.time()
    weights, own = train_ours(o, architecture, seed, folder)
    between = time.time()
    t = own["training"]
    assert t["anneal_until"] == 0 and own["dump"]["tokens"] == len(z)
    held = torch.from_numpy(held_out_rows(o.dump, seed,
                                          t["options"]["held-out"]))
    x, rows = z[held], z[~held]
    assert own["dump"]["train_rows"] == len(rows)
    wide = architecture == "batchtopk"
    fvu, l0 = measure(weights, x, o.k, wide)
    ours = fvu, own["metrics"]["dead_fraction"], l0
    # The same rows, the same definition: the figure of headscope itself.
    assert abs(own["metrics"]["fvu"] / fvu - 1) < 1e-3, own["metrics"]["fvu"]
    s = own["input_scale"]
    again = time.time()
    weights, dead = train_theirs(rows * s, architecture, seed, t,
                                 o.start == "same")
    took = time.time() - again
    fvu, l0 = measure(weights, x * s, o.k, wide)
    theirs = fvu, dead, l0
    print(f"{architecture} seed {seed}: headscope FVU {ours[0]:.4f}, dead "
          f"{ours[1]:.3f}, L0 {ours[2]:.2f}, {between - begun:.0f} s; "
          f"dictionary_learning {theirs[0]:.4f}, {theirs[1]:.3f}, "
          f"{theirs[2]:.2f}, {took:.0f} s", flush=True)
    return ours, theirs


def spread(values, form):
    return (f"{np.mean(values):{form}} ({min(values):{form}} to "
            f"{max(values):{form}})")


def options():
    p = argparse.ArgumentParser(
        description="Compares headscope with dictionary_learning.")
    p.add_argument("dump", nargs="?", default=str(ROOT / "demo/tiny.dump"))
    p.add_argument("--headscope", default=str(ROOT / "build/headscope"))
    p.add_argument("--architecture", choices=sorted(TRAINERS),
                   help="only this one")
    p.add_argument("--layer", type=int, default=2)
    p.add_argument("--features", type=int, default=2048)
    p.add_argument("-k", type=int, default=16)
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--tokens", type=int, default=1000000)
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--dead-tokens", type=int, default=100000)
    p.add_argument("--start", choices=["own", "same"], default="own",
                   help="each its own, or the same (see the top of this file)")
    p.add_argument("--seeds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    return p.parse_args()


def main():
    o = options()
    torch.set_num_threads(o.threads)
    z = read_layer(o.dump, o.layer)
    z = torch.from_numpy(z.reshape(len(z), -1))
    table, bad = [], False
    for architecture in [o.architecture] if o.architecture else TRAINERS:
        with tempfile.TemporaryDirectory() as scratch:
            runs = [pair(o, architecture, seed, z,
                         pathlib.Path(scratch) / f"{seed}.sae")
                    for seed in range(o.seeds)]
        fvu, dead, l0 = np.array(runs).transpose(2, 1, 0)
        ratio = fvu[0].mean() / fvu[1].mean()
        bad |= ratio > MOST or dead[0].mean() > dead[1].mean()
        for side, name in enumerate(("headscope", "dictionary_learning")):
            table.append(
                f"| {architecture}, layer {o.layer} | {name} | "
                f"{spread(fvu[side], '.4f')} | "
                f"{'' if side else f'{ratio:.3f}'} | "
                f"{spread(100 * dead[side], '.1f')} | "
                f"{l0[side].mean():.2f} |")
    print("\n| | trainer | held-out FVU | ratio | dead, % | L0 |\n"
          "|---|---|---|---|---|---|")
    print("\n".join(table))
    sys.exit(int(bad))


if __name__ == "__main__":
    main()
