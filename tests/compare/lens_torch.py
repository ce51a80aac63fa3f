#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The lens against an implementation of its own: GPT-2 in float64 with PyTorch.

    lens_torch.py ablate HEADSCOPE MODEL PROMPTS CORRUPTED REFERENCE
        --layout FIELDS [--golden OUT.json] [--truth GROUND_TRUTH.json]
    lens_torch.py eval HEADSCOPE MODEL DUMP SAE...
    lens_torch.py prompt HEADSCOPE MODEL TEXT OTHER SAE...
    lens_torch.py induction HEADSCOPE MODEL TEXT_FILE [--count N]
    lens_torch.py task MODEL ioi.jsonl OUT_FOLDER [--count N]

`ablate` compares the effect of every head, changed in four ways, with that of
`headscope ablate`; --golden keeps the numbers for tests/cli/ablate.sh; --truth
shows how far each is from measured effects on other prompts, in standard errors.
`eval` compares `headscope eval --model`. `prompt` compares what `headscope
prompt` shows of a text beside another with as many tokens: features and their
DFA, the parts of a logit and of a source, by autograd through frozen
LayerNorms, edits, differences; the last SAE is not of layer 0. `induction`
runs the sequences of `headscope induction`, and
its examples from a text. `task` makes corrupted partners and a
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
import tempfile

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

    def run(self, ids, edit=None, keep=None):
        """Logits (t, vocab) and z (layers, t, d); edit(layer, z) -> z. keep, a
        dictionary, gets pattern and v of every layer and the stream at every
        stage."""
        ids = torch.as_tensor(ids)
        t = len(ids)
        x = self.w["wte.weight"][ids] + self.w["wpe.weight"][:t]
        kept, patterns, values, streams = [], [], [], [x]
        for l in range(self.layers):
            p = f"h.{l}."
            q, k, v = self.linear(self.norm(x, p + "ln_1"),
                                  p + "attn.c_attn").chunk(3, -1)
            shape = (t, self.heads, -1)
            q, k, v = (a.reshape(shape).transpose(0, 1) for a in (q, k, v))
            score = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
            score = score.masked_fill(
                torch.ones(t, t, dtype=torch.bool).triu(1), -math.inf)
            patterns.append(score.softmax(-1))
            values.append(v)
            z = (patterns[-1] @ v).transpose(0, 1).reshape(t, -1)
            if edit is not None:
                z = edit(l, z)
            kept.append(z)
            x = x + self.linear(z, p + "attn.c_proj")
            streams.append(x)
            h = self.linear(self.norm(x, p + "ln_2"), p + "mlp.c_fc")
            h = 0.5 * h * (1 + torch.tanh(
                math.sqrt(2 / math.pi) * (h + 0.044715 * h ** 3)))
            x = x + self.linear(h, p + "mlp.c_proj")
            streams.append(x)
        if keep is not None:
            keep.update(pattern=patterns, v=values, stream=streams,
                        z=torch.stack(kept), ids=ids)
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

class Worst:
    """The largest difference of what was compared, with its name."""

    def __init__(self):
        self.by = {}

    def see(self, name, theirs, ours):
        ours = torch.as_tensor(ours).detach()
        theirs = torch.as_tensor(theirs, dtype=torch.float64)
        off = (theirs - ours).abs().max().item() if ours.numel() else 0
        self.by[name] = max(self.by.get(name, 0), off)

    def end(self):
        for name, off in self.by.items():
            print(f"{name}: largest difference {off:.2e}")
        print(f"worst {max(self.by.values()):.2e}")
        sys.exit(int(max(self.by.values()) > 1e-3))


def frozen_norm(model, r, at, name):
    """LayerNorm of r with the scale that it has at `at`."""
    var = ((at - at.mean()) ** 2).mean()
    sigma = torch.sqrt(var + model.config["layer_norm_epsilon"])
    return ((r - r.mean()) / sigma * model.w[name + ".weight"] +
            model.w[name + ".bias"])


def head_slice(model, h):
    n = model.config["n_embd"] // model.heads
    return slice(h * n, h * n + n)


def w_o_of(model, l, h):
    return model.w[f"h.{l}.attn.c_proj.weight"][head_slice(model, h)]


def stream_parts(model, saes, kept, position, layers, u):
    """What each part of the stream in front of a layer gives with u."""
    ids = kept["ids"]
    parts = {"token embedding": model.w["wte.weight"][ids[position]] @ u,
             "position embedding": model.w["wpe.weight"][position] @ u}
    features = {}
    for l in range(layers):
        z = kept["z"][l][position]
        for h in range(model.heads):
            parts[f"L{l}H{h}"] = z[head_slice(model, h)] @ w_o_of(
                model, l, h) @ u
        parts[f"L{l} output bias"] = model.w[f"h.{l}.attn.c_proj.bias"] @ u
        parts[f"L{l} MLP"] = (kept["stream"][2 * l + 2] -
                              kept["stream"][2 * l + 1])[position] @ u
    for sae in saes:
        if sae.layer >= layers:
            continue
        z = kept["z"][sae.layer][position]
        w_o = model.w[f"h.{sae.layer}.attn.c_proj.weight"]
        f = sae.activations(z)
        for i in f.nonzero().ravel().tolist():
            features[f"L{sae.layer}F{i}"] = f[i] * sae.w["W_dec"][i] @ w_o @ u
        features[f"L{sae.layer} b_dec"] = sae.w["b_dec"] @ w_o @ u
        features[f"L{sae.layer} error of the SAE"] = (
            z - sae.reconstruct(z)) @ w_o @ u
    return parts, features


def see_division(worst, name, answer, parts, features):
    for key, ours in (("parts", parts), ("features", features)):
        theirs = {p["part"]: p["value"] for p in answer[key]}
        assert theirs.keys() == ours.keys(), theirs.keys() ^ ours.keys()
        for part, value in ours.items():
            worst.see(f"{name}, {key}", theirs[part], value)
    worst.see(f"{name}, sum of parts", answer["sum"],
              sum(p["value"] for p in answer["parts"]))


def see_logit(worst, model, saes, kept, logits, found):
    last = len(kept["ids"]) - 1
    token = found["token"]["id"]
    assert logits[last].argmax().item() == token
    stream = kept["stream"][-1][last]
    r = stream.clone().requires_grad_()
    logit = frozen_norm(model, r, stream, "ln_f") @ model.w[
        "wte.weight"][token]
    u, = torch.autograd.grad(logit, r)
    worst.see("logit", found["logit"], logit)
    parts, features = stream_parts(model, saes, kept, last, model.layers, u)
    parts["bias of the last LayerNorm"] = (
        model.w["ln_f.bias"] @ model.w["wte.weight"][token])
    see_division(worst, "logit", found, parts, features)


def feature_terms(model, sae, kept, feature, position):
    """DFA (heads, position + 1)."""
    pattern, v = kept["pattern"][sae.layer], kept["v"][sae.layer]
    w = sae.w["W_enc"][:, feature].reshape(model.heads, -1)
    return (pattern[:, position] * torch.einsum("htd,hd->ht", v, w))[
        :, :position + 1]


def see_features(worst, model, saes, kept, found):
    theirs = {(f["layer"], f["position"], f["feature"]): f
              for f in found["features"]}
    ours = {(s.layer, t, i): a for s in saes for t, i, a in (
        (t, i, x[t, i].item()) for x in [s.activations(kept["z"][s.layer])]
        for t, i in x.nonzero().tolist())}
    assert theirs.keys() == ours.keys(), theirs.keys() ^ ours.keys()
    assert found["active"] == len(ours)
    by_layer = {s.layer: s for s in saes}
    for (layer, t, i), activation in ours.items():
        f, sae = theirs[layer, t, i], by_layer[layer]
        terms = feature_terms(model, sae, kept, i, t)
        dfa = terms.sum(1)
        if sae.config["apply_b_dec_to_input"]:
            dfa = dfa - (sae.w["b_dec"] * sae.w["W_enc"][:, i]).reshape(
                model.heads, -1).sum(1)
        share = dfa.clamp(min=0) / dfa.clamp(min=0).sum().clamp(min=1e-30)
        worst.see("activations", f["activation"], activation)
        worst.see("shares of heads", f["shares"], share)
        worst.see("top head", dfa[f["head"]].item(), dfa.max())
        worst.see("top source", terms.sum(0)[f["source"]].item(),
                  terms.sum(0).max())


def step_direction(model, kept, layer, head, source, coefficient):
    """The gradient at the source's stream of what a head takes from it, the
    value and what the biases give; coefficient (d_head) weighs v."""
    n = model.config["n_embd"]
    w_v = model.w[f"h.{layer}.attn.c_attn.weight"][:, 2 * n:][
        :, head_slice(model, head)]
    b_v = model.w[f"h.{layer}.attn.c_attn.bias"][2 * n:][
        head_slice(model, head)]
    stream = kept["stream"][2 * layer][source]
    r = stream.clone().requires_grad_()
    ln = f"h.{layer}.ln_1"
    value = (frozen_norm(model, r, stream, ln) @ w_v + b_v) @ coefficient
    u, = torch.autograd.grad(value, r)
    return u, value, {"value bias": b_v @ coefficient,
                      "LayerNorm bias": model.w[ln + ".bias"] @ w_v @
                      coefficient}


def see_trace(worst, name, model, saes, kept, found):
    sae = next(s for s in saes if s.layer == found["layer"])
    destination, u = found["position"], None
    for step in found["path"]:
        l, h, source = step["layer"], step["head"], step["source"]
        w = (sae.w["W_enc"][head_slice(model, h), found["feature"]]
             if u is None else w_o_of(model, l, h) @ u)
        u, value, biases = step_direction(
            model, kept, l, h, source,
            w * kept["pattern"][l][h, destination, source])
        worst.see(f"{name}, terms", step["term"], value)
        destination = source
    worst.see(f"{name}, term against sum", found["sum"], value)
    parts, features = stream_parts(model, saes, kept, destination, l, u)
    see_division(worst, name, found, {**parts, **biases}, features)
    for part in found["parts"]:
        if "source" not in part:
            continue
        l, h = part["layer"], part["head"]
        terms = kept["pattern"][l][h, destination] * (
            kept["v"][l][h] @ w_o_of(model, l, h) @ u)
        worst.see(f"{name}, sources of heads", part["source_value"],
                  terms[part["source"]])
        worst.see(f"{name}, top source of heads",
                  terms[part["source"]].abs().item(), terms.abs().max())


def see_pair(worst, name, found, before, after):
    p, q = before.log_softmax(-1), after.log_softmax(-1)
    worst.see(f"{name}, KL", found["kl"], (p.exp() * (p - q)).sum())
    for token in found["next"]:
        worst.see(f"{name}, probabilities",
                  [token["before"], token["after"]],
                  torch.stack([p[token["id"]], q[token["id"]]]).exp())


def see_edit(worst, model, saes, logits, kept, other, feature, found):
    """A head off, a feature halved at the last token, a head as elsewhere."""
    def edit(l, z):
        z = z.clone()
        if l == 1:
            z[:, head_slice(model, 2)] = 0
        for sae in saes:
            if sae.layer == l == feature[0]:
                f = sae.activations(z[-1])[feature[1]]
                z[-1] -= 0.5 * f * sae.w["W_dec"][feature[1]]
        if l == 2:
            z[:, head_slice(model, 1)] = other["z"][2][:, head_slice(model, 1)]
        return z
    edited = model.run(kept["ids"], edit)[0][-1]
    see_pair(worst, "edit", found, logits[-1], edited)
    token = found["token"]["id"]
    worst.see("edit, logit", found["logit"]["after"], edited[token])


def see_compare(worst, model, saes, kept, other, found):
    def distance(a, b):
        return (a - b).norm() / max(a.norm(), b.norm())
    for token in found["tokens"]:
        a, b = (k["z"][:, t] for k, t in ((kept, token["position"]),
                                          (other, token["other"])))
        worst.see("compare, layers", token["distance"],
                  [distance(x, y).item() for x, y in zip(a, b)])
    for head in found["heads"]:
        s = head_slice(model, head["head"])
        worst.see("compare, heads", head["distance"], distance(
            kept["z"][head["layer"]][head["position"], s],
            other["z"][head["layer"]][head["other"], s]))
    for f in found["features"]:
        sae = next(s for s in saes if s.layer == f["layer"])
        for key, k, t in (("before", kept, "position"),
                          ("after", other, "other")):
            worst.see("compare, features", f[key], sae.activations(
                k["z"][sae.layer][f[t]])[f["feature"]])


def compare_prompt(args):
    model, saes = Model(args.model), [Sae(s) for s in args.sae]
    worst, kept, other = Worst(), {}, {}
    ask = lambda *options: headscope(
        args.headscope, "prompt", args.model, *args.sae, args.text, "--top",
        "1M", *options)
    found = ask("--features", "1M")
    logits = model.run([t["id"] for t in found["tokens"]], keep=kept)[0]
    last = len(kept["ids"]) - 1
    log_p = logits.log_softmax(-1)
    worst.see("surprise", [t["surprise"] for t in found["tokens"][1:]],
              -log_p[range(last), kept["ids"][1:]])
    worst.see("next", [t["probability"] for t in found["next"]["next"]],
              log_p[-1].exp()[[t["id"] for t in found["next"]["next"]]])
    see_logit(worst, model, saes, kept, logits, found["logit"])
    see_features(worst, model, saes, kept, found["features"])
    if not saes:
        worst.end()
    top = max((f for f in found["features"]["features"]
               if f["position"] == last), key=lambda f: (f["layer"],
                                                         f["activation"]))
    name = f"L{top['layer']}F{top['feature']}"
    sae = next(s for s in saes if s.layer == top["layer"])
    found = ask("--feature", f"{name}@-1", "--recursive", "largest", "--edit",
                f"L1H2+{name}@-1x0.5+L2H1=other", "--with", args.other)
    worst.see("sources", found["sources"]["dfa"], feature_terms(
        model, sae, kept, top["feature"], last))
    worst.see("pre-activation", found["sources"]["pre"],
              found["sources"]["activation"])
    worst.see("pre-activation, sum",
              found["sources"]["sum"] + found["sources"]["constant"],
              found["sources"]["pre"])
    see_trace(worst, "trace", model, saes, kept, found["trace"])
    step = found["trace"]["path"][0]
    longer = (f"L{step['layer']}H{step['head']}@{step['source']} "
              f"L{step['layer'] - 1}H0@{max(step['source'] - 1, 0)}")
    see_trace(worst, "trace of two steps", model, saes, kept, ask(
        "--feature", f"{name}@-1", "--recursive", longer)["trace"])
    elsewhere = headscope(args.headscope, "prompt", args.model, args.other)
    after = model.run([t["id"] for t in elsewhere["tokens"]], keep=other)[0]
    see_edit(worst, model, saes, logits, kept, other,
             (top["layer"], top["feature"]), found["edit"])
    see_pair(worst, "compare", found["compare"], logits[-1], after[-1])
    see_compare(worst, model, saes, kept, other, found["compare"])
    worst.end()


# ---- induction ----

def see_text(worst, model, found):
    for head in found["heads"]:
        l, h = head["layer"], head["head"]
        for x in head["examples"]:
            ids, source, kept, again = x["ids"], x["source"], {}, {}
            assert ids[source - 2:source] == ids[-2:] and source < len(ids) - 1
            model.run(ids, keep=kept)
            changed = list(ids)
            changed[source - 2] = x["token"]
            assert changed != ids
            model.run(changed, keep=again)
            worst.see("in text", [x["attention"], x["replaced"]], [
                k["pattern"][l][h, -1, source].item() for k in (kept, again)])
            if head["pairs"] == len(head["examples"]):
                worst.see("in text, means", head["attention"], sum(
                    y["attention"] for y in head["examples"]) / head["pairs"])


def compare_induction(args):
    model, worst = Model(args.model), Worst()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "sequences.jsonl"
        found = headscope(args.headscope, "induction", args.model, "--count",
                          str(args.count), "--prompts", str(path), "--text",
                          args.text)
        sequences = read_lines(path)
    w_u = model.w["wte.weight"]
    longest = max(s["prefix"] for s in sequences)
    attention = torch.zeros(longest, args.count, model.layers, model.heads)
    logit = torch.zeros_like(attention)
    for i, s in enumerate(sequences):
        ids, p, kept = s["ids"], s["prefix"], {}
        last, source = len(ids) - 1, s["source"]
        assert ids[-p:] == ids[source - p:source] and source <= last - p
        assert s["answer_tokens"] == [ids[source]]
        assert len(set(ids)) == len(ids) - p
        model.run(ids, keep=kept)
        stream = kept["stream"][-1][last]
        r = stream.clone().requires_grad_()
        value = frozen_norm(model, r, stream, "ln_f") @ (
            w_u[ids[source]] - w_u.mean(0))
        u, = torch.autograd.grad(value, r)
        for l in range(model.layers):
            at = attention[p - 1, i % args.count, l]
            at[:] = kept["pattern"][l][:, last, source]
            for h in range(model.heads):
                logit[p - 1, i % args.count, l, h] = kept["z"][l][
                    last, head_slice(model, h)] @ w_o_of(model, l, h) @ u
    see_text(worst, model, found["text"])
    assert len(found["heads"]) == model.layers * model.heads
    root = math.sqrt(args.count)
    for head in found["heads"]:
        l, h = head["layer"], head["head"]
        for name, x in (("attention", attention), ("logit", logit)):
            worst.see(name, head[name], x[:, :, l, h].mean(1))
            worst.see(name + ", errors", head[name + "_se"],
                      x[:, :, l, h].std(1) / root)
    worst.end()


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
    for name in ("headscope", "model", "text", "other"):
        p.add_argument(name)
    p.add_argument("sae", nargs="*")
    p.set_defaults(run=compare_prompt)
    p = commands.add_parser("induction")
    for name in ("headscope", "model"):
        p.add_argument(name)
    p.add_argument("text")
    p.add_argument("--count", type=int, default=3)
    p.set_defaults(run=compare_induction)
    p = commands.add_parser("task")
    for name in ("model", "prompts", "out"):
        p.add_argument(name)
    p.add_argument("--count", type=int, default=10 ** 9)
    p.set_defaults(run=make_task)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
