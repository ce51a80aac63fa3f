#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lens against an implementation of its own: GPT-2 in float64 with PyTorch.

    lens_torch.py ablate HEADSCOPE MODEL PROMPTS CORRUPTED REFERENCE
        --layout FIELDS [--golden OUT.json] [--truth GROUND_TRUTH.json]
    lens_torch.py eval HEADSCOPE MODEL DUMP SAE...
    lens_torch.py prompt HEADSCOPE MODEL TEXT SAE...
    lens_torch.py task MODEL ioi.jsonl OUT_FOLDER [--count N]

`ablate` compares the effect of every head, changed in four ways, with that of
`headscope ablate`; --golden keeps the numbers for tests/cli/ablate.sh; --truth
shows how far each is from measured effects on other prompts, in standard errors.
`eval` compares `headscope eval --model`, `prompt` the parts of a logit that
`headscope prompt` shows, by autograd through a frozen LayerNorm. `task` makes corrupted partners and a
reference from prompts of the IOI task: the second mention of the subject
becomes another name. All that differs by more than 1e-3 is a failure.
"""
import argparse
import json
import math
import pathlib
import random
import subprocess
import sys

import numpy
import torch

torch.set_default_dtype(torch.float64)


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    kinds = {"F32": numpy.float32, "F16": numpy.float16}
    out = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        begin, end = t["data_offsets"]
        array = numpy.frombuffer(data[8 + size + begin:8 + size + end],
                                 kinds[t["dtype"]]).reshape(t["shape"])
        out[name] = torch.tensor(array.astype(numpy.float64))
    return out


class Model:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.w = read_safetensors(folder / "model.safetensors")
        self.layers = self.config["n_layer"]
        self.heads = self.config["n_head"]

    def norm(self, x, name):
        mean = x.mean(-1, keepdim=True)
        var = ((x - mean) ** 2).mean(-1, keepdim=True)
        x = (x - mean) / torch.sqrt(var + self.config["layer_norm_epsilon"])
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"] + self.w[name + ".bias"]

    def run(self, ids, edit=None):
        """Logits (t, vocab) and z (layers, t, d); edit(layer, z) -> z."""
        ids = torch.as_tensor(ids)
        t = len(ids)
        x = self.w["wte.weight"][ids] + self.w["wpe.weight"][:t]
        kept = []
        for l in range(self.layers):
            p = f"h.{l}."
            q, k, v = self.linear(self.norm(x, p + "ln_1"),
                                  p + "attn.c_attn").chunk(3, -1)
            shape = (t, self.heads, -1)
            q, k, v = (a.reshape(shape).transpose(0, 1) for a in (q, k, v))
            score = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
            score = score.masked_fill(
                torch.ones(t, t, dtype=torch.bool).triu(1), -math.inf)
            z = (score.softmax(-1) @ v).transpose(0, 1).reshape(t, -1)
            if edit is not None:
                z = edit(l, z)
            kept.append(z)
            x = x + self.linear(z, p + "attn.c_proj")
            h = self.linear(self.norm(x, p + "ln_2"), p + "mlp.c_fc")
            h = 0.5 * h * (1 + torch.tanh(
                math.sqrt(2 / math.pi) * (h + 0.044715 * h ** 3)))
            x = x + self.linear(h, p + "mlp.c_proj")
        return self.norm(x, "ln_f") @ self.w["wte.weight"].T, torch.stack(kept)


def read_lines(path):
    return [json.loads(line) for line in open(path)]


def headscope(*args):
    done = subprocess.run(list(args) + ["--json", "-q"], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(done.stdout)


# ---- ablate ----

def layout_of(prompt, fields):
    key = [len(prompt["ids"])]
    for field in fields:
        value = prompt
        for part in field.split("."):
            value = value[part]
        key.append(value)
    return tuple(key)


def logit_diff(logits, prompt):
    last = logits[-1]
    return (last[prompt["answer_tokens"]].mean() -
            last[prompt["wrong_tokens"]].max()).item()


def position_means(model, reference, fields):
    groups = {}
    for prompt in reference:
        groups.setdefault(layout_of(prompt, fields), []).append(
            model.run(prompt["ids"])[1])
    return {key: torch.stack(z).mean(0) for key, z in groups.items()}


def effects(model, prompts, corrupted, reference, fields):
    """{how: (layers, heads, prompts) metric}, with clean and corrupted."""
    means = position_means(model, reference, fields)
    out = {how: numpy.zeros((model.layers, model.heads, len(prompts)))
           for how in ("zero", "mean", "patch", "restore")}
    out["clean"] = numpy.zeros(len(prompts))
    out["corrupted"] = numpy.zeros(len(prompts))
    for i, (prompt, partner) in enumerate(zip(prompts, corrupted)):
        logits, clean = model.run(prompt["ids"])
        out["clean"][i] = logit_diff(logits, prompt)
        logits, other = model.run(partner["ids"])
        out["corrupted"][i] = logit_diff(logits, prompt)
        mean = means[layout_of(prompt, fields)]
        ways = {"zero": (prompt, torch.zeros_like(clean)),
                "mean": (prompt, mean), "patch": (prompt, other),
                "restore": (partner, clean)}
        for how, (base, z_new) in ways.items():
            for l in range(model.layers):
                for h in range(model.heads):
                    n = clean.shape[-1] // model.heads
                    part = slice(h * n, h * n + n)

                    def edit(layer, z):
                        if layer == l:
                            z = z.clone()
                            z[:, part] = z_new[l][:, part]
                        return z

                    out[how][l, h, i] = logit_diff(
                        model.run(base["ids"], edit)[0], prompt)
    return out


def compare_ablate(args):
    model = Model(args.model)
    fields = args.layout.split(",") if args.layout else []
    prompts, corrupted, reference = (
        read_lines(p) for p in (args.prompts, args.corrupted, args.reference))
    ours = effects(model, prompts, corrupted, reference, fields)
    golden, worst = {"clean": round(ours["clean"].mean(), 6),
                     "corrupted": round(ours["corrupted"].mean(), 6)}, 0
    for how in ("zero", "mean", "patch", "restore"):
        options = ["--how", "patch", "--restore"] if how == "restore" else [
            "--how", how]
        if how == "mean":
            options += ["--reference", args.reference]
            options += ["--layout", args.layout] if args.layout else []
        found = headscope(args.headscope, "ablate", args.model, "--prompts",
                          args.prompts, "--corrupted", args.corrupted, *options)
        base = ours["corrupted" if how == "restore" else "clean"]
        change = ours[how] - base
        theirs = numpy.array([x["change"] for x in found["edits"]])
        off = numpy.abs(theirs - change.mean(-1).ravel()).max()
        error = change.std(-1, ddof=1) / math.sqrt(len(prompts))
        off_error = numpy.abs(numpy.array([x["se"] for x in found["edits"]]) -
                              error.ravel()).max()
        worst = max(worst, off, off_error,
                    abs(found["clean"] - golden["clean"]),
                    abs(found["corrupted"] - golden["corrupted"]))
        print(f"{how}: largest difference {off:.2e}, of errors {off_error:.2e}")
        golden[how] = {"change": change.mean(-1).ravel().round(6).tolist(),
                       "se": error.ravel().round(6).tolist()}
        if args.truth:
            show_truth(args.truth, how, change.mean(-1), error)
    if args.golden:
        pathlib.Path(args.golden).write_text(json.dumps(
            golden, default=float) + "\n")
    print(f"worst {worst:.2e}")
    sys.exit(int(worst > 1e-3))


def show_truth(path, how, change, error):
    keys = {"mean": "mean_ablate_reference", "patch": "patch_from_corrupted",
            "restore": "restore_into_corrupted"}
    if how not in keys:
        return
    off = []
    for head in json.load(open(path))["heads"]:
        t = head[keys[how]]
        l, h = head["layer"], head["head"]
        off.append((abs(t["change"] - change[l, h]) /
                    math.hypot(t["se"], error[l, h]),
                    abs(t["change"] - change[l, h]), f"{l}.{h}"))
    off.sort(reverse=True)
    print("   against the truth, in standard errors: " + ", ".join(
        f"{name} {z:.1f} ({d:.3f})" for z, d, name in off[:4]) +
        f"; median {off[len(off) // 2][0]:.1f}")


# ---- eval ----

class Sae:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "cfg.json").read_text())
        self.w = read_safetensors(folder / "sae_weights.safetensors")
        hook = self.config["metadata"]["hook_name"]
        self.layer = int(hook.split(".")[1])

    def reconstruct(self, z):
        return self.activations(z) @ self.w["W_dec"] + self.w["b_dec"]

    def activations(self, z):
        x = z - self.w["b_dec"] if self.config["apply_b_dec_to_input"] else z
        h = x @ self.w["W_enc"] + self.w["b_enc"]
        if self.config["architecture"] == "jumprelu":
            return h * (h > self.w["threshold"]) * (h > 0)
        elif self.config["architecture"] == "topk":
            f = torch.zeros_like(h)
            top = h.topk(self.config["k"])
            return f.scatter_(-1, top.indices, top.values.clamp(min=0))
        return h.clamp(min=0)


def compare_eval(args):
    model, saes = Model(args.model), [Sae(s) for s in args.sae]
    saes.sort(key=lambda s: s.layer)
    found = headscope(args.headscope, "eval", args.dump, *args.sae, "--model",
                      args.model, "--split", "all", "--rows", "2000")
    found = found["fidelity"]
    contexts = chosen_contexts(args.dump, 2000)
    z = torch.cat([model.run(ids)[1] for ids in contexts], 1)
    mean = z.mean(1)
    ways = {"spliced": lambda s, z: s.reconstruct(z),
            "zero": lambda s, z: torch.zeros_like(z),
            "mean": lambda s, z: mean[s.layer].expand_as(z)}
    groups = [[s] for s in saes] + ([saes] if len(saes) > 1 else [])
    n = sum(len(ids) - 1 for ids in contexts)
    assert n == found["tokens"], (n, found["tokens"])
    worst = abs(found["ce_clean"] - sum(
        loss_of(model.run(ids)[0], ids)[0] for ids in contexts) / n)
    for group, layer in zip(groups, found["layers"]):
        for way, change in ways.items():
            def edit(l, z):
                for s in group:
                    if s.layer == l:
                        return change(s, z)
                return z
            loss = kl = 0
            for ids in contexts:
                part, log_p = loss_of(model.run(ids, edit)[0], ids)
                clean = loss_of(model.run(ids)[0], ids)[1]
                loss += part
                kl += (clean.exp() * (clean - log_p)).sum().item()
            worst = max(worst, abs(layer["ce_" + way] - loss / n),
                        abs(layer["kl_" + way] - kl / n))
            print(f"layer {layer['layer']} {way}: {loss / n:.5f} "
                  f"{layer['ce_' + way]:.5f}, KL {kl / n:.5f} "
                  f"{layer['kl_' + way]:.5f}")
    print(f"worst {worst:.2e}")
    sys.exit(int(worst > 1e-3))


def loss_of(logits, ids):
    log_p = logits.log_softmax(-1)[:-1]
    return -log_p[range(len(ids) - 1), ids[1:]].sum().item(), log_p


def chosen_contexts(dump, want):
    """As cli/fidelity.c takes them."""
    ids = numpy.load(dump + "/tokens.npy").astype(numpy.int64)
    starts = numpy.load(dump + "/contexts.npy")
    out, taken = [], 0
    for a, b in zip(starts[:-1], starts[1:]):
        if taken < b * (min(want, len(ids)) / len(ids)):
            out.append(ids[a:b])
            taken += b - a
    return out


# ---- prompt ----

def compare_prompt(args):
    model, saes = Model(args.model), [Sae(s) for s in args.sae]
    found = headscope(args.headscope, "prompt", args.model, *args.sae, args.text)
    ids = [t["id"] for t in found["tokens"]]
    # The stream as a sum of leaves, so that a gradient is a direction.
    last, d = len(ids) - 1, model.config["n_embd"]
    logits, z = model.run(ids)
    token = found["token"]["id"]
    assert logits[last].argmax().item() == token
    stream = stream_at(model, ids, last)
    r = stream.clone().requires_grad_()
    centred = r - r.mean()
    sigma = torch.sqrt((stream - stream.mean()).square().mean() +
                       model.config["layer_norm_epsilon"])
    w_u = model.w["wte.weight"][token]
    logit = (centred / sigma * model.w["ln_f.weight"] +
             model.w["ln_f.bias"]) @ w_u
    u, = torch.autograd.grad(logit, r)
    parts = {p["part"]: p["logit"] for p in found["parts"]}
    features = {p["part"]: p["logit"] for p in found["features"]}
    worst = abs(logit.item() - found["logit"])
    n = d // model.heads
    for l in range(model.layers):
        w_o = model.w[f"h.{l}.attn.c_proj.weight"]
        for h in range(model.heads):
            part = z[l, last, h * n:h * n + n] @ w_o[h * n:h * n + n] @ u
            worst = max(worst, abs(part.item() - parts[f"L{l}H{h}"]))
    for sae in saes:
        x = z[sae.layer, last]
        w_o = model.w[f"h.{sae.layer}.attn.c_proj.weight"]
        f = sae.activations(x)
        active = f.nonzero().ravel().tolist()
        names = {name for name in features if name.startswith(f"L{sae.layer}F")}
        assert names == {f"L{sae.layer}F{i}" for i in active}
        for i in active:
            part = f[i] * sae.w["W_dec"][i] @ w_o @ u
            worst = max(worst, abs(part.item() -
                                   features[f"L{sae.layer}F{i}"]))
    print(f"worst {worst:.2e}")
    sys.exit(int(worst > 1e-3))


def stream_at(model, ids, row):
    """The residual stream after all layers: what the last norm is given."""
    kept = []
    norm = model.norm

    def keep(x, name):
        if name == "ln_f":
            kept.append(x[row])
        return norm(x, name)

    model.norm = keep
    model.run(ids)
    model.norm = norm
    return kept[0]


# ---- task ----

def make_task(args):
    rng = random.Random(0)
    prompts = read_lines(args.prompts)
    names = sorted({i for p in prompts
                    for i in p["answer_tokens"] + p["wrong_tokens"]})
    clean = [p for p in prompts if p["label"] == 1][:args.count]
    reference = [p for p in prompts if p["label"] == 0]
    corrupted = []
    for p in clean:
        ids, (subject,) = list(p["ids"]), p["wrong_tokens"]
        first, second = [i for i, x in enumerate(ids) if x == subject]
        ids[second] = rng.choice([x for x in names if x not in ids])
        corrupted.append({"ids": ids, "meta": p["meta"]})
    kept = {layout_of(p, ["meta.template"]) for p in clean}
    reference = [p for p in reference
                 if layout_of(p, ["meta.template"]) in kept][:4 * args.count]
    missing = kept - {layout_of(p, ["meta.template"]) for p in reference}
    assert not missing, missing
    out = pathlib.Path(args.out)
    for name, lines in (("ioi", clean), ("ioi_corrupted", corrupted),
                        ("ioi_reference", reference)):
        (out / (name + ".jsonl")).write_text(
            "".join(json.dumps(p) + "\n" for p in lines))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    p = commands.add_parser("ablate")
    for name in ("headscope", "model", "prompts", "corrupted", "reference"):
        p.add_argument(name)
    p.add_argument("--layout")
    p.add_argument("--golden")
    p.add_argument("--truth")
    p.set_defaults(run=compare_ablate)
    p = commands.add_parser("eval")
    for name in ("headscope", "model", "dump"):
        p.add_argument(name)
    p.add_argument("sae", nargs="+")
    p.set_defaults(run=compare_eval)
    p = commands.add_parser("prompt")
    for name in ("headscope", "model", "text"):
        p.add_argument(name)
    p.add_argument("sae", nargs="*")
    p.set_defaults(run=compare_prompt)
    p = commands.add_parser("task")
    for name in ("model", "prompts", "out"):
        p.add_argument(name)
    p.add_argument("--count", type=int, default=10 ** 9)
    p.set_defaults(run=make_task)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
