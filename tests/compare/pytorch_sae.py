"""Trains the same SAE with dense PyTorch autograd and compares held-out FVU.

    python3 tests/compare/pytorch_sae.py DUMP SAE...

For each SAE folder that `headscope train` wrote on DUMP this trains an SAE of
the same architecture, size, k, batch, steps, learning rate schedule, k
annealing, input scale and loss on the same rows (the held-out contexts left
out), with its own initialisation and its own order of rows, calibrates its
threshold on the same held-out rows and prints both FVUs and their ratio. It
shares no code with headscope but the split. Needs torch, numpy, safetensors.
"""
import json
import math
import pathlib
import sys
import time

import numpy as np
import torch
from safetensors.numpy import load_file

sys.path.append(str(pathlib.Path(__file__).parents[1] / "interop"))
from headscope_files import held_out_rows, read_layer  # noqa: E402


def fvu(x, x_hat):
    """Variance unexplained over all rows, float64."""
    x, x_hat = x.double(), x_hat.double()
    return (((x - x_hat) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()).item()


def headscope_fvu(folder, x):
    w = {k: torch.from_numpy(v) for k, v in
         load_file(folder / "sae_weights.safetensors").items()}
    cfg = json.loads((folder / "cfg.json").read_text())
    h = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    if cfg["architecture"] == "topk":
        top = torch.topk(h.relu(), cfg["k"], dim=1)
        f = torch.zeros_like(h).scatter_(1, top.indices, top.values)
    else:
        f = h * (h > w["threshold"]) * (h > 0)
    return fvu(x, f @ w["W_dec"] + w["b_dec"]), (f > 0).sum(1).double().mean()


class Sae(torch.nn.Module):
    def __init__(self, d, m, mean):
        super().__init__()
        w = torch.randn(m, d)
        w /= w.norm(dim=1, keepdim=True)
        self.W_dec = torch.nn.Parameter(w)
        self.W_enc = torch.nn.Parameter(w.T.clone())
        self.b_enc = torch.nn.Parameter(torch.zeros(m))
        self.b_dec = torch.nn.Parameter(mean.clone())

    def pre(self, x):
        return (x - self.b_dec) @ self.W_enc + self.b_enc

    def decode(self, f, end=None):
        return f[:, :end] @ self.W_dec[:end] + self.b_dec


def select(h, k, batch_wide):
    h = h.relu()
    if batch_wide:
        flat = h.flatten()
        top = torch.topk(flat, k * len(h), sorted=False)
        return torch.zeros_like(flat).scatter(0, top.indices,
                                              top.values).view_as(h)
    top = torch.topk(h, k, dim=1, sorted=False)
    return torch.zeros_like(h).scatter(1, top.indices, top.values)


def train(x, held, t, batch_wide):
    """x, held: scaled rows; t: "training" of headscope.json."""
    d, m, k = x.shape[1], t["features"], t["k"]
    sae = Sae(d, m, x.mean(0))
    with torch.no_grad():  # tied encoder at the scale that fits best
        sample = held[:t["batch"]]
        y = select(sae.pre(sample), k, batch_wide) @ sae.W_dec
        sae.W_enc *= ((y * (sample - sae.b_dec)).sum() / (y * y).sum()).item()
    adam = torch.optim.Adam(sae.parameters(), lr=t["learning_rate"])
    order, at = torch.randperm(len(x)), 0
    most = min(4 * k, m // 8)
    for step in range(1, t["steps"] + 1):
        if at + t["batch"] > len(x):
            order, at = torch.randperm(len(x)), 0
        rows = x[order[at:at + t["batch"]]]
        at += t["batch"]
        now = k
        if step <= t["anneal_until"] and most > k:
            now = k + int((1 - (step - 1) / t["anneal_until"]) * (most - k))
        rate = t["learning_rate"] * min(1, step / t["warmup"])
        if step > t["decay_from"]:
            rate *= (t["steps"] - step + 1) / (t["steps"] - t["decay_from"] + 1)
        for group in adam.param_groups:
            group["lr"] = rate
        f = select(sae.pre(rows), now, batch_wide)
        prefixes = t.get("groups", [m])  # of Matryoshka: the mean loss
        loss = sum(((sae.decode(f, end) - rows) ** 2).sum(1).mean()
                   for end in prefixes) / len(prefixes)
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            w, g = sae.W_dec, sae.W_dec.grad
            g -= (g * w).sum(1, keepdim=True) * w
        torch.nn.utils.clip_grad_norm_(sae.parameters(), math.sqrt(d))
        adam.step()
        with torch.no_grad():
            sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
    with torch.no_grad():
        h = sae.pre(held)
        if batch_wide:
            cut = torch.topk(h.flatten(), k * len(h) + 1).values[-1]
            f = h * (h > cut) * (h > 0)
        else:
            f = select(h, k, False)
        return sae.decode(f)


def main():
    dump = sys.argv[1]
    ratios = []
    for folder in map(pathlib.Path, sys.argv[2:]):
        own = json.loads((folder / "headscope.json").read_text())
        t = own["training"]
        z = read_layer(dump, own["layer"])
        x = torch.from_numpy(z.reshape(len(z), -1))
        mark = torch.from_numpy(held_out_rows(
            dump, t["seed"], t["options"]["held-out"]))
        held = x[mark]
        ours, l0 = headscope_fvu(folder, held)
        torch.manual_seed(0)
        begun = time.time()
        s = own["input_scale"]
        x_hat = train(x[~mark] * s, held * s, t,
                      own["training_architecture"] != "topk")
        theirs = fvu(held * s, x_hat)
        ratios.append(ours / theirs)
        print(f"{folder.name}: FVU headscope {ours:.4f} (L0 {l0:.2f}, its own "
              f"figure {own['metrics']['fvu']:.4f}), PyTorch {theirs:.4f}, "
              f"ratio {ratios[-1]:.3f}; PyTorch took "
              f"{time.time() - begun:.0f} s", flush=True)
    print(f"largest ratio {max(ratios):.3f}")
    sys.exit(max(ratios) > 1.05)


if __name__ == "__main__":
    main()
